package import Documents
import HTTPServer
import Infer
import Tokenize

/// Documents that answers can be from: indexes with names.
///
///     let documents = ServedDocuments([try SharedIndex("notes.index", named: "notes")])
///     let sources = try documents.named(["notes"]).sources(for: "And how often?", after: ["How do I reset the pump?"], model)
package struct ServedDocuments: Sendable {
    let indexes: [ServedIndex]
    /// The most passages of a prompt.
    package var passageLimit: Int

    package static let mostPassages = 50

    package init(_ indexes: [SharedIndex] = [], passageLimit: Int = 4) {
        self.init(indexes.map { ServedIndex($0) }, passageLimit)
    }

    private init(_ indexes: [ServedIndex], _ passageLimit: Int) {
        self.indexes = indexes
        self.passageLimit = passageLimit
    }

    var isEmpty: Bool { indexes.isEmpty }
    var ids: [String] { indexes.map(\.id) }

    /// Those with these ids, in the order of the server.
    func named(_ ids: [String]) -> ServedDocuments { ServedDocuments(indexes.filter { ids.contains($0.id) }, passageLimit) }

    func adding(_ others: [ServedIndex]) -> ServedDocuments { ServedDocuments(indexes + others, passageLimit) }

    /// What the model gets instead of a question; nil if there are no documents.
    ///
    /// - Parameter earlier: The questions before it in the chat, the latest last.
    func sources(for question: String, after earlier: [String], _ model: ServedModel) throws(APIError) -> AnswerSources? {
        if isEmpty { return nil }
        let tokenizer = model.modelInfo?.tokenizer
        let budget = PassageFinder.budget(ofContext: model.context)
        let finder = PassageFinder(indexes, limit: passageLimit, budget: budget) { text in
            try tokenizer?.ids(of: text).count ?? TokenEstimate.count(text)
        }
        let prompt = try finding { () throws(DocumentError) in try finder.prompt(for: question, after: earlier) }
        return AnswerSources(prompt, of: question, after: earlier)
    }

    /// - Parameter limit: The most passages.
    func passages(for question: String, limit: Int) throws(APIError) -> [Passage] {
        let finder = PassageFinder(indexes, limit: limit, budget: 0)
        return try finding { () throws(DocumentError) in Array(try finder.passages(for: question, limit: limit).prefix(limit)) }
    }

    private func finding<Result>(_ body: () throws(DocumentError) -> Result) throws(APIError) -> Result {
        try Self.finding(indexes.map(\.name).joined(separator: ", "), body)
    }

    /// Hides the paths of indexes, which are for the operator.
    static func finding<Result>(_ names: String, _ body: () throws(DocumentError) -> Result) throws(APIError) -> Result {
        do throws(DocumentError) { return try body() } catch {
            if let failure = APIError(error, in: names) { throw failure }
            var failure = APIError.serviceUnavailable(
                "documents_unavailable", "The documents \(names) cannot be read at the moment.", retryAfter: 5)
            failure.cause = "\(error)"
            throw failure
        }
    }
}

extension APIError {
    /// An error of the file that a client has named; nil for others.
    fileprivate init?(_ error: DocumentError, in documents: String) {
        switch error {
        case .noSuchFile(let name, _, _):
            let reason = "it was deleted or renamed, and the documents were indexed again. Ask again for an answer from what they have now."
            self.init(
                status: .notFound, code: "file_not_found",
                message: "The documents \(documents) have no file '\(name.prefix(200))': \(reason)", field: "file")
        case .ambiguousFile(let name, _, let count):
            let advice = "The operator of this server can index their common folder instead, so that their names differ."
            self.init(
                status: .conflict, code: "ambiguous_file",
                message: "The documents \(documents) have \(count) files '\(name.prefix(200))', expected one. \(advice)", field: "file")
        default: return nil
        }
    }
}
