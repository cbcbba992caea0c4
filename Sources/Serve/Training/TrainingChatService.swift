import ChatAnalysis
import HTTPServer
import JSON
import Store

/// The chats that an owner reviews before anything is trained on them.
struct TrainingChatService: Sendable {
    let store: Store

    static let routes: [Route] = [
        Route("GET", "/api/admin/training-chats", access: .admin) { try $0.trainingChats.exportIncludedChats($1) },
        Route("GET", "/api/training/chats", access: .owner) { try $0.trainingChats.list($1) },
        Route("GET", "/api/training/chats/export", access: .owner) { try $0.trainingChats.export($1) },
        Route("POST", "/api/training/chats/import", access: .owner, on: .parsing, body: .file) { try $0.trainingChats.importChats($1) },
        Route("GET", "/api/training/imports", access: .owner) { app, _ in try app.trainingChats.imports() },
        Route("DELETE", "/api/training/imports/{id}", access: .owner) { try $0.trainingChats.deleteImport($1) },
        Route("POST", "/api/training/chats/bulk", access: .owner, body: .message) { try $0.trainingChats.changeAll($1) },
        Route("GET", "/api/training/chats/{id}", access: .owner) { app, context in try app.trainingChats.show(try context.id(of: "chat")) },
        Route("PUT", "/api/training/chats/{id}", access: .owner) { try $0.trainingChats.change($1) },
        Route("PUT", "/api/training/chats/{id}/corrections/{message}", access: .owner, body: .message) { app, context in
            let fields = try RequestFields(of: context.request, known: ["content"])
            return try app.trainingChats.correct(context, to: try fields.text("content", 1...100_000))
        },
        Route("DELETE", "/api/training/chats/{id}/corrections/{message}", access: .owner) { app, context in
            try app.trainingChats.correct(context, to: nil)
        },
        Route("GET", "/api/training/tags", access: .owner) { app, _ in try app.trainingChats.tags() },
    ]

    private func list(_ context: RequestContext) throws -> Response {
        let request = context.request
        let filter = try TrainingFilter(request)
        let key = try request.choice("sort", default: TrainingFilter.SortKey.newest)
        var after: TrainingChatCursor?
        if let text = request.query("after"), !text.isEmpty {
            guard let cursor = TrainingChatCursor(text) else { throw APIError.invalid("after", "expected the `next` of a list.") }
            after = cursor
        }
        let limit = try request.integer("limit", 1...200, default: 50)
        let page = try store.trainingChats(filter, sortedBy: key, after: after, limit: limit)
        return Response.json { list in
            list.objects("items", page.chats) { $0.write(to: &$1) }
            list["next"] = page.next?.description
            list["total"] = page.total
            list["total_is_exact"] = page.isExact
            list.object("counts") {
                $0["new"] = page.counts.new
                $0["included"] = page.counts.included
                $0["excluded"] = page.counts.excluded
                $0["held_out"] = page.counts.heldOut
            }
            list["pending"] = page.pending
        }
    }

    private func show(_ id: TrainingChatID) throws -> Response {
        let details = try store.trainingChat(id)
        return Response.json { details.write(to: &$0) }
    }

    private func change(_ context: RequestContext) throws -> Response {
        let fields = try RequestFields(of: context.request, known: ["state", "tags"])
        var review = Store.Review()
        review.state = try Self.state(fields)
        review.tags = try Self.tags(fields, "tags")
        let id: TrainingChatID = try context.id(of: "chat")
        try store.review(.chats([id]), review, by: context.adminRequest)
        return try show(id)
    }

