import AdminAPI
import Terminal

/// A table for standard output. Widths count terminal columns, so that rows with wide characters are aligned, too.
///
///     var table = TextTable(["NAME", "#MESSAGES"])              // a # aligns the column to the right
///     table.add(["日本", "12"])
///     table.lines(columns: 80)
package struct TextTable {
    private let titles: [[Glyph]]
    private let areNumbers: [Bool]
    private var rows: [[[Glyph]]] = []

    private static let gap = 2
    private static let minWidth = 8

    package init(_ columns: [String]) {
        areNumbers = columns.map { $0.hasPrefix("#") }
        titles = columns.map { ($0.hasPrefix("#") ? String($0.dropFirst()) : $0).glyphs }
    }

    /// Adds a row. Control characters are shown as pictures.
    package mutating func add(_ cells: [String]) { rows.append(cells.map { $0.glyphs }) }

    /// - Parameter columns: The width of the terminal, to which the widest texts are shortened; nil for any width.
    package func lines(columns: Int?) -> [String] {
        let all = [titles] + rows
        var widths = titles.indices.map { column in all.map { $0[column].columns }.max() ?? 0 }
        func total() -> Int { widths.reduce(0, +) + Self.gap * (widths.count - 1) }
        if let columns {
            while total() > columns {
                let texts = widths.indices.filter { !areNumbers[$0] && widths[$0] > Self.minWidth }
                guard let widest = texts.max(by: { widths[$0] < widths[$1] }) else { break }
                widths[widest] -= 1
            }
        }
        return all.map { row in
            var line = ""
            for (index, cell) in row.enumerated() {
                let shown = cell.clipped(to: widths[index])
                let padding = String(repeating: " ", count: max(0, widths[index] - shown.columns))
                line += (index > 0 ? "  " : "") + (areNumbers[index] ? padding + shown.text : shown.text + padding)
            }
            while line.last == " " { line.removeLast() }
            return line
        }
    }
}

extension String {
    /// The text without control characters and invisible ones, on one line, as the dashboard shows it.
    package var harmless: String { glyphs.text }
}
