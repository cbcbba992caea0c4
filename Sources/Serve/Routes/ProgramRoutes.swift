import HTTPServer
import Infer
import JSON
import Store
import Threads

/// OpenAI's paths, for programs that know them.
extension App {
    static var programRoutes: [Route] {
        [Route("POST", "/v1/chat/completions", for: .programs) { try $0.completeChat($1) },
         Route("POST", "/v1/completions", for: .programs) { try $0.completeText($1) },
         Route("GET", "/v1/models", for: .programs) { app, _ in try app.listModels() },
         Route("GET", "/v1/models/{model}", for: .programs) { try $0.showModel($1) }]
    }

    private func completeChat(_ call: Call) throws -> Response? {
        let model = try chatModel, fields = try Fields(of: call.request, known: nil)
        try checkModel(fields, model)
        return try complete(CompletionRequest(chat: fields, to: model, most: mostAnswers), model, call)
    }

    private func completeText(_ call: Call) throws -> Response? {
        if isLeaving { throw Failure.stopping }
        let model = try models.ready, fields = try Fields(of: call.request, known: nil)
        try checkModel(fields, model)
        return try complete(CompletionRequest(text: fields, to: model, most: mostAnswers), model, call)
    }

    /// Answers that one request may ask for: no more than could ever be under way for one person.
    private var mostAnswers: Int {
        min(64, settings.perPerson, settings.places + settings.waiting, settings.chatsPerMinute > 0 ? settings.chatsPerMinute : .max)
    }

    private func complete(_ request: CompletionRequest, _ model: ServedModel, _ call: Call) throws -> Response? {
        for _ in 0..<request.answerCount { try rates.checkChat(call.caller.person) }
        let places = try enter(request.answerCount, call.caller.person), began = monotonicSeconds()
        let reply = CompletionReply(request, CompletionForm(request, model: model.name), to: call) {
            for place in places { place.cancel() }
        }
        for (i, place) in places.enumerated() {
            place.ask(request[i], of: model) { event in
                if case .ended(let end) = event { self.record(end, of: model.name, for: call.caller, seconds: monotonicSeconds() - began) }
                reply.take(event, of: i)
            }
        }
        return nil
    }

    /// All places or none.
    private func enter(_ count: Int, _ person: Person) throws(Failure) -> [Place] {
        var places: [Place] = []
        do throws(Failure) {
            for _ in 0..<count { places.append(try desk.enter(person)) }
        } catch {
            for place in places { place.leave() }
            throw error
        }
        return places
    }

    /// What an answer took is told to the owner of the key; what was said is kept nowhere.
    private func record(_ end: GenerationEnd, of model: String, for caller: Caller, seconds: Double) {
        guard let account = caller.account, end.promptTokens > 0 else { return }
        let took = Generation(
            model: model, promptTokens: end.promptTokens, answerTokens: end.answerTokens, seconds: seconds, reason: end.reason.name)
        crews.store.runEvenIfFull {
            do { try self.store.record(took, of: account) } catch { note("what a program's answer took was not recorded: \(error)") }
        }
    }
}

/// The models: one.
extension App {
    /// Clients that know no name may say `default`, or nothing.
    private func checkModel(_ fields: Fields, _ model: ServedModel) throws(Failure) {
        if let name = try fields.optionalText("model", 0...1_000) { try check(name, model) }
    }

    private func check(_ name: String, _ model: ServedModel) throws(Failure) {
        guard [model.name, "default"].contains(name) else {
            throw Failure(
                status: .notFound, code: "model_not_found",
                message: "There is no model of that name here. The one that answers is \(model.name).", field: "model")
        }
    }

    private func listModels() throws -> Response {
        let model = try models.ready
        return Response.json { list in
            list.key("object"); list.string("list")
            list.key("data"); list.array { $0.object { write(model, to: &$0) } }
        }
    }

    private func showModel(_ call: Call) throws -> Response {
        let model = try models.ready
        try check(call.parameters.first ?? "", model)
        return Response.json { write(model, to: &$0) }
    }

    private func write(_ model: ServedModel, to object: inout JSONWriter) {
        object.key("id"); object.string(model.name)
        object.key("object"); object.string("model")
        object.key("created"); object.integer(models.since)
        object.key("owned_by"); object.string("slm")
        if let context = model.context { object.key("context_length"); object.integer(context) }
    }
}