    private func changeAll(_ context: RequestContext) throws -> Response {
        let fields = try RequestFields(of: context.request, known: ["filter", "ids", "state", "add_tags", "remove_tags"])
        var review = Store.Review()
        review.state = try Self.state(fields)
        review.addedTags = try Self.tags(fields, "add_tags") ?? []
        review.removedTags = try Self.tags(fields, "remove_tags") ?? []
        let selection: TrainingSelection
        switch (fields["ids"], fields["filter"]) {
        case (let list?, nil):
            guard let elements = list.elements else { throw APIError.invalid("ids", "expected an array of ids.") }
            var ids: [TrainingChatID] = []
            for element in elements {
                guard let id = element.string.flatMap({ TrainingChatID($0) }) else {
                    throw APIError.invalid("ids", "expected ids of chats.")
                }
                ids.append(id)
            }
            selection = .chats(ids)
        case (nil, let filter?): selection = .filter(try TrainingFilter(filter))
        default: throw APIError.invalid("filter", #"expected either "filter" or "ids"; an empty filter matches all chats."#)
        }
        let changed = try store.review(selection, review, by: context.adminRequest)
        return Response.json { $0["changed"] = changed }
    }

    private static func state(_ fields: RequestFields) throws(APIError) -> TrainingChat.State? {
        guard let text = try fields.optionalText("state", 1...20) else { return nil }
        guard let state = TrainingChat.State(rawValue: text) else { throw .invalid("state", "expected new, included or excluded.") }
        return state
    }

    private static func tags(_ fields: RequestFields, _ name: String) throws(APIError) -> [String]? {
        guard let value = fields[name] else { return nil }
        guard let elements = value.elements.map({ Array($0) }), elements.count <= 50 else {
            throw .invalid(name, "expected an array of at most 50 texts.")
        }
        var tags: [String] = []
        for element in elements {
            guard let text = element.string else { throw .invalid(name, "expected texts, found \(element.kind.rawValue).") }
            let tag = text.split(whereSeparator: \.isWhitespace).joined(separator: " ")
            guard !tag.isEmpty, tag.utf8.count <= Store.maxTagBytes, !tag.contains(",") else {
                throw .invalid(name, "expected tags of 1 to \(Store.maxTagBytes) bytes without commas.")
            }
            tags.append(tag)
        }
        return tags
    }

    private func correct(_ context: RequestContext, to text: String?) throws -> Response {
        let id: TrainingChatID = try context.id(of: "chat")
        try store.correct(try context.id(of: "message", at: 1), in: id, to: text, by: context.adminRequest)
        return try show(id)
    }

    private func tags() throws -> Response {
        let tags = try store.trainingTags()
        return Response.json { list in
            list.objects("items", tags) { item, object in
                object["tag"] = item.tag
                object["chats"] = item.chats
            }
        }
    }
}

extension TrainingChat {
    fileprivate func write(to object: inout JSONWriter) {
        object["id"] = id.description
        object["source"] = source.rawValue
        object["state"] = state.rawValue
        object["title"] = title
        object["person"] = person.map { TrainingFilter.personPrefix + $0 }
        object["model"] = model
        object["created_at"] = createdAt.description
        object["updated_at"] = updatedAt.description
        object["turns"] = turns
        object["characters"] = characters
        object["good"] = good
        object["bad"] = bad
        object["corrections"] = corrections
        object["owner_corrections"] = ownerCorrections
        object["preferences"] = preferences
        object["tags"] = tags
        object["duplicates"] = duplicates
        object["duplicate_of"] = duplicateOf?.description
        object["personal"] = personal.map(\.rawValue)
        object["held_out"] = isHeldOut
        object["reviewed_at"] = reviewedAt?.description
        object["reviewed_by"] = reviewedBy
    }
}

extension TrainingChatDetails {
    /// The messages of the active path, each with its alternatives.
    fileprivate func write(to object: inout JSONWriter) {
        chat.write(to: &object)
        object["system_prompt"] = settings.systemPrompt
        let all = Dictionary(messages.map { ($0.message.id, $0) }) { first, _ in first }
        let chosen = Set(preferences.map(\.chosen))
        object.objects("messages", messages.filter(\.isActive)) { message, object in
            object["id"] = message.message.id.description
            object["role"] = message.message.role.rawValue
            object["content"] = message.message.content
            object["correction"] = message.details.correction
            object["owner_correction"] = message.details.ownerCorrection
            object["rating"] = message.details.rating?.value.rawValue
            object["chosen"] = chosen.contains(message.message.id)
            let others = message.details.alternatives.filter { $0 != message.message.id }.compactMap { all[$0] }
            object.objects("alternatives", others) { other, object in
                object["id"] = other.message.id.description
                object["content"] = other.message.content
                object["chosen"] = chosen.contains(other.message.id)
                object["rating"] = other.details.rating?.value.rawValue
            }
            object.objects("personal", PersonalData.found(in: message.message.content)) { found, object in
                object["kind"] = found.kind.rawValue
                object["start"] = found.range.lowerBound
                object["end"] = found.range.upperBound
            }
        }
    }
}
