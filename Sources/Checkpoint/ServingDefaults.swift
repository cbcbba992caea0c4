import JSON
package import Tokenize

/// What a checkpoint says about serving its model.
package struct ServingDefaults: Sendable, Equatable {
    /// Questions that a chat page can offer for a new chat.
    package var starterQuestions: [String]
    /// The settings of the model's author; nil if there are none.
    package var sampling: SamplingDefaults?
    /// The tokens that end every text, besides those with well-known names: `eos_token_id` of the model's files.
    package var endTokens: [TokenID]

    package init(starterQuestions: [String] = [], sampling: SamplingDefaults? = nil, endTokens: [TokenID] = []) {
        self.starterQuestions = starterQuestions
        self.sampling = sampling
        self.endTokens = endTokens
    }
}

extension Checkpoint {
    private static var questionsField: String { "starter_questions" }
    private static var samplingField: String { "sampling" }
    private static var endTokensField: String { "end_tokens" }

    /// Stored with the training state: the questions as one string, one question per line, the sampling settings as JSON, the ids of end
    /// tokens separated by spaces.
    package var servingDefaults: ServingDefaults {
        get {
            var defaults = ServingDefaults()
            if case .text(let text)? = training[Self.questionsField] {
                defaults.starterQuestions = text.split(separator: "\n").map(String.init)
            }
            if case .text(let json)? = training[Self.samplingField] {
                defaults.sampling = (try? JSONElement(parsing: json)).flatMap { SamplingDefaults($0) }
            }
            if case .text(let ids)? = training[Self.endTokensField] {
                defaults.endTokens = ids.split(separator: " ").compactMap { TokenID($0) }
            }
            return defaults
        }
        set {
            let ids = newValue.endTokens
            training[Self.endTokensField] = ids.isEmpty ? nil : .text(ids.map(String.init).joined(separator: " "))
            let questions = newValue.starterQuestions
            training[Self.questionsField] = questions.isEmpty ? nil : .text(questions.joined(separator: "\n"))
            training[Self.samplingField] = newValue.sampling.map { sampling in
                return .text(JSONWriter.text { sampling.write(to: &$0) })
            }
        }
    }
}
