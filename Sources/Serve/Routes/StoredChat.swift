import HTTPServer
import Infer
import Store
import Threads

/// A chat of somebody who is signed in: the question is stored before the answer begins, the answer when it ends, is stopped or breaks off.
extension App {
    func chat(_ call: Call) throws -> Response? {
        let model = try chatModel, question = try Question(call, to: model)
        try rates.checkChat(call.caller.person)
        let place = try desk.enter(call.caller.person), asked: Asked
        do { asked = try store(question, place) } catch {
            place.leave()
            throw error
        }
        let stream = ChatStream(start: [
            ("conversation_id", asked.conversation.id.description), ("title", asked.conversation.title),
            ("message_id", asked.message.description), ("answer_id", asked.answer.description),
        ]) { place.cancel() }
        let began = monotonicSeconds()
        call.respond(stream.response)
        place.ask(GenerationRequest(.chat(asked.history), question.config), of: model) { event in
            switch event {
            case .began(let beginning): stream.tell(beginning)
            case .piece(let piece): stream.tell(piece)
            case .ended(let end):
                let seconds = monotonicSeconds() - began
                self.crews.store.runEvenIfFull {
                    self.store(stream, asked, of: question, end, seconds, model.name)
                    self.collect(question.message, stream.text, end)
                }
            }
        }
        return nil
    }

    /// What is asked, checked.
    private struct Question {
        let owner: UserID
        let message: String
        let config: GenerationConfig
        let conversation: ConversationID?
        let replaced: MessageID?

        init(_ call: Call, to model: ServedModel) throws(Failure) {
            owner = try call.account
            let fields = try Fields(of: call.request, known: ["message", "conversation_id", "replace_from"] + SamplingFields.names)
            message = try fields.text("message", 1...Fields.longestText)
            config = try SamplingFields.config(fields, for: model)
            // What is no identifier was never anybody's conversation.
            conversation = try Self.id(fields, "conversation_id") { .notFound("conversation") }
            replaced = try Self.id(fields, "replace_from") { Self.noQuestion }
            if replaced != nil, conversation == nil { throw .invalid("replace_from", "expected together with conversation_id only.") }
        }

        static let noQuestion = Failure.invalid("replace_from", "expected the id of a question of this conversation.")

        private static func id<Kind>(_ fields: Fields, _ name: String, _ failure: () -> Failure) throws(Failure) -> Identifier<Kind>? {
            guard let text = try fields.optionalText(name, 0...200) else { return nil }
            guard let id = Identifier<Kind>(text) else { throw failure() }
            return id
        }
    }

    /// What was stored of a question, and what the model is to read.
    private struct Asked {
        let conversation: StoredConversation
        let message: MessageID
        let answer = MessageID()
        let history: [Turn]
    }

    private func store(_ question: Question, _ place: Place) throws -> Asked {
        let draft = NewMessage(.user, question.message)
        guard let id = question.conversation else {
            let (made, message) = try store.createConversation(Self.title(of: question.message), for: question.owner, question: draft)
            try talks.begin(made.id, place)
            return Asked(conversation: made, message: message?.id ?? MessageID(), history: [Turn(stored: "user", question.message)])
        }
        // Nobody learns whether somebody else's conversation is being answered, or keeps it from being so.
        _ = try store.conversation(id, of: question.owner)
        try talks.begin(id, place)
        do {
            let message = try store.append(draft, to: id, of: question.owner, replacingFrom: question.replaced)
            let (conversation, messages) = try store.conversation(id, of: question.owner)
            return Asked(
                conversation: conversation, message: message.id, history: messages.map { Turn(stored: $0.role.rawValue, $0.content) })
        } catch {
            talks.end(id)
            if case StoreError.notFound(.message) = error { throw Question.noQuestion }
            throw error
        }
    }

    private func store(
        _ stream: ChatStream, _ asked: Asked, of question: Question, _ end: GenerationEnd, _ seconds: Double, _ model: String
    ) {
        let took = Generation(
            model: model, promptTokens: end.promptTokens, answerTokens: end.answerTokens, seconds: seconds, reason: end.reason.name)
        let text = stream.text, id = asked.conversation.id
        var failure: Failure?
        do {
            if text.isEmpty {
                try store.record(took, of: question.owner, in: id)
            } else {
                try store.append(NewMessage(.assistant, text), as: asked.answer, to: id, of: question.owner, generation: took)
            }
        } catch {
            if error != .notFound(.conversation) { failure = Failure(error) }        // deleted meanwhile
        }
        talks.end(id)                                        // before the client hears, so that it may ask again at once
        if let failure { stream.fail(failure) } else { stream.finish(end, seconds: seconds) }
    }

    /// The first words.
    static func title(of message: String) -> String {
        let words = message.split(whereSeparator: \.isWhitespace)
        var title = ""
        for word in words {
            if title.count + word.count + 1 > 60 { break }
            title += (title.isEmpty ? "" : " ") + word
        }
        return title.isEmpty ? words.first.map { $0.prefix(59) + "…" } ?? "Conversation" : title
    }
}
