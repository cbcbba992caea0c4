import Files
import Tokenize

/// `[INST] Hi [/INST] Hello! [INST] Bye [/INST]`: a conversation on a line. The last turn may lack its answer.
enum TinyChat {
    static let open = Array("[INST]".utf8), close = Array("[/INST]".utf8)

    /// The conversation on a line of `bytes`; nil if nobody says anything in it.
    static func conversation(in bytes: [UInt8], line: Range<Int>) throws(LineError) -> Conversation? {
        var messages: [Conversation.Message] = []
        var role: Conversation.Role?, start = line.lowerBound, at = start
        func endTurn(at end: Int) { if let role { messages.append(.init(role, Array(bytes[bytes.trimmed(start..<end)]))) } }
        while let bracket = bytes.place(of: UInt8(ascii: "["), in: at..<line.upperBound) {
            if bytes.holds(open, at: bracket, in: line) {
                if role == nil, !bytes.trimmed(start..<bracket).isEmpty { throw LineError("text before the first [INST]") }
                if role == .user { throw LineError("[INST] inside a turn of the user's") }
                endTurn(at: bracket)
                role = .user
                start = bracket + open.count
                at = start
            } else if bytes.holds(close, at: bracket, in: line) {
                guard role == .user else { throw LineError("[/INST] without [INST] before it") }
                endTurn(at: bracket)
                role = .assistant
                start = bracket + close.count
                at = start
            } else {
                at = bracket + 1
            }
        }
        guard role != nil else { throw LineError("no [INST]") }
        endTurn(at: line.upperBound)
        if let last = messages.last, last.role == .assistant, last.text.isEmpty { messages.removeLast() }
        return try Conversation(checking: messages)
    }
}

extension [UInt8] {
    fileprivate func holds(_ mark: [UInt8], at place: Int, in line: Range<Int>) -> Bool {
        guard place + mark.count <= line.upperBound else { return false }
        for i in mark.indices where self[place + i] != mark[i] { return false }
        return true
    }
}

extension Conversation {
    /// nil if every text is empty; a fault if only some are.
    init?(checking messages: [Message]) throws(LineError) {
        let empty = messages.first { $0.text.isEmpty }
        if let empty, messages.contains(where: { !$0.text.isEmpty }) {
            throw LineError("a turn of the \(empty.role.rawValue)'s is empty")
        }
        if messages.isEmpty || empty != nil { return nil }
        self.init(messages)
    }
}
