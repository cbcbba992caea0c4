/// The registry of models. All servers of the database serve its active model.
///
///     let candidate = try store.registerModel(NewModel(name: "colors", path: path, digest: digest, sizeBytes: size), by: request)
///     try store.promote(candidate, by: request)
///     try store.rollBack(by: request)
///
/// Each change is one transaction: it changes states, writes the line of the audit log and asks all servers to look at the registry.
extension Store {
    private static let changeSetting = "model_registry"

    /// All models, the newest first.
    package func models() throws(StoreError) -> [RegisteredModel] {
        try database.transaction(.read) { connection throws(StoreError) in try Self.models(on: connection) }
    }

    package func model(_ id: ModelID) throws(StoreError) -> RegisteredModel {
        try database.transaction(.read) { connection throws(StoreError) in try Self.model(id, on: connection) }
    }

    /// The model that answers; nil before a server has started with a model on this machine.
    package func activeModel() throws(StoreError) -> RegisteredModel? {
        try database.transaction(.read) { connection throws(StoreError) in try Self.model(in: .active, on: connection) }
    }

    static func models(on connection: any Connection) throws(StoreError) -> [RegisteredModel] {
        try connection.execute("SELECT \(RegisteredModel.columns) FROM models ORDER BY created_at DESC, id")
            .map(RegisteredModel.init)
    }

    static func model(_ id: ModelID, on connection: any Connection) throws(StoreError) -> RegisteredModel {
        try RegisteredModel(connection.find(.model, "SELECT \(RegisteredModel.columns) FROM models WHERE id = $1", id))
    }

    static func model(in state: RegisteredModel.State, on connection: any Connection) throws(StoreError) -> RegisteredModel? {
        try connection.firstRow("SELECT \(RegisteredModel.columns) FROM models WHERE state = $1", state).map(RegisteredModel.init)
    }

    /// Registers a model as a candidate. A file that is registered, or a run that has registered its model, is not registered again.
    ///
    /// - Returns: The id of the model that has this file.
    @discardableResult
    package func registerModel(_ new: NewModel, by request: AdminRequest) throws(StoreError) -> ModelID {
        try new.name.checkLength(of: "the model's name")
        let id = ModelID()
        return try changeRegistry(.registerModel, request) { connection, entry throws(StoreError) in
            let registered = try Self.model(with: new, on: connection)
            if let run = new.run, let known: ModelID = try connection.value("SELECT id FROM models WHERE run_id = $1", run) {
                return (known, false)
            }
            if let registered, new.run == nil { return (registered.id, false) }
            var new = new
            let name = new.name
            var number = 1
            while try Self.isNameTaken(new.name, on: connection) {
                // A run that has finished must not fail because of a name.
                guard new.run != nil else { throw .model(.nameTaken(name)) }
                number += 1
                new.name = "\(name)-\(number)"
            }
            try Self.insert(new, as: id, at: entry.time, by: request.actor, on: connection)
            try entry.write(id, new.name, on: connection)
            return (id, true)
        }
    }

    private static func isNameTaken(_ name: String, on connection: any Connection) throws(StoreError) -> Bool {
        let sql = "SELECT id FROM models WHERE name = $1 AND files_deleted_at IS NULL"
        return try connection.firstRow(sql, name) != nil
    }

    static func insert(
        _ new: NewModel, as id: ModelID, at time: Timestamp, by actor: String, on connection: any Connection
    ) throws(StoreError) {
        // The file of a model with this path was replaced, so that model cannot be loaded any more. The active one stays active until
        // another one is promoted.
        try connection.execute("""
            UPDATE models SET files_deleted_at = $2, canary_share = NULL, state = CASE state WHEN 'active' THEN state ELSE 'archived' END
            WHERE path = $1 AND files_deleted_at IS NULL
            """, new.path, time)
        try connection.execute("""
            INSERT INTO models (id, name, state, kind, base_id, path, digest, size_bytes, created_at, created_by, run_id, data, metrics)
            VALUES ($1, $2, 'candidate', $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
            """, id, new.name, new.kind, new.base, new.path, new.digest, new.sizeBytes, time, actor, new.run, new.data, new.metrics)
    }

    /// The model with this path and these contents.
    static func model(with new: NewModel, on connection: any Connection) throws(StoreError) -> RegisteredModel? {
        try connection.firstRow("""
            SELECT \(RegisteredModel.columns) FROM models WHERE path = $1 AND digest = $2 AND files_deleted_at IS NULL
            """, new.path, new.digest).map(RegisteredModel.init)
    }

