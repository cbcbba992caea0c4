import HTTPServer
import Infer
import Store
import Threads
import Tokenize

/// An answer in a conversation of an account, which is stored when it has ended, was stopped or has failed. It owns what the answer needs
/// until then: the place in the queue, the conversation's lock and lease, and the client's stream.
///
///     let answer = try AccountAnswer(to: request, from: sources, of: context, in: service)
///     context.respond(answer.stream.response)
///     service.generator.generate(GenerationRequest(.chat(answer.prompt), config), with: model, answer.ticket) { answer.receive($0) }
final class AccountAnswer: Sendable {
    let ticket: AdmissionTicket
    let stream: ChatStream
    private let service: AccountChatService
    private let owner: UserID
    private let model: String
    private let sources: AnswerSources?
    /// Has the id of the answer: the client gets it before the answer is stored.
    private let lease: AnswerLease
    private let beginning: AnswerStart
    private let systemPrompt: String?
    private let saver = UnfinishedAnswerSaver()

    /// Locks the conversation, then takes its lease, stores the message, or finds it, and reads the history in one transaction.
    ///
    /// - Parameter sources: The passages in the place of the message; nil without documents.
    init(
        to request: AccountChatRequest, from sources: AnswerSources?, of context: RequestContext, in service: AccountChatService
    ) throws {
        let ticket = try service.generator.admission.enter(context.client.key)           // 429, 503
        let lease = AnswerLease(answer: MessageID(), server: service.replicas.id)
        do {
            beginning = try Self.begin(request, ticket, lease, in: service)
        } catch {
            ticket.leave()
            throw error
        }
        self.service = service
        self.ticket = ticket
        self.sources = sources
        self.lease = lease
        owner = request.owner
        model = request.model.name
        systemPrompt = request.settings.systemPrompt
        let ids = [
            ("conversation_id", beginning.conversation.id.description),
            ("title", beginning.conversation.title),
            ("message_id", beginning.question.id.description),
            ("answer_id", lease.answer.description),
            ("model", model),
        ]
        stream = ChatStream(for: context.request, ticket, ids: ids, sources: sources)
    }

    private static func begin(
        _ request: AccountChatRequest, _ ticket: AdmissionTicket, _ lease: AnswerLease, in service: AccountChatService
    ) throws -> AnswerStart {
        let id = request.conversation
        try service.conversationLocks.lock(id, of: request.owner, for: ticket)           // 409
        do {
            let beginning = try service.store.beginAnswer(                               // 409 if another server has the lease
                to: request.message, in: id, of: request.owner, creating: request.newConversation,
                model: request.namesModel ? request.model.name : nil, taking: lease)
            service.conversationLocks.didTakeLease(lease.answer, in: id, of: request.owner)
            return beginning
        } catch {
            service.conversationLocks.unlock(id, of: request.owner)
            if error == .notFound(.message) { throw request.invalidMessage }
            throw error
        }
    }

    /// The messages of the prompt: the history, and the question with the passages of documents.
    var prompt: [ChatMessage] { history + [ChatMessage(.user, sources?.message ?? beginning.question.content)] }

    /// The messages before the question. Answers that the user has corrected are in the history as corrected, as the page shows them.
    private var history: [ChatMessage] {
        let system = systemPrompt.map { [ChatMessage(.system, $0)] } ?? []
        return system + beginning.messages.dropLast().map { message in
            ChatMessage(Conversation.Role(rawValue: message.role.rawValue) ?? .user, beginning.corrections[message.id] ?? message.content)
        }
    }

    /// Sends an event of the generation, and stores the answer after the last one.
    func receive(_ event: GenerationEvent) {
        stream.send(event)
        switch event {
        case .began: break
        case .piece:
            if saver.begin() { service.database.runEvenIfFull { self.save() } }
        case .ended(let end):
            service.database.runEvenIfFull { self.finish(end) }
        }
    }

    /// Saves the text so far, in case the server is killed.
    private func save() {
        let answer = UnfinishedAnswer(
            id: lease.answer, to: beginning.question.id, content: stream.text, sources: sources?.json, model: model,
            tokens: stream.tokens, seconds: ticket.seconds)
        do { try service.store.save(answer, in: beginning.conversation.id, of: owner) } catch {
            Log.error("cannot save the text of an answer in progress: \(error)")
        }
        saver.end()
    }

    /// Stores the answer, unlocks the conversation and ends the stream, in this order: a client that has received `done` may send the next
    /// message at once.
    private func finish(_ end: GenerationEnd) {
        let id = beginning.conversation.id
        let text = stream.text
        var failure: APIError?
        do { try store(text, end) } catch {
            service.replicas.endLater(lease, in: id)
            // The user may have deleted the conversation in the meantime.
            if error != .notFound(.conversation) { failure = APIError(error) }
        }
        service.conversationLocks.unlock(id, of: owner)
        if let failure { stream.fail(failure) } else { stream.finish(end) }
        service.collector?.collect(
            beginning.question.content, text, end, after: history, sources: sources, of: owner, in: id)
    }

    private func store(_ text: String, _ end: GenerationEnd) throws(StoreError) {
        let id = beginning.conversation.id
        let generation = Generation(end, by: model, seconds: stream.seconds, firstTokenSeconds: stream.firstTokenSeconds)
        if text.isEmpty {
            try service.store.record(generation, of: owner, in: id, ending: lease)
        } else {
            try service.store.append(
                NewMessage(.assistant, text, sources: sources?.json), as: lease.answer, to: id, of: owner,
                replacingFrom: beginning.replacedAnswer, answering: beginning.question.id, generation: generation, ending: lease)
        }
    }
}

extension Generation {
    init(_ end: GenerationEnd, by model: String, seconds: Double, firstTokenSeconds: Double? = nil) {
        self.init(
            model: model, promptTokens: end.promptTokens, answerTokens: end.answerTokens, seconds: seconds,
            firstTokenSeconds: firstTokenSeconds, reason: end.reason.name)
    }
}
