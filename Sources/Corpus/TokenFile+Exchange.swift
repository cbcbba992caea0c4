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
                if let start, let question, lengths.contains(turn.start - start) {
                    return Exchange(prompt: start..<turn.start, question: question, answer: turn.start..<end)
                }
                start = nil               // later exchanges are not the conversation's first
            }
        }
        return nil
    }
}
