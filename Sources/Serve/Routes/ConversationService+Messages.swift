import HTTPServer
import JSON
import Store

/// Alternatives, ratings and corrections of messages.
extension ConversationService {
    private static let maxCommentLength = 2_000

    static let messageRoutes: [Route] = [
        Route("GET", "/api/conversations/{id}/messages/{message}/alternatives", access: .account) { try $0.conversations.alternatives($1) },
        Route("POST", "/api/conversations/{id}/messages/{message}/activate", access: .account) { try $0.conversations.activate($1) },
        Route("PUT", "/api/conversations/{id}/messages/{message}/rating", access: .account) { try $0.conversations.rate($1) },
        Route("DELETE", "/api/conversations/{id}/messages/{message}/rating", access: .account) { app, context in
            try app.conversations.rate(context, nil)
        },
        Route("PUT", "/api/conversations/{id}/messages/{message}/correction", access: .account, body: .message) {
            try $0.conversations.correct($1)
        },
        Route("DELETE", "/api/conversations/{id}/messages/{message}/correction", access: .account) { app, context in
            try app.conversations.correct(context, to: nil)
        },
    ]

    private struct Target {
        let message: MessageID
        let conversation: ConversationID
        let owner: UserID

        init(_ context: RequestContext) throws(APIError) {
            owner = try context.account
            conversation = try context.id(of: "conversation")
            message = try context.id(of: "message", at: 1)
        }
    }

    /// Lists the messages that follow the same message as this one.
    private func alternatives(_ context: RequestContext) throws -> Response {
        let target = try Target(context)
        let messages = try store.messagesWithAlternatives(of: target.conversation, of: target.owner).messages
        guard let found = messages.first(where: { $0.message.id == target.message }) else { throw StoreError.notFound(.message) }
        let listed = messages.filter { $0.message.id == target.message || found.details.alternatives.contains($0.message.id) }
        return Response.json { list in
            list.objects("alternatives", listed) { alternative, object in
                alternative.message.write(to: &object)
                alternative.details.write(to: &object)
                object["active"] = alternative.isActive
            }
        }
    }

    /// Makes a message and those that followed it the shown ones, and returns the conversation.
    private func activate(_ context: RequestContext) throws -> Response {
        let target = try Target(context)
        try store.activate(target.message, in: target.conversation, of: target.owner)               // 409 during an answer
        return Self.response(try store.openConversation(target.conversation, of: target.owner))
    }

    private func rate(_ context: RequestContext) throws -> Response {
        let fields = try RequestFields(of: context.request, known: ["rating", "reason", "comment"])
        let values = Rating.Value.allCases.map(\.rawValue)
        guard let value = Rating.Value(rawValue: try fields.text("rating", 1...20)) else {
            throw APIError.invalid("rating", "expected \(values.joined(separator: " or ")).")
        }
        let reason = try fields.optionalText("reason", 1...40)
        let reasons = Rating.reasons(for: value).map(\.rawValue)
        if let reason, !reasons.contains(reason) {
            throw APIError.invalid("reason", "expected one of \(reasons.joined(separator: ", ")) for the rating \(value.rawValue).")
        }
        let comment = try fields.optionalText("comment", 0...Self.maxCommentLength).flatMap { $0.isEmpty ? nil : $0 }
        return try rate(context, Rating(value, reason.flatMap(Rating.Reason.init), comment: comment))
    }

    private func rate(_ context: RequestContext, _ rating: Rating?) throws -> Response {
        let target = try Target(context)
        try store.rate(target.message, in: target.conversation, of: target.owner, rating)
        return .noContent
    }

    private func correct(_ context: RequestContext) throws -> Response {
        let fields = try RequestFields(of: context.request, known: ["content"])
        return try correct(context, to: try fields.text("content", 1...RequestFields.maxTextLength))
    }

    private func correct(_ context: RequestContext, to text: String?) throws -> Response {
        let target = try Target(context)
        try store.correct(target.message, in: target.conversation, of: target.owner, to: text)
        return .noContent
    }
}

extension MessageDetails {
    func write(to object: inout JSONWriter) {
        if let model { object["model"] = model }
        if !alternatives.isEmpty {
            object["alternatives"] = alternatives.map(\.description)
        }
        if let rating {
            object.object("rating") {
                $0["rating"] = rating.value.rawValue
                if let reason = rating.reason { $0["reason"] = reason.rawValue }
                if let comment = rating.comment { $0["comment"] = comment }
            }
        }
        if let correction { object["correction"] = correction }
        if let sources { object.json("sources", sources) }
    }
}
