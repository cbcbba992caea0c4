package import Infer

extension ChatBackend {
    /// Generates a whole answer and returns it. Throws if the generation ended with an error.
    package func generate(_ request: GenerationRequest) throws(GenerationError) -> GenerationResult {
        var result = GenerationResult()
        for event in try stream(request) { result.add(event) }
        if case .error(let error) = result.end.reason { throw error }
        return result
    }
}
