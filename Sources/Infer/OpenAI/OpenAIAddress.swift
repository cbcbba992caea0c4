/// Where an OpenAI-compatible program listens, and under which name its model is known.
///
///     let address = try OpenAIAddress("http://localhost:8080", key: environment["SLM_BACKEND_KEY"])
///     address.url("chat/completions")                          // http://localhost:8080/v1/chat/completions
package struct OpenAIAddress: Sendable, Equatable {
    /// With the path in which the functions are: `…/v1` where none is given.
    package let base: String
    /// Goes with each request, and is shown nowhere.
    let key: String?

    package init(_ text: String, key: String? = nil) throws(GenerationError) {
        func refuse(_ reason: String) -> GenerationError { .remote(.badAddress(text, reason: reason)) }
        var base = text
        while base.hasSuffix("/") { base.removeLast() }
        guard let scheme = ["http://", "https://"].first(where: { base.lowercased().hasPrefix($0) }) else { throw refuse("it should begin with http:// or https://") }
        let rest = base.dropFirst(scheme.count)
        guard let host = rest.first, host != "/", host != "?", !base.utf8.contains(where: { $0 <= 32 || $0 == 127 }) else { throw refuse("it names no host") }
        if rest.contains("@") { throw refuse("a password has no place in it; the key is read from the environment: SLM_BACKEND_KEY") }
        if rest.contains("?") || rest.contains("#") { throw refuse("it should end with its path") }
        if let key, key.utf8.contains(where: { $0 <= 32 || $0 >= 127 }) { throw refuse("the key has characters that no key has: white space, or a line end") }
        self.base = rest.contains("/") ? base : base + "/v1"
        self.key = key.flatMap { $0.isEmpty ? nil : $0 }
    }

    func url(_ function: String) -> String { base + "/" + function }
}
