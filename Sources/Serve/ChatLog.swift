package import Files
import Glibc
import JSON
import Synchronization

/// The chats that are collected for fine-tuning: a file that `slm finetune --data` reads as it is, one line a chat.
///
///     let log = try ChatLog("chat_history.jsonl")
///     try log.append(user: "Why does it rain?", assistant: "Clouds.", at: now.description)
///     log.count                                                // without reading anything
///
/// A line is there whole or not at all: it is one write at the end, and what a full disk lets through of it is taken back. A line that a
/// crash tore is mended when the file is opened.
/// A file that grew to its limit becomes `chat_history.1.jsonl`, in place of the one before; so the two take at most twice the limit.
/// Whoever takes a file away while it is
/// written to, to train on it, has it: the next line goes to another.
package final class ChatLog: Sendable {
    /// So many are worth a fine-tuning.
    package static let enough = 10
    package static let defaultLimit = 64 << 20

    private let state: Mutex<ChatLogFiles>

    /// - Parameter limit: The bytes of a file before another is begun.
    package init(_ path: String, limit: Int = defaultLimit) throws(FileError) {
        state = Mutex(try ChatLogFiles(path, limit: limit))
    }

    /// A chat of which one side is blank teaches nothing, and is left out.
    /// - Parameter timestamp: In ISO 8601.
    /// - Returns: How many there are with this one.
    @discardableResult
    package func append(user: String, assistant: String, at timestamp: String) throws(FileError) -> Int {
        guard !Self.isBlank(user), !Self.isBlank(assistant) else { return count }
        let line = Self.line(user, assistant, timestamp)
        return try state.withLock { state throws(FileError) in
            try state.append(line)
            return state.count
        }
    }

    /// In both files.
    package var count: Int { state.withLock { $0.count } }
    package var isEnough: Bool { count >= Self.enough }

    /// Those that hold something, the older first: for `slm finetune --data`.
    package var paths: [String] { state.withLock { $0.paths } }

    private static func line(_ user: String, _ assistant: String, _ timestamp: String) -> [UInt8] {
        var writer = JSONWriter()
        writer.object {
            $0.key("timestamp"); $0.string(timestamp)
            $0.key("user"); $0.string(withoutNUL(user))
            $0.key("assistant"); $0.string(withoutNUL(assistant))
        }
        writer.newline()
        return escapingLineEnds(writer.bytes)
    }

    private static func isBlank(_ text: String) -> Bool { text.allSatisfy(\.isWhitespace) }

    /// A corpus has no NUL.
    private static func withoutNUL(_ text: String) -> [UInt8] {
        text.utf8.flatMap { $0 == 0 ? Array("\u{FFFD}".utf8) : [$0] }
    }

    /// What some programs take for the end of a line (U+0085, U+2028, U+2029) stands within texts only, and so can be written as an escape.
    private static func escapingLineEnds(_ bytes: [UInt8]) -> [UInt8] {
        var result: [UInt8] = [], i = 0
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
