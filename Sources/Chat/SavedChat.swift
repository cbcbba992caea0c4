import Corpus
package import Files
import JSON
package import Tokenize

/// Conversations in a file, one on a line, as `slm finetune --data` reads them: `{"messages":[{"role":"user","content":"Hi"}, …]}`.
///
///     try SavedChat.add(session.conversation, to: "chats.jsonl")
///     let conversation = try SavedChat.last(in: "chats.jsonl")
package enum SavedChat {
    package static func add(_ conversation: Conversation, to path: String) throws(FileError) {
        var writer = JSONWriter(.oneLine)
        writer.object { writer in
            writer.key("messages")
            writer.array { writer in
                for message in conversation.messages {
                    writer.object {
                        $0.key("role"); $0.string(message.role.rawValue)
                        $0.key("content"); $0.string(message.text)
                    }
                }
            }
        }
        try AppendedFile(path).append(line: writer.text)
    }

    /// nil if there is none in the file.
    package static func last(in path: String) throws -> Conversation? {
        var reader = try ConversationReader([path]), last: Conversation?
        try reader.forEach { conversation, _, _ in last = conversation }
        return last
    }
}
