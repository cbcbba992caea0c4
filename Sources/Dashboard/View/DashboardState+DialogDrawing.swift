import AdminAPI
import Files

/// Draws questions, codes and help in a box over the screen.
extension DashboardState {
    struct DialogLayout: Sendable, Equatable {
        var rows = 0..<0
        var columns = 0..<0
        var yes = Area()
        var no = Area()
    }

    private struct DialogLine {
        let glyphs: [Glyph]
        var style = CellStyle.plain
    }

    static let help: [(key: String, text: String)] = [
        ("Tab  Shift-Tab  ← →", "next and previous screen"),
        ("1 2 3 4 5", "go to a screen"),
        ("↑ ↓  j k", "move"),
        ("PageUp PageDown Space", "move by a page"),
        ("Home End  g G", "first and last row"),
        ("Enter", "open the row"),
        ("Esc", "go back, or remove the filter"),
        ("s  S", "next order; reverse it"),
        ("/", "filter a table; search a text"),
        ("n  N", "next and previous place in a text"),
        ("u", "the user of a conversation"),
        ("r", "refresh, or connect now"),
        ("d", "disable or enable the user"),
        ("p", "a code for a new password"),
        ("e", "sign the user out everywhere"),
        ("K", "revoke the user's API keys"),
        ("D", "delete the user"),
        ("m", "mouse on or off"),
        ("Ctrl-L", "draw the screen again"),
        ("q  Ctrl-C", "quit"),
    ]

    /// The visible lines of help.
    var helpRows: Int { max(1, min(Self.help.count, rows - 4)) }

    private var dialogWidth: Int { max(4, min(64, columns - 4)) }

    /// The lines of the dialog, without help.
    private var dialogLines: [DialogLine] {
        let width = dialogWidth - 4
        func lines(_ text: String, _ style: CellStyle = .plain) -> [DialogLine] {
            text.wrappedGlyphs(to: width).map { DialogLine(glyphs: $0, style: style) }
        }
        switch dialog {
        case .confirm(let action, _)?: return lines(action.question, .bold) + lines(action.consequence)
        case .code(let code, let name)?:
            var text = lines("Code for \(name)", .bold) + lines(code.code, .tone(.accent, bold: true))
            if let expires = code.expires.flatMap(UTCTime.milliseconds) { text += lines("Valid until \(expires.dateAndTime).", .dim) }
            return text + lines("Give it to them; it is not shown again. They set a password with it where they sign in.")
        case .help?, nil: return []
        }
    }

    var dialogLayout: DialogLayout {
        guard let dialog else { return DialogLayout() }
        let isHelp = if case .help = dialog { true } else { false }
        let isQuestion = if case .confirm = dialog { true } else { false }
        let content = isHelp ? helpRows : dialogLines.count + (rows < 14 ? 1 : 2)
        let height = min(rows, content + 2)
        let top = max(0, (rows - height) / 2)
        let left = max(0, (columns - dialogWidth) / 2)
        var layout = DialogLayout(rows: top..<top + height, columns: left..<left + dialogWidth)
        let buttons = top + height - 2
        if isQuestion {
            layout.yes = Area(row: buttons, columns: left + 2..<left + 11)
            layout.no = Area(row: buttons, columns: left + 13..<left + 21)
        }
        return layout
    }

    func drawDialog(on grid: inout CellGrid) {
        guard let dialog else { return }
        let layout = dialogLayout
        drawBox(layout, on: &grid)
        let left = layout.columns.lowerBound + 2
        let width = layout.columns.count - 4
        if case .help(let top) = dialog {
            grid.put(" Keys ", row: layout.rows.lowerBound, column: left, .heading)
            let keyWidth = min(22, width * 2 / 5)
            for offset in 0..<helpRows where top + offset < Self.help.count {
                let (key, text) = Self.help[top + offset]
                let row = layout.rows.lowerBound + 1 + offset
                grid.put(key, row: row, column: left, width: keyWidth, .heading)
                grid.put(text, row: row, column: left + keyWidth + 1, width: width - keyWidth - 1)
            }
            if helpRows < Self.help.count {
                grid.put(" ↑↓ more ", row: layout.rows.upperBound - 1, column: left, .dim)
            }
            return
        }
        let last = layout.rows.upperBound - 2
        for (offset, line) in dialogLines.enumerated() where layout.rows.lowerBound + 1 + offset < last {
            grid.put(line.glyphs, row: layout.rows.lowerBound + 1 + offset, column: left, line.style)
        }
        switch dialog {
        case .confirm(_, let isYes):
            grid.put("  y Yes  ", row: last, column: layout.yes.columns.lowerBound, isYes ? .selection : .plain)
            grid.put("  n No  ", row: last, column: layout.no.columns.lowerBound, isYes ? .plain : .selection)
        case .code: grid.put("  Close  ", row: last, column: left, .selection)
        case .help: break
        }
    }

    private func drawBox(_ layout: DialogLayout, on grid: inout CellGrid) {
        let style = CellStyle.tone(.accent)
        let inner = String(repeating: "─", count: max(0, layout.columns.count - 2))
        for row in layout.rows {
            grid.fill(row: row, columns: layout.columns, .plain)
            let isFirst = row == layout.rows.lowerBound
            if isFirst || row == layout.rows.upperBound - 1 {
                grid.put(isFirst ? "┌\(inner)┐" : "└\(inner)┘", row: row, column: layout.columns.lowerBound, style)
            } else {
                grid.put("│", row: row, column: layout.columns.lowerBound, style)
                grid.put("│", row: row, column: layout.columns.upperBound - 1, style)
            }
        }
    }
}
