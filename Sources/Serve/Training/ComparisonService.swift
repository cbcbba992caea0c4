import Files
import HTTPServer
import JSON
import Store

/// Comparisons of candidates with the active model, the gate, and the owner's questions.
struct ComparisonService: Sendable {
    let store: Store
    let runner: ComparisonRunner

    static let routes: [Route] = [
        Route("POST", "/api/training/models/{id}/compare", access: .owner) { try $0.comparisons.compare($1) },
        Route("GET", "/api/training/comparisons/{id}", access: .owner) { try $0.comparisons.show($1) },
        Route("POST", "/api/training/comparisons/{id}/votes", access: .owner) { try $0.comparisons.vote($1) },
        Route("GET", "/api/training/questions", access: .owner) { app, _ in try app.comparisons.listQuestions() },
        Route("POST", "/api/training/questions", access: .owner) { try $0.comparisons.addQuestion($1) },
        Route("DELETE", "/api/training/questions/{id}", access: .owner) { try $0.comparisons.deleteQuestion($1) },
        Route("GET", "/api/training/gate", access: .owner) { app, _ in try app.comparisons.showGate() },
        Route("PUT", "/api/training/gate", access: .owner) { try $0.comparisons.setGate($1) },
    ]

    private func compare(_ context: RequestContext) throws -> Response {
        let id: ModelID = try context.id(of: "model"), model = try store.model(id)
        if model.state == .active {
            throw APIError.conflict("model_active", "This model is the active one. Compare another one with it.")
        }
        if model.filesDeletedAt != nil { throw StoreError.model(.filesDeleted) }
        return response(try runner.add(id, by: context.adminRequest), .accepted)
    }

    private func show(_ context: RequestContext) throws -> Response {
        response(try store.comparison(try context.id(of: "comparison")))
    }

    private func listQuestions() throws -> Response {
        let questions = try store.gateQuestions()
        return Response.json { list in
            list.objects("items", questions) { $0.write(to: &$1) }
            list.null("next")
            list["total"] = questions.count
        }
    }

    private func addQuestion(_ context: RequestContext) throws -> Response {
        let fields = try RequestFields(of: context.request, known: ["text", "expected"])
        let text = try fields.text("text", 1...10_000), expected = try fields.optionalText("expected", 1...10_000)
        let question = try store.addGateQuestion(text, expected: expected, by: context.adminRequest)
        return Response.json(.created) { question.write(to: &$0) }
    }

    private func deleteQuestion(_ context: RequestContext) throws -> Response {
        try store.deleteGateQuestion(try context.id(of: "question"), by: context.adminRequest)
        return .noContent
    }

    private func showGate() throws -> Response {
        let thresholds = GateThresholds(json: try store.gateThresholds())
        return Response.json { thresholds.write(to: &$0) }
    }

    private func setGate(_ context: RequestContext) throws -> Response {
        let gate = try GateThresholds(RequestFields(of: context.request, known: GateThresholds.members))
        for path in gate.general ?? [] where FileStatus(path) == nil {
            throw APIError.invalid("general", "\(path) does not exist on the server's machine.")
        }
        try store.setGateThresholds(gate.json, by: context.adminRequest)
        return Response.json { gate.write(to: &$0) }
    }

    private func vote(_ context: RequestContext) throws -> Response {
        let fields = try RequestFields(of: context.request, known: ["question", "choice"])
        let question = try fields.text("question", 1...100)
        guard let choice = ComparisonView.Choice(rawValue: try fields.text("choice", 1...10)) else {
            throw APIError.invalid("choice", "expected left, right or tie.")
        }
        let id: ComparisonID = try context.id(of: "comparison")
        guard ComparisonView(try store.comparison(id)).questions.contains(where: { $0["id"]?.string == question }) else {
            throw APIError.notFound("question")
        }
        return response(try store.changeVotes(of: id, by: context.adminRequest) { ComparisonView($0).votes(adding: choice, to: question) })
    }

    private func response(_ comparison: ModelComparisonRecord, _ status: HTTPStatus = .ok) -> Response {
        Response.json(status) { ComparisonView(comparison).write(to: &$0) }
    }
}

extension StoredGateQuestion {
    fileprivate func write(to object: inout JSONWriter) {
        object["id"] = id.description
        object["text"] = text
        object["expected"] = expected
    }
}
