import Files
import JSON

/// The format of a file of chats or texts. All but plain text have one conversation, or one document, per line.
///
///     ChatFileFormat(rawValue: "tinychat")                         // the value of --format
package enum ChatFileFormat: String, Sendable, CaseIterable {
    /// `[INST] Hi [/INST] Hello! [INST] …`
    case tinyChat = "tinychat"
    /// `{"timestamp": …, "user": "Hi", "assistant": "Hello!"}`: one exchange, each a conversation of its own.
    case collected
    /// `{"messages": [{"role": "user", "content": "Hi"}, …]}`
    case messages
    /// `{"prompt": "Hi", "chosen": "Hello!", "rejected": "What?"}` or `{"prompt": "Hi", "completion": "Hello!", "label": true}`, as for
    /// TRL. Read as chats, only the preferred answers count.
    case preferences
    /// `{"text": "A document."}`, as data for pretraining is published.
    case documents
    /// Plain text without roles.
    case text

    /// Detects the format of a file by its first block; nil if there are only empty lines.
    ///
    /// The first of its first 32 lines that is a JSON object or starts with `[INST]` determines it. A file without one that begins like
    /// JSON is broken, an array of chats or an object on several lines, not text: it is rejected rather than trained on.
    static func format(of block: LineBlock) -> ChatFileFormat? {
        var parser = JSONParser()
        var lines = 0
        var looksLikeJSON = false
        var found: ChatFileFormat?
        block.forEachLineRange { range, _ in
            guard found == nil, lines < 32 else { return }
            let line = block.bytes[range].drop { $0 == 32 || $0 == 9 }
            guard !line.isEmpty else { return }
            lines += 1
            if line.starts(with: TinyChat.open) {
                found = .tinyChat
            } else if lines == 1, isBeginningOfJSON(line) {
                looksLikeJSON = true
            }
            if line.first == UInt8(ascii: "{") {
                if let root = try? parser.parse(block.bytes.span.extracting(range)) {
                    let isExchange = root["messages"] == nil && (root["user"] != nil || root["assistant"] != nil)
                    found = JSONPreference.isPreference(root) ? .preferences : isExchange ? .collected
                        : JSONChat.isDocument(root) ? .documents : .messages
                }
            }
        }
        if let found { return found }
        return lines == 0 ? nil : looksLikeJSON ? .messages : .text
    }

    /// Whether a line begins with `{"` or `[{`, or is only a bracket.
    private static func isBeginningOfJSON(_ line: ArraySlice<UInt8>) -> Bool {
        guard let first = line.first, first == UInt8(ascii: "{") || first == UInt8(ascii: "[") else { return false }
        guard let second = line.dropFirst().first(where: { ![9, 10, 13, 32].contains($0) }) else { return true }
        return second == UInt8(ascii: first == UInt8(ascii: "{") ? "\"" : "{")
    }
}
