import Tokenize

/// A user message in a token file, and the answer to it.
///
///     if let exchange = val.firstExchange(of: 2...64) { val.read(exchange.prompt, into: &ids) }
extension TokenFile {
    package struct Exchange: Equatable, Sendable {
        /// From the start of the conversation to the start of the answer.
        package let prompt: Range<Int>
        /// The last user message in the prompt.
        package let question: Range<Int>
        /// The assistant's message.
        package let answer: Range<Int>
    }

    /// Finds the first conversation whose first prompt has a suitable length.
    ///
    /// - Parameter lengths: the allowed lengths of the prompt in tokens.
    package func firstExchange(of lengths: ClosedRange<Int>) -> Exchange? {
        var result: Exchange?
        forEachFirstExchange { exchange in
            if lengths.contains(exchange.prompt.count) { result = exchange }
            return result == nil
        }
        return result
    }

    /// Calls `body` with the first exchange of each conversation, until it returns false.
    package func forEachFirstExchange(_ body: (Exchange) throws -> Bool) rethrows {
        var start: Int?
        var question: Range<Int>?
        for i in turns.indices {
            let turn = turns[i]
            let end = i + 1 < turns.count ? turns[i + 1].start : count
            switch turn.role {
            case .preamble:
                start = turn.start
                question = nil
            case .user: question = turn.start..<end
            case .system: break
            case .assistant:
                if let start, let question {
                    let exchange = Exchange(prompt: start..<turn.start, question: question, answer: turn.start..<end)
                    if try !body(exchange) { return }
                }
                start = nil               // later exchanges are not the conversation's first
            }
        }
    }
}
