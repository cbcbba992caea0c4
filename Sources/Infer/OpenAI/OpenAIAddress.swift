import HTTPClient

/// The address of an OpenAI-compatible server.
///
///     let address = try OpenAIAddress("http://localhost:8080", key: environment["SLM_BACKEND_KEY"])
///     address.url("chat/completions")                          // http://localhost:8080/v1/chat/completions
package struct OpenAIAddress: Sendable, Equatable {
    /// With the path of the API: `…/v1` if none is given.
    package let base: String
    /// Sent with each request, and never shown.
    let key: String?

    package init(_ text: String, key: String? = nil) throws(GenerationError) {
        func invalid(_ reason: String) -> GenerationError { .remote(.invalidAddress(text, reason: reason)) }
        let advice = "; set the API key in the environment: SLM_BACKEND_KEY"
        let address = try ServerAddress(text, passwordAdvice: advice, invalid: invalid)
        if let key, key.utf8.contains(where: { $0 <= 32 || $0 >= 127 }) {
            throw invalid("the API key contains a space, a line break or a character outside ASCII")
        }
        base = address.base + (address.rest.contains("/") ? "" : "/v1")
        self.key = key.flatMap { $0.isEmpty ? nil : $0 }
    }

    func url(_ endpoint: String) -> String { base + "/" + endpoint }
}
