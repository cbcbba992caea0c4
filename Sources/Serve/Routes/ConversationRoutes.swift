import HTTPServer
import JSON
import Store
import Threads

/// The conversations of an account. A conversation of another account is not found.
extension App {
    private static let maxTitleLength = 200

    static var conversationRoutes: [Route] {
        [
            Route("GET", "/api/conversations", access: .account) { try $0.conversations($1) },
            Route("POST", "/api/conversations", access: .account) { try $0.createConversation($1) },
            Route("GET", "/api/conversations/{id}", access: .account) { try $0.conversation($1) },
            Route("PATCH", "/api/conversations/{id}", access: .account) { try $0.rename($1) },
            Route("DELETE", "/api/conversations/{id}", access: .account) { try $0.delete($1) },
            Route("POST", "/api/conversations/{id}/restore", access: .account) { try $0.restore($1) },
            Route("POST", "/api/conversations/{id}/stop", access: .account) { try $0.stopAnswer($1) },
        ]
    }

    /// Lists conversations. A search continues on a thread of its own, so that slow ones do not delay other requests.
    private func conversations(_ context: RequestContext) throws -> Response? {
        let request = context.request
        var cursor: ConversationCursor?
        if let text = request.query("cursor") {
            cursor = ConversationCursor(text)
            if cursor == nil { throw APIError.invalid("cursor", "expected the next_cursor of the previous page.") }
        }
        let search = request.query("search").flatMap { $0.isEmpty ? nil : $0 }
        if let search, search.unicodeScalars.count > 200 { throw APIError.invalid("search", "expected at most 200 characters.") }
        let limit = try request.integer("limit", 1...100, default: 30)
        let account = try context.account
        guard let search else { return Self.list(try store.conversations(of: account, after: cursor, limit: limit)) }
        try rateLimits.checkSearch(context.client.key)
        let isQueued = executors.search.run { [store, cursor] in
            let response: Response
            do {
                response = Self.list(try store.conversations(of: account, containing: search, after: cursor, limit: limit))
            } catch { response = APIError(any: error).response(to: request) }
            context.respond(response)
        }
        guard isQueued else { throw APIError.serviceUnavailable("busy", "Too many searches are waiting. Try again in a moment.") }
        return nil
    }

    private static func list(_ page: ConversationPage) -> Response {
        Response.json { list in
            list.key("conversations")
            list.array { for conversation in page.conversations { $0.object { conversation.write(to: &$0) } } }
            list.key("next_cursor"); if let next = page.next { list.string(next.description) } else { list.null() }
        }
    }

    private func createConversation(_ context: RequestContext) throws -> Response {
        let fields = try RequestFields(of: context.request, known: ["title"], mayBeEmpty: true)
        let title = try fields.optionalText("title", 1...Self.maxTitleLength) ?? "New conversation"
        let (created, _) = try store.createConversation(title, for: try context.account)
        return Response.json(.created) { created.write(to: &$0) }
    }

    private func conversation(_ context: RequestContext) throws -> Response {
        let id: ConversationID = try context.id(of: "conversation")
        let owner = try context.account
        let (conversation, messages, isAnswering) = try store.openConversation(id, of: owner)
        return Response.json { whole in
            conversation.write(to: &whole)
            whole.key("answering"); whole.boolean(isAnswering)
            whole.key("messages")
            whole.array { for message in messages { $0.object { message.write(to: &$0) } } }
        }
    }

    private func rename(_ context: RequestContext) throws -> Response {
        let title = try RequestFields(of: context.request, known: ["title"]).text("title", 1...Self.maxTitleLength)
        let renamed = try store.rename(try context.id(of: "conversation"), of: try context.account, to: title)
        return Response.json { renamed.write(to: &$0) }
    }

    private func delete(_ context: RequestContext) throws -> Response {
        let id: ConversationID = try context.id(of: "conversation")
        let owner = try context.account
        try store.delete(id, of: owner)
        conversationLocks.cancelAnswer(in: id, of: owner)
        return .noContent
    }

    /// Stops the answer in progress, whichever server generates it. The text so far is stored.
    private func stopAnswer(_ context: RequestContext) throws -> Response {
        let id: ConversationID = try context.id(of: "conversation")
        let owner = try context.account
        try store.requestStop(in: id, of: owner)
        conversationLocks.cancelAnswer(in: id, of: owner)
        return .noContent
    }

    private func restore(_ context: RequestContext) throws -> Response {
        let id: ConversationID = try context.id(of: "conversation")
        let owner = try context.account
        try store.restore(id, of: owner)
        let (restored, _) = try store.conversation(id, of: owner)
        return Response.json { restored.write(to: &$0) }
    }
}

extension StoredConversation {
    func write(to object: inout JSONWriter) {
        object.key("id"); object.string(id.description)
        object.key("title"); object.string(title)
        object.key("created_at"); object.string(createdAt.description)
        object.key("updated_at"); object.string(updatedAt.description)
    }
}

extension Message {
    func write(to object: inout JSONWriter) {
        object.key("id"); object.string(id.description)
        object.key("role"); object.string(role.rawValue)
        object.key("content"); object.string(content)
        object.key("created_at"); object.string(createdAt.description)
        if let parent { object.key("parent_id"); object.string(parent.description) }
        guard let figures else { return }
        object.key("reason"); object.string(figures.reason)
        object.key("metrics")
        object.object { metrics in
            metrics.key("answer_tokens"); metrics.integer(figures.tokens)
            metrics.key("seconds"); metrics.number(figures.seconds.rounded(toPlaces: 4))
            metrics.key("tokens_per_second"); metrics.number((Double(figures.tokens) / max(figures.seconds, 1e-6)).rounded(toPlaces: 1))
            if let first = figures.firstTokenSeconds {
                metrics.key("first_token_seconds"); metrics.number(first.rounded(toPlaces: 4))
            }
        }
    }
}
