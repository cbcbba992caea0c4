import JSON

/// What a checkpoint says about serving its model.
package struct ServingDefaults: Sendable, Equatable {
    /// Questions that a chat page can offer for a new chat.
    package var starterQuestions: [String]
    /// Of the model's author; nil if there are none.
    package var sampling: SamplingDefaults?

    package init(starterQuestions: [String] = [], sampling: SamplingDefaults? = nil) {
        self.starterQuestions = starterQuestions
        self.sampling = sampling
    }
}

extension Checkpoint {
    private static var questionsField: String { "starter_questions" }
    private static var samplingField: String { "sampling" }

    /// Stored with the training state: the questions as one string, one question per line, the sampling settings as JSON.
    package var servingDefaults: ServingDefaults {
        get {
            var defaults = ServingDefaults()
            if case .text(let text)? = training[Self.questionsField] {
                defaults.starterQuestions = text.split(separator: "\n").map(String.init)
            }
            if case .text(let json)? = training[Self.samplingField] {
                var parser = JSONParser()
                defaults.sampling = (try? parser.parse(json)).flatMap { SamplingDefaults($0) }
            }
            return defaults
        }
        set {
            let questions = newValue.starterQuestions
            training[Self.questionsField] = questions.isEmpty ? nil : .text(questions.joined(separator: "\n"))
            training[Self.samplingField] = newValue.sampling.map { sampling in
                var writer = JSONWriter()
                writer.object { sampling.write(to: &$0) }
                return .text(writer.text)
            }
        }
    }
}
