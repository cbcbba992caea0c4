import HTTPServer
import JSON
import Store

/// Somebody's conversations. Another's are not there.
extension App {
    static let longestTitle = 200

    static var conversationRoutes: [Route] {
        [Route("GET", "/api/conversations", for: .accounts) { try $0.conversations($1) },
         Route("POST", "/api/conversations", for: .accounts) { try $0.makeConversation($1) },
         Route("GET", "/api/conversations/{id}", for: .accounts) { try $0.conversation($1) },
         Route("PATCH", "/api/conversations/{id}", for: .accounts) { try $0.rename($1) },
         Route("DELETE", "/api/conversations/{id}", for: .accounts) { try $0.delete($1) },
         Route("POST", "/api/conversations/{id}/restore", for: .accounts) { try $0.restore($1) }]
    }

    private func conversations(_ call: Call) throws -> Response {
        let request = call.request
        var cursor: ConversationCursor?
        if let text = request.query("cursor") {
            cursor = ConversationCursor(text)
            if cursor == nil { throw Failure.invalid("cursor", "expected the next_cursor of the page before.") }
        }
        let search = request.query("search").flatMap { $0.isEmpty ? nil : $0 }
        if let search, search.unicodeScalars.count > 200 { throw Failure.invalid("search", "expected at most 200 characters.") }
        let limit = try request.integer("limit", 1...100, else: 30)
        let page = try store.conversations(of: try call.account, containing: search, after: cursor, limit: limit)
        return Response.json { list in
            list.key("conversations")
            list.array { for conversation in page.conversations { $0.object { conversation.write(to: &$0) } } }
            list.key("next_cursor"); if let next = page.next { list.string(next.description) } else { list.null() }
        }
    }

    private func makeConversation(_ call: Call) throws -> Response {
        let title = try Fields(of: call.request, known: ["title"], mayBeEmpty: true).optionalText("title", 1...Self.longestTitle)
        let (made, _) = try store.createConversation(title ?? "New conversation", for: try call.account)
        return Response.json(.created) { made.write(to: &$0) }
    }

    private func conversation(_ call: Call) throws -> Response {
        let (conversation, messages) = try store.conversation(try call.id(of: "conversation"), of: try call.account)
        return Response.json { whole in
            conversation.write(to: &whole)
            whole.key("messages")
            whole.array { for message in messages { $0.object { message.write(to: &$0) } } }
        }
    }

    private func rename(_ call: Call) throws -> Response {
        let title = try Fields(of: call.request, known: ["title"]).text("title", 1...Self.longestTitle)
        let renamed = try store.rename(try call.id(of: "conversation"), of: try call.account, to: title)
        return Response.json { renamed.write(to: &$0) }
    }

    private func delete(_ call: Call) throws -> Response {
        let id: ConversationID = try call.id(of: "conversation")
        try store.delete(id, of: try call.account)
        talks.cancel(id)
        return .nothing
    }

    private func restore(_ call: Call) throws -> Response {
        let id: ConversationID = try call.id(of: "conversation"), owner = try call.account
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
    }
}
