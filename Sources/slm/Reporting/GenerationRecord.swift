import Documents
import Infer
import JSON

/// An answer as one line of JSON.
///
///     printLine(GenerationRecord(result))                      // {"text":"Hello!","tokens":[20,17],…}
struct GenerationRecord: CustomStringConvertible {
    let result: GenerationResult
    /// The passages that the prompt had; nil if no documents were used.
    let sources: [Passage]?

    init(_ result: GenerationResult, sources: [Passage]? = nil) {
        self.result = result
        self.sources = sources
    }

    var description: String {
        let end = result.end
        return JSONWriter.text { writer in
            writer["text"] = result.text
            writer.array("tokens") { for id in result.tokens.compactMap(\.id) { $0.integer(id) } }
            writer["prompt_tokens"] = end.promptTokens
            writer["answer_tokens"] = end.answerTokens
            if result.tokens.contains(where: { $0.logProbability != nil }) {
                writer.objects("logprobs", result.tokens, Self.write)
            }
            writer["finish_reason"] = end.reason.name
            if case .error(let error) = end.reason { writer["error"] = error.description }
            if result.start.wasTruncated { writer["was_cut"] = true }
            if let sources { writer.objects("sources", sources) { $0.write(to: &$1) } }
            writer.object("timings") {
                let timings = end.timings
                for (key, seconds) in [("waited_s", timings.queued), ("prompt_s", timings.prefill), ("answer_s", timings.decode)] {
                    $0[key] = seconds.rounded(toPlaces: 6)
                }
            }
            if end.guesses.checked > 0 {
                writer.object("guesses") {
                    $0["checked"] = end.guesses.checked
                    $0["right"] = end.guesses.right
                }
            }
        }
    }

    private static func write(_ token: GeneratedToken, to writer: inout JSONWriter) {
        write(token.id, token.bytes, token.logProbability, to: &writer)
        guard !token.alternatives.isEmpty else { return }
        writer.objects("top", token.alternatives) { write($0.id, $0.bytes, $0.logProbability, to: &$1) }
    }

    private static func write(_ id: Int32?, _ bytes: [UInt8], _ logProbability: Float?, to writer: inout JSONWriter) {
        if let id { writer["id"] = id }
        writer["token"] = bytes
        writer.array("bytes") { for byte in bytes { $0.integer(byte) } }
        if let logProbability { writer["logprob"] = Double(logProbability) }
    }
}
