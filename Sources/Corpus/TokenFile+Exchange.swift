import Tokenize

/// A question in a file of tokens, and what follows it.
///
///     if let exchange = val.firstExchange(of: 2...64) { val.read(exchange.prompt, into: &ids) }
extension TokenFile {
    package struct Exchange: Equatable, Sendable {
        /// From a conversation's beginning to where the assistant is to speak.
        package let prompt: Range<Int>
        /// What the user says in it.
        package let question: Range<Int>
        /// What the assistant says.
        package let answer: Range<Int>
    }

    /// The first question, as a conversation's beginning, that is about so long, with its answer.
    ///
    /// - Parameters:
    ///   - lengths: how many tokens the prompt may have.
    ///   - conversations: those to look at; nil for all.
    package func firstExchange(of lengths: ClosedRange<Int>, in conversations: [Range<Int>]? = nil) -> Exchange? {
        let starts = conversations.map { Set($0.map(\.lowerBound)) }
        var start: Int?, question: Range<Int>?
        for i in turns.indices {
            let turn = turns[i], end = i + 1 < turns.count ? turns[i + 1].start : count
            switch turn.role {
            case .preamble: (start, question) = (starts?.contains(turn.start) ?? true ? turn.start : nil, nil)
            case .user: question = turn.start..<end
            case .system: break
            case .assistant:
                if let start, let question, lengths.contains(turn.start - start) {
                    return Exchange(prompt: start..<turn.start, question: question, answer: turn.start..<end)
                }
                start = nil               // it is no longer the conversation's first question
            }
        }
        return nil
    }
}
