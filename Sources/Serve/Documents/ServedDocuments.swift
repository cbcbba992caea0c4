package import Documents
import HTTPServer
import Infer
import Tokenize

/// The documents that a server answers from, or some of them: indexes with names.
///
///     let documents = ServedDocuments([try SharedIndex("notes.index", named: "notes")])
///     let sources = try documents.named(["notes"]).sources(for: "How do I reset the pump?", model)
package struct ServedDocuments: Sendable {
    let indexes: [SharedIndex]
    /// The most passages of a prompt.
    let passageLimit: Int

    package static let usualPassageLimit = 4

    package init(_ indexes: [SharedIndex] = [], passageLimit: Int = usualPassageLimit) {
        self.indexes = indexes
        self.passageLimit = passageLimit
    }

    var isEmpty: Bool { indexes.isEmpty }
    var names: [String] { indexes.map(\.name) }

    /// Those with these names, in the order of the server. Throws 404 for another name.
    func named(_ names: [String]) throws(APIError) -> ServedDocuments {
        if let unknown = names.first(where: { !self.names.contains($0) }) {
            let expected = isEmpty ? "this server has none" : "expected \(self.names.joined(separator: ", "))"
            let message = "Unknown documents '\(unknown.prefix(100))': \(expected)."
            throw APIError(status: .notFound, code: "documents_not_found", message: message, field: "documents")
        }
        return ServedDocuments(indexes.filter { names.contains($0.name) }, passageLimit: passageLimit)
    }

    /// What the model gets instead of a question; nil if there are no documents.
    func sources(for question: String, _ model: ServedModel) throws(APIError) -> AnswerSources? {
        if isEmpty { return nil }
        let tokenizer = model.modelInfo?.tokenizer
        let budget = PassageFinder.budget(ofContext: model.context)
        let finder = PassageFinder(indexes, limit: passageLimit, budget: budget) { text in
            try tokenizer?.ids(of: text).count ?? TokenEstimate.count(text)
        }
        return AnswerSources(try finding { () throws(DocumentError) in try finder.prompt(for: question) }, of: question)
    }

    /// - Parameter limit: The most passages.
    func passages(for question: String, limit: Int) throws(APIError) -> [Passage] {
        let finder = PassageFinder(indexes, limit: limit, budget: 0)
        return try finding { () throws(DocumentError) in Array(try finder.passages(for: question, limit: limit).prefix(limit)) }
    }

    /// Hides the paths of indexes, which are for the operator.
    private func finding<Result>(_ body: () throws(DocumentError) -> Result) throws(APIError) -> Result {
        do throws(DocumentError) { return try body() } catch {
            var failure = APIError.serviceUnavailable(
                "documents_unavailable", "The documents \(names.joined(separator: ", ")) cannot be read at the moment.", retryAfter: 5)
            failure.cause = "\(error)"
            throw failure
        }
    }
}
