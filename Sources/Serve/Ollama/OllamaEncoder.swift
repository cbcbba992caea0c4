import Infer
import JSON
import Store
import Tokenize

/// Encodes an answer in the form of Ollama's API: one object, or a stream of JSON lines.
///
///     encoder.response(answers)                                // {"model":"first","message":{…},"done":true,…}
///     encoder.event(.text(piece, offset: 0), of: 0)            // {"model":"first","message":{…},"done":false}
struct OllamaEncoder: AnswerEncoder {
    /// Whether the answer is a message, as in `/api/chat`, and not a text, as in `/api/generate`.
    let isChat: Bool
    let request: CompletionRequest
    let model: String

    let contentType = "application/x-ndjson"
    /// Every line has to be an answer.
    let heartbeat = ""

    func response(_ answers: [GenerationResult]) -> [UInt8] {
        let answer = answers.first ?? GenerationResult()
        let read = request.kind == .chat ? AnswerReader.read(answer, request) : AnswerReader.Output(content: answer.text)
        return last(read, answer.end, answer.tokens)
    }

    func event(_ chunk: AnswerChunk, of answer: Int) -> [UInt8] {
        switch chunk {
        case .start, .prompt, .finish: []
        case .text(let piece, _): line(AnswerReader.Output(content: piece.text), piece.tokens)
        case .reasoning(let text, let tokens): line(AnswerReader.Output(reasoning: text), tokens)
        case .toolCalls(let calls): line(AnswerReader.Output(calls: calls), [])
        }
    }

    func end(of answers: [GenerationResult]) -> [UInt8] {
        last(AnswerReader.Output(), answers.first?.end ?? GenerationResult().end, []) + [10]
    }

    func event(of error: APIError) -> [UInt8] {
        var writer = JSONWriter()
        error.writeOllama(to: &writer)
        return writer.bytes + [10]
    }

    /// The response to a request that only loads the model.
    static func loaded(model: String, isChat: Bool) -> [UInt8] {
        object(AnswerReader.Output(), model: model, isChat: isChat) {
            $0["done"] = true
            $0["done_reason"] = "load"
        }
    }

    private func line(_ output: AnswerReader.Output, _ tokens: [GeneratedToken]) -> [UInt8] {
        Self.object(output, model: model, isChat: isChat) {
            $0["done"] = false
            writeLogProbabilities(tokens, to: &$0)
        } + [10]
    }

    private func writeLogProbabilities(_ tokens: [GeneratedToken], to object: inout JSONWriter) {
        guard request.includesLogProbabilities, tokens.contains(where: { $0.logProbability != nil }) else { return }
        object.key("logprobs"); tokens.writeLogProbabilityList(to: &object)
    }

    /// - Parameter tokens: Those of the whole answer; none at the end of a stream.
    private func last(_ output: AnswerReader.Output, _ end: GenerationEnd, _ tokens: [GeneratedToken]) -> [UInt8] {
        let timings = end.timings
        // Never 0, because clients divide by it.
        func nanoseconds(_ seconds: Double) -> Int { max(1, Int(seconds * 1e9)) }
        return Self.object(output, model: model, isChat: isChat) {
            $0["done"] = true
            $0["done_reason"] = end.reason == .length ? "length" : "stop"
            $0["total_duration"] = nanoseconds(timings.queued + timings.prefill + timings.decode)
            $0["load_duration"] = 0
            $0["prompt_eval_count"] = end.promptTokens
            $0["prompt_eval_duration"] = nanoseconds(timings.prefill)
            $0["eval_count"] = end.answerTokens
            $0["eval_duration"] = nanoseconds(timings.decode)
            writeLogProbabilities(tokens, to: &$0)
        }
    }

    private static func object(
        _ output: AnswerReader.Output, model: String, isChat: Bool, _ rest: (inout JSONWriter) -> Void
    ) -> [UInt8] {
        return JSONWriter.bytes { object in
            object["model"] = model
            object["created_at"] = Timestamp.now().description
            if isChat {
                object.object("message") { write(output, "content", to: &$0) }
            } else {
                write(output, "response", to: &object)
            }
            rest(&object)
        }
    }

    private static func write(_ output: AnswerReader.Output, _ name: String, to object: inout JSONWriter) {
        if name == "content" { object["role"] = "assistant" }
        object[name] = output.content
        if !output.reasoning.isEmpty { object["thinking"] = output.reasoning }
        if output.calls.isEmpty { return }
        object.objects("tool_calls", output.calls) { call, object in
            object["id"] = call.id
            object.object("function") {
                $0["index"] = call.index
                $0["name"] = call.call.name
                $0.json("arguments", String(decoding: call.call.arguments, as: UTF8.self))
            }
        }
    }
}
