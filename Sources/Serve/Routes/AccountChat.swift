import HTTPServer
import Infer
import Store
import Threads
import Tokenize

/// A chat of an account: stores the user's message, streams the answer and stores it when it has ended, was stopped or has failed.
extension App {
    /// Handles `POST /api/chat`, on a database thread.
    func accountChat(_ context: RequestContext) throws -> Response? {
        let request = try AccountChatRequest(context, for: servedModels, store)
        let model = request.model
        try rateLimits.checkChat(context.client.key)                                     // 429
        let ticket = try admission.enter(context.client.key)                             // 429, 503
        let chat: AccountChat
        do { chat = try storeUserMessage(request, ticket, model: model.name) } catch {
            ticket.leave()
            throw error
        }
        let stream = ChatStream(for: context.request, ids: chat.ids) { ticket.cancel() }
        let start = ContinuousClock.now
        let saver = UnfinishedAnswerSaver()
        context.respond(stream.response)
        generate(GenerationRequest(.chat(chat.history), request.config), with: model, ticket) { event in
            stream.send(event)
            if case .piece = event { self.save(stream, chat, saver, since: start) }
            guard case .ended(let end) = event else { return }
            let seconds = (ContinuousClock.now - start).inSeconds
            self.executors.database.runEvenIfFull {
                self.storeAnswer(stream, chat, end, seconds: seconds)
                self.logChat(
                    chat.message, stream.text, end, after: Array(chat.history.dropLast()), of: chat.owner, in: chat.conversation.id)
            }
        }
        return nil
    }

    /// Saves the text so far every few seconds, in case the server is killed.
    private func save(_ stream: ChatStream, _ chat: AccountChat, _ saver: UnfinishedAnswerSaver, since start: ContinuousClock.Instant) {
        guard saver.begin() else { return }
        executors.database.runEvenIfFull {
            let answer = UnfinishedAnswer(
                id: chat.lease.answer, to: chat.question, content: stream.text, model: chat.model, tokens: stream.tokens,
                seconds: (ContinuousClock.now - start).inSeconds)
            do { try self.store.save(answer, in: chat.conversation.id, of: chat.owner) } catch {
                Log.error("cannot save the text of an answer in progress: \(error)")
            }
            saver.end()
        }
    }

    /// Locks the conversation, then takes its lease, stores the message, or finds it, and reads the history in one transaction.
    private func storeUserMessage(_ request: AccountChatRequest, _ ticket: AdmissionTicket, model: String) throws -> AccountChat {
        let id = request.id
        let lease = AnswerLease(answer: MessageID(), server: replicas.id)
        try conversationLocks.lock(id, of: request.owner, for: ticket)                   // 409
        do {
            let start = try store.beginAnswer(                                           // 409 if another server has the lease
                to: request.answered,
                in: id,
                of: request.owner,
                creating: request.conversation == nil
                    ? NewConversation(title: Self.title(for: request.message ?? ""), settings: request.settings) : nil,
                model: request.namesModel ? model : nil,
                taking: lease)
            conversationLocks.didTakeLease(lease.answer, in: id, of: request.owner)
            return AccountChat(owner: request.owner, start: start, lease: lease, model: model)
        } catch {
            conversationLocks.unlock(id, of: request.owner)
            if case .notFound(.message) = error {
                throw request.message == nil ? AccountChatRequest.invalidRegenerate : AccountChatRequest.invalidReplaceFrom
            }
            throw error
        }
    }

    /// Stores the answer, unlocks the conversation and ends the stream, in this order: a client that has received `done` may send the next
    /// message at once.
    private func storeAnswer(_ stream: ChatStream, _ chat: AccountChat, _ end: GenerationEnd, seconds: Double) {
        let generation = Generation(
            model: chat.model,
            promptTokens: end.promptTokens,
            answerTokens: end.answerTokens,
            seconds: seconds,
            firstTokenSeconds: stream.firstTokenSeconds,
            reason: end.reason.name)
        let id = chat.conversation.id
        let text = stream.text
        var failure: APIError?
        do {
            if text.isEmpty {
                try store.record(generation, of: chat.owner, in: id, ending: chat.lease)
            } else {
                try store.append(
                    NewMessage(.assistant, text), as: chat.lease.answer, to: id, of: chat.owner,
                    replacingFrom: chat.start.replacedAnswer, answering: chat.question, generation: generation, ending: chat.lease)
            }
        } catch {
            replicas.endLater(chat.lease, in: id)
            // The user may have deleted the conversation in the meantime.
            if error != .notFound(.conversation) { failure = APIError(error) }
        }
        conversationLocks.unlock(id, of: chat.owner)
        if let failure { stream.fail(failure) } else { stream.finish(end, seconds: seconds) }
    }