    /// Candidates of runs that were not compared with the active model yet.
    package func candidatesToCompare() throws(StoreError) -> [RegisteredModel] {
        try database.read("""
            SELECT \(RegisteredModel.columns) FROM models
            WHERE state = 'candidate' AND run_id IS NOT NULL AND comparison_id IS NULL AND files_deleted_at IS NULL
            AND EXISTS (SELECT 1 FROM models AS active WHERE active.state = 'active') ORDER BY created_at, id
            """).map(RegisteredModel.init)
    }

    /// Makes a model the active one, which becomes the previous one.
    ///
    /// - Parameter reason: Why a model is promoted that was not found better or no worse than the active one. It is part of the audit log.
    @discardableResult
    package func promote(
        _ id: ModelID, forcedBecause reason: String? = nil, by request: AdminRequest
    ) throws(StoreError) -> RegisteredModel {
        try changeRegistry(reason == nil ? .promoteModel : .forcePromoteModel, request) { connection, entry throws(StoreError) in
            let model = try Self.model(id, on: connection)
            if model.state == .active { return (model, false) }
            if model.filesDeletedAt != nil { throw .model(.filesDeleted) }
            let hasPassed = try Self.hasPassed(model, on: connection)
            guard reason != nil || hasPassed else { throw .model(.gateNotPassed(model.verdict)) }
            try Self.activate(model, at: entry.time, by: request.actor, on: connection)
            try entry.write(id, model.name, because: reason, on: connection)
            return (try Self.model(id, on: connection), true)
        }
    }

    /// Whether the newest comparison has found a model good enough, compared with the model that is active now.
    private static func hasPassed(_ model: RegisteredModel, on connection: any Connection) throws(StoreError) -> Bool {
        guard model.verdict == .better || model.verdict == .noWorse else { return false }
        return try connection.firstRow("""
            SELECT 1 FROM comparisons
            WHERE id = $1 AND passed = 1 AND active_id IN (SELECT id FROM models WHERE state = 'active')
            """, model.comparison) != nil
    }

    /// Makes a model the active one in the transaction of the caller. At no moment are two models active.
    static func activate(
        _ model: RegisteredModel, at time: Timestamp, by actor: String, on connection: any Connection
    ) throws(StoreError) {
        // A model whose file was replaced cannot be returned to. The one before it can.
        let becomesPrevious = try self.model(in: .active, on: connection).map { $0.filesDeletedAt == nil } ?? false
        if becomesPrevious {
            try connection.execute("UPDATE models SET state = 'archived' WHERE state = 'previous'")
        }
        let replaced = becomesPrevious ? RegisteredModel.State.previous : .archived
        try connection.execute("UPDATE models SET state = $2 WHERE state = 'active' AND id <> $1", model.id, replaced)
        try connection.execute(
            "UPDATE models SET state = 'active', promoted_at = $2, promoted_by = $3, canary_share = NULL WHERE id = $1",
            model.id, time, actor)
    }

    /// Makes the previous model the active one again. The model that was active is archived; there is no previous one then.
    @discardableResult
    package func rollBack(by request: AdminRequest) throws(StoreError) -> RegisteredModel {
        try changeRegistry(.rollBackModel, request) { connection, entry throws(StoreError) in
            // A transaction that runs again after a lost connection has done it.
            if try entry.isWritten(on: connection), let active = try Self.model(in: .active, on: connection) {
                return (active, false)
            }
            guard let model = try Self.model(in: .previous, on: connection) else { throw .model(.noPreviousModel) }
            try connection.execute("UPDATE models SET state = 'archived', canary_share = NULL WHERE state = 'active'")
            try connection.execute(
                "UPDATE models SET state = 'active', promoted_at = $2, promoted_by = $3, canary_share = NULL WHERE id = $1",
                model.id, entry.time, request.actor)
            try entry.write(model.id, model.name, on: connection)
            return (try Self.model(model.id, on: connection), true)
        }
    }

    /// Runs a change of the registry, which excludes all others, and asks all servers to look at the registry if it has changed.
    ///
    /// - Parameter body: Returns its result, and whether it has changed anything.
    func changeRegistry<Result>(
        _ action: AdminQueries.Action, _ request: AdminRequest,
        _ body: (any Connection, AdminQueries.NewAuditEntry) throws(StoreError) -> (Result, hasChanged: Bool)
    ) throws(StoreError) -> Result {
        try admin.change(action, by: request) { connection, entry throws(StoreError) in
            try connection.lockTable("models")
            let (result, hasChanged) = try body(connection, entry)
            if hasChanged {
                try Self.set(Self.changeSetting, to: entry.id.description, on: connection)
                try Self.notifyServers(on: connection)
            }
            return result
        }
    }

    /// Changes with each change of the registry; nil before the first one.
    static func registryChange(on connection: any Connection) throws(StoreError) -> String? {
        try setting(changeSetting, on: connection)
    }
}
