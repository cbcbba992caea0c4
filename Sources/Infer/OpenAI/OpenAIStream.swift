import HTTPClient
import JSON
import Tokenize

/// Parses the response of an OpenAI-compatible server into pieces of text and the end of the generation.
///
///     var stream = OpenAIStream(address: base, trimsWhitespace: true)
///     stream.receive(head, bytes) { piece in … }
///     stream.finish()
///     stream.end
struct OpenAIStream: ~Copyable {
    private let address: String
    private var head = HTTPHead()
    private var events = ServerSentEvents()
    private var parser = JSONParser()
    /// The body of a response that is not a stream: an error.
    private var errorBody: [UInt8] = []
    private var pieceCount = 0
    /// Those of `pieceCount` that are thoughts.
    private var reasoningCount = 0
    private var finishReason: String?
    /// `stop_reason`, a field of vLLM's and slm's servers.
    private var stopText: String?
    private var isDone = false
    /// `reasoning` and `cached` are nil if the server does not count them.
    private var usage: (prompt: Int, answer: Int, reasoning: Int?, cached: Int?)?
    private var failure: RemoteError?
    private var calls: [(name: String, arguments: [UInt8])] = []
    /// nil if whitespace is part of the answer.
    private var trimmed: TrimmedPieces?

    init(address: String, trimsWhitespace: Bool) {
        self.address = address
        trimmed = trimsWhitespace ? TrimmedPieces() : nil
    }

    mutating func receive(_ head: HTTPHead, _ bytes: Span<UInt8>, _ deliver: (TextPiece) -> Void) {
        self.head = head
        guard failure == nil, !isDone else { return }
        guard isStream else {
            for i in bytes.indices where errorBody.count < 1 << 16 { errorBody.append(bytes[i]) }
            return
        }
        var data: [[UInt8]] = []
        do throws(ServerSentEvents.TooLong) { try events.add(bytes) { data.append($0) } } catch {
            failure = .invalidResponse(address: address, reason: "expected events of up to \(error.limit >> 20) MB, found a longer one")
        }
        for event in data where failure == nil && !isDone { parse(event, deliver) }
    }

    private var isStream: Bool { head.status == 200 && head.headers["content-type"]?.lowercased().contains("text/event-stream") ?? false }

    /// The tokens after the last piece of text, and the calls of functions; nil if there are none. Call it once, at the end of the
    /// response.
    mutating func finish() -> TextPiece? {
        let last = trimmed?.finish()
        if calls.isEmpty { return last }
        return TextPiece("", last?.tokens ?? [], toolCalls: calls.map { ToolCall(name: $0.name, arguments: $0.arguments) })
    }

    /// The end of the generation, without connection errors.
    var end: GenerationEnd {
        let reason: FinishReason = if let error { .error(.remote(error)) } else { finishReason == "length" ? .length : .stop }
        var end = GenerationEnd(reason, promptTokens: usage?.prompt ?? 0, answerTokens: usage?.answer ?? pieceCount)
        end.reasoningTokens = min(usage?.reasoning ?? reasoningCount, end.answerTokens)
        end.cachedTokens = usage?.cached.map { max(0, min($0, end.promptTokens)) }
        end.stopText = stopText
        return end
    }

    /// An error that the server reports, or an invalid response.
    var error: RemoteError? {
        if let failure { return failure }
        if head.status != 200 { return .status(of: head, address: address, body: errorBody) }
        if !isStream {
            let found = head.headers["content-type"] ?? "none"
            return .invalidResponse(address: address, reason: "expected the content type text/event-stream, found \(found)")
        }
        return finishReason == nil && !isDone ? .invalidResponse(address: address, reason: "the answer ended without a finish reason") : nil
    }

    private mutating func parse(_ data: [UInt8], _ deliver: (TextPiece) -> Void) {
        if data.elementsEqual("[DONE]".utf8) { return isDone = true }
        do throws(JSONError) {
            let chunk = try parser.parse(data)
            if let error = chunk["error"], !error.isNull {
                let message = (error["message"]?.string ?? error.string ?? "no message").oneLine
                return failure = .invalidResponse(address: address, reason: "the server reports an error: \(message)")
            }
            if let usage = chunk["usage"], usage.kind == .object {
                self.usage = (
                    try usage.integer("prompt_tokens", default: 0), try usage.integer("completion_tokens", default: 0),
                    usage["completion_tokens_details"]?["reasoning_tokens"]?.integer,
                    usage["prompt_tokens_details"]?["cached_tokens"]?.integer)
            }
            guard let choice = chunk["choices"]?.elements?.first(where: { _ in true }) else { return }
            if let reason = choice["finish_reason"]?.string { finishReason = reason }
            if let text = choice["stop_reason"]?.string { stopText = text }
            var tokens = choice["logprobs"].map(Self.tokens) ?? []
            let text: String
            if let delta = choice["delta"] {
                text = try delta.string("content", default: "")
                if let calls = delta["tool_calls"]?.elements { try add(calls) }
                // `reasoning` in vLLM and Ollama.
                if let reasoning = delta["reasoning_content"]?.string ?? delta["reasoning"]?.string, !reasoning.isEmpty {
                    pieceCount += 1
                    reasoningCount += 1
                    var piece = TextPiece("")
                    piece.reasoning = reasoning
                    // Without text in the chunk, its tokens are those of the thought.
                    if text.isEmpty {
                        piece.tokens = tokens
                        tokens = []
                    }
                    deliver(piece)
                }
            } else {
                text = try choice.string("text", default: "")
            }
            guard !text.isEmpty || !tokens.isEmpty else { return }
            pieceCount += 1
            let piece = TextPiece(text, tokens)
            if let piece = trimmed == nil ? piece : trimmed?.add(piece) { deliver(piece) }
        } catch { failure = .invalidResponse(address: address, reason: "the response is not valid: \(error)") }
    }

