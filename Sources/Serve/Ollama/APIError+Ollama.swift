import JSON

extension APIError {
    /// The beginning of the paths of Ollama's API, which its own port does not have.
    static let ollamaPrefix = "/ollama"

    /// Whether clients of a path expect errors in the form of Ollama's API.
    static func isOllama(_ path: String) -> Bool { path == ollamaPrefix || path.hasPrefix(ollamaPrefix + "/") }

    /// Writes Ollama's error object.
    func writeOllama(to writer: inout JSONWriter) {
        writer.object { $0["error"] = message }
    }
}
