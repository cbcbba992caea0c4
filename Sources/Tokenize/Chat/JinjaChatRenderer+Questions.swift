/// What a Jinja template writes around a user's message, for text that is decoded from tokens.
extension JinjaChatRenderer {
    /// The text between a system message and a user's, and the one that follows a user's message before the answer, without special tokens.
    /// What precedes a user's message without a system message belongs to the beginning of the conversation.
    func textsAroundQuestion() -> (before: [UInt8], after: [UInt8]) {
        let system = Conversation.Message(.system, "S"), user = Conversation.Message(.user, "U")
        var before: [UInt8] = [], after: [UInt8] = []
        if let text = try? rendered([user], prompts: true), let content = text.range(of: 1) {
            after = text.plainText(in: content.upperBound..<text.bytes.count)
        }
        if let text = try? rendered([system, user], prompts: true), let first = text.range(of: 1), let second = text.range(of: 2),
            first.upperBound <= second.lowerBound {
            before = text.plainText(in: first.upperBound..<second.lowerBound)
        }
        return (before, after)
    }
}

extension JinjaChatRenderer.Rendered {
    /// The text of a range, without the special tokens in it.
    fileprivate func plainText(in range: Range<Int>) -> [UInt8] {
        range.filter { index in !specialTokens.contains { $0.range.contains(index) } }.map { bytes[$0] }
    }
}
