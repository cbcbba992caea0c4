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
            writer.key("text")
            writer.string(result.text)
            writer.key("tokens")
            writer.array { for id in result.tokens.compactMap(\.id) { $0.integer(id) } }
            writer.key("prompt_tokens")
            writer.integer(end.promptTokens)
            writer.key("answer_tokens")
            writer.integer(end.answerTokens)
            if result.tokens.contains(where: { $0.logProbability != nil }) {
                writer.key("logprobs")
                writer.array { for token in result.tokens { Self.write(token, to: &$0) } }
            }
            writer.key("finish_reason")
            writer.string(end.reason.name)
            if case .error(let error) = end.reason {
                writer.key("error")
                writer.string(error.description)
            }
            if result.start.wasTruncated {
                writer.key("was_cut")
                writer.boolean(true)
            }
            if let sources {
                writer.key("sources")
                writer.array { for source in sources { $0.object { source.write(to: &$0) } } }
            }
            writer.key("timings")
            writer.object {
                let timings = end.timings
                for (key, seconds) in [("waited_s", timings.queued), ("prompt_s", timings.prefill), ("answer_s", timings.decode)] {
                    $0.key(key)
                    $0.number((seconds * 1e6).rounded() / 1e6)
                }
            }
            if end.guesses.checked > 0 {
                writer.key("guesses")
                writer.object {
                    $0.key("checked")
                    $0.integer(end.guesses.checked)
                    $0.key("right")
                    $0.integer(end.guesses.right)
                }
            }
        }
        return writer.text
    }

    private static func write(_ token: GeneratedToken, to writer: inout JSONWriter) {
        writer.object { writer in
            write(token.id, token.bytes, token.logProbability, to: &writer)
            guard !token.alternatives.isEmpty else { return }
            writer.key("top")
            writer.array { list in
                for other in token.alternatives { list.object { write(other.id, other.bytes, other.logProbability, to: &$0) } }
            }
        }
    }

    private static func write(_ id: Int32?, _ bytes: [UInt8], _ logProbability: Float?, to writer: inout JSONWriter) {
        if let id {
            writer.key("id")
            writer.integer(id)
        }
        writer.key("token")
        writer.string(bytes)
        writer.key("bytes")
        writer.array { for byte in bytes { $0.integer(byte) } }
        if let logProbability {
            writer.key("logprob")
            writer.number(Double(logProbability))
        }
    }
}
