import HTTPServer
import JSON
import Store
import Threads

/// The conversations of an account and their messages. A conversation of another account is not found.
struct ConversationService: Sendable {
    let store: Store
    let models: ModelHolder
    let documents: DocumentCatalog
    let rateLimits: RateLimits
    let conversationLocks: ConversationLocks
    let searches: ThreadPool

    static let routes: [Route] = [
        Route("GET", "/api/conversations", access: .account) { try $0.conversations.list($1) },
        Route("POST", "/api/conversations", access: .account) { try $0.conversations.create($1) },
        Route("GET", "/api/conversations/{id}", access: .account) { try $0.conversations.show($1) },
        Route("PATCH", "/api/conversations/{id}", access: .account) { try $0.conversations.change($1) },
        Route("DELETE", "/api/conversations/{id}", access: .account) { try $0.conversations.delete($1) },
        Route("POST", "/api/conversations/{id}/restore", access: .account) { try $0.conversations.restore($1) },
        Route("POST", "/api/conversations/{id}/stop", access: .account) { try $0.conversations.stopAnswer($1) },
    ]

    /// Lists conversations. A search continues on a thread of its own, so that slow ones do not delay other requests.
    private func list(_ context: RequestContext) throws -> Response? {
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
        let isQueued = searches.run { [store, cursor] in
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
            list.objects("conversations", page.conversations) { $0.write(to: &$1) }
            list["next_cursor"] = page.next?.description
        }
    }

    private func create(_ context: RequestContext) throws -> Response {
        let fields = try RequestFields(of: context.request, known: ConversationFields.names, mayBeEmpty: true)
        let changes = try ConversationFields(fields, servedModels: models.served, documents.readable(by: try context.account))
        let account = try context.account, id = ConversationID()
        let title = changes.title ?? "New conversation"
        _ = try store.createConversation(title, as: id, for: account)
        let (created, settings) = try store.update(id, of: account, change: changes.apply)
        return Response.json(.created) {
            created.write(to: &$0)
            settings.write(to: &$0)
        }
    }

    private func show(_ context: RequestContext) throws -> Response {
        Self.response(try store.openConversation(try context.id(of: "conversation"), of: try context.account))
    }

    static func response(_ open: OpenConversation) -> Response {
        Response.json { whole in
            open.conversation.write(to: &whole)
            open.settings.write(to: &whole)
            whole["answering"] = open.isAnswering
            whole.objects("messages", open.messages) { message, object in
                message.write(to: &object)
                open.details[message.id]?.write(to: &object)
            }
        }
    }

    private func change(_ context: RequestContext) throws -> Response {
        let fields = try RequestFields(of: context.request, known: ConversationFields.names)
        let changes = try ConversationFields(fields, servedModels: models.served, documents.readable(by: try context.account))
        if ConversationFields.names.allSatisfy({ fields[$0] == nil }) {
            throw APIError.invalid("title", "expected one of \(ConversationFields.names.joined(separator: ", ")).")
        }
        let id: ConversationID = try context.id(of: "conversation")
        let (changed, settings) = try store.update(id, of: try context.account, title: changes.title, change: changes.apply)
        return Response.json {
            changed.write(to: &$0)
            settings.write(to: &$0)
        }
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

/// The fields of a request that change a conversation.
struct ConversationFields {
    static let names = ["title", "system_prompt", "model", "training", "documents"]
    /// In Unicode code points.
    static let maxSystemPromptLength = 8_000
    private static let maxTitleLength = 200

    let title: String?
    /// An empty text removes the system prompt or the choice of a model.
    private let systemPrompt, model: String?
    private let mayTrain: Bool?
    private let documents: ServedDocuments?

    /// - Parameters:
    ///   - servedModels: nil while it is loaded: then any model can be named.
    ///   - documents: Those that the account may read.
    init(_ fields: RequestFields, servedModels: ServedModels?, _ documents: ReadableDocuments) throws(APIError) {
        title = try fields.optionalText("title", 1...Self.maxTitleLength)
        systemPrompt = try fields.optionalText("system_prompt", 0...Self.maxSystemPromptLength)
        var model = try fields.optionalText("model", 0...1_000)
        if let name = model, !name.isEmpty, let servedModels { model = try servedModels.named(name).name }
        self.model = model
        mayTrain = try fields.boolean("training")
        self.documents = try fields.documents(documents)
    }

    /// The system prompt of a new conversation; nil for none.
    static func systemPrompt(_ fields: RequestFields) throws(APIError) -> String? {
        guard let text = try fields.optionalText("system_prompt", 0...maxSystemPromptLength) else { return nil }
        return text.allSatisfy(\.isWhitespace) ? nil : text
    }

    func apply(to settings: inout ConversationSettings) {
        settings = ConversationSettings(
            systemPrompt: systemPrompt.map { $0.allSatisfy(\.isWhitespace) ? nil : $0 } ?? settings.systemPrompt,
            model: model.map { $0.isEmpty ? nil : $0 } ?? settings.model,
            isExcludedFromTraining: mayTrain.map { !$0 } ?? settings.isExcludedFromTraining,
            documents: documents?.ids ?? settings.documents)
    }
}

extension ConversationSettings {
    func write(to object: inout JSONWriter) {
        object["system_prompt"] = systemPrompt
        object["model"] = model
        object["training"] = !isExcludedFromTraining
        object["documents"] = documents
    }
}

extension StoredConversation {
    func write(to object: inout JSONWriter) {
        object["id"] = id.description
        object["title"] = title
        object["created_at"] = createdAt.description
        object["updated_at"] = updatedAt.description
    }
}

extension Message {
    func write(to object: inout JSONWriter) {
        object["id"] = id.description
        object["role"] = role.rawValue
        object["content"] = content
        object["created_at"] = createdAt.description
        if let parent { object["parent_id"] = parent.description }
        guard let figures else { return }
        object["reason"] = figures.reason
        object.object("metrics") { metrics in
            metrics["answer_tokens"] = figures.tokens
            metrics["seconds"] = figures.seconds.rounded(toPlaces: 4)
            metrics["tokens_per_s"] = (Double(figures.tokens) / max(figures.seconds, 1e-6)).rounded(toPlaces: 1)
            if let first = figures.firstTokenSeconds {
                metrics["first_token_seconds"] = first.rounded(toPlaces: 4)
            }
        }
    }
}
