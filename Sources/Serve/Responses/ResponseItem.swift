import Infer
import JSON
import Store
import Tokenize

/// An item of the output of a response: a message, a thought, a call of a function or a search of documents.
struct ResponseItem: Sendable {
    enum Kind: Sendable {
        case message, reasoning
        case call(ToolCallReader.Call)
        /// `includesResults`: whether the client has asked for the passages.
        case fileSearch(AnswerSources, includesResults: Bool)

        /// The item's type in the API.
        var type: String {
            switch self {
            case .message: "message"
            case .reasoning: "reasoning"
            case .call: "function_call"
            case .fileSearch: "file_search_call"
            }
        }
    }

    enum Status: String, Sendable {
        case inProgress = "in_progress"
        case completed, incomplete
    }

    let id: String
    let kind: Kind
    var text: String
    /// The tokens of the text, if log-probabilities were requested.
    var tokens: [GeneratedToken]?
    var status: Status
    /// The passages that a message may cite.
    let sources: AnswerSources?

    /// - Parameter index: The item's place in the output.
    init(
        _ kind: Kind, _ index: Int, of response: ResponseID, text: String = "", tokens: [GeneratedToken]? = nil,
        sources: AnswerSources? = nil, _ status: Status = .inProgress
    ) {
        id = ResponseItemID.text(kind.type, .output, index, of: response)
        self.kind = kind
        self.text = text
        self.tokens = tokens
        self.sources = sources
        self.status = status
    }

    var isSearch: Bool { if case .fileSearch = kind { true } else { false } }

    /// Whether both have the same kind, so that text of one continues the other.
    func has(kindOf kind: Kind) -> Bool {
        switch (self.kind, kind) {
        case (.message, .message), (.reasoning, .reasoning): true
        default: false
        }
    }

    /// Writes the item; its content only if it is complete.
    func write(to object: inout JSONWriter) {
        object["id"] = id
        object["type"] = kind.type
        object["status"] = status.rawValue
        switch kind {
        case .message:
            object["role"] = "assistant"
            object.key("content"); writeContent(to: &object)
        case .reasoning:
            object.array("summary") { _ in }
            object.key("content"); writeContent(to: &object)
        case .call(let call):
            object["call_id"] = call.id
            object["name"] = call.call.name
            object["arguments"] = status == .inProgress ? [] : call.call.arguments
        case .fileSearch(let sources, let includesResults):
            object.array("queries") { $0.string(sources.question) }
            object.key("results")
            if !includesResults { return object.null() }
            object.objects(sources.passages) { $0.writeFoundFile(to: &$1) }
        }
    }

    private func writeContent(to object: inout JSONWriter) {
        object.array { list in if status != .inProgress { list.object { writePart(to: &$0) } } }
    }

    /// Writes the part of the content that has the text.
    func writePart(to part: inout JSONWriter) {
        if has(kindOf: .reasoning) {
            part["type"] = "reasoning_text"
            part["text"] = text
        } else {
            part["type"] = "output_text"
            part.array("annotations") { list in sources?.writeCitations(of: text, to: &list) }
            part.key("logprobs"); (tokens ?? []).writeLogProbabilityList(to: &part)
            part["text"] = text
        }
    }
}
