import HTTPServer
import Infer
import Store
import Threads
import Tokenize

/// A chat of an account: stores the user's message, streams the answer and stores it when it has ended, was stopped or has failed.
extension App {
    /// Handles `POST /api/chat`, on a database thread.
    func accountChat(_ context: RequestContext) throws -> Response? {
        let model = try chatModel
        let request = try AccountChatRequest(context, for: model)
        try rateLimits.checkChat(context.client.key)                                     // 429
        let ticket = try admission.enter(context.client.key)                             // 429, 503
        let chat: AccountChat
        do { chat = try storeUserMessage(request, ticket, model: model.name) } catch {
            ticket.leave()
            throw error
        }
        let stream = ChatStream(ids: chat.ids) { ticket.cancel() }
        let start = ContinuousClock.now
        context.respond(stream.response)
        generate(GenerationRequest(.chat(chat.history), request.config), with: model, ticket) { event in
            stream.send(event)
            guard case .ended(let end) = event else { return }
            let seconds = (ContinuousClock.now - start).inSeconds
            self.executors.database.runEvenIfFull {
                self.storeAnswer(stream, chat, end, seconds: seconds)
                self.logChat(request.message, stream.text, end, after: Array(chat.history.dropLast()))
            }
        }
        return nil
    }

    /// Locks the conversation, then stores the message and reads the history in one transaction.
    private func storeUserMessage(_ request: AccountChatRequest, _ ticket: AdmissionTicket, model: String) throws -> AccountChat {
        let id = request.conversation ?? ConversationID()
        try conversationLocks.lock(id, of: request.owner, for: ticket)                   // 409
        do {
            let (conversation, messages) = try store.appendAndRead(
                NewMessage(.user, request.message),
                to: id,
                of: request.owner,
                creating: request.conversation == nil ? Self.title(for: request.message) : nil,
                replacingFrom: request.replacedMessage)
            return AccountChat(owner: request.owner, conversation: conversation, messages: messages, model: model)
        } catch {
            conversationLocks.unlock(id, of: request.owner)
            if case .notFound(.message) = error { throw AccountChatRequest.invalidReplaceFrom }
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
            reason: end.reason.name)
        let id = chat.conversation.id
        let text = stream.text
        var failure: APIError?
        do {
            if text.isEmpty {
                try store.record(generation, of: chat.owner, in: id)
            } else {
                try store.append(NewMessage(.assistant, text), as: chat.answer, to: id, of: chat.owner, generation: generation)
            }
        } catch {
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
    let message: String
    let config: GenerationConfig
    /// nil starts a new conversation.
    let conversation: ConversationID?
    /// The user message that this one replaces, with all that follow.
    let replacedMessage: MessageID?

    init(_ context: RequestContext, for model: ServedModel) throws(APIError) {
        owner = try context.account
        let fields = try RequestFields(of: context.request, known: ["message", "conversation_id", "replace_from"] + SamplingFields.names)
        message = try fields.text("message", 1...RequestFields.maxTextLength)
        config = try SamplingFields.config(fields, for: model)
        conversation = try Self.id(fields, "conversation_id", ifInvalid: .notFound("conversation"))
        replacedMessage = try Self.id(fields, "replace_from", ifInvalid: Self.invalidReplaceFrom)
        if replacedMessage != nil, conversation == nil {
            throw .invalid("replace_from", "expected together with conversation_id only.")
        }
    }

    static let invalidReplaceFrom = APIError.invalid("replace_from", "expected the id of a user message of this conversation.")

    private static func id<Kind>(_ fields: RequestFields, _ name: String, ifInvalid error: APIError) throws(APIError) -> Identifier<Kind>? {
        guard let text = try fields.optionalText(name, 0...200) else { return nil }
        guard let id = Identifier<Kind>(text) else { throw error }
        return id
    }
}

/// A chat whose user message is stored.
private struct AccountChat: Sendable {
    let owner: UserID
    let conversation: StoredConversation
    /// Ends with the user's message.
    let messages: [Message]
    /// The id of the answer: the client gets it before the answer is stored.
    let answer = MessageID()
    let model: String

    /// The prompt messages.
    var history: [ChatMessage] { messages.map { ChatMessage(Conversation.Role(rawValue: $0.role.rawValue) ?? .user, $0.content) } }

    /// Members of the `start` event.
    var ids: [(name: String, value: String)] {
        [
            ("conversation_id", conversation.id.description),
            ("title", conversation.title),
            ("message_id", messages.last?.id.description ?? ""),
            ("answer_id", answer.description),
        ]
    }
}
