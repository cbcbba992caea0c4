import HTTPServer
import Infer
import Synchronization
import Threads
import Tokenize

/// OpenAI's embeddings.
extension APIService {
    static let embeddingRoutes: [Route] = [
        Route("POST", "/v1/embeddings", access: .apiClient, limit: .checkedByHandler, on: .parsing, body: .text) {
            try $0.api.createEmbeddings($1)
        },
    ]

    private func createEmbeddings(_ context: RequestContext) throws -> Response? {
        let served = try generator.servedModels
        let fields = try RequestFields(of: context.request, known: nil)
        let model = try embeddingModel(named: try fields.optionalText("model", 0...1_000))
            ?? served.selected(by: fields, for: ServedModels.Sender(context.client))
        let request = try EmbeddingFields(fields, for: model)
        return try embed(try request.tokens(for: model), with: model, context) { request.response($0, model: model.name, tokens: $1) }
    }

    /// The embedding model of the server, if a request means it: by its name, or by none. A model that answers can be named, too.
    func embeddingModel(named name: String?) -> ServedModel? {
        guard let model = settings.embeddingModel else { return nil }
        return name == nil || name == model.name || name == ServedModel.placeholder ? model : nil
    }

    /// Computes embeddings, or the scores of a reranker, and sends them in the form of `body`.
    func embed(
        _ texts: @autoclosure () throws -> [[TokenID]], with model: ServedModel, _ context: RequestContext,
        _ body: @escaping @Sendable (_ embeddings: [[Float]], _ tokens: Int) -> [UInt8]
    ) throws -> Response? {
        try rateLimits.checkChat(context.client.key)
        let texts = try texts(), tokens = texts.reduce(0) { $0 + $1.count }
        let ticket = try generator.admission.enter(context.client.key)
        let hasResponded = Atomic(false)
        // An error before the end is the only response, and cancels the rest.
        let respond = { @Sendable (response: Response) in
            if !hasResponded.exchange(true, ordering: .relaxed) { context.respond(response) }
        }
        context.exchange.onDisconnect { ticket.cancel() }
        let revocable = context.client.credential.map { credential in
            revocableAnswers.add(credential, answers: 1) {
                respond(APIError.revoked.response(to: context.request))
                ticket.cancel()
            }
        }
        generator.embed(texts, with: model, ticket) { result in
            if let revocable { revocableAnswers.answerEnded(of: revocable) }
            switch result.reason {
            case .error(let error): respond(APIError(error).response(to: context.request))
            case .canceled, .length: respond(APIError.stopping.response(to: context.request))
            case .stop:
                let end = GenerationEnd(.stop, promptTokens: tokens, answerTokens: 0)
                recordUsage(end, model.name, context.client, seconds: ticket.seconds)
                respond(.json(body(result.embeddings, tokens)))
            }
        }
        return nil
    }
}
