import Files
import Glibc

/// Reads lines from a terminal, with shell-like editing, a history, and multi-line pastes.
///
///     var editor = LineEditor()
///     if case .line(let text) = editor.read(prompt: "you  ", columns: 5, continuationPrompt: "  …  ") { … }
///
/// A backslash at the end of a line continues it. Supports arrows, Home, End, Control-A E B F K U W Y D L, and word movement with Alt or
/// Control.
package struct LineEditor: ~Copyable {
    package enum Outcome: Equatable {
        case line(String)
        /// Ctrl-C. The value is whether the line had text.
        case interrupted(Bool)
        /// Ctrl-D in an empty line, or end of input.
        case end
    }

    private let input, output: Int32
    private var reader = KeyReader()
    private var pending: [Key] = []
    private var line = LineBuffer()
    private var history: [String] = []
    /// The history index shown; `history.count` is the new line, which `newLine` preserves while others are shown.
    private var shown = 0, newLine = ""
    /// The screen row of the cursor, relative to the first row of the line.
    private var row = 0
    private static let maxHistory = 1_000

    package init(input: Int32 = STDIN_FILENO, output: Int32 = STDOUT_FILENO) {
        self.input = input
        self.output = output
    }

    /// Reads one line, or several joined by backslashes.
    ///
    /// - Parameters:
    ///   - prompt: May contain escape sequences for color.
    ///   - columns: The width of the prompt in columns.
    ///   - continuationPrompt: The prompt after a backslash, of the same width.
    package mutating func read(prompt: String, columns: Int, continuationPrompt: String) -> Outcome {
        TerminalMode.raw.apply(to: input) { readLines(prompt, columns, continuationPrompt) }
    }

    private mutating func readLines(_ prompt: String, _ columns: Int, _ continuationPrompt: String) -> Outcome {
        write("\u{1B}[?2004h")                                 // enable bracketed paste
        defer { write("\u{1B}[?2004l") }
        var lines: [String] = []
        var prompt = prompt
        while true {
            let outcome = readLine(prompt, columns)
            guard case .line(let text) = outcome else { return lines.isEmpty || outcome == .end ? outcome : .interrupted(true) }
            if text.hasSuffix("\\") {
                lines.append(String(text.dropLast()))
                prompt = continuationPrompt
                continue
            }
            let joined = (lines + [text]).joined(separator: "\n")
            addToHistory(joined)
            return .line(joined)
        }
    }

    private mutating func addToHistory(_ text: String) {
        guard !text.isEmpty, history.last != text else { return }
        history.append(text)
        if history.count > Self.maxHistory { history.removeFirst() }
    }

    private mutating func readLine(_ prompt: String, _ columns: Int) -> Outcome {
        line = LineBuffer()
        row = 0
        shown = history.count
        newLine = ""
        while true {
            guard let key = nextKey(beforeWaiting: { $0.draw(prompt, columns) }) else {
                finish(prompt, columns)
                return .end
            }
            switch key {
            case .enter:
                finish(prompt, columns)
                return .line(line.text)
            case .control("c"):
                finish(prompt, columns)
                return .interrupted(!line.isEmpty)
            case .control("d") where line.isEmpty:
                finish(prompt, columns)
                return .end
            case .control("l"):
                write("\u{1B}[H\u{1B}[2J")
                row = 0
            case .up, .control("p"): showHistory(shown - 1)
            case .down, .control("n"): showHistory(shown + 1)
            default: line.apply(key)
            }
        }
    }

    private mutating func showHistory(_ index: Int) {
        guard 0...history.count ~= index, index != shown else { return }
        if shown == history.count { newLine = line.text }
        shown = index
        line.set(index == history.count ? newLine : history[index])
    }

    /// Returns the next key; nil at the end of the input.
    private mutating func nextKey(beforeWaiting redraw: (inout LineEditor) -> Void) -> Key? {
        while pending.isEmpty {
            redraw(&self)
            var bytes = [UInt8](repeating: 0, count: 4_096)
            var count = 0
            repeat { count = Glibc.read(input, &bytes, bytes.count) } while count < 0 && errno == EINTR
            guard count > 0 else { return nil }
            pending = reader.keys(in: bytes[..<count])
        }
        return pending.removeFirst()
    }

    /// Redraws the line in place.
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

    /// Finishes the line and moves the cursor below it.
    private mutating func finish(_ prompt: String, _ columns: Int) {
        line.apply(.end)
        draw(prompt, columns)
        write("\r\n")
    }

    private func write(_ text: String) { _ = writeAll(Array(text.utf8)) { Glibc.write(output, $0, $1) } }
}
