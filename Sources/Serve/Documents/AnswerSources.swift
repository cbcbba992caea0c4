import Documents
import JSON

/// The passages of documents that an answer was generated from: `AnswerSources` in Documentation/Reference/openapi.yaml.
struct AnswerSources: Sendable {
    private let prompt: PassagePrompt
    let question: String
    /// The words that were searched, for a page that highlights them.
    private let words: [String]

    /// - Parameter earlier: The questions before it in the chat, the latest last.
    init(_ prompt: PassagePrompt, of question: String, after earlier: [String]) {
        self.prompt = prompt
        self.question = question
        words = DocumentIndex.words(of: question, after: earlier)
    }

    /// What the model gets instead of the question.
    var message: String { prompt.message }

    var passages: [Passage] { prompt.sources }

    func write(to object: inout JSONWriter) {
        object.objects("passages", prompt.sources) { $0.write(to: &$1) }
        if let note = prompt.note { object["note"] = note.capitalizedFirst }
        object["words"] = words
        object["prompt"] = prompt.message
    }

    /// As it is stored with the answer.
    var json: String {
        var writer = JSONWriter()
        writer.object(write)
        return writer.text
    }

    /// What the model got instead of the question, of sources as they are stored; nil if there were no passages.
    static func messageWithPassages(in json: String) -> String? {
        guard let sources = try? JSONElement(parsing: json), let passages = sources["passages"]?.elements,
              passages.contains(where: { _ in true }) else { return nil }
        return sources["prompt"]?.string
    }
}

/// The forms of OpenAI's Responses API.
extension AnswerSources {
    /// Writes an annotation for each number in brackets that is the number of a passage.
    func writeCitations(of text: String, to list: inout JSONWriter) {
        for match in text.matches(of: /\[([0-9]{1,3})\]/) {
            guard let number = Int(match.1), passages.indices.contains(number - 1) else { continue }
            let passage = passages[number - 1]
            list.object {
                $0["type"] = "file_citation"
                $0["index"] = text.unicodeScalars.distance(from: text.startIndex, to: match.range.lowerBound)
                $0["file_id"] = passage.fileID
                $0["filename"] = passage.file
            }
        }
    }
}

extension Passage {
    /// The id of its file in OpenAI's API; the name of a file of the operator.
    var fileID: String { origin.map { VectorStoreService.filePrefix + $0.file } ?? file }

    func writeFoundFile(to object: inout JSONWriter) {
        writeFile(to: &object)
        object["text"] = text
    }

    /// Writes the file, and its score: the share of the best one's.
    func writeFile(to object: inout JSONWriter) {
        object["file_id"] = fileID
        object["filename"] = file
        object["score"] = share.rounded(toPlaces: 4)
        object.object("attributes") { _ in }
    }
}
