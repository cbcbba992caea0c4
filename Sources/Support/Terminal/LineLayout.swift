/// Wraps a prompt and a line into terminal rows.
///
///     let layout = LineLayout(prompt: "you  ", promptColumns: 5, line, columns: 80)
///     layout.rows                                              // without line endings
///
/// Rows leave the last column empty, because terminals differ in how they wrap there. Line breaks are shown as ↵.
struct LineLayout: Equatable {
    private(set) var rows = [""]
    /// The position of the cursor.
    private(set) var cursor = (row: 0, column: 0)

    init(prompt: String, promptColumns: Int, _ line: LineBuffer, columns: Int) {
        let width = max(4, columns - 1)
        var column = promptColumns
        rows[0] = prompt
        if column >= width { startRow(&column) }
        for (i, character) in line.characters.enumerated() {
            let shown: Character = character == "\n" || character == "\r\n" ? "↵" : character
            if column + shown.columns > width { startRow(&column) }
            if i == line.cursor { cursor = (rows.count - 1, column) }
            rows[rows.count - 1].append(shown)
            column += shown.columns
        }
        if line.cursor == line.characters.count {
            if column >= width { startRow(&column) }
            cursor = (rows.count - 1, column)
        }
    }

    private mutating func startRow(_ column: inout Int) {
        rows.append("")
        column = 0
    }

    /// Keeps the rows around the cursor that fit into a terminal of this height.
    mutating func limit(to height: Int) {
        guard rows.count > height else { return }
        let first = max(0, min(cursor.row - height / 2, rows.count - height))
        rows = Array(rows[first..<first + height])
        cursor.row -= first
    }

    static func == (a: LineLayout, b: LineLayout) -> Bool { a.rows == b.rows && a.cursor == b.cursor }
}
