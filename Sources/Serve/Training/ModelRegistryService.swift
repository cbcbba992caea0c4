import Files
import Glibc
import HTTPServer
import JSON
import Store

/// The registry of models: what the servers of the database serve, for owners.
struct ModelRegistryService: Sendable {
    let store: Store
    let models: ModelHolder
    let admission: Admission
    let replicas: Replicas
    /// Where runs write their models.
    let directory: String

    static let routes: [Route] = [
        Route("GET", "/api/training/models", access: .owner) { app, _ in try app.registry.list() },
        Route("POST", "/api/training/models", access: .owner) { try $0.registry.register($1) },
        Route("POST", "/api/training/models/clean-up", access: .owner) { try $0.registry.cleanUp($1) },
        Route("GET", "/api/training/models/{id}", access: .owner) { try $0.registry.show($1) },
        Route("DELETE", "/api/training/models/{id}", access: .owner) { try $0.registry.delete($1) },
        Route("POST", "/api/training/models/{id}/promote", access: .owner) { try $0.registry.promote($1) },
        Route("POST", "/api/training/models/{id}/archive", access: .owner) { try $0.registry.archive($1) },
        Route("POST", "/api/training/rollback", access: .owner) { try $0.registry.rollBack($1) },
        Route("PUT", "/api/training/canary", access: .owner) { try $0.registry.setCanary($1) },
        Route("DELETE", "/api/training/canary", access: .owner) { try $0.registry.endCanary($1) },
        Route("GET", "/api/training/audit", access: .owner) { try $0.registry.audit($1) },
        Route("GET", "/api/training/keys", access: .owner) { try $0.registry.listKeyModels($1) },
        Route("PUT", "/api/training/keys/{id}", access: .owner) { try $0.registry.setKeyModel($1) },
    ]

    /// The lines of the audit log that belong to the training area, newest first.
    private func audit(_ context: RequestContext) throws -> Response {
        let page = try PageParameters(context.request)
        return .auditLog(try store.admin.auditLog(AdminQueries.Action.ofTraining, limit: page.limit, offset: page.offset))
    }

    /// Throws 409 if the model runs on another server.
    private func checkRegistry() throws(APIError) {
        guard models.registry == nil else { return }
        let message = "This server has no registry of models: its model runs on another server (--backend)."
        throw APIError.conflict("no_registry", message)
    }

    private func list() throws -> Response {
        try checkRegistry()
        let list = try store.models()
        let canary = list.first { $0.canaryShare != nil }
        // Models may have the same file.
        let sizes = list.filter { $0.filesDeletedAt == nil }.map { ($0.path, $0.sizeBytes) }
        let used = Dictionary(sizes) { first, _ in first }.values.reduce(0, +)
        let free = DiskSpace.free(at: directory)
        return Response.json { all in
            all.objects("items", list) { write($0, to: &$1) }
            all.key("canary"); Self.write(canary: canary, to: &all)
            all.object("disk") {
                $0["used_bytes"] = used
                $0["free_bytes"] = free
            }
        }
    }

    private func show(_ context: RequestContext) throws -> Response {
        try checkRegistry()
        return response(try store.model(try context.id(of: "model")))
    }

    private func response(_ model: RegisteredModel, _ status: HTTPStatus = .ok) -> Response {
        Response.json(status) { write(model, to: &$0) }
    }

    private func register(_ context: RequestContext) throws -> Response {
        try checkRegistry()
        let fields = try RequestFields(of: context.request, known: ["path", "name"])
        let path = try fields.text("path", 1...4_096), name = try fields.text("name", 1...64)
        guard name != ServedModel.placeholder, name.allSatisfy({ $0.isASCII && ($0.isLetter || $0.isNumber || "-_.".contains($0)) }) else {
            throw APIError.invalid("name", "expected letters, digits, '-', '_' and '.', and not 'default'.")
        }
        let id: ModelID
        do { id = try ModelRegistry.register(path, name: name, in: store, by: context.adminRequest) } catch let error as StoreError {
            throw error
        } catch { throw APIError.invalid("path", "\(error)") }
        return response(try store.model(id), .created)
    }

