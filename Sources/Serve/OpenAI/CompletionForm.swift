import Infer
import JSON

/// Answers as OpenAI's clients read them: whole, or in chunks.
///
///     form.whole(answers)                                      // {"id":"chatcmpl-…","object":"chat.completion",…}
///     form.event(.said(piece, from: 0), of: 0)                 // data: {"id":"chatcmpl-…","object":"chat.completion.chunk",…}
struct CompletionForm: Sendable {
    /// What a chunk says.
    enum Chunk {
        case began(GenerationStart)
        /// - from: Characters of the text before it.
        case said(TextPiece, from: Int)
        case over(FinishReason)
    }

    private let request: CompletionRequest
    private let id: String
    private let created: Int
    private let model: String

    init(_ request: CompletionRequest, model: String) {
        self.request = request
        self.model = model
        created = unixTime()
        let digits = (0..<2).map { _ in String(UInt64.random(in: 0 ... .max), radix: 36) }.joined()
        id = (request.kind == .chat ? "chatcmpl-" : "cmpl-") + digits
    }

    private var isChat: Bool { request.kind == .chat }

    /// The body of an answer that is no stream.
    func whole(_ answers: [GenerationResult]) -> [UInt8] {
        var writer = JSONWriter()
        writer.object { whole in
            writeHead(isChat ? "chat.completion" : "text_completion", to: &whole)
            whole.key("choices")
            whole.array { for (i, answer) in answers.enumerated() { write(answer, i, to: &$0) } }
            whole.key("usage")
            Usage(of: answers, answersPerPrompt: request.answersPerPrompt).write(to: &whole)
        }
        return writer.bytes
    }

    /// One of the events of a stream.
    func event(_ chunk: Chunk, of answer: Int) -> [UInt8] {
        Self.event { event in
            writeHead(isChat ? "chat.completion.chunk" : "text_completion", to: &event)
            event.key("choices")
            event.array { $0.object { write(chunk, answer, to: &$0) } }
            if request.tellsUsage { event.key("usage"); event.null() }
        }
    }

    /// The counts, behind all chunks.
    func usageEvent(_ answers: [GenerationResult]) -> [UInt8] {
        Self.event { event in
            writeHead(isChat ? "chat.completion.chunk" : "text_completion", to: &event)
            event.key("choices"); event.array { _ in }
            event.key("usage")
            Usage(of: answers, answersPerPrompt: request.answersPerPrompt).write(to: &event)
        }
    }

    static let endEvent = Array("data: [DONE]\n\n".utf8)

    static func event(of failure: Failure) -> [UInt8] {
        var writer = JSONWriter()
        failure.writeAsOpenAI(to: &writer)
        return framed(writer.bytes)
    }

    private static func event(_ body: (inout JSONWriter) -> Void) -> [UInt8] {
        var writer = JSONWriter()
        writer.object(body)
        return framed(writer.bytes)
    }

    private static func framed(_ bytes: [UInt8]) -> [UInt8] { Array("data: ".utf8) + bytes + [10, 10] }

    private func writeHead(_ object: String, to writer: inout JSONWriter) {
        writer.key("id"); writer.string(id)
        writer.key("object"); writer.string(object)
        writer.key("created"); writer.integer(created)
        writer.key("model"); writer.string(model)
    }
}

/// Choices.
extension CompletionForm {
    private func write(_ answer: GenerationResult, _ index: Int, to list: inout JSONWriter) {
        let echo = request.echo(of: index)
        list.object { choice in
            choice.key("index"); choice.integer(index)
            if isChat {
                choice.key("message")
                choice.object {
                    $0.key("role"); $0.string("assistant")
                    $0.key("content"); $0.string(answer.text)
                }
            } else { choice.key("text"); choice.string(echo + answer.text) }
            writeLogProbabilities(answer.tokens, from: echo.unicodeScalars.count, to: &choice)
            choice.key("finish_reason"); choice.string(answer.end.reason.name)
            writeWarning(answer.start, to: &choice)
        }
    }

    private func write(_ chunk: Chunk, _ index: Int, to choice: inout JSONWriter) {
        choice.key("index"); choice.integer(index)
        if isChat { choice.key("delta") } else { choice.key("text") }
        switch chunk {
        case .began(let beginning):
            if isChat {
                choice.object {
                    $0.key("role"); $0.string("assistant")
                    $0.key("content"); $0.string("")
                }
            } else { choice.string(request.echo(of: index)) }
            writeWarning(beginning, to: &choice)
        case .said(let piece, _):
            if isChat { choice.object { $0.key("content"); $0.string(piece.text) } } else { choice.string(piece.text) }
        case .over: if isChat { choice.object { _ in } } else { choice.string("") }
        }
        if case .said(let piece, let start) = chunk {
            writeLogProbabilities(piece.tokens, from: start, to: &choice)
        } else { choice.key("logprobs"); choice.null() }
        choice.key("finish_reason"); if case .over(let reason) = chunk { choice.string(reason.name) } else { choice.null() }
    }

    private func writeLogProbabilities(_ tokens: [GeneratedToken], from start: Int, to choice: inout JSONWriter) {
        choice.key("logprobs")
        if !request.tellsLogProbabilities { return choice.null() }
        if isChat { tokens.writeForChats(to: &choice) } else { tokens.writeForTexts(from: start, to: &choice) }
    }

    /// What OpenAI's own models have no word for: how much of the prompt is not read because it does not fit.
    private func writeWarning(_ beginning: GenerationStart, to choice: inout JSONWriter) {
        guard beginning.droppedMessages > 0 || beginning.wasTruncated else { return }
        choice.key("warning")
        choice.object {
            $0.key("dropped_turns"); $0.integer(beginning.droppedMessages)
            $0.key("cut"); $0.boolean(beginning.wasTruncated)
        }
    }
}

/// Tokens of all prompts, each counted once, and of all answers.
private struct Usage {
    private var prompt = 0, answer = 0, cached = 0

    init(of answers: [GenerationResult], answersPerPrompt: Int) {
        for (i, answer) in answers.enumerated() {
            self.answer += answer.end.answerTokens
            guard i % answersPerPrompt == 0 else { continue }
            prompt += answer.end.promptTokens
            cached += answer.start.cachedTokens
        }
    }

    func write(to writer: inout JSONWriter) {
        writer.object {
            $0.key("prompt_tokens"); $0.integer(prompt)
            $0.key("completion_tokens"); $0.integer(answer)
            $0.key("total_tokens"); $0.integer(prompt + answer)
            $0.key("prompt_tokens_details")
            $0.object { $0.key("cached_tokens"); $0.integer(cached) }
        }
    }
}
