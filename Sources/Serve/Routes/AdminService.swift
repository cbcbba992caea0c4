import HTTPServer
import JSON
import Secrets
import Store

/// Statistics, all users and their conversations, and the servers of the database, for the operator. Reading conversations leaves a line in
/// the audit log.
struct AdminService: Sendable {
    let store: Store
    let passwordHasher: PasswordHasher
    let conversationLocks: ConversationLocks
    let replicas: Replicas

    static let routes: [Route] = [
        Route("GET", "/api/admin/stats", access: .admin) { try $0.admin.totals($1) },
        Route("GET", "/api/admin/users", access: .admin) { try $0.admin.users($1) },
        Route("GET", "/api/admin/users/{id}", access: .admin) { try $0.admin.user($1) },
        Route("GET", "/api/admin/users/{id}/conversations", access: .admin) { app, context in
            try app.admin.allConversations(context, of: try context.id(of: "user"))
        },
        Route("GET", "/api/admin/conversations", access: .admin) { try $0.admin.allConversations($1, of: nil) },
        Route("GET", "/api/admin/conversations/{id}/messages", access: .admin) { try $0.admin.messages($1) },
    ]

    /// The part, the order and the filter of a list that a request asks for.
    private struct ListParameters {
        let page: PageParameters
        let isDescending: Bool
        /// nil for all rows.
        let search: String?

        init(_ request: Request) throws(APIError) {
            let text = request.query("search") ?? ""
            guard text.unicodeScalars.count <= 200 else { throw .invalid("search", "expected at most 200 characters.") }
            search = text.isEmpty ? nil : text
            isDescending = try request.choice("order", default: ListOrder.desc) == .desc
            page = try PageParameters(request)
        }
    }

    private func totals(_ context: RequestContext) throws -> Response {
        let top = try context.request.integer("top", 0...200, default: 10)
        let totals = try store.admin.totals()
        let topUsers = top == 0 ? nil : try store.admin.users(sortedBy: .messages, descending: true, limit: top).items
        let servers = currentServers
        return Response.json { all in
            all["users"] = totals.users
            all["active_last_day"] = totals.activeLastDay
            all["conversations"] = totals.conversations
            all["messages"] = totals.messages
            all["generations"] = totals.generations
            all["prompt_tokens"] = totals.promptTokens
            all["tokens"] = totals.answerTokens
            all["tokens_last_minute"] = totals.answerTokensLastMinute
            all["servers"] = servers.count
            all["running"] = servers.reduce(0) { $0 + $1.status.running }
            all["waiting"] = servers.reduce(0) { $0 + $1.status.waiting }
            guard let topUsers else { return }
            all.objects("top_users", topUsers) { Self.write($0, to: &$1) }
        }
    }

    private func users(_ context: RequestContext) throws -> Response {
        let list = try ListParameters(context.request)
        let sortKey = try context.request.choice("sort", default: AdminQueries.UserSortKey.lastActive)
        let users = try store.admin.users(
            sortedBy: sortKey, descending: list.isDescending, matching: list.search, limit: list.page.limit, offset: list.page.offset)
        return Response.json { list in
            list.objects("users", users.items) { Self.write($0, to: &$1) }
            list["total"] = users.total
        }
    }

    private func user(_ context: RequestContext) throws -> Response {
        let user = try store.admin.user(try context.id(of: "user"))
        return Response.json { Self.write(user, to: &$0) }
    }

    static func write(_ user: AdminQueries.UserDetails, to object: inout JSONWriter) {
        write(user.activity, to: &object)
        object["sessions"] = user.sessions
        object["api_keys"] = user.apiKeys
    }

    private func allConversations(_ context: RequestContext, of user: UserID?) throws -> Response {
        let list = try ListParameters(context.request)
        let sortKey = try context.request.choice("sort", default: AdminQueries.ConversationSortKey.updatedAt)
        let found = try store.admin.conversations(
            of: user, sortedBy: sortKey, descending: list.isDescending, matching: list.search, limit: list.page.limit,
            offset: list.page.offset)
        try store.admin.recordConversationsRead(of: user, by: context.adminRequest)
        return Response.json { list in
            list.objects("conversations", found.items) { owned, object in
                owned.conversation.write(to: &object)
                object["user_id"] = owned.owner.description
                object["username"] = owned.username
                object["messages"] = owned.conversation.messageCount
            }
            list["total"] = found.total
        }
    }

    private func messages(_ context: RequestContext) throws -> Response {
        let page = try PageParameters(context.request)
        let id: ConversationID = try context.id(of: "conversation")
        let messages = try store.admin.messages(of: id)
        try store.admin.recordMessagesRead(of: id, by: context.adminRequest)
        return Response.json { list in
            list.objects("messages", messages.dropFirst(page.offset).prefix(page.limit)) { $0.write(to: &$1) }
            list["total"] = messages.count
        }
    }

    private static func write(_ user: AdminQueries.UserActivity, to object: inout JSONWriter) {
        object["id"] = user.id.description
        object["username"] = user.username
        object["email"] = user.email
        object["joined"] = user.joined.description
        object["last_active"] = user.lastActive.description
        object["conversations"] = user.conversations
        object["messages"] = user.messages
        object["generations"] = user.generations
        object["tokens"] = user.answerTokens
        object["disabled"] = user.isDisabled
        object["role"] = user.role.rawValue
    }
}
