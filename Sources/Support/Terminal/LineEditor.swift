import Files
import Glibc

/// Reads lines that a person writes at a terminal: moving and cutting as in a shell, earlier lines with up and down, pastes of several
/// lines.
///
///     var editor = LineEditor()
///     if case .line(let text) = editor.read(prompt: "you  ", then: "  …  ") { … }
///
/// A line that ends with a backslash goes on in the next. Arrows, Home, End, control-A E B F K U W Y D L, and with Alt or Control word by
/// word.
package struct LineEditor: ~Copyable {
    package enum Outcome: Equatable {
        case line(String)
        /// Control-C; whether something was written.
        case interrupted(Bool)
        /// Control-D in an empty line, or there is no more keyboard.
        case end
    }

    private let input, output: Int32
    private var reader = KeyReader()
    private var pending: [Key] = []
    private var line = LineBuffer()
    /// Earlier lines, and which of them is shown: its last is the one that is being written.
    private var history: [String] = []
    private var shown = 0, draft = ""
    /// In which row of what is on the screen the cursor stands.
    private var row = 0
    private static let mostLines = 1_000

    package init(input: Int32 = STDIN_FILENO, output: Int32 = STDOUT_FILENO) {
        self.input = input
        self.output = output
    }

    /// - Parameters:
    ///   - prompt: May hold escape sequences for its colour.
    ///   - columns: What the prompt takes of the row.
    ///   - next: The prompt of further rows, as wide as the first.
    package mutating func read(prompt: String, columns: Int, then next: String) -> Outcome {
        TerminalMode.raw.apply(to: input) { readRows(prompt, columns, next) }
    }

    private mutating func readRows(_ prompt: String, _ columns: Int, _ next: String) -> Outcome {
        write("\u{1B}[?2004h")                                 // pastes come between marks
        defer { write("\u{1B}[?2004l") }
        var lines: [String] = [], prompt = prompt
        while true {
            let outcome = readRow(prompt, columns)
            guard case .line(let text) = outcome else { return lines.isEmpty ? outcome : outcome == .end ? outcome : .interrupted(true) }
            if text.hasSuffix("\\") {
                lines.append(String(text.dropLast()))
                prompt = next
                continue
            }
            let whole = (lines + [text]).joined(separator: "\n")
            remember(whole)
            return .line(whole)
        }
    }

    private mutating func remember(_ text: String) {
        guard !text.isEmpty, history.last != text else { return }
        history.append(text)
        if history.count > Self.mostLines { history.removeFirst() }
    }

    private mutating func readRow(_ prompt: String, _ columns: Int) -> Outcome {
        line = LineBuffer()
        row = 0
        shown = history.count
        draft = ""
        while true {
            guard let key = nextKey(beforeWaiting: { $0.draw(prompt, columns) }) else {
                leave(prompt, columns)
                return .end
            }
            switch key {
            case .enter:
                leave(prompt, columns)
                return .line(line.text)
            case .control("c"):
                leave(prompt, columns)
                return .interrupted(!line.isEmpty)
            case .control("d") where line.isEmpty:
                leave(prompt, columns)
                return .end
            case .control("l"):
                write("\u{1B}[H\u{1B}[2J")
                row = 0
            case .up, .control("p"): recall(shown - 1)
            case .down, .control("n"): recall(shown + 1)
            default: line.apply(key)
            }
        }
    }

    private mutating func recall(_ place: Int) {
        guard 0...history.count ~= place, place != shown else { return }
        if shown == history.count { draft = line.text }
        shown = place
        line.set(place == history.count ? draft : history[place])
    }

    /// nil at the end of the keyboard.
    private mutating func nextKey(beforeWaiting show: (inout LineEditor) -> Void) -> Key? {
        while pending.isEmpty {
            show(&self)
            var bytes = [UInt8](repeating: 0, count: 4_096), count = 0
            repeat { count = Glibc.read(input, &bytes, bytes.count) } while count < 0 && errno == EINTR
            guard count > 0 else { return nil }
            pending = reader.keys(in: bytes[..<count])
        }
        return pending.removeFirst()
    }

    /// Writes the line over what stood there before.
    private mutating func draw(_ prompt: String, _ columns: Int) {
        let size = TerminalMode.size(of: output)
        var layout = LineLayout(prompt: prompt, promptColumns: columns, line, columns: size.columns)
        layout.limit(to: max(1, size.rows - 1))
        var text = (row > 0 ? "\u{1B}[\(row)A" : "") + "\r\u{1B}[J" + layout.rows.joined(separator: "\r\n")
        let below = layout.rows.count - 1 - layout.cursor.row
        if below > 0 { text += "\u{1B}[\(below)A" }
        text += "\r" + (layout.cursor.column > 0 ? "\u{1B}[\(layout.cursor.column)C" : "")
        row = layout.cursor.row
        write(text)
    }

    /// Leaves the line as it stands, with the cursor below it.
    private mutating func leave(_ prompt: String, _ columns: Int) {
        line.apply(.end)
        draw(prompt, columns)
        write("\r\n")
    }

    private func write(_ text: String) { _ = writeAll(Array(text.utf8)) { Glibc.write(output, $0, $1) } }
}
