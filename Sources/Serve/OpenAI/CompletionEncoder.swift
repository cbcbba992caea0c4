import Infer
import JSON
import Store
import Tokenize

/// Encodes answers in the format of OpenAI's API: one object, or the chunks of a stream.
///
///     encoder.response(answers)                                // {"id":"chatcmpl-…","object":"chat.completion",…}
///     encoder.event(.text(piece, offset: 0), of: 0)            // data: {"id":"chatcmpl-…","object":"chat.completion.chunk",…}
struct CompletionEncoder: AnswerEncoder {
    private let request: CompletionRequest
    private let id: String
    private let created: Int
    private let model: String

    init(_ request: CompletionRequest, model: String) {
        self.request = request
        self.model = model
        created = Timestamp.now().seconds
        id = .randomID(request.kind == .chat ? "chatcmpl-" : "cmpl-")
    }

    private var isChat: Bool { request.kind == .chat }

    /// Encodes the body of a response without streaming.
    func response(_ answers: [GenerationResult]) -> [UInt8] {
        return JSONWriter.bytes { response in
            writeHead(isChat ? "chat.completion" : "text_completion", to: &response)
            response.array("choices") { list in
                for (index, generated) in request.returned(of: answers).enumerated() {
                    write(answers[generated], index, echo: request.echo(of: generated), to: &list)
                }
            }
            response.key("usage")
            CompletionUsage(of: answers, to: request).write(to: &response)
            write(request.sources, to: &response)
            if isChat, let count = request.promptAlternatives, let answer = answers.first {
                answer.promptTokens.writePromptLogProbabilities(alternatives: count, to: &response)
            }
        }
    }

    /// Encodes a chunk of a stream.
    func event(_ chunk: AnswerChunk, of answer: Int) -> [UInt8] {
        Self.event { event in
            writeHead(isChat ? "chat.completion.chunk" : "text_completion", to: &event)
            event.array("choices") { $0.object { write(chunk, answer, to: &$0) } }
            if case .finish = chunk { write(request.sources, to: &event) }
            if request.includesUsage { event.null("usage") }
        }
    }

    func end(of answers: [GenerationResult]) -> [UInt8] {
        (request.includesUsage ? usageEvent(answers) : []) + Array("data: [DONE]\n\n".utf8)
    }

    /// Encodes the chunk with the token counts, which follows all others.
    private func usageEvent(_ answers: [GenerationResult]) -> [UInt8] {
        Self.event { event in
            writeHead(isChat ? "chat.completion.chunk" : "text_completion", to: &event)
            event.array("choices") { _ in }
            event.key("usage")
            CompletionUsage(of: answers, to: request).write(to: &event)
        }
    }

    func event(of error: APIError) -> [UInt8] {
        var writer = JSONWriter()
        error.writeOpenAI(to: &writer)
        return Self.framed(writer.bytes)
    }

    private static func event(_ body: (inout JSONWriter) -> Void) -> [UInt8] {
        var writer = JSONWriter()
        writer.object(body)
        return framed(writer.bytes)
    }

    private static func framed(_ bytes: [UInt8]) -> [UInt8] { Array("data: ".utf8) + bytes + [10, 10] }

    /// Writes the passages of documents. OpenAI's API has no such field.
    private func write(_ sources: AnswerSources?, to object: inout JSONWriter) {
        guard let sources else { return }
        object.object("sources", sources.write)
    }

    private func writeHead(_ object: String, to writer: inout JSONWriter) {
        writer["id"] = id
        writer["object"] = object
        writer["created"] = created
        writer["model"] = model
    }
}

/// The elements of `choices`.
extension CompletionEncoder {
    private func write(_ answer: GenerationResult, _ index: Int, echo: String, to list: inout JSONWriter) {
        let read = AnswerReader.read(answer, request), calls = read.calls
        list.object { choice in
            choice["index"] = index
            if isChat {
                choice.object("message") {
                    $0["role"] = "assistant"
                    $0["content"] = read.content.isEmpty && !calls.isEmpty ? nil : read.content
                    if !read.reasoning.isEmpty { $0["reasoning_content"] = read.reasoning }
                    if !calls.isEmpty { write(calls, withIndex: false, to: &$0) }
                }
            } else {
                choice["text"] = echo + answer.text
            }
            let prompt = request.echoesLogProbabilities ? answer.promptTokens : []
            writeLogProbabilities(answer.tokens, after: prompt, offset: echo.unicodeScalars.count, to: &choice)
            if !isChat, let count = request.promptAlternatives {
                answer.promptTokens.writePromptLogProbabilities(alternatives: count, to: &choice)
            }
            choice.key("finish_reason"); write(answer.end, callsTools: !calls.isEmpty, to: &choice)
            writeWarning(answer.start, to: &choice)
        }
    }

