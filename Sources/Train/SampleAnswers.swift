package import Corpus
package import Tokenize

/// Completes the same prompts at each evaluation, to show what the model has learned so far.
///
/// Decoding is greedy and changes no state, so training continues exactly as without it.
package struct SampleAnswers {
    package struct Answer: Sendable, Equatable {
        package let question: String
        package let answer: String
        /// The answer of the data; nil for questions of the user and for plain text.
        package let expected: String?
    }

    /// The text that follows each prompt, sampled and stopped as `slm generate --temperature 0` does, with at most so many tokens.
    package typealias Completion = (_ prompts: [[TokenID]], _ maxTokens: Int) -> [String]

    private struct Question {
        let text: String
        let prompt: [TokenID]
        let expected: String?
    }

    private let questions: [Question]
    private let complete: Completion

    /// - Parameters:
    ///   - questions: The first exchange of `tokens` if empty.
    ///   - template: nil if the data is plain text.
    package init(
        _ questions: [String], else tokens: TokenFile, _ template: ChatTemplate?, _ vocabulary: Vocabulary, context: Int,
        complete: @escaping Completion
    ) throws {
        let tokenizer = try Tokenizer(vocabulary)
        let renderer = try template.map { try ChatRenderer($0, for: tokenizer) }
        self.complete = complete
        if questions.isEmpty {
            self.questions = [try Self.question(in: tokens, template, tokenizer, maxTokens: max(1, context / 2))].compactMap { $0 }
            return
        }
        var encoder = try Encoder(tokenizer)
        self.questions = try questions.compactMap { text in
            var prompt = ChatTokens()
            if let renderer {
                try renderer.append(promptOf: [.init(.user, text)], with: &encoder, to: &prompt)
            } else {
                prompt.ids = try tokenizer.promptIDs(of: text)
            }
            return prompt.ids.isEmpty ? nil : Question(text: text, prompt: prompt.ids, expected: nil)
        }
    }

    /// The first exchange of the data or, for plain text, its beginning.
    private static func question(
        in tokens: TokenFile, _ template: ChatTemplate?, _ tokenizer: Tokenizer, maxTokens: Int
    ) throws(CorpusError) -> Question? {
        let reader = MessageReader(tokens, template, tokenizer)
        guard template != nil else {
            let beginning = 0..<min(tokens.count, maxTokens, 24)
            if beginning.isEmpty { return nil }
            return Question(text: try reader.text(of: beginning), prompt: try reader.ids(of: beginning), expected: nil)
        }
        guard let found = tokens.firstExchange(of: 1...maxTokens) ?? tokens.firstExchange(of: 1...(.max)) else { return nil }
        return Question(
            text: try reader.question(of: found.question), prompt: try reader.ids(of: found.prompt),
            expected: try reader.text(of: found.answer))
    }

    /// Lets the current model complete the prompts, with at most 40 tokens each.
    package func answers() -> [Answer] {
        zip(questions, complete(questions.map(\.prompt), 40)).map { question, answer in
            Answer(question: question.text, answer: answer, expected: question.expected)
        }
    }
}
