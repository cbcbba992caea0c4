import Corpus
package import Files
import JSON
package import Tokenize

/// A file with one conversation per line, in the format of `slm finetune --data`: `{"messages":[{"role":"user","content":"Hi"}, …]}`.
///
///     try SavedChat.append(session.conversation, to: "chats.jsonl")
///     let conversation = try SavedChat.last(in: "chats.jsonl")
package enum SavedChat {
    package static func append(_ conversation: Conversation, to path: String) throws(FileError) {
        try AppendOnlyFile(path).append(line: line(of: conversation))
    }

    /// The line of a conversation that calls no functions.
    ///
    /// - Parameters:
    ///   - number: Its number in the data whose questions were asked.
    ///   - model: The model that has answered.
    package static func line(of conversation: Conversation, number: Int? = nil, answeredBy model: String? = nil) -> String {
        var writer = JSONWriter(.oneLine)
        writer.object { writer in
            if let number { writer["number"] = number }
            if let model { writer["model"] = model }
            writer.array("messages") { writer in
                for message in conversation.messages {
                    writer.object {
                        $0["role"] = message.role.rawValue
                        $0["content"] = message.text
                    }
                }
            }
        }
        return writer.text
    }

    /// The last conversation of a file; nil if it has none.
    package static func last(in path: String) throws -> Conversation? {
        var reader = try ConversationReader([path]), last: Conversation?
        try reader.forEach { conversation, _, _ in last = conversation }
        return last
    }
}
