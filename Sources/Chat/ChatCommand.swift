import Files
import Terminal

/// A line of input: a message, or a command that begins with a slash.
///
///     try ChatCommand("/temperature 0.5")                      // .temperature(0.5)
///     try ChatCommand("Hi")                                    // .send("Hi")
///     try ChatCommand("//etc")                                 // .send("/etc")
package enum ChatCommand: Sendable, Equatable {
    case send(String)
    case reset, retry, undo, stats, help, quit
    case save(String), load(String)
    /// nil shows the current value.
    case system(String?), temperature(Double?)
    /// An empty line.
    case nothing

    /// An unknown command, or one with a wrong argument.
    package struct Invalid: Error, Equatable, CustomStringConvertible {
        package let description: String
    }

    package static let list: [(usage: String, help: String)] = [
        ("/reset", "clear the conversation"),
        ("/retry", "generate the last answer again"),
        ("/undo", "remove the last message and its answer"),
        ("/system [TEXT]", "set the system message; without TEXT show it, - removes it"),
        ("/temperature [X]", "set the temperature, 0 (greedy) to 2; without X show it"),
        ("/save FILE", "append the conversation to a file for slm finetune --data"),
        ("/load FILE", "continue the last conversation of a file"),
        ("/stats", "show tokens, times and context use"),
        ("/help", "show this list"),
        ("/quit", "quit, as Ctrl-D does"),
    ]

    package init(_ line: String) throws(Invalid) {
        guard line.hasPrefix("/"), !line.hasPrefix("//") else {
            let text = line.hasPrefix("//") ? String(line.dropFirst()) : line
            self = text.allSatisfy(\.isWhitespace) ? .nothing : .send(text)
            return
        }
        let parts = line.dropFirst().split(maxSplits: 1, omittingEmptySubsequences: false, whereSeparator: \.isWhitespace)
        let name = parts.first.map(String.init) ?? "", argument = parts.count > 1 ? String(parts[1].trimming(while: \.isWhitespace)) : ""
        switch (name, argument) {
        case ("reset", ""): self = .reset
        case ("retry", ""): self = .retry
        case ("undo", ""): self = .undo
        case ("stats", ""): self = .stats
        case ("help", ""), ("?", ""): self = .help
        case ("quit", ""), ("exit", ""): self = .quit
        case ("save", _), ("load", _):
            if argument.isEmpty { throw Invalid(description: "/\(name): expected a file name, such as /\(name) chats.jsonl.") }
            self = name == "save" ? .save(argument) : .load(argument)
        case ("system", _): self = .system(argument.isEmpty ? nil : argument)
        case ("temperature", ""): self = .temperature(nil)
        case ("temperature", _):
            guard let value = Double(argument) else {
                throw Invalid(description: "/temperature: expected a number from 0 to 2, found '\(argument)'.")
            }
            self = .temperature(value)
        case let (name, argument) where Self.names.contains(name):
            throw Invalid(description: "/\(name): expected no argument, found '\(argument)'.")
        default:
            let suggestion = closestMatch(to: name, among: Self.names).map { "; did you mean /\($0)?" } ?? "."
            let hint = "/help lists all commands; // sends a message that begins with a slash."
            throw Invalid(description: "unknown command '/\(name)'\(suggestion) \(hint)")
        }
    }

    private static let names: [String] = list.map { String($0.usage.dropFirst().prefix { $0 != " " }) } + ["exit"]
}
