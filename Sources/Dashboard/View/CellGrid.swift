/// The appearance of a cell.
package struct CellStyle: Sendable, Hashable {
    package enum Tone: Sendable, Hashable, CaseIterable {
        case plain, accent, good, warning, bad, user
        /// The line at the top; the selected row; an error across the screen.
        case bar, selection, alarm
    }

    package var tone = Tone.plain
    package var isBold = false
    package var isDim = false

    package static let plain = CellStyle()
    static let bold = CellStyle(isBold: true)
    static let dim = CellStyle(isDim: true)
    static let heading = CellStyle(tone: .accent, isBold: true)
    static let selection = CellStyle(tone: .selection, isBold: true)

    static func tone(_ tone: Tone, bold: Bool = false) -> CellStyle { CellStyle(tone: tone, isBold: bold) }
}

/// What the screen shows: a character and a style in each cell.
///
///     var grid = CellGrid(rows: 24, columns: 80)
///     grid.put("日本", row: 0, column: 2, width: 3)              // the second character does not fit: "日…"
package struct CellGrid: Sendable, Equatable {
    package struct Cell: Sendable, Equatable {
        /// Empty in the second cell of a wide character.
        package var text = " "
        package var columns = 1
        package var style = CellStyle.plain
    }

    package let rows, columns: Int
    package private(set) var cells: [Cell]
    /// Where the cursor is shown, for typed text.
    package var cursor: (row: Int, column: Int)?

    package init(rows: Int, columns: Int) {
        self.rows = rows
        self.columns = columns
        cells = Array(repeating: Cell(), count: rows * columns)
    }

    package static func == (a: CellGrid, b: CellGrid) -> Bool {
        a.rows == b.rows && a.columns == b.columns && a.cursor?.row == b.cursor?.row && a.cursor?.column == b.cursor?.column
            && a.cells == b.cells
    }

    package enum Alignment: Sendable { case left, right, center }

    /// Writes a text, shortened to `width` columns and to the end of the row.
    ///
    /// - Returns: The columns of the text.
    @discardableResult
    package mutating func put(
        _ text: String, row: Int, column: Int, width: Int = .max, _ style: CellStyle = .plain, _ alignment: Alignment = .left
    ) -> Int {
        put(text.glyphs, row: row, column: column, width: width, style, alignment)
    }

    @discardableResult
    mutating func put(
        _ glyphs: [Glyph], row: Int, column: Int, width: Int = .max, _ style: CellStyle = .plain, _ alignment: Alignment = .left
    ) -> Int {
        guard 0..<rows ~= row, 0..<columns ~= column else { return 0 }
        let room = Swift.min(width, columns - column)
        let shown = glyphs.clipped(to: room)
        let size = shown.columns
        var x = column
        if width != .max {
            if alignment == .right { x += room - size }
            if alignment == .center { x += (room - size) / 2 }
        }
        for glyph in shown {
            set(Cell(text: glyph.text, columns: glyph.columns, style: style), row, x)
            x += glyph.columns
        }
        return size
    }

    /// Fills cells with spaces.
    mutating func fill(row: Int, columns range: Range<Int>, _ style: CellStyle) {
        guard 0..<rows ~= row else { return }
        for x in range.clamped(to: 0..<columns) { set(Cell(style: style), row, x) }
    }

    /// Changes the style of a row of cells.
    mutating func restyle(row: Int, columns range: Range<Int>, _ style: CellStyle) {
        guard 0..<rows ~= row else { return }
        for x in range.clamped(to: 0..<columns) { cells[row * columns + x].style = style }
    }

    private mutating func set(_ cell: Cell, _ row: Int, _ column: Int) {
        let i = row * columns + column
        let end = column + max(1, cell.columns)
        // The other half of a wide character that is overwritten becomes a space.
        if cells[i].columns == 0, column > 0 { cells[i - 1] = Cell(style: cells[i - 1].style) }
        let next = row * columns + end
        if end < columns, cells[next].columns == 0 { cells[next] = Cell(style: cells[next].style) }
        cells[i] = cell
        if cell.columns == 2, column + 1 < columns { cells[i + 1] = Cell(text: "", columns: 0, style: cell.style) }
    }
}
