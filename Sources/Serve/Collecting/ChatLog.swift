package import Files
import Glibc
import JSON
package import Store
import Synchronization
package import Tokenize

/// A JSONL file of finished chats, for `slm finetune --data`. One line is one chat.
///
///     let log = try ChatLog("chat_history.jsonl")
///     if let chat = ChatLog.chat(user: "Why does it rain?", assistant: "Clouds.", at: .now(), after: []) { try log.append(chat) }
///
/// A line is written whole or not at all: it is one `write`, and a partial write on a full disk is truncated. A line torn by a crash is
/// removed when the file is opened.
///
/// A file that reaches its size limit is renamed to `chat_history.1.jsonl` and replaces the previous one, so both take at most twice the
/// limit. If another program moves the file away, the next line starts a new one.
package final class ChatLog: Sendable {
    /// The minimum number of chats for fine-tuning.
    package static let minChatsForFineTuning = 10
    package static let defaultLimit = 64 << 20
    /// The maximum number of earlier messages that a line holds, and of their bytes: each line repeats those of the line before.
    package static let historyLimit = (messages: 12, bytes: 16 << 10)

    private let files: Mutex<ChatLogFiles>

    /// - Parameter limit: The maximum size of a file in bytes.
    package init(_ path: String, limit: Int = defaultLimit) throws(FileError) {
        files = Mutex(try ChatLogFiles(path, limit: limit))
    }

    /// Appends a chat that `chat(user:…)` has made.
    package func append(_ chat: CollectedChat) throws(FileError) {
        try files.withLock { files throws(FileError) in try files.append(Self.line(of: chat)) }
    }

    /// The last messages, without answers whose question is dropped.
    private static func last(of history: [Conversation.Message]) -> [Conversation.Message] {
        var bytes = 0
        let recent = history.reversed().prefix { message in
            bytes += message.text.count
            return bytes <= historyLimit.bytes
        }
        return Array(recent.prefix(historyLimit.messages).reversed().drop { $0.role == .assistant })
    }

    /// The JSON array of the messages; empty for none.
    private static func json(_ history: [Conversation.Message]) -> String {
        if history.isEmpty { return "" }
        var writer = JSONWriter()
        writer.objects(history) { message, object in
            object["role"] = message.role.rawValue
            object["content"] = replacingNUL(message.text)
        }
        return writer.text
    }

    private static func isBlank(_ text: String) -> Bool { text.allSatisfy(\.isWhitespace) }

    /// Training data must not contain NUL.
    private static func replacingNUL(_ text: [UInt8]) -> [UInt8] {
        text.flatMap { $0 == 0 ? Array("\u{FFFD}".utf8) : [$0] }
    }

    /// Escapes U+0085, U+2028 and U+2029, which some programs treat as line ends. They occur in JSON strings only.
    private static func escapingLineSeparators(_ bytes: [UInt8]) -> [UInt8] {
        var result: [UInt8] = []
        var i = 0
        result.reserveCapacity(bytes.count)
        while i < bytes.count {
            switch (bytes[i], i + 1 < bytes.count ? bytes[i + 1] : 0, i + 2 < bytes.count ? bytes[i + 2] : 0) {
            case (0xC2, 0x85, _): result += Array(#"\u0085"#.utf8); i += 2
            case (0xE2, 0x80, 0xA8): result += Array(#"\u2028"#.utf8); i += 3
            case (0xE2, 0x80, 0xA9): result += Array(#"\u2029"#.utf8); i += 3
            default: result.append(bytes[i]); i += 1
            }
        }
        return result
    }
}

/// Chats in the database.
extension ChatLog {
    /// Returns what is stored of a chat; nil if the message or the answer is blank.
    ///
    /// - Parameter history: The messages before the user's. The oldest ones are dropped if there are more than ``historyLimit``.
    package static func chat(
        user: String, assistant: String, at time: Timestamp, after history: [Conversation.Message]
    ) -> CollectedChat? {
        if isBlank(user) || isBlank(assistant) { return nil }
        return CollectedChat(at: time, history: json(last(of: history)), question: user, answer: assistant)
    }

    /// The line of a chat in a file, and in an export.
    static func line(of chat: CollectedChat) -> [UInt8] {
        var writer = JSONWriter()
        writer.object {
            $0["timestamp"] = chat.time.description
            if !chat.history.isEmpty { $0.json("history", chat.history) }
            $0["user"] = chat.question
            $0["assistant"] = chat.answer
        }
        writer.newline()
        return escapingLineSeparators(writer.bytes)
    }
}
