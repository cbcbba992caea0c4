import JSON
import Tokenize

extension RequestFields {
    /// The most documents that a request names.
    private static let maxDocuments = 100

    /// Parses `documents`: names of documents and ids of libraries. nil if the field is missing.
    func documents(_ readable: ReadableDocuments) throws(APIError) -> ServedDocuments? {
        guard let value = self["documents"] else { return nil }
        guard let elements = value.elements else {
            throw .invalid("documents", "expected a list of names, found \(value.kind.rawValue).")
        }
        var names: [String] = []
        for element in elements {
            guard let name = element.string else { throw .invalid("documents", "expected names, found \(element.kind.rawValue).") }
            names.append(name)
            if names.count > Self.maxDocuments { throw .invalid("documents", "expected at most \(Self.maxDocuments) names.") }
        }
        return try readable.named(names)
    }

    /// Parses `documents` and `max_passages` of a chat whose last message is the question, and puts the passages into that message.
    func sources(
        _ readable: ReadableDocuments, in messages: inout [ChatMessage], _ model: ServedModel
    ) throws(APIError) -> AnswerSources? {
        guard var documents = try documents(readable), !documents.isEmpty else { return nil }
        documents.passageLimit = try integer("max_passages", 1...ServedDocuments.mostPassages) ?? documents.passageLimit
        guard let question = messages.last, question.role == .user else {
            throw .invalid("documents", "expected a user's message at the end of messages, which is searched for.")
        }
        let sources = try documents.sources(
            for: String(decoding: question.text, as: UTF8.self), after: messages.dropLast().userTexts, model)
        if let sources { messages[messages.count - 1] = ChatMessage(.user, sources.message) }
        return sources
    }
}
