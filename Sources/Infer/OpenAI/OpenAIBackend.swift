import HTTPClient
import JSON
import Synchronization
import Threads

/// Generates text with a model on an OpenAI-compatible server: another slm, llama.cpp, vLLM, Ollama, or OpenAI.
///
///     let backend = try OpenAIBackend(OpenAIAddress("http://localhost:8080", key: key), model: nil)      // the server's first model
///
/// Sends the whole conversation, whatever the truncation policy: only the server can count its tokens. If the server does not
/// report token counts, pieces are counted.
package final class OpenAIBackend: ChatBackend {
    package let name: String
    package let context: Int? = nil
    private let address: OpenAIAddress
    /// The model's name at its server.
    package let model: String
    private let idleSeconds: Int

    /// - Parameters:
    ///   - model: nil for the first model that the server lists.
    ///   - idleSeconds: How long the server may send nothing.
    package init(_ address: OpenAIAddress, model: String?, idleSeconds: Int = 300) throws(GenerationError) {
        self.address = address
        self.idleSeconds = idleSeconds
        if let model { self.model = model } else { self.model = try Self.firstModel(at: address, idleSeconds: idleSeconds) }
        name = "\(self.model) at \(address.base)"
    }

    /// - Parameters:
    ///   - model: nil for the first model that the server lists.
    ///   - key: The API key, sent with each request.
    package convenience init(address: String, model: String?, key: String?) throws(GenerationError) {
        try self.init(OpenAIAddress(address, key: key), model: model)
    }

    private static func firstModel(at address: OpenAIAddress, idleSeconds: Int) throws(GenerationError) -> String {
        let seconds = min(idleSeconds, 30), url = address.url("models")
        var head = HTTPHead(), body: [UInt8] = []
        do throws(HTTPError) {
            try HTTPExchange().run(address.request("models", idleSeconds: seconds)) { newHead, bytes in
                head = newHead
                for i in bytes.indices where body.count < 4 << 20 { body.append(bytes[i]) }
            }
        } catch { throw .remote(RemoteError(error, at: address.base, idleSeconds: seconds)) }
        guard head.status == 200 else { throw .remote(.status(of: head, address: url, body: body)) }
        let list = try? JSONElement(parsing: body)["data"]?.elements
        guard let first = list?.lazy.compactMap({ $0["id"]?.string }).first else {
            throw .remote(.invalidResponse(address: url, reason: "the server lists no model. Give a name: --backend-model NAME"))
        }
        return first
    }

    /// Asks for the list of models, which costs the server nothing.
    package func probe(_ completion: @escaping @Sendable (_ works: Bool) -> Void) {
        var request = address.request("models", idleSeconds: 4)
        request.connectSeconds = 4
        do {
            try BackgroundThread.run { [request] in
                var status = 0
                do throws(HTTPError) {
                    try HTTPExchange().run(request) { head, _ in status = head.status }
                } catch { return completion(false) }
                // A server without this route is there as well.
                completion(status > 0 && status < 500)
            }
        } catch { completion(false) }
    }

    package func start(
        _ request: GenerationRequest,
        deliver: @escaping @Sendable (GenerationEvent) -> Void
    ) throws(GenerationError) -> any GenerationHandle {
        switch request.prompt {
        case .text(""), .tokens([]), .chat([]): throw .emptyPrompt
        case .text, .tokens, .chat: break
        }
        if request.grammar != nil, !request.forwardedFields.contains(where: { ForwardedField.answerFormats.contains($0.name) }) {
            throw .unsupported("a grammar is not supported with a model on another server.")
        }
        let handle = Handle()
        do throws(ThreadError) {
            try BackgroundThread.run {
                if request.config.promptLogProbabilities == nil {
                    self.run(request, handle.exchange, deliver)
                } else {
                    self.scorePrompt(of: request, handle.exchange, deliver)
                }
            }
        } catch { throw .threadNotStarted(error) }
        return handle
    }

    private func run(_ request: GenerationRequest, _ exchange: HTTPExchange, _ deliver: (GenerationEvent) -> Void) {
        let body = OpenAIRequest(request, model: model)
        var stream = OpenAIStream(address: address.base, trimsWhitespace: body.isChat && !body.continuesAnswer)
        var timing = TimingRecorder(), failure: HTTPError?
        deliver(.began(GenerationStart()))
        do throws(HTTPError) {
            try exchange.run(address.request(body.path, body: body.body, idleSeconds: idleSeconds)) { head, bytes in
                stream.receive(head, bytes) { piece in
                    timing.sampledToken()
                    deliver(.piece(piece))
                }
            }
        } catch { failure = error }
        if let piece = stream.finish() { deliver(.piece(piece)) }
        var end = stream.end
        end.timings = timing.timings
        if let failure { end.reason = reason(for: failure) }
        deliver(.ended(end))
    }

    private func reason(for error: HTTPError) -> FinishReason {
        error == .canceled ? .canceled : .error(.remote(RemoteError(error, at: address.base, idleSeconds: idleSeconds)))
    }

    private func scorePrompt(of request: GenerationRequest, _ exchange: HTTPExchange, _ deliver: (GenerationEvent) -> Void) {
        let body = OpenAIRequest(request, model: model)
        var scores = PromptScores(address: address.base), end = GenerationEnd(.stop, promptTokens: 0, answerTokens: 0)
        deliver(.began(GenerationStart()))
        do throws(HTTPError) {
            try exchange.run(address.request(body.path, body: body.body, idleSeconds: idleSeconds)) { scores.receive($0, $1) }
            do throws(RemoteError) {
                var piece = TextPiece("")
                piece.promptTokens = try scores.tokens()
                end = GenerationEnd(.stop, promptTokens: piece.promptTokens.count, answerTokens: 0)
                deliver(.piece(piece))
            } catch { end.reason = .error(.remote(error)) }
        } catch { end.reason = reason(for: error) }
        deliver(.ended(end))
    }

    private final class Handle: GenerationHandle {
        let exchange = HTTPExchange()
        func cancel() { exchange.cancel() }
    }
}
