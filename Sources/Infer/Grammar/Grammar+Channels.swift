import Tokenize

extension Grammar {
    /// An answer in the channels of gpt-oss, behind `<|start|>assistant`: a thought or none, then what this grammar describes. The text of
    /// the thought is not part of the grammar: ``AnswerFilter`` allows any.
    ///
    /// - Parameter isCall: Whether this grammar describes a whole message to a function. Otherwise it is the text of the final message.
    func inChannels(isCall: Bool) -> Grammar {
        var grammar = self
        let thought = grammar.optional(Self.text(AnswerChannels.thoughtOpening + AnswerChannels.nextMessage))
        grammar.start = grammar.newRule()
        let opening = Self.text(isCall ? "" : AnswerChannels.finalOpening)
        grammar.define(grammar.start, [[thought] + opening + [.rule(start)]])
        return grammar
    }
}