    private func promote(_ context: RequestContext) throws -> Response {
        try checkRegistry()
        let id: ModelID = try context.id(of: "model")
        let fields = try RequestFields(of: context.request, known: ["force", "reason"], mayBeEmpty: true)
        let force = try fields.boolean("force") ?? false, reason = try fields.optionalText("reason", 1...500)
        if force, reason == nil {
            throw APIError.invalid("reason", "expected why the model is promoted although it has not passed the gate. It is part of the "
                + "audit log.")
        }
        try checkFiles(of: try store.model(id))
        let model = try store.promote(id, forcedBecause: force ? reason : nil, by: context.adminRequest)
        follow(model)
        return response(model)
    }

    /// Makes sure that a model can be loaded here before it becomes active.
    private func checkFiles(of model: RegisteredModel) throws {
        guard model.state != .active, model.filesDeletedAt == nil else { return }
        do { try ModelRegistry.check(model, in: store) } catch let error as StoreError { throw error } catch {
            throw APIError.conflict("model_unreadable", "The model cannot be loaded: \(error)")
        }
    }

    private func rollBack(_ context: RequestContext) throws -> Response {
        try checkRegistry()
        if let previous = try store.servedModels().previous { try checkFiles(of: previous) }
        let model = try store.rollBack(by: context.adminRequest)
        follow(model)
        return response(model)
    }

    /// Loads what the registry names, if that has changed.
    func followRegistry() {
        guard models.registry != nil else { return }
        models.load(isReload: false) { [replicas] result in
            guard case .failure(let error) = result else { return }
            Log.error(.loadFailed, "the registry of models cannot be followed: \(error)")
            replicas.forgetRegistry()
        }
    }

    /// Loads a model that has become active, and waits until it answers here: after the response, no new answer comes from another one.
    /// A model that takes longer is served later, and the response says so.
    private func follow(_ model: RegisteredModel) {
        followRegistry()
        let end = ContinuousClock.now + Self.longestLoad
        while !admission.isClosed, ContinuousClock.now < end, let served = models.served, served.activeID != model.id {
            if served.errors[model.id] != nil { return }
            usleep(10_000)
        }
    }

    private static let longestLoad = Duration.seconds(60)

    private func archive(_ context: RequestContext) throws -> Response {
        try checkRegistry()
        return response(try store.archiveModel(try context.id(of: "model"), by: context.adminRequest))
    }

    /// Removes a model from the registry, and its files if a run of this server has written them.
    private func delete(_ context: RequestContext) throws -> Response {
        try checkRegistry()
        let (model, sharesFiles) = try store.deleteModel(try context.id(of: "model"), by: context.adminRequest)
        let deletes = ModelRegistry.mayDeleteFiles(of: model) && !sharesFiles
        if deletes { _ = ModelRegistry.deleteFiles(of: model) }
        return .noContent
    }

    private func cleanUp(_ context: RequestContext) throws -> Response {
        try checkRegistry()
        let keep = try RequestFields(of: context.request, known: ["keep"], mayBeEmpty: true).integer("keep") ?? 3
        guard (0...1_000).contains(keep) else { throw APIError.invalid("keep", "expected 0 to 1000, found \(keep).") }
        let cleaned = try store.cleanUpModels(keeping: keep, by: context.adminRequest) { ModelRegistry.mayDeleteFiles(of: $0) }
        // Also files that an earlier call could not delete because the server was killed.
        let all = try store.models(), paths = Set(all.filter { $0.filesDeletedAt == nil }.map(\.path))
        let deleted = all.filter { $0.filesDeletedAt != nil && ModelRegistry.mayDeleteFiles(of: $0) && !paths.contains($0.path) }
        let bytes = deleted.reduce(0) { $0 + ModelRegistry.deleteFiles(of: $1) }
        return Response.json { all in
            all.objects("items", cleaned) { write($0, to: &$1) }
            all["deleted"] = cleaned.count
            all["freed_bytes"] = bytes
        }
    }
}

