import Files
import Tokenize

/// Parses `[INST] Hi [/INST] Hello! [INST] Bye [/INST]`: one conversation per line. The last user message may lack its answer.
enum TinyChat {
    static let open = Array("[INST]".utf8)
    static let close = Array("[/INST]".utf8)

    /// The conversation on a line of `bytes`; nil if all messages are empty.
    static func conversation(in bytes: [UInt8], line: Range<Int>) throws(LineError) -> Conversation? {
        var messages: [Conversation.Message] = []
        var role: Conversation.Role?
        var start = line.lowerBound
        var at = start
        func endMessage(at end: Int) { if let role { messages.append(.init(role, Array(bytes[bytes.trimmed(start..<end)]))) } }
        while let bracket = bytes.firstIndex(of: UInt8(ascii: "["), in: at..<line.upperBound) {
            if bytes.contains(open, at: bracket, in: line) {
                if role == nil, !bytes.trimmed(start..<bracket).isEmpty { throw LineError("text before the first [INST]") }
                if role == .user { throw LineError("[INST] inside a user message") }
                endMessage(at: bracket)
                role = .user
                start = bracket + open.count
                at = start
            } else if bytes.contains(close, at: bracket, in: line) {
                guard role == .user else { throw LineError("[/INST] without [INST] before it") }
                endMessage(at: bracket)
                role = .assistant
                start = bracket + close.count
                at = start
            } else {
                at = bracket + 1
            }
        }
        guard role != nil else { throw LineError("no [INST]") }
        endMessage(at: line.upperBound)
        if let last = messages.last, last.role == .assistant, last.text.isEmpty { messages.removeLast() }
        return try Conversation(checking: messages)
    }
}

extension [UInt8] {
    fileprivate func contains(_ mark: [UInt8], at index: Int, in line: Range<Int>) -> Bool {
        guard index + mark.count <= line.upperBound else { return false }
        for i in mark.indices where self[index + i] != mark[i] { return false }
        return true
    }
}

extension Conversation {
    /// Returns nil if all messages are empty, and throws if only some are.
    init?(checking messages: [Message], tools: ChatTools? = nil) throws(LineError) {
        let empty = messages.first(where: \.isEmpty)
        if let empty, messages.contains(where: { !$0.isEmpty }) {
            throw LineError("an empty \(empty.role.rawValue) message")
        }
        if messages.isEmpty || empty != nil { return nil }
        self.init(messages, tools: tools)
    }
}
