import HTTPServer
import Infer
import JSON
import Store
import Threads
import Tokenize

/// Questions and their answers.
extension App {
    static var chatRoutes: [Route] {
        [Route("POST", "/api/chat", for: .accounts) { try $0.chat($1) },
         Route("POST", "/api/chat/guest", by: .reading) { try $0.guestChat($1) },
         Route("POST", "/chat", by: .reading) { try $0.plainChat($1) }]
    }

    /// A guest's: nothing is stored.
    private func guestChat(_ call: Call) throws -> Response? {
        guard settings.letsGuestsIn else { throw Failure.unauthorized("Sign in first: this server has no guests.") }
        let fields = try Fields(of: call.request, known: ["message", "history"] + SamplingFields.names)
        let message = try fields.text("message", 1...Fields.longestText), history = try fields.turns("history") ?? []
        let model = try chatModel,
            request = GenerationRequest(.chat(history + [Turn(.user, message)]), try SamplingFields.config(fields, for: model))
        try rates.checkChat(call.caller.person)
        let place = try desk.enter(call.caller.person), stream = ChatStream { place.cancel() }, began = monotonicSeconds()
        call.respond(stream.response)
        place.ask(request, of: model) { event in
            switch event {
            case .began(let beginning): stream.tell(beginning)
            case .piece(let piece): stream.tell(piece)
            case .ended(let end):
                self.collect(message, stream.text, end)
                stream.finish(end, seconds: monotonicSeconds() - began)
            }
        }
        return nil
    }

    /// A message in, the whole answer out, as nanogpt-chat has it.
    private func plainChat(_ call: Call) throws -> Response? {
        guard settings.letsGuestsIn else { throw Failure.unauthorized("Sign in first: this server has no guests.") }
        let fields = try Fields(of: call.request, known: ["message"] + SamplingFields.names),
            message = try fields.text("message", 1...Fields.longestText)
        let model = try chatModel, request = GenerationRequest(.chat([Turn(.user, message)]), try SamplingFields.config(fields, for: model))
        try rates.checkChat(call.caller.person)
        let place = try desk.enter(call.caller.person), answer = GrowingAnswer()
        call.exchange.whenGone { place.cancel() }
        place.ask(request, of: model) { event in
            let whole = answer.add(event)
            guard case .ended(let end) = event else { return }
            if case .error(let error) = end.reason { return call.respond(Failure(error).response(inFormOf: "/chat")) }
            self.crews.store.runEvenIfFull {
                self.log(message, whole.text, end)
                call.respond(Response.json { json in
                    json.key("response"); json.string(whole.text)
                    json.key("chat_count"); json.integer(self.chatLog?.count ?? 0)
                })
            }
        }
        return nil
    }

    /// Keeps a chat for fine-tuning, where collecting is on, on a thread that may wait for the disk.
    func collect(_ question: String, _ answer: String, _ end: GenerationEnd) {
        if chatLog != nil { crews.store.runEvenIfFull { self.log(question, answer, end) } }
    }

    /// An answer that was stopped, or cut by its length, is no example to learn from.
    private func log(_ question: String, _ answer: String, _ end: GenerationEnd) {
        guard let chatLog, end.reason == .stop else { return }
        do { try chatLog.append(user: question, assistant: answer, at: Timestamp.now().description) } catch {
            note("a chat was not collected: \(error)")
        }
    }
}