/// The canary and the models of API keys.
extension ModelRegistryService {
    private func setCanary(_ context: RequestContext) throws -> Response {
        try checkRegistry()
        let fields = try RequestFields(of: context.request, known: ["model", "share"])
        guard let id = ModelID(try fields.text("model", 1...200)) else { throw APIError.invalid("model", "expected the id of a model.") }
        guard let share = try fields.number("share"), share > 0, share <= 1 else {
            throw APIError.invalid("share", "expected a number above 0 and up to 1, the share of conversations.")
        }
        try checkFiles(of: try store.model(id))
        let model = try store.setCanary(id, share: share, by: context.adminRequest)
        followRegistry()
        return Response.json { json in
            json["model"] = model.id.description
            json["share"] = share
        }
    }

    private func endCanary(_ context: RequestContext) throws -> Response {
        try checkRegistry()
        try store.endCanary(by: context.adminRequest)
        followRegistry()
        return .noContent
    }

    private func listKeyModels(_ context: RequestContext) throws -> Response {
        try checkRegistry()
        let limit = try context.request.integer("limit", 1...200, default: 50)
        let after: APIKeyID? = try context.request.id("after", of: "an API key")
        let page = try store.keyModels(after: after, limit: limit + 1)
        let items = page.items.prefix(limit)
        return Response.json { list in
            list.objects("items", items) { $0.write(to: &$1) }
            list["next"] = page.items.count > limit ? items.last?.id.description : nil
            list["total"] = page.total
        }
    }

    private func setKeyModel(_ context: RequestContext) throws -> Response {
        try checkRegistry()
        let text = try RequestFields(of: context.request, known: ["model"]).optionalText("model", 1...200)
        let model = try text.map { text throws(APIError) in
            guard let id = ModelID(text) else { throw .invalid("model", "expected the id of a model, or null.") }
            return id
        }
        if let model { try checkFiles(of: try store.model(model)) }
        let key = try store.setModel(ofKey: try context.id(of: "key"), to: model, by: context.adminRequest)
        followRegistry()
        return Response.json { key.write(to: &$0) }
    }

    private static func write(canary: RegisteredModel?, to json: inout JSONWriter) {
        guard let canary, let share = canary.canaryShare else { return json.null() }
        json.object {
            $0["model"] = canary.id.description
            $0["share"] = share
        }
    }

    private func write(_ model: RegisteredModel, to object: inout JSONWriter) {
        let served = models.served
        object["id"] = model.id.description
        object["name"] = model.name
        object["state"] = model.state.rawValue
        object["kind"] = model.kind.rawValue
        object["base"] = model.base?.description
        object["path"] = model.path
        object["size_bytes"] = model.sizeBytes
        object["created_at"] = model.createdAt.description
        object["created_by"] = model.createdBy
        object["promoted_at"] = model.promotedAt?.description
        object["promoted_by"] = model.promotedBy
        object["run"] = model.run
        object.json("data", model.data)
        object.json("metrics", model.metrics)
        object["verdict"] = model.verdict?.rawValue
        object["comparison"] = model.comparison
        object["is_served"] = served?.isServed(model.id) ?? false
        // Why this server could not load it.
        object["error"] = served?.errors[model.id]
        object["files_deleted_at"] = model.filesDeletedAt?.description
        object["keys"] = model.keys
    }
}

extension KeyModel {
    fileprivate func write(to object: inout JSONWriter) {
        object["id"] = id.description
        object["name"] = name
        object["user"] = username
        object["model"] = model?.description
        object["last_used_at"] = lastUsedAt?.description
    }
}
