/// Models that are not needed any more, and their files.
extension Store {
    /// Archives a model. It can still be promoted, until `cleanUpModels` deletes its files.
    @discardableResult
    package func archiveModel(_ id: ModelID, by request: AdminRequest) throws(StoreError) -> RegisteredModel {
        try changeRegistry(.archiveModel, request) { connection, entry throws(StoreError) in
            let model = try Self.model(id, on: connection)
            if model.state == .archived { return (model, false) }
            if let use = model.useByRequests { throw .model(.inUse(use)) }
            try connection.execute("UPDATE models SET state = 'archived' WHERE id = $1", id)
            try entry.write(id, model.name, on: connection)
            return (try Self.model(id, on: connection), true)
        }
    }

    /// Removes a model from the registry. The caller deletes its files afterwards.
    ///
    /// - Returns: The model, and whether another model of the registry has the same files.
    package func deleteModel(_ id: ModelID, by request: AdminRequest) throws(StoreError) -> (model: RegisteredModel, sharesFiles: Bool) {
        let deleted = try changeRegistry(.deleteModel, request) { connection, entry throws(StoreError) in
            // A transaction that runs again after a lost connection has deleted it.
            if try entry.isWritten(on: connection) { return (nil as (RegisteredModel, Bool)?, false) }
            let model = try Self.model(id, on: connection)
            if let use = try Self.use(of: model, on: connection) { throw .model(.inUse(use)) }
            let sharesFiles = try connection.firstRow(
                "SELECT id FROM models WHERE path = $1 AND id <> $2 AND files_deleted_at IS NULL", model.path, id) != nil
            try connection.execute("UPDATE api_keys SET model_id = NULL WHERE model_id = $1", id)
            try connection.execute("DELETE FROM models WHERE id = $1", id)
            try entry.write(id, model.name, on: connection)
            return ((model, sharesFiles), true)
        }
        guard let deleted else { throw .notFound(.model) }
        return (deleted.0, deleted.1)
    }

    /// Archives old candidates and marks the files of archived models as deleted, which the caller then deletes. The newest ones of both
    /// stay, and so does what is served, what a roll-back returns to and what is the base of another model.
    ///
    /// - Parameters:
    ///   - count: The number of candidates, and of archived models, that stay.
    ///   - isDeletable: Whether the files of a model may be deleted.
    /// - Returns: The models whose files are to be deleted.
    package func cleanUpModels(
        keeping count: Int, by request: AdminRequest, where isDeletable: (RegisteredModel) -> Bool
    ) throws(StoreError) -> [RegisteredModel] {
        try changeRegistry(.cleanUpModels, request) { connection, entry throws(StoreError) in
            let models = try Self.models(on: connection).filter { $0.filesDeletedAt == nil && isDeletable($0) }
            let old = [RegisteredModel.State.candidate, .archived].flatMap { state in
                models.filter { $0.state == state }.dropFirst(count)
            }
            var cleaned: [RegisteredModel] = []
            // Adapters before their bases, which are older.
            for model in old.sorted(by: { ($0.createdAt, $0.id.description) > ($1.createdAt, $1.id.description) }) {
                if try Self.use(of: model, on: connection) != nil { continue }
                try connection.execute("UPDATE models SET state = 'archived', files_deleted_at = $2 WHERE id = $1", model.id, entry.time)
                cleaned.append(model)
            }
            if cleaned.isEmpty { return (cleaned, false) }
            let names = cleaned.map(\.name).joined(separator: ", ")
            try entry.write(SQLValue.null, names, on: connection)
            return (cleaned, true)
        }
    }

    /// Why the files of a model are needed.
    private static func use(of model: RegisteredModel, on connection: any Connection) throws(StoreError) -> ModelRefusal.Use? {
        if let use = model.useByRequests { return use }
        if model.state == .previous { return .previous }
        let row = try connection.firstRow(
            "SELECT name FROM models WHERE base_id = $1 AND id <> $1 AND files_deleted_at IS NULL ORDER BY created_at LIMIT 1", model.id)
        return try row.map { row throws(StoreError) in .base(of: try row["name"]) }
    }
}

extension RegisteredModel {
    /// What requests it answers.
    var useByRequests: ModelRefusal.Use? {
        if state == .active { return .active }
        if canaryShare != nil { return .canary }
        return keys > 0 ? .pinned(keys: keys) : nil
    }
}
