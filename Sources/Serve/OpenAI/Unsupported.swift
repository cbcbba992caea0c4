import JSON

/// A field that changes what comes back, and that this server does not do: refused rather than passed over, unless it asks for what is done
/// anyway.
struct Unsupported: Sendable {
    let name: String
    let reason: String
    /// Whether it asks for nothing special.
    let isHarmless: @Sendable (JSONElement) -> Bool

    init(_ name: String, _ reason: String, unless isHarmless: @escaping @Sendable (JSONElement) -> Bool = { _ in false }) {
        self.name = name
        self.reason = reason
        self.isHarmless = isHarmless
    }

    static let inChats = [
        Unsupported("tools", noTools) { $0.isEmptyList },
        Unsupported("tool_choice", noTools) { $0.isString("none") || $0.isString("auto") },
        Unsupported("functions", noTools) { $0.isEmptyList },
        Unsupported("function_call", noTools) { $0.isString("none") || $0.isString("auto") },
        Unsupported("response_format", "this model answers in plain text only: type has to be text.") {
            $0["type"]?.isString("text") ?? false
        },
        Unsupported("modalities", "this model reads and writes texts only.") { $0.elements?.allSatisfy { $0.isString("text") } ?? false },
        Unsupported("audio", "this model reads and writes texts only."),
        Unsupported("web_search_options", "this server looks nothing up."),
    ]

    static let inTexts = [
        Unsupported("suffix", "this model goes on with a text and does not fill gaps.") { $0.isString("") },
        Unsupported("best_of", "answers are not ranked here: ask for n of them.") { $0.integer == 1 },
    ]

    private static let noTools = "this model calls no tools."
}

extension Fields {
    func refuseUnsupported(_ list: [Unsupported]) throws(Failure) {
        for field in list {
            if let value = self[field.name], !field.isHarmless(value) { throw .invalid(field.name, field.reason) }
        }
    }
}

extension JSONElement {
    fileprivate var isEmptyList: Bool { elements.map { $0.contains { _ in true } } == false }
}
