import HTTPServer
import Store

/// Chats and preferences to fine-tune with.
extension App {
    static var trainingRoutes: [Route] {
        [Route("GET", "/api/admin/training-chats", access: .admin) { try $0.exportTrainingChats($1) }] + trainingChatRoutes
    }

    /// Returns what may be used for training as JSON lines. The header `X-Next-After` has the `after` of the next page.
    private func exportTrainingChats(_ context: RequestContext) throws -> Response {
        let name = context.request.query("format") ?? TrainingLines.chats.rawValue
        guard let format = TrainingLines(rawValue: name) else {
            throw APIError.invalid("format", "expected one of \(TrainingLines.allCases.map(\.rawValue).joined(separator: ", ")).")
        }
        var after: ConversationID?
        if let text = context.request.query("after") {
            guard let id = ConversationID(text) else { throw APIError.invalid("after", "expected the id of a conversation.") }
            after = id
        }
        let limit = try context.request.integer("limit", 1...1_000, default: 100)
        let (conversations, next) = try store.trainingConversations(after: after, limit: limit)
        try store.admin.recordChatsExported(by: context.adminRequest)
        return Self.jsonLines(conversations.map { format.lines(of: $0) }, next: next?.description)
    }
}
