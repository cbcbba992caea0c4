import Infer
import JSON

/// An answer as a line of JSON.
///
///     say(AnswerRecord(answer))                                // {"text":"Hello!","tokens":[20,17],…}
struct AnswerRecord: CustomStringConvertible {
    let answer: GenerationResult

    init(_ answer: GenerationResult) { self.answer = answer }

    var description: String {
        var writer = JSONWriter(.oneLine)
        let end = answer.end, beginning = answer.start
        writer.object { writer in
            writer.key("text"); writer.string(answer.text)
            writer.key("tokens"); writer.array { for id in answer.tokens.compactMap(\.id) { $0.integer(id) } }
            writer.key("prompt_tokens"); writer.integer(end.promptTokens)
            writer.key("answer_tokens"); writer.integer(end.answerTokens)
            if answer.tokens.contains(where: { $0.logProbability != nil }) {
                writer.key("logprobs"); writer.array { for token in answer.tokens { Self.write(token, to: &$0) } }
            }
            writer.key("finish_reason"); writer.string(end.reason.name)
            if case .error(let error) = end.reason { writer.key("error"); writer.string(error.description) }
            if beginning.wasTruncated { writer.key("was_cut"); writer.boolean(true) }
            writer.key("timings")
            writer.object {
                for (key, seconds) in [
                    ("waited_s", end.timings.queued), ("prompt_s", end.timings.prefill), ("answer_s", end.timings.decode),
                ] {
                    $0.key(key); $0.number((seconds * 1e6).rounded() / 1e6)
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
            writer.array { for other in token.alternatives { $0.object { write(other.id, other.bytes, other.logProbability, to: &$0) } } }
        }
    }

    private static func write(_ id: Int32?, _ bytes: [UInt8], _ logProbability: Float?, to writer: inout JSONWriter) {
        if let id { writer.key("id"); writer.integer(id) }
        writer.key("token"); writer.string(bytes)
        writer.key("bytes"); writer.array { for byte in bytes { $0.integer(byte) } }
        if let logProbability { writer.key("logprob"); writer.number(Double(logProbability)) }
    }
}