    /// Adds parts of tool calls. The first part of a call has its name.
    private mutating func add(_ parts: some Sequence<JSONElement>) throws(JSONError) {
        for part in parts {
            let index = part["index"]?.integer ?? calls.count, function = part["function"]
            if index == calls.count, index < ToolCall.maxCalls, let name = function?["name"]?.string, !name.isEmpty {
                calls.append((name, []))
            } else if !calls.indices.contains(index) {
                return failure = .invalidResponse(address: address, reason: "tool call \(index) has no name")
            }
            pieceCount += 1
            calls[index].arguments += function?["arguments"]?.bytes ?? []
            guard calls[index].arguments.count <= Self.maxArguments else {
                let reason = "the arguments of a tool call exceed \(Self.maxArguments >> 20) MB"
                return failure = .invalidResponse(address: address, reason: reason)
            }
        }
    }

    private static let maxArguments = 1 << 20

    /// Parses `logprobs`: a list of objects in a chat completion, parallel lists in a text completion.
    static func tokens(_ logprobs: JSONElement) -> [GeneratedToken] {
        if let content = logprobs["content"]?.elements {
            return content.map { token in
                let alternatives = token["top_logprobs"]?.elements?.map {
                    GeneratedToken.Alternative(nil, bytes(of: $0), Float($0["logprob"]?.number ?? 0))
                }
                return GeneratedToken(
                    nil,
                    bytes(of: token),
                    logProbability: token["logprob"]?.number.map { Float($0) },
                    alternatives: alternatives ?? []
                )
            }
        }
        guard let texts = logprobs["tokens"]?.elements else { return [] }
        let logProbabilities = logprobs["token_logprobs"]?.elements.map(Array.init) ?? []
        let tops = logprobs["top_logprobs"]?.elements.map(Array.init) ?? []
        return texts.enumerated().map { i, text in
            let members = i < tops.count ? tops[i].members : nil
            let alternatives = members?.map { GeneratedToken.Alternative(nil, $0.key.bytes ?? [], Float($0.value.number ?? 0)) } ?? []
            return GeneratedToken(
                nil,
                text.bytes ?? [],
                logProbability: i < logProbabilities.count ? logProbabilities[i].number.map { Float($0) } : nil,
                alternatives: alternatives.sorted { $0.logProbability > $1.logProbability }
            )
        }
    }

    private static func bytes(of token: JSONElement) -> [UInt8] {
        token["bytes"]?.elements?.compactMap { $0.integer.flatMap { UInt8(exactly: $0) } } ?? token["token"]?.bytes ?? []
    }
}

extension RemoteError {
    /// The error of a status other than 200, with the message in the body.
    static func status(of head: HTTPHead, address: String, body: [UInt8]) -> RemoteError {
        let root = try? JSONElement(parsing: body), error = root?["error"]
        // FastAPI sends "detail": a text, or a list with one message per invalid field.
        let detail = root?["detail"]
        let fieldMessage = detail?.elements?.lazy.compactMap { $0["msg"]?.string }.first
        let text = error?["message"]?.string ?? error?.string ?? root?["message"]?.string ?? detail?.string ?? fieldMessage ?? ""
        var message = text.oneLine
        while message.hasSuffix(".") { message.removeLast() }
        return switch head.status {
        case 401, 403: .unauthorized(address: address, message: message)
        case 404: .notFound(address: address, message: message)
        case 429: .rateLimited(address: address, message: message, retryAfter: head.headers["retry-after"].flatMap { Int($0) })
        default: .status(head.status, address: address, message: message)
        }
    }

    init(_ error: HTTPError, at address: String, idleSeconds: Int) {
        self = switch error {
        case .noLibrary(let library): .unreachable(address: address, reason: "\(library)")
        case .invalidURL(let reason): .invalidAddress(address, reason: reason)
        case .unreachable(let reason): .unreachable(address: address, reason: reason)
        case .timedOut: .timedOut(address: address, seconds: idleSeconds)
        case .failed(let reason): .invalidResponse(address: address, reason: reason)
        case .canceled: .invalidResponse(address: address, reason: "the request was canceled")
        }
    }
}

extension String {
    /// Without control characters, and at most 200 characters long, for error messages.
    fileprivate var oneLine: String {
        let line = String(unicodeScalars.map { $0.properties.generalCategory == .control ? " " : Character($0) })
        return line.count > 200 ? line.prefix(200) + "…" : line
    }
}
