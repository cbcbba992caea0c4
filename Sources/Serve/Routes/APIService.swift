import HTTPServer
import Infer
import JSON
import Store
import Threads

/// The API for programs: completions, embeddings and responses in the protocols of OpenAI, Anthropic and Ollama. This file has OpenAI's
/// completions and the list of models.
struct APIService: Sendable {
    let settings: ServeSettings
    let store: Store
    let models: ModelHolder
    let generator: AnswerGenerator
    let documents: DocumentCatalog
    let rateLimits: RateLimits
    let revocableAnswers: RevocableAnswers
    /// The threads that store answers and token counts.
    let database: ThreadPool

    static let openAIRoutes: [Route] = [
        Route("POST", "/v1/chat/completions", access: .apiClient, limit: .checkedByHandler, body: .text) { try $0.api.completeChat($1) },
        Route("POST", "/v1/completions", access: .apiClient, limit: .checkedByHandler, body: .text) { try $0.api.completeText($1) },
        Route("GET", "/v1/models", access: .apiClient) { try $0.api.listModels($1) },
        Route("GET", "/v1/models/{model}", access: .apiClient) { try $0.api.showModel($1) },
    ]

    private func completeChat(_ context: RequestContext) throws -> Response? {
        let served = try generator.servedModels
        let fields = try RequestFields(of: context.request, known: nil)
        let model = try served.selected(by: fields, for: ServedModels.Sender(context.client)).forChats()
        // A request is a search, too, before it is counted as a chat.
        if fields["documents"] != nil { try rateLimits.checkSearch(context.client.key) }
        let readable = documents.readable(by: context.client.account)
        return try complete(CompletionRequest(chat: fields, for: model, maxAnswers: maxAnswers, readable), model, context)
    }

    private func completeText(_ context: RequestContext) throws -> Response? {
        let served = try generator.servedModels
        let fields = try RequestFields(of: context.request, known: nil)
        let model = try served.selected(by: fields, for: ServedModels.Sender(context.client))
        return try complete(CompletionRequest(text: fields, for: model, maxAnswers: maxAnswers), model, context)
    }

    /// The most answers of one request: no more than one client can ever have in progress.
    private var maxAnswers: Int {
        let perMinute = settings.chatsPerMinute > 0 ? settings.chatsPerMinute : .max
        return min(64, settings.answersPerClient, settings.slots + settings.maxWaiting, perMinute)
    }

    private func complete(_ request: CompletionRequest, _ model: ServedModel, _ context: RequestContext) throws -> Response? {
        try complete(request, model, CompletionEncoder(request, model: model.name), context)
    }

    /// Generates the answers to a request, and sends them in the encoder's protocol.
    func complete(
        _ request: CompletionRequest, _ model: ServedModel, _ encoder: any AnswerEncoder, _ context: RequestContext
    ) throws -> Response? {
        for _ in 0..<request.answerCount { try rateLimits.checkChat(context.client.key) }
        let tickets = try generator.admission.enter(context.client.key, count: request.answerCount)
        let responder = CompletionResponder(request, encoder, context) { for ticket in tickets { ticket.cancel() } }
        let revocable = context.client.credential.map { credential in
            revocableAnswers.add(credential, answers: tickets.count) { responder.fail(.revoked) }
        }
        for (index, ticket) in tickets.enumerated() {
            generator.generate(request[index], with: model, ticket) { event in
                if case .ended(let end) = event {
                    if let revocable { revocableAnswers.answerEnded(of: revocable) }
                    recordUsage(end, model.name, context.client, seconds: ticket.seconds)
                }
                if case .ended = event, encoder.storesAnswers {
                    // The thread that runs the model must not wait for the database.
                    database.runEvenIfFull { responder.receive(event, of: index) }
                } else {
                    responder.receive(event, of: index)
                }
            }
        }
        return nil
    }

    /// Records the token counts for the account of the API key. The texts are not stored.
    func recordUsage(_ end: GenerationEnd, _ model: String, _ client: Client, seconds: Double) {
        guard let account = client.account, end.promptTokens > 0 else { return }
        let generation = Generation(end, by: model, seconds: seconds)
        database.runEvenIfFull {
            do { try store.record(generation, of: account) } catch {
                Log.error("cannot record the token counts of an API request: \(error)")
            }
        }
    }
}

/// The list of models: the one that the API key is pinned to, the active one, then its LoRA adapters.
extension APIService {
    private func listModels(_ context: RequestContext) throws -> Response {
        let listed = try models.ready.listed(for: ServedModels.Sender(context.client)) + settings.encoders
        return Response.json { list in
            list["object"] = "list"
            list.objects("data", listed) { write($0, to: &$1) }
        }
    }

    private func showModel(_ context: RequestContext) throws -> Response {
        let name = context.parameters.first ?? "", ready = try models.ready
        let model = try settings.encoders.first { $0.name == name } ?? ready.named(name, for: ServedModels.Sender(context.client))
        return Response.json { write(model, to: &$0) }
    }

    private func write(_ model: ServedModel, to object: inout JSONWriter) {
        object["id"] = model.name
        object["object"] = "model"
        object["created"] = models.loadedAt
        object["owned_by"] = "slm"
        if let context = model.context { object["context_length"] = context }
    }
}