    /// Returns the first words of a message.
    private static func title(for message: String) -> String {
        let words = message.split(whereSeparator: \.isWhitespace)
        var title = ""
        for word in words {
            if title.count + word.count + 1 > 60 { break }
            title += (title.isEmpty ? "" : " ") + word
        }
        return title.isEmpty ? words.first.map { $0.prefix(59) + "…" } ?? "Conversation" : title
    }
}

/// The body of a chat request.
private struct AccountChatRequest {
    let owner: UserID
    let model: ServedModel
    /// Whether the request names the model, which then answers in this conversation from now on.
    let namesModel: Bool
    /// nil if a stored message is answered again.
    let message: String?
    let answered: AnswerRequest
    let config: GenerationConfig
    /// nil starts a new conversation.
    let conversation: ConversationID?
    /// The id of the conversation, which may be new. The canary's share is chosen by it.
    let id: ConversationID
    /// The settings of a new conversation.
    let settings: ConversationSettings

    init(_ context: RequestContext, for served: ServedModels, _ store: Store) throws {
        let owner = try context.account
        self.owner = owner
        let known = ["message", "conversation_id", "replace_from", "regenerate", "model", "system_prompt", "training"]
        let fields = try RequestFields(of: context.request, known: known + SamplingFields.names)
        let conversation: ConversationID? = try Self.id(fields, "conversation_id", ifInvalid: .notFound("conversation"))
        self.conversation = conversation
        id = conversation ?? ConversationID()
        let sender = ServedModels.Sender(id)
        namesModel = fields["model"] != nil
        if let conversation, !namesModel {
            // A model that is not served any more does not end the conversation: the server's default answers.
            let name = try store.settings(of: conversation, of: owner).model
            let own = name.flatMap { try? served.named($0, for: sender) }
            model = try (own ?? served.model(for: sender)).forChats()
        } else {
            model = try served.selected(by: fields, for: sender).forChats()
        }
        config = try SamplingFields.config(fields, for: model)
        let replaced: MessageID? = try Self.id(fields, "replace_from", ifInvalid: Self.invalidReplaceFrom)
        let regenerated: MessageID? = try Self.id(fields, "regenerate", ifInvalid: Self.invalidRegenerate)
        for (name, isSet) in [("replace_from", replaced != nil), ("regenerate", regenerated != nil)] where isSet && conversation == nil {
            throw APIError.invalid(name, "expected together with conversation_id only.")
        }
        if let regenerated {
            for name in ["message", "replace_from"] where fields[name] != nil {
                throw APIError.invalid("regenerate", "expected without \(name): the stored message is answered again.")
            }
            message = nil
            answered = .storedMessage(regenerated)
        } else {
            let message = try fields.text("message", 1...RequestFields.maxTextLength)
            self.message = message
            answered = .newMessage(NewMessage(.user, message), replacing: replaced)
        }
        for name in ["system_prompt", "training"] where conversation != nil && fields[name] != nil {
            throw APIError.invalid(name, "expected for a new conversation only. PATCH /api/conversations/{id} changes it.")
        }
        settings = ConversationSettings(
            systemPrompt: try ConversationFields.systemPrompt(fields), model: nil,
            isExcludedFromTraining: try fields.boolean("training") == false)
    }

    static let invalidReplaceFrom = APIError.invalid("replace_from", "expected the id of a user message of this conversation.")
    static let invalidRegenerate = APIError.invalid(
        "regenerate", "expected the id of a user message of this conversation that is shown, and whose answer follows it.")

    private static func id<Kind>(_ fields: RequestFields, _ name: String, ifInvalid error: APIError) throws(APIError) -> Identifier<Kind>? {
        guard let text = try fields.optionalText(name, 0...200) else { return nil }
        guard let id = Identifier<Kind>(text) else { throw error }
        return id
    }
}

/// A chat whose user message is stored.
private struct AccountChat: Sendable {
    let owner: UserID
    let start: AnswerStart
    /// Has the id of the answer: the client gets it before the answer is stored.
    let lease: AnswerLease
    let model: String

    var conversation: StoredConversation { start.conversation }

    /// The user's message.
    var question: MessageID { start.question.id }
    var message: String { start.question.content }

    /// The prompt messages. Answers that the user has corrected are in the history as corrected, as the page shows them.
    var history: [ChatMessage] {
        let system = start.settings.systemPrompt.map { [ChatMessage(.system, $0)] } ?? []
        return system + start.messages.map { message in
            ChatMessage(Conversation.Role(rawValue: message.role.rawValue) ?? .user, start.corrections[message.id] ?? message.content)
        }
    }

    /// Members of the `start` event.
    var ids: [(name: String, value: String)] {
        [
            ("conversation_id", conversation.id.description),
            ("title", conversation.title),
            ("message_id", question.description),
            ("answer_id", lease.answer.description),
            ("model", model),
        ]
    }
}
