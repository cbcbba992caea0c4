import Files
import Glibc
package import Terminal

/// Where a chat takes place: a terminal with a line editor and colours, or plain lines in and out.
///
///     var screen = ChatScreen(environment: environment)
///     while case .line(let line) = screen.read() { … }
package struct ChatScreen: ~Copyable {
    /// Whether both a keyboard and a screen are there.
    package let isTerminal: Bool
    private let paint: Paint
    private var editor = LineEditor()
    private static let name = "you    ", continued = "  …    ", answer = "model  "

    package init(environment: [String: String]) {
        isTerminal = TerminalMode.isTerminal(STDIN_FILENO) && TerminalMode.isTerminal(STDOUT_FILENO) && environment["TERM"] != "dumb"
        paint = Paint(for: STDOUT_FILENO, environment)
    }

    package mutating func read() -> LineEditor.Outcome {
        if isTerminal { return editor.read(prompt: paint(Self.name, .cyan), columns: Self.name.columns, then: paint(Self.continued, .cyan)) }
        var lines: [String] = []
        while let line = readLine() {
            guard line.hasSuffix("\\") else { return .line((lines + [line]).joined(separator: "\n")) }
            lines.append(String(line.dropLast()))
        }
        return lines.isEmpty ? .end : .line(lines.joined(separator: "\n"))
    }

    package func beginAnswer() {
        if isTerminal { show(paint(Self.answer, .bold)) }
    }

    /// Text of the model: never what a terminal obeys.
    package func showAnswer(_ text: String) { show(isTerminal ? text.visible.replacing("\n", with: "\n" + String(repeating: " ", count: Self.answer.count)) : text.visible) }

    /// - Parameter summary: What a person may like to know; only a terminal shows it.
    package func endAnswer(_ summary: String?) {
        show("\n")
        if isTerminal { show((summary.map { paint(String(repeating: " ", count: Self.answer.count) + $0, .dim) + "\n" } ?? "") + "\n") }
    }

    /// What was asked for, such as /stats.
    package func say(_ text: String) { show(text + "\n") }

    /// A remark beside the conversation.
    package func note(_ text: String) {
        if isTerminal { show(paint(text.visible, .yellow) + "\n") } else { write("slm: \(text)\n", to: STDERR_FILENO) }
    }

    private func show(_ text: String) { write(text, to: STDOUT_FILENO) }

    private func write(_ text: String, to descriptor: Int32) {
        _ = writeAll(Array(text.utf8)) { Glibc.write(descriptor, $0, $1) }
    }
}
