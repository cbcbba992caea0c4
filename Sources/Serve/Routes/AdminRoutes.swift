import HTTPServer
import JSON
import Store

/// For whoever runs the server.
extension App {
    static var adminRoutes: [Route] {
        [
            Route("GET", "/api/admin/stats", for: .admin) { app, _ in try app.totals() },
            Route("GET", "/api/admin/users", for: .admin) { try $0.users($1) },
            Route("GET", "/api/admin/users/{id}/conversations", for: .admin) { app, call in
                try app.everybodysConversations(call, of: try call.id(of: "user"))
            },
            Route("GET", "/api/admin/conversations", for: .admin) { try $0.everybodysConversations($1, of: nil) },
            Route("GET", "/api/admin/conversations/{id}/messages", for: .admin) { try $0.messages($1) },
        ]
    }

    private enum Order: String, CaseIterable { case asc, desc }

    private static func page(_ request: Request) throws(Failure) -> (limit: Int, offset: Int, descending: Bool) {
        let order = try request.choice("order", else: Order.desc)
        return (try request.integer("limit", 1...200, else: 50), try request.integer("offset", 0...Int(Int32.max), else: 0), order == .desc)
    }

    private func totals() throws -> Response {
        let totals = try store.admin.totals(), busiest = try store.admin.users(sortedBy: .messages, descending: true, limit: 10).items
        return Response.json { all in
            all.key("users"); all.integer(totals.users)
            all.key("active_last_day"); all.integer(totals.activeLastDay)
            all.key("conversations"); all.integer(totals.conversations)
            all.key("messages"); all.integer(totals.messages)
            all.key("generations"); all.integer(totals.generations)
            all.key("prompt_tokens"); all.integer(totals.promptTokens)
            all.key("tokens"); all.integer(totals.answerTokens)
            all.key("top_users")
            all.array { for user in busiest { $0.object { Self.write(user, to: &$0) } } }
        }
    }

    private func users(_ call: Call) throws -> Response {
        let page = try Self.page(call.request), column = try call.request.choice("sort", else: AdminQueries.UserSortKey.lastActive)
        let users = try store.admin.users(sortedBy: column, descending: page.descending, limit: page.limit, offset: page.offset)
        return Response.json { list in
            list.key("users")
            list.array { for user in users.items { $0.object { Self.write(user, to: &$0) } } }
            list.key("total"); list.integer(users.total)
        }
    }

    private func everybodysConversations(_ call: Call, of user: UserID?) throws -> Response {
        let page = try Self.page(call.request), column = try call.request.choice("sort", else: AdminQueries.ConversationSortKey.updatedAt)
        let found: AdminQueries.Page<AdminQueries.OwnedConversation>
        do {
            found = try store.admin.conversations(
                of: user, sortedBy: column, descending: page.descending, limit: page.limit, offset: page.offset)
        } catch {
            throw error == .notFound(.user) ? Failure.notFound("user") : Failure(error)          // not: whoever asks
        }
        return Response.json { list in
            list.key("conversations")
            list.array { list in
                for owned in found.items {
                    list.object {
                        owned.conversation.write(to: &$0)
                        $0.key("user_id"); $0.string(owned.owner.description)
                        $0.key("username"); $0.string(owned.username)
                        $0.key("messages"); $0.integer(owned.conversation.messageCount)
                    }
                }
            }
            list.key("total"); list.integer(found.total)
        }
    }

    private func messages(_ call: Call) throws -> Response {
        let page = try Self.page(call.request), messages = try store.admin.messages(of: try call.id(of: "conversation"))
        return Response.json { list in
            list.key("messages")
            list.array { for message in messages.dropFirst(page.offset).prefix(page.limit) { $0.object { message.write(to: &$0) } } }
            list.key("total"); list.integer(messages.count)
        }
    }

    private static func write(_ user: AdminQueries.UserActivity, to object: inout JSONWriter) {
        object.key("id"); object.string(user.id.description)
        object.key("username"); object.string(user.username)
        object.key("email"); if let email = user.email { object.string(email) } else { object.null() }
        object.key("joined"); object.string(user.joined.description)
        object.key("last_active"); object.string(user.lastActive.description)
        object.key("conversations"); object.integer(user.conversations)
        object.key("messages"); object.integer(user.messages)
        object.key("generations"); object.integer(user.generations)
        object.key("tokens"); object.integer(user.answerTokens)
    }
}
