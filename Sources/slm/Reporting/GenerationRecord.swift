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
        var writer = JSONWriter(.oneLine)
        let end = result.end
        writer.object { writer in
            writer["text"] = result.text
            writer.array("tokens") { for id in result.tokens.compactMap(\.id) { $0.integer(id) } }
            writer["prompt_tokens"] = end.promptTokens
            writer["answer_tokens"] = end.answerTokens
            if result.tokens.contains(where: { $0.logProbability != nil }) {
                writer.array("logprobs") { for token in result.tokens { Self.write(token, to: &$0) } }
            }
            writer["finish_reason"] = end.reason.name
            if case .error(let error) = end.reason { writer["error"] = error.description }
            if result.start.wasTruncated { writer["was_cut"] = true }
            if let sources {
                writer.array("sources") { for source in sources { $0.object { source.write(to: &$0) } } }
            }
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
        return writer.text
    }

    private static func write(_ token: GeneratedToken, to writer: inout JSONWriter) {
        writer.object { writer in
            write(token.id, token.bytes, token.logProbability, to: &writer)
            guard !token.alternatives.isEmpty else { return }
            writer.array("top") { list in
                for other in token.alternatives { list.object { write(other.id, other.bytes, other.logProbability, to: &$0) } }
            }
        }
    }

    private static func write(_ id: Int32?, _ bytes: [UInt8], _ logProbability: Float?, to writer: inout JSONWriter) {
        if let id { writer["id"] = id }
        writer["token"] = bytes
        writer.array("bytes") { for byte in bytes { $0.integer(byte) } }
        if let logProbability { writer["logprob"] = Double(logProbability) }
    }
}
