import HTTPServer
import Infer
import JSON
import Store
import Threads
import Tokenize

/// Chats of guests, which are not stored, and in nanogpt-chat's format.
struct GuestChatService: Sendable {
    let settings: ServeSettings
    let generator: AnswerGenerator
    let documents: DocumentCatalog
    let rateLimits: RateLimits
    let collector: ChatCollector?
    /// The threads that collect chats.
    let database: ThreadPool

    static let routes: [Route] = [
        Route("POST", "/api/chat/guest", limit: .checkedByHandler, on: .parsing, body: .message) { try $0.guestChats.answer($1) },
        Route("POST", "/chat", limit: .checkedByHandler, on: .parsing, body: .message) { try $0.guestChats.answerWhole($1) },
        Route("GET", "/stats", on: .database) { app, _ in try app.guestChats.statistics() },
    ]

    /// Streams an answer to a guest. The client sends the history, and nothing is stored.
    private func answer(_ context: RequestContext) throws -> Response? {
        try checkGuestsAllowed()
        let names = ["message", "history", "model", "documents", "collect"]
        let fields = try RequestFields(of: context.request, known: names + SamplingFields.names)
        let message = try fields.text("message", 1...RequestFields.maxTextLength)
        let history = try fields.messages("history") ?? []
        let mayCollect = try fields.boolean("collect") ?? true
        let model = try generator.servedModels.selected(by: fields, for: ServedModels.Sender(context.client)).forChats()
        let config = try SamplingFields.config(fields, for: model)
        let chosen = try fields.documents(documents.readable(by: nil))
        try rateLimits.checkChat(context.client.key)
        let sources = try chosen?.sources(for: message, after: history.userTexts, model)
        let prompt = history + [ChatMessage(.user, sources?.message ?? message)]
        let ticket = try generator.admission.enter(context.client.key)
        let stream = ChatStream(for: context.request, ticket, sources: sources)
        context.respond(stream.response)
        generator.generate(GenerationRequest(.chat(prompt), config), with: model, ticket) { event in
            stream.send(event)
            guard case .ended(let end) = event else { return }
            if mayCollect, let collector {
                database.runEvenIfFull { collector.collect(message, stream.text, end, after: history, sources: sources) }
            }
            stream.finish(end)
        }
        return nil
    }

    /// Returns the whole answer as one JSON object, as nanogpt-chat does.
    private func answerWhole(_ context: RequestContext) throws -> Response? {
        try checkGuestsAllowed()
        let fields = try RequestFields(of: context.request, known: ["message", "model", "collect"] + SamplingFields.names)
        let message = try fields.text("message", 1...RequestFields.maxTextLength)
        let mayCollect = try fields.boolean("collect") ?? true
        let model = try generator.servedModels.selected(by: fields, for: ServedModels.Sender(context.client)).forChats()
        let request = GenerationRequest(.chat([ChatMessage(.user, message)]), try SamplingFields.config(fields, for: model))
        try rateLimits.checkChat(context.client.key)
        let ticket = try generator.admission.enter(context.client.key)
        let accumulator = AnswerAccumulator()
        context.exchange.onDisconnect { ticket.cancel() }
        generator.generate(request, with: model, ticket) { event in
            let answer = accumulator.add(event)
            guard case .ended(let end) = event else { return }
            if case .error(let error) = end.reason { return context.respond(APIError(error).response(to: context.request)) }
            database.runEvenIfFull {
                if mayCollect { collector?.collect(message, answer.text, end) }
                context.respond(Response.json { json in
                    json["response"] = answer.text
                    json["chat_count"] = collectedChatCount
                })
            }
        }
        return nil
    }

    private func checkGuestsAllowed() throws(APIError) {
        guard settings.allowsGuests else { throw .unauthorized("Sign in first: this server does not allow guests.") }
    }

    /// The number of collected chats; 0 if this server collects none.
    private var collectedChatCount: Int {
        do { return try collector?.count ?? 0 } catch {
            Log.error("cannot count the collected chats: \(error)")
            return 0
        }
    }

    /// Handles `GET /stats`.
    func statistics() throws -> Response {
        let count = try collector?.count ?? 0
        let conversations = try collector?.conversations ?? 0
        let isReady = try collector?.hasEnoughForFineTuning ?? false
        return Response.json { statistics in
            statistics["count"] = count
            statistics["ready"] = isReady
            statistics["collecting"] = collector != nil
            statistics["conversations"] = conversations
            // A copy in the file stays when a chat is deleted.
            statistics["file"] = collector?.writesFile ?? false
        }
    }
}