    private func write(_ chunk: AnswerChunk, _ index: Int, to choice: inout JSONWriter) {
        choice["index"] = index
        if isChat { choice.key("delta") } else { choice.key("text") }
        switch chunk {
        case .start(let beginning):
            if isChat {
                choice.object {
                    $0["role"] = "assistant"
                    $0["content"] = ""
                }
            } else {
                choice.string(request.echoesLogProbabilities ? "" : request.echo(of: index))
            }
            writeWarning(beginning, to: &choice)
        case .text(let piece, _):
            if isChat { choice.object { $0["content"] = piece.text } } else { choice.string(piece.text) }
        case .prompt: choice.string(request.echo(of: index))
        case .reasoning(let text, _): choice.object { $0["reasoning_content"] = text }
        case .toolCalls(let calls): choice.object { write(calls, withIndex: true, to: &$0) }
        case .finish: if isChat { choice.object { _ in } } else { choice.string("") }
        }
        switch chunk {
        case .text(let piece, let offset): writeLogProbabilities(piece.tokens, offset: offset, to: &choice)
        case .prompt(let tokens):
            writeLogProbabilities([], after: tokens, offset: request.echo(of: index).unicodeScalars.count, to: &choice)
        case .reasoning(_, let tokens) where !tokens.isEmpty: writeLogProbabilities(tokens, offset: 0, to: &choice)
        default:
            choice.null("logprobs")
        }
        choice.key("finish_reason")
        guard case .finish(let end, let callsTools) = chunk else { return choice.null() }
        write(end, callsTools: callsTools, to: &choice)
    }

    /// Writes the value of `finish_reason`, and the stop text as vLLM does.
    private func write(_ end: GenerationEnd, callsTools: Bool, to choice: inout JSONWriter) {
        choice.string(callsTools && end.reason == .stop ? "tool_calls" : end.reason.name)
        if let text = end.stopText { choice["stop_reason"] = text }
    }

    /// - Parameter withIndex: In the chunks of a stream, calls are numbered.
    private func write(_ calls: [ToolCallReader.Call], withIndex: Bool, to message: inout JSONWriter) {
        message.array("tool_calls") { list in
            for call in calls { list.toolCall(call.call, id: call.id, index: withIndex ? call.index : nil) }
        }
    }

    /// - Parameters:
    ///   - prompt: The tokens before, if they are part of the text.
    ///   - offset: Characters of the text before `tokens`.
    private func writeLogProbabilities(
        _ tokens: [GeneratedToken], after prompt: [GeneratedToken] = [], offset: Int, to choice: inout JSONWriter
    ) {
        choice.key("logprobs")
        if !request.includesLogProbabilities { return choice.null() }
        if isChat {
            tokens.writeChatLogProbabilities(to: &choice)
        } else {
            tokens.writeTextLogProbabilities(
                after: prompt, from: offset, alternatives: request.config.logProbabilities ?? 0, to: &choice)
        }
    }

    /// Writes how much of the prompt was dropped because it does not fit the context. OpenAI's API has no such field.
    private func writeWarning(_ beginning: GenerationStart, to choice: inout JSONWriter) {
        guard beginning.droppedMessages > 0 || beginning.wasTruncated else { return }
        choice.object("warning") {
            $0["dropped_turns"] = beginning.droppedMessages
            $0["cut"] = beginning.wasTruncated
        }
    }
}

/// Token counts: each prompt once, and all answers.
private struct CompletionUsage {
    private var prompt = 0
    private var answer = 0
    private var cached = 0
    /// nil for completions of texts, which have no thoughts.
    private var reasoning: Int?

    init(of answers: [GenerationResult], to request: CompletionRequest) {
        if request.kind == .chat { reasoning = answers.reduce(0) { $0 + $1.end.reasoningTokens } }
        for (index, answer) in answers.enumerated() {
            self.answer += answer.end.answerTokens
            guard index % request.generatedPerPrompt == 0 else { continue }
            prompt += answer.end.promptTokens
            cached += answer.start.cachedTokens
        }
    }

    func write(to writer: inout JSONWriter) {
        writer.object {
            $0["prompt_tokens"] = prompt
            $0["completion_tokens"] = answer
            $0["total_tokens"] = prompt + answer
            $0.object("prompt_tokens_details") { $0["cached_tokens"] = cached }
            if let reasoning { $0.object("completion_tokens_details") { $0["reasoning_tokens"] = reasoning } }
        }
    }
}
