import HTTPServer
import Infer
import JSON
import Store
import Threads
import Tokenize

/// Chats: of accounts (`AccountAnswer`), of guests, and in nanogpt-chat's format.
extension App {
    static var chatRoutes: [Route] {
        [
            Route("POST", "/api/chat", access: .account, limit: .checkedByHandler, body: .message) { try $0.accountChat($1) },
            Route("POST", "/api/chat/guest", limit: .checkedByHandler, on: .parsing, body: .message) { try $0.guestChat($1) },
            Route("POST", "/chat", limit: .checkedByHandler, on: .parsing, body: .message) { try $0.nanogptChat($1) },
        ]
    }

    /// The models, if the server accepts requests for answers.
    var servedModels: ServedModels {
        get throws(APIError) {
            if isStopping { throw .stopping }
            return try models.ready
        }
    }

    /// Streams an answer to a guest. The client sends the history, and nothing is stored.
    private func guestChat(_ context: RequestContext) throws -> Response? {
        try checkGuestsAllowed()
        let fields = try RequestFields(of: context.request, known: ["message", "history", "model", "collect"] + SamplingFields.names)
        let message = try fields.text("message", 1...RequestFields.maxTextLength)
        let history = try fields.messages("history") ?? []
        let mayCollect = try fields.boolean("collect") ?? true
        let model = try servedModels.selected(by: fields, for: ServedModels.Sender(context.client)).forChats()
        let request = GenerationRequest(.chat(history + [ChatMessage(.user, message)]), try SamplingFields.config(fields, for: model))
        try rateLimits.checkChat(context.client.key)
        let ticket = try admission.enter(context.client.key)
        let stream = ChatStream(for: context.request) { ticket.cancel() }
        let start = ContinuousClock.now
        context.respond(stream.response)
        generate(request, with: model, ticket) { event in
            stream.send(event)
            guard case .ended(let end) = event else { return }
            if mayCollect { self.logChatLater(message, stream.text, end, after: history) }
            stream.finish(end, seconds: (ContinuousClock.now - start).inSeconds)
        }
        return nil
    }

    /// Returns the whole answer as one JSON object, as nanogpt-chat does.
    private func nanogptChat(_ context: RequestContext) throws -> Response? {
        try checkGuestsAllowed()
        let fields = try RequestFields(of: context.request, known: ["message", "model", "collect"] + SamplingFields.names)
        let message = try fields.text("message", 1...RequestFields.maxTextLength)
        let mayCollect = try fields.boolean("collect") ?? true
        let model = try servedModels.selected(by: fields, for: ServedModels.Sender(context.client)).forChats()
        let request = GenerationRequest(.chat([ChatMessage(.user, message)]), try SamplingFields.config(fields, for: model))
        try rateLimits.checkChat(context.client.key)
        let ticket = try admission.enter(context.client.key)
        let accumulator = AnswerAccumulator()
        context.exchange.onDisconnect { ticket.cancel() }
        generate(request, with: model, ticket) { event in
            let answer = accumulator.add(event)
            guard case .ended(let end) = event else { return }
            if case .error(let error) = end.reason { return context.respond(APIError(error).response(to: context.request)) }
            self.pools.database.runEvenIfFull {
                if mayCollect { self.logChat(message, answer.text, end) }
                context.respond(Response.json { json in
                    json["response"] = answer.text
                    json["chat_count"] = self.collectedChatCount
                })
            }
        }
        return nil
    }

    private func checkGuestsAllowed() throws(APIError) {
        guard settings.allowsGuests else { throw .unauthorized("Sign in first: this server does not allow guests.") }
    }

    /// Collects a chat of a guest, on a thread that may wait for the disk.
    private func logChatLater(_ message: String, _ answer: String, _ end: GenerationEnd, after history: [ChatMessage]) {
        if chatCollector != nil { pools.database.runEvenIfFull { self.logChat(message, answer, end, after: history) } }
    }

    /// Collects a chat (`--collect`), after the messages that the model saw before it, unless its conversation or account is left out of
    /// training. A cancelled or truncated answer is not worth training on.
    func logChat(
        _ message: String, _ answer: String, _ end: GenerationEnd, after history: [ChatMessage] = [], of user: UserID? = nil,
        in conversation: ConversationID? = nil
    ) {
        guard let chatCollector, end.reason == .stop else { return }
        do { try chatCollector.collect(message, answer, after: history, of: user, in: conversation) } catch {
            Log.error("cannot collect a chat: \(error)")
        }
    }

    /// The number of collected chats; 0 if this server collects none.
    var collectedChatCount: Int {
        do { return try chatCollector?.count ?? 0 } catch {
            Log.error("cannot count the collected chats: \(error)")
            return 0
        }
    }
}
