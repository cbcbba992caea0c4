import Files
import Glibc
package import Terminal

/// The input and output of a chat: a terminal with a line editor and colors, or plain lines.
///
///     var screen = ChatScreen(environment: environment)
///     while case .line(let line) = screen.read() { … }
package struct ChatScreen: ~Copyable {
    /// Whether standard input and output are both a terminal.
    package let isTerminal: Bool
    private let style: ANSIStyle
    private var editor = LineEditor()
    /// Wraps the answer that is being shown.
    private var wrap = WordWrap(columns: 80)
    private static let userLabel = "you    "
    private static let continuationLabel = "  …    "
    private static let modelLabel = "model  "

    package init(environment: [String: String]) {
        isTerminal = TerminalMode.isTerminal(STDIN_FILENO) && TerminalMode.isTerminal(STDOUT_FILENO) && environment["TERM"] != "dumb"
        style = ANSIStyle(for: STDOUT_FILENO, environment)
    }

    /// Reads a message, which may span lines that end with a backslash.
    package mutating func read() -> LineEditor.Outcome {
        if isTerminal {
            return editor.read(
                prompt: style(Self.userLabel, .cyan),
                columns: Self.userLabel.columns,
                continuationPrompt: style(Self.continuationLabel, .cyan)
            )
        }
        var lines: [String] = []
        while let line = readLine() {
            guard line.hasSuffix("\\") else { return .line((lines + [line]).joined(separator: "\n")) }
            lines.append(String(line.dropLast()))
        }
        return lines.isEmpty ? .end : .line(lines.joined(separator: "\n"))
    }

    package mutating func beginAnswer() {
        guard isTerminal else { return }
        wrap = WordWrap(columns: columns, indent: Self.modelLabel.columns)
        write(style(Self.modelLabel, .bold))
    }

    /// Prints text of the model, without control characters, so that it cannot control the terminal.
    package mutating func showAnswer(_ text: String) { write(isTerminal ? wrap.add(text.printable) : text.printable) }

    /// - Parameters:
    ///   - summary: A line below the answer; shown only in a terminal.
    ///   - sources: Lines below the answer.
    package func endAnswer(_ summary: String?, sources: [String] = []) {
        write("\n")
        if !sources.isEmpty { print((["", "Sources:"] + sources.map { "  " + $0.printable }).joined(separator: "\n")) }
        guard isTerminal else { return }
        let indent = String(repeating: " ", count: Self.modelLabel.count)
        write((summary.map { style(indent + $0, .dim) + "\n" } ?? "") + "\n")
    }

    /// Prints the output of a command such as /stats.
    package func print(_ text: String) { write((isTerminal ? wrapped(text) : text) + "\n") }

    /// Prints a remark: in color, or to standard error if this is not a terminal.
    package func note(_ text: String) {
        if isTerminal { write(style(wrapped(text.printable), .yellow) + "\n") } else { write("slm: \(text)\n", to: STDERR_FILENO) }
    }

    /// Breaks lines that are too long for the terminal between words, and keeps their indentation.
    private func wrapped(_ text: String) -> String {
        text.split(separator: "\n", omittingEmptySubsequences: false).flatMap { line -> [String] in
            if String(line).columns < columns { return [String(line)] }
            let indent = line.prefix { $0 == " " }, width = max(1, columns - 1 - indent.count)
            return String(line.dropFirst(indent.count)).wrapped(to: width).map { indent + $0 }
        }.joined(separator: "\n")
    }

    private var columns: Int { TerminalMode.size(of: STDOUT_FILENO).columns }

    private func write(_ text: String) { write(text, to: STDOUT_FILENO) }

    private func write(_ text: String, to descriptor: Int32) {
        _ = writeAll(Array(text.utf8)) { Glibc.write(descriptor, $0, $1) }
    }
}
