import Documents
import JSON

/// The passages of documents that an answer was generated from: `AnswerSources` in Documentation/Reference/openapi.yaml.
struct AnswerSources: Sendable {
    private let prompt: PassagePrompt
    /// The words of the question that were searched, for a page that highlights them.
    private let words: [String]

    init(_ prompt: PassagePrompt, of question: String) {
        self.prompt = prompt
        words = DocumentIndex.words(of: question)
    }

    /// What the model gets instead of the question.
    var message: String { prompt.message }

    func write(to object: inout JSONWriter) {
        object.key("passages")
        object.array { list in for passage in prompt.sources { list.object { passage.write(to: &$0) } } }
        if let note = prompt.note { object["note"] = note.capitalizedFirst }
        object.key("words"); object.array { list in for word in words { list.string(word) } }
        object["prompt"] = prompt.message
    }

    /// As it is stored with the answer.
    var json: String {
        var writer = JSONWriter()
        writer.object(write)
        return writer.text
    }
}
