import JSON

/// A field of OpenAI's API that would change the answer and is not supported. It is rejected unless its value asks for the default.
struct UnsupportedField: Sendable {
    let name: String
    let reason: String
    /// Whether a value asks for the default.
    let isDefault: @Sendable (JSONElement) -> Bool

    init(_ name: String, _ reason: String, unless isDefault: @escaping @Sendable (JSONElement) -> Bool = { _ in false }) {
        self.name = name
        self.reason = reason
        self.isDefault = isDefault
    }

    static let chat = [
        UnsupportedField("functions", "not supported: use tools.") { $0.isEmptyList },
        UnsupportedField("function_call", "not supported: use tool_choice.") { $0.isString("none") || $0.isString("auto") },
        UnsupportedField("modalities", "only text is supported.") { $0.elements?.allSatisfy { $0.isString("text") } ?? false },
        UnsupportedField("audio", "only text is supported."),
        UnsupportedField("web_search_options", "web search is not supported."),
    ]

    static let text = [
        UnsupportedField("suffix", "inserting text before a suffix is not supported.") { $0.isString("") },
        UnsupportedField("best_of", "ranking answers is not supported: use n.") { $0.integer == 1 },
    ]
}

extension RequestFields {
    func rejectUnsupported(_ fields: [UnsupportedField]) throws(APIError) {
        for field in fields {
            if let value = self[field.name], !field.isDefault(value) { throw .invalid(field.name, field.reason) }
        }
    }
}

extension JSONElement {
    fileprivate var isEmptyList: Bool { elements.map { $0.contains { _ in true } } == false }
}
