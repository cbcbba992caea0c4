package import Files
import Glibc
import JSON
import Synchronization

/// A JSONL file of finished chats, for `slm finetune --data`. One line is one chat.
///
///     let log = try ChatLog("chat_history.jsonl")
///     try log.append(user: "Why does it rain?", assistant: "Clouds.", at: now.description)
///     log.count                                                // without reading the file
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

    private let files: Mutex<ChatLogFiles>

    /// - Parameter limit: The maximum size of a file in bytes.
    package init(_ path: String, limit: Int = defaultLimit) throws(FileError) {
        files = Mutex(try ChatLogFiles(path, limit: limit))
    }

    /// Appends a chat, unless the message or the answer is blank.
    ///
    /// - Parameter timestamp: In ISO 8601.
    /// - Returns: The number of chats in both files.
    @discardableResult
    package func append(user: String, assistant: String, at timestamp: String) throws(FileError) -> Int {
        guard !Self.isBlank(user), !Self.isBlank(assistant) else { return count }
        let line = Self.line(user, assistant, timestamp)
        return try files.withLock { files throws(FileError) in
            try files.append(line)
            return files.count
        }
    }

    /// The number of chats in both files.
    package var count: Int { files.withLock { $0.count } }
    package var hasEnoughForFineTuning: Bool { count >= Self.minChatsForFineTuning }

    /// The files that are not empty, the older one first.
    package var paths: [String] { files.withLock { $0.paths } }

    private static func line(_ user: String, _ assistant: String, _ timestamp: String) -> [UInt8] {
        var writer = JSONWriter()
        writer.object {
            $0.key("timestamp"); $0.string(timestamp)
            $0.key("user"); $0.string(replacingNUL(user))
            $0.key("assistant"); $0.string(replacingNUL(assistant))
        }
        writer.newline()
        return escapingLineSeparators(writer.bytes)
    }

    private static func isBlank(_ text: String) -> Bool { text.allSatisfy(\.isWhitespace) }

    /// Training data must not contain NUL.
    private static func replacingNUL(_ text: String) -> [UInt8] {
        text.utf8.flatMap { $0 == 0 ? Array("\u{FFFD}".utf8) : [$0] }
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
