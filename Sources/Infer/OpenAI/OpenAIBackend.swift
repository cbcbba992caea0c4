import HTTPClient
import JSON
import Synchronization
import Threads

/// Answers with a model at any address that speaks OpenAI's language: a server of slm, llama.cpp, vLLM, Ollama, OpenAI itself.
///
///     let backend = try OpenAIBackend(OpenAIAddress("http://localhost:8080", key: key), model: nil)      // the first that is there
///
/// The history goes there whole, whatever the policy: only the server knows its tokens. Where it does not tell how many tokens there were, pieces are counted.
package final class OpenAIBackend: ChatBackend {
    package let name: String
    package let context: Int? = nil
    private let address: OpenAIAddress
    private let model: String
    private let idleSeconds: Int

    /// - Parameter model: nil asks the server.
    package init(_ address: OpenAIAddress, model: String?, idleSeconds: Int = 300) throws(GenerationError) {
        (self.address, self.idleSeconds) = (address, idleSeconds)
        if let model { self.model = model } else { self.model = try Self.firstModel(at: address, idleSeconds: idleSeconds) }
        name = "\(self.model) at \(address.base)"
    }

    private static func firstModel(at address: OpenAIAddress, idleSeconds: Int) throws(GenerationError) -> String {
        var head = HTTPHead(), body: [UInt8] = []
        do throws(HTTPError) {
            try HTTPExchange().run(address.request("models", idleSeconds: min(idleSeconds, 30))) { now, bytes in
                head = now
                for i in bytes.indices where body.count < 4 << 20 { body.append(bytes[i]) }
            }
        } catch { throw .remote(RemoteError(error, at: address.base, idleSeconds: min(idleSeconds, 30))) }
        guard head.status == 200 else { throw .remote(.refused(head, by: address.url("models"), saying: body)) }
        var parser = JSONParser()
        let list = try? parser.parse(body)["data"]?.elements
        guard let first = list?.lazy.compactMap({ $0["id"]?.string }).first else {
            throw .remote(.broken(address: address.url("models"), reason: "it names no model. Name one: --backend-model NAME"))
        }
        return first
    }

    package func answer(_ request: AnswerRequest, deliver: @escaping @Sendable (AnswerEvent) -> Void) throws(GenerationError) -> any AnswerInProgress {
        switch request.prompt {
        case .text(""), .tokens([]), .chat([]): throw .emptyPrompt
        default: break
        }
        let progress = Progress()
        do throws(ThreadError) { try BackgroundThread.run { self.run(request, progress, deliver) } } catch { throw .noThread(error) }
        return progress
    }

    private func run(_ request: AnswerRequest, _ progress: Progress, _ deliver: (AnswerEvent) -> Void) {
        let asked = OpenAIRequest(request, model: model)
        var stream = OpenAIStream(address: address.base, trims: asked.isChat), watch = AnswerWatch(), failure: HTTPError?
        deliver(.began(AnswerBeginning()))
        do throws(HTTPError) {
            try progress.exchange.run(address.request(asked.path, body: asked.body, idleSeconds: idleSeconds)) { head, bytes in
                stream.take(head, bytes) { piece in
                    watch.tokenCame()
                    deliver(.piece(piece))
                }
            }
        } catch { failure = error }
        var end = stream.end
        end.timings = watch.timings
        switch failure {
        case nil: break
        case .cancelled?: end.reason = .cancelled
        case let error?: end.reason = .error(.remote(RemoteError(error, at: address.base, idleSeconds: idleSeconds)))
        }
        deliver(.ended(end))
    }

    private final class Progress: AnswerInProgress {
        let exchange = HTTPExchange()
        func cancel() { exchange.cancel() }
    }
}
