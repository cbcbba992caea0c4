import HTTPServer
import Infer
import Store
import Threads

/// Chats of accounts, whose messages are stored.
struct AccountChatService: Sendable {
    let store: Store
    let generator: AnswerGenerator
    let documents: DocumentCatalog
    let rateLimits: RateLimits
    let conversationLocks: ConversationLocks
    let replicas: Replicas
    let collector: ChatCollector?
    /// The threads that store answers.
    let database: ThreadPool

    static let routes: [Route] = [
        Route("POST", "/api/chat", access: .account, limit: .checkedByHandler, body: .message) { try $0.accountChats.answer($1) },
    ]

    /// Stores the user's message, and streams the answer, which is stored at its end.
    private func answer(_ context: RequestContext) throws -> Response? {
        let request = try AccountChatRequest(context, for: generator.servedModels, documents, store)
        try rateLimits.checkChat(context.client.key)                                     // 429
        let sources = try request.sources(store)                                         // 503
        let answer = try AccountAnswer(to: request, from: sources, of: context, in: self)    // 409, 429, 503
        context.respond(answer.stream.response)
        let generation = GenerationRequest(.chat(answer.prompt), request.config)
        generator.generate(generation, with: request.model, answer.ticket) { answer.receive($0) }
        return nil
    }
}

/// The body of a chat request.
struct AccountChatRequest {
    let owner: UserID
    let model: ServedModel
    /// Whether the request names the model, which then answers in this conversation from now on.
    let namesModel: Bool
    /// The message to answer.
    let message: AnswerRequest
    let config: GenerationConfig
    /// Those of the conversation.
    let documents: ServedDocuments
    /// Those of the conversation.
    let settings: ConversationSettings
    /// May be new. The canary's share is chosen by it.
    let conversation: ConversationID
    /// nil if the conversation exists.
    let newConversation: NewConversation?

    init(_ context: RequestContext, for served: ServedModels, _ catalog: DocumentCatalog, _ store: Store) throws {
        let owner = try context.account, readable = catalog.readable(by: owner)
        self.owner = owner
        let names = ["message", "conversation_id", "replace_from", "regenerate", "model", "system_prompt", "training", "documents"]
        let fields = try RequestFields(of: context.request, known: names + SamplingFields.names)
        let known: ConversationID? = try Self.id(fields, "conversation_id", ifInvalid: .notFound("conversation"))
        conversation = known ?? ConversationID()
        let sender = ServedModels.Sender(conversation)
        namesModel = fields["model"] != nil
        let stored = try known.map { try store.settings(of: $0, of: owner) }
        if let stored, !namesModel {
            // A model that is not served any more does not end the conversation: the server's default answers.
            let own = stored.model.flatMap { try? served.named($0, for: sender) }
            model = try (own ?? served.model(for: sender)).forChats()
        } else {
            model = try served.selected(by: fields, for: sender).forChats()
        }
        config = try SamplingFields.config(fields, for: model)
        let replaced: MessageID? = try Self.id(fields, "replace_from", ifInvalid: Self.invalidReplaceFrom)
        let regenerated: MessageID? = try Self.id(fields, "regenerate", ifInvalid: Self.invalidRegenerate)
        for (name, isSet) in [("replace_from", replaced != nil), ("regenerate", regenerated != nil)] where isSet && known == nil {
            throw APIError.invalid(name, "expected together with conversation_id only.")
        }
        if let regenerated {
            for name in ["message", "replace_from"] where fields[name] != nil {
                throw APIError.invalid("regenerate", "expected without \(name): the stored message is answered again.")
            }
            message = .storedMessage(regenerated)
        } else {
            message = .newMessage(NewMessage(.user, try fields.text("message", 1...RequestFields.maxTextLength)), replacing: replaced)
        }
        if let stored {
            for name in ["system_prompt", "training", "documents"] where fields[name] != nil {
                throw APIError.invalid(name, "expected for a new conversation only. PATCH /api/conversations/{id} changes it.")
            }
            newConversation = nil
            documents = try readable.named(stored.documents)
            settings = stored
        } else {
            documents = try fields.documents(readable) ?? ServedDocuments()
            settings = ConversationSettings(
                systemPrompt: try ConversationFields.systemPrompt(fields), model: nil,
                isExcludedFromTraining: try fields.boolean("training") == false, documents: documents.ids)
            let message = try fields.text("message", 1...RequestFields.maxTextLength)
            newConversation = NewConversation(title: Self.title(for: message), settings: settings)
        }
    }

    /// The error of a request that names a message which the conversation does not have.
    var invalidMessage: APIError {
        switch message {
        case .newMessage: Self.invalidReplaceFrom
        case .storedMessage: Self.invalidRegenerate
        }
    }

    /// Searches the documents for the message that is answered, before anything is stored; nil if there are none.
    func sources(_ store: Store) throws -> AnswerSources? {
        if documents.isEmpty { return nil }
        let messages = newConversation == nil ? try store.conversation(conversation, of: owner).1 : []
        func place(of id: MessageID) throws -> Int {
            guard let place = messages.firstIndex(where: { $0.id == id }) else { throw invalidMessage }
            return place
        }
        let question: String, end: Int
        switch message {
        case .newMessage(let message, let replaced):
            question = message.content
            end = try replaced.map(place) ?? messages.count
        case .storedMessage(let id):
            end = try place(of: id)
            question = messages[end].content
        }
        let earlier = messages.prefix(end).filter { $0.role == .user }.map(\.content)
        return try documents.sources(for: question, after: earlier, model)
    }

    private static let invalidReplaceFrom = APIError.invalid("replace_from", "expected the id of a user message of this conversation.")
    private static let invalidRegenerate = APIError.invalid(
        "regenerate", "expected the id of a user message of this conversation that is shown, and whose answer follows it.")

    /// The first words of a message.
    private static func title(for message: String) -> String {
        let words = message.split(whereSeparator: \.isWhitespace)
        var title = ""
        for word in words {
            if title.count + word.count + 1 > 60 { break }
            title += (title.isEmpty ? "" : " ") + word
        }
        return title.isEmpty ? words.first.map { $0.prefix(59) + "…" } ?? "Conversation" : title
    }

    private static func id<Kind>(_ fields: RequestFields, _ name: String, ifInvalid error: APIError) throws(APIError) -> Identifier<Kind>? {
        guard let text = try fields.optionalText(name, 0...200) else { return nil }
        guard let id = Identifier<Kind>(text) else { throw error }
        return id
    }
}
