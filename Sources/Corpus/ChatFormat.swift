import Files
import JSON

/// How chats are written in a file. Each format has a conversation on a line, but for plain text.
///
///     ChatFileFormat(rawValue: "tinychat")                         // as --format has it
package enum ChatFileFormat: String, Sendable, CaseIterable {
    /// `[INST] Hi [/INST] Hello! [INST] …`
    case tinyChat = "tinychat"
    /// `{"timestamp": …, "user": "Hi", "assistant": "Hello!"}`: one exchange, and each line a conversation of its own.
    case collected
    /// `{"messages": [{"role": "user", "content": "Hi"}, …]}`
    case messages
    /// Text in which nobody speaks.
    case text

    /// The format of a file that begins like this; nil if there are only empty lines.
    ///
    /// The first of its first 32 lines that is an object of JSON, or begins with `[INST]`, says it. A file whose first line begins with
    /// `{"` and that has none is
    /// broken JSON rather than text, so that it is refused and not learned from.
    static func format(of block: LineBlock) -> ChatFileFormat? {
        var parser = JSONParser(), lines = 0, looksLikeJSON = false, found: ChatFileFormat?
        block.forEachLineRange { range, _ in
            guard found == nil, lines < 32 else { return }
            let line = block.bytes[range].drop { $0 == 32 || $0 == 9 }
            guard !line.isEmpty else { return }
            lines += 1
            if line.starts(with: TinyChat.open) {
                found = .tinyChat
            } else if line.first == UInt8(ascii: "{") {
                if lines == 1, line.starts(with: #"{""#.utf8) { looksLikeJSON = true }
                if let root = try? parser.parse(block.bytes.span.extracting(range)) {
                    found = root["messages"] == nil && (root["user"] != nil || root["assistant"] != nil) ? .collected : .messages
                }
            }
        }
        if let found { return found }
        return lines == 0 ? nil : looksLikeJSON ? .messages : .text
    }
}

/// Why a line is malformed.
struct LineError: Error {
    let reason: String

    init(_ reason: String) { self.reason = reason }
}
