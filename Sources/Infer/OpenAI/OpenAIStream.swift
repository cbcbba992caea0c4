import HTTPClient
import JSON

/// What a server streams, as events of an answer.
///
///     var stream = OpenAIStream(address: base, trims: true)
///     stream.take(head, bytes) { event in … }
///     stream.end                                               // what is known of the end so far
struct OpenAIStream: ~Copyable {
    private let address: String
    private var head = HTTPHead()
    private var events = ServerSentEvents()
    private var parser = JSONParser()
    /// The body of an answer that is no stream: an error's.
    private var message: [UInt8] = []
    private var pieces = 0
    private var finish: String?
    private var isDone = false
    private var usage: (prompt: Int, answer: Int)?
    private var failure: RemoteError?
    /// nil where white space belongs to the answer.
    private var trimmed: TrimmedPieces?

    init(address: String, trims: Bool) { (self.address, trimmed) = (address, trims ? TrimmedPieces() : nil) }

    mutating func take(_ head: HTTPHead, _ bytes: Span<UInt8>, _ deliver: (AnswerPiece) -> Void) {
        self.head = head
        guard failure == nil, !isDone else { return }
        guard isStream else {
            for i in bytes.indices where message.count < 1 << 16 { message.append(bytes[i]) }
            return
        }
        var data: [[UInt8]] = []
        do throws(ServerSentEvents.TooLong) { try events.add(bytes) { data.append($0) } } catch {
            failure = .broken(address: address, reason: "it sent more than \(error.limit >> 20) MB without an end")
        }
        for event in data where failure == nil && !isDone { takeEvent(event, deliver) }
    }

    private var isStream: Bool { head.status == 200 && head.headers["content-type"]?.lowercased().contains("text/event-stream") ?? false }

    /// Without any error of the connection.
    var end: AnswerEnd {
        let reason: EndReason = if let error { .error(.remote(error)) } else { finish == "length" ? .length : .stop }
        return AnswerEnd(reason, promptTokens: usage?.prompt ?? 0, answerTokens: usage?.answer ?? pieces)
    }

    /// What the server itself says is wrong, or what is wrong with what it says.
    var error: RemoteError? {
        if let failure { return failure }
        if head.status != 200 { return .refused(head, by: address, saying: message) }
        if !isStream { return .broken(address: address, reason: "it answers \(head.headers["content-type"] ?? "nothing"), expected text/event-stream") }
        return finish == nil && !isDone ? .broken(address: address, reason: "the answer broke off") : nil
    }

    private mutating func takeEvent(_ data: [UInt8], _ deliver: (AnswerPiece) -> Void) {
        if data.elementsEqual("[DONE]".utf8) { return isDone = true }
        do throws(JSONError) {
            let chunk = try parser.parse(data)
            if let error = chunk["error"], !error.isNull {
                return failure = .broken(address: address, reason: "it says: \((error["message"]?.string ?? error.string ?? "an error").shortened)")
            }
            if let usage = chunk["usage"], usage.kind == .object {
                self.usage = (try usage.integer("prompt_tokens", else: 0), try usage.integer("completion_tokens", else: 0))
            }
            guard let choice = chunk["choices"]?.elements?.first(where: { _ in true }) else { return }
            if let reason = choice["finish_reason"]?.string { finish = reason }
            let text = if let delta = choice["delta"] { try delta.string("content", else: "") } else { try choice.string("text", else: "") }
            let tokens = choice["logprobs"].map(Self.tokens) ?? []
            guard !text.isEmpty || !tokens.isEmpty else { return }
            pieces += 1
            let piece = AnswerPiece(text, tokens)
            if let piece = trimmed == nil ? piece : trimmed?.add(piece) { deliver(piece) }
        } catch { failure = .broken(address: address, reason: "it sent what cannot be read: \(error)") }
    }

    /// Of a chat each token is an object; of a text there are lists.
    private static func tokens(_ logprobs: JSONElement) -> [GeneratedToken] {
        if let content = logprobs["content"]?.elements {
            return content.map { token in
                let others = token["top_logprobs"]?.elements?.map { GeneratedToken.Alternative(nil, bytes(of: $0), Float($0["logprob"]?.number ?? 0)) }
                return GeneratedToken(nil, bytes(of: token), logProbability: token["logprob"]?.number.map { Float($0) }, alternatives: others ?? [])
            }
        }
        guard let texts = logprobs["tokens"]?.elements else { return [] }
        let scores = logprobs["token_logprobs"]?.elements.map(Array.init) ?? [], others = logprobs["top_logprobs"]?.elements.map(Array.init) ?? []
        return texts.enumerated().map { i, text in
            let ranked = i < others.count ? others[i].members?.map { GeneratedToken.Alternative(nil, $0.key.bytes ?? [], Float($0.value.number ?? 0)) } : nil
            return GeneratedToken(nil, text.bytes ?? [], logProbability: i < scores.count ? scores[i].number.map { Float($0) } : nil,
                                  alternatives: (ranked ?? []).sorted { $0.logProbability > $1.logProbability })
        }
    }

    private static func bytes(of token: JSONElement) -> [UInt8] {
        token["bytes"]?.elements?.compactMap { $0.integer.flatMap { UInt8(exactly: $0) } } ?? token["token"]?.bytes ?? []
    }
}

extension RemoteError {
    /// A status other than 200, with what its body says.
    static func refused(_ head: HTTPHead, by address: String, saying body: [UInt8]) -> RemoteError {
        var parser = JSONParser()
        let root = try? parser.parse(body), error = root?["error"]
        // "detail" is FastAPI's, in which many servers are written: a text, or a list of what is wrong with which field.
        let detail = root?["detail"], fault = detail?.elements?.lazy.compactMap { $0["msg"]?.string }.first
        let told = error?["message"]?.string ?? error?.string ?? root?["message"]?.string ?? detail?.string ?? fault ?? ""
        var message = told.shortened
        while message.hasSuffix(".") { message.removeLast() }
        return switch head.status {
        case 401, 403: .unauthorized(address: address, message: message)
        case 404: .notFound(address: address, message: message)
        case 429: .tooMany(address: address, message: message, retryAfter: head.headers["retry-after"].flatMap { Int($0) })
        default: .status(head.status, address: address, message: message)
        }
    }

    init(_ error: HTTPError, at address: String, idleSeconds: Int) {
        self = switch error {
        case .badAddress(let reason): .badAddress(address, reason: reason)
        case .unreachable(let reason): .unreachable(address: address, reason: reason)
        case .timedOut: .timedOut(address: address, seconds: idleSeconds)
        case .broken(let reason): .broken(address: address, reason: reason)
        case .cancelled: .broken(address: address, reason: "it was cancelled")
        }
    }
}

extension String {
    /// What another program says, in one line that a person reads.
    fileprivate var shortened: String {
        let line = String(unicodeScalars.map { $0.properties.generalCategory == .control ? " " : Character($0) })
        return line.count > 200 ? line.prefix(200) + "…" : line
    }
}
