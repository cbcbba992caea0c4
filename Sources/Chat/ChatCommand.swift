import Terminal

/// What a line of a chat asks for.
///
///     try ChatCommand("/temperature 0.5")                      // .temperature(0.5)
///     try ChatCommand("Hi")                                    // .say("Hi")
///     try ChatCommand("//etc")                                 // .say("/etc")
package enum ChatCommand: Sendable, Equatable {
    case say(String)
    case reset, retry, undo, stats, help, quit
    case save(String), load(String)
    /// nil asks what it is.
    case system(String?), temperature(Double?)
    /// An empty line.
    case nothing

    /// A line that begins with a slash and means nothing.
    package struct Unknown: Error, Equatable, CustomStringConvertible {
        package let description: String
    }

    package static let list: [(words: String, what: String)] = [
        ("/reset", "forget what was said"),
        ("/retry", "the last answer once more, drawn anew"),
        ("/undo", "forget the last question and its answer"),
        ("/system [TEXT]", "what the model is told before everything; without a text, show it; - for none"),
        ("/temperature [X]", "0 for the likeliest words, up to 2 for unlikely ones"),
        ("/save FILE", "add the conversation to a file that slm finetune --data reads"),
        ("/load FILE", "go on with the last conversation of a file"),
        ("/stats", "tokens, times, and how much of the context is used"),
        ("/help", "this list"),
        ("/quit", "leave; control-D does, too"),
    ]

    package init(_ line: String) throws(Unknown) {
        guard line.hasPrefix("/"), !line.hasPrefix("//") else {
            let text = line.hasPrefix("//") ? String(line.dropFirst()) : line
            self = text.allSatisfy(\.isWhitespace) ? .nothing : .say(text)
            return
        }
        let parts = line.dropFirst().split(maxSplits: 1, omittingEmptySubsequences: false, whereSeparator: \.isWhitespace)
        let word = parts.first.map(String.init) ?? "", rest = parts.count > 1 ? String(parts[1]).withoutEdges : ""
        switch (word, rest) {
        case ("reset", ""): self = .reset
        case ("retry", ""): self = .retry
        case ("undo", ""): self = .undo
        case ("stats", ""): self = .stats
        case ("help", ""), ("?", ""): self = .help
        case ("quit", ""), ("exit", ""): self = .quit
        case ("save", _), ("load", _):
            if rest.isEmpty { throw Unknown(description: "/\(word) needs the name of a file: /\(word) chats.jsonl") }
            self = word == "save" ? .save(rest) : .load(rest)
        case ("system", _): self = .system(rest.isEmpty ? nil : rest)
        case ("temperature", ""): self = .temperature(nil)
        case ("temperature", _):
            guard let value = Double(rest) else { throw Unknown(description: "/temperature: expected a number from 0 to 2, found '\(rest)'.") }
            self = .temperature(value)
        case let (word, rest) where Self.names.contains(word): throw Unknown(description: "/\(word) takes nothing behind it, found '\(rest)'.")
        default:
            let near = nearest(to: word, among: Self.names).map { "; did you mean /\($0)?" } ?? "."
            throw Unknown(description: "unknown command '/\(word)'\(near) /help shows all; // begins a line that is said with a slash.")
        }
    }

    private static let names: [String] = list.map { String($0.words.dropFirst().prefix { $0 != " " }) } + ["exit"]
}

extension String {
    fileprivate var withoutEdges: String {
        let rest = drop(while: \.isWhitespace)
        return String(rest.dropLast(rest.reversed().prefix(while: \.isWhitespace).count))
    }
}
