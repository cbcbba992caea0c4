/// The models that servers load.
package struct ServedModelRecords: Sendable, Equatable {
    package let active, previous, canary: RegisteredModel?
    /// The models of API keys.
    package let pinned: [RegisteredModel]
    /// The base models of those that are LoRA adapters.
    package let bases: [ModelID: RegisteredModel]
}

/// What became of the model of a server's command line.
package struct CommandLineModel: Sendable, Equatable {
    /// nil for a file that is not finished and is not registered.
    package let model: RegisteredModel?
    /// Whether it has become the active one, and the model that was active before.
    package let isTaken: Bool
    package let replaced: RegisteredModel?
}

extension Store {
    /// The models that servers load, of one moment.
    package func servedModels() throws(StoreError) -> ServedModelRecords {
        try database.transaction(.read) { connection throws(StoreError) in
            let models = try Self.models(on: connection)
            let served = models.filter { $0.state == .active || $0.state == .previous || $0.useByRequests != nil }
            let bases = Set(served.compactMap(\.base))
            return ServedModelRecords(
                active: models.first { $0.state == .active }, previous: models.first { $0.state == .previous },
                canary: models.first { $0.canaryShare != nil }, pinned: models.filter { $0.keys > 0 },
                bases: Dictionary(uniqueKeysWithValues: models.filter { bases.contains($0.id) }.map { ($0.id, $0) }))
        }
    }

    /// Registers the model of a server's command line. It becomes the active one if there is none, or if it is another file than at the
    /// server's last start. A server that was not seen before takes over with a file that is not registered.
    ///
    /// - Parameters:
    ///   - server: The name of the server.
    ///   - mayReplace: Whether the file is finished. Otherwise it replaces no active model of another path, and is looked at again later.
    package func useCommandLineModel(_ new: NewModel, of server: String, mayReplace: Bool) throws(StoreError) -> CommandLineModel {
        let id = ModelID(), request = AdminRequest(actor: "command line of \(server)", address: "")
        return try changeRegistry(.promoteModel, request) { connection, entry throws(StoreError) in
            let known = try Self.model(with: new, on: connection)
            let active = try Self.model(in: .active, on: connection)
            var isOther = known == nil
            if let last = try connection.firstRow("SELECT path, digest FROM command_line_models WHERE server = $1", server) {
                isOther = try (last["path"], last["digest"]) != (new.path.storable, new.digest)
            }
            // What the file of the active model contained is gone, finished or not.
            let isGone = active.map { $0.path == new.path.storable && $0.digest != new.digest } ?? true
            let isTaken = active?.id != known?.id && (isGone || isOther && mayReplace) || active == nil
            guard isTaken || !isOther || mayReplace else {
                return (CommandLineModel(model: known, isTaken: false, replaced: active), false)
            }
            if known == nil { try Self.insert(new, as: id, at: entry.time, by: request.actor, on: connection) }
            let model = if let known { known } else { try Self.model(id, on: connection) }
            if isTaken {
                try Self.activate(model, at: entry.time, by: request.actor, on: connection)
                // The first model of a database replaces nothing.
                if active != nil { try entry.write(model.id, model.name, on: connection) }
            }
            try Self.remember(new, of: server, at: entry.time, on: connection)
            let result = CommandLineModel(model: try Self.model(model.id, on: connection), isTaken: isTaken, replaced: active)
            return (result, isTaken || known == nil)
        }
    }

    /// Remembers the file of a server's command line, and forgets servers that have not started for a year.
    private static func remember(_ new: NewModel, of server: String, at now: Timestamp, on connection: any Connection) throws(StoreError) {
        try connection.execute("""
            INSERT INTO command_line_models (server, path, digest, seen_at) VALUES ($1, $2, $3, $4)
            ON CONFLICT (server) DO UPDATE SET path = excluded.path, digest = excluded.digest, seen_at = excluded.seen_at
            """, server, new.path, new.digest, now)
        try connection.execute("DELETE FROM command_line_models WHERE seen_at < $1", now.advanced(by: .seconds(-365 * 86_400)))
    }

    /// Lets a model answer a share of the conversations. There is one canary at a time.
    package func setCanary(_ id: ModelID, share: Double, by request: AdminRequest) throws(StoreError) -> RegisteredModel {
        precondition(share > 0 && share <= 1, "expected a share above 0 and up to 1, found \(share)")
        return try changeRegistry(.setCanary, request) { connection, entry throws(StoreError) in
            let model = try Self.model(id, on: connection)
            if model.state == .active { throw .model(.inUse(.active)) }
            if model.filesDeletedAt != nil { throw .model(.filesDeleted) }
            try connection.execute("UPDATE models SET canary_share = NULL WHERE canary_share IS NOT NULL AND id <> $1", id)
            try connection.execute("UPDATE models SET canary_share = $2 WHERE id = $1", id, share)
            try entry.write(id, model.name, on: connection)
            return (try Self.model(id, on: connection), true)
        }
    }

    package func endCanary(by request: AdminRequest) throws(StoreError) {
        try changeRegistry(.endCanary, request) { connection, entry throws(StoreError) in
            let row = try connection.firstRow("UPDATE models SET canary_share = NULL WHERE canary_share IS NOT NULL RETURNING id, name")
            guard let row else { return ((), false) }
            try entry.write(try row["id"] as ModelID, try row["name"], on: connection)
            return ((), true)
        }
    }
}

/// An API key of any user, and the model that answers its requests.
package struct KeyModel: Sendable, Equatable {
    package let id: APIKeyID
    package let name, username: String
    package let model: ModelID?
    package let lastUsedAt: Timestamp?
}

extension Store {
    /// The API keys that are not revoked, the newest first.
    ///
    /// - Parameter key: Only keys after this one.
    package func keyModels(after key: APIKeyID? = nil, limit: Int = 50) throws(StoreError) -> AdminQueries.Page<KeyModel> {
        try database.transaction(.read) { connection throws(StoreError) in
            let time: Timestamp? = try connection.value("SELECT created_at FROM api_keys WHERE id = $1", key)
            let condition = time == nil ? "" : "AND (api_keys.created_at, api_keys.id) < ($2, $3)"
            let cursor = time == nil ? [] : [time.sql, key.sql]
            let items = try connection.execute("""
                SELECT \(KeyModel.columns) FROM api_keys JOIN users ON users.id = owner_id
                WHERE revoked_at IS NULL \(condition) ORDER BY api_keys.created_at DESC, api_keys.id DESC LIMIT $1
                """, values: [limit.sql] + cursor).map(KeyModel.init)
            let total: Int = try connection.value("SELECT count(*) FROM api_keys WHERE revoked_at IS NULL") ?? 0
            return AdminQueries.Page(items: items, total: total)
        }
    }

    /// Pins an API key to a model, which answers its requests from then on; nil for the model that answers others.
    package func setModel(ofKey key: APIKeyID, to model: ModelID?, by request: AdminRequest) throws(StoreError) -> KeyModel {
        try changeRegistry(.setKeyModel, request) { connection, entry throws(StoreError) in
            let target = try model.map { model throws(StoreError) in try Self.model(model, on: connection) }
            if target?.filesDeletedAt != nil { throw .model(.filesDeleted) }
            let row = try connection.find(
                .key, "UPDATE api_keys SET model_id = $2 WHERE id = $1 AND revoked_at IS NULL RETURNING name", key, model)
            try entry.write(key, "\(try row["name"] as String): \(target?.name ?? "no model")", on: connection)
            let changed = try connection.find(
                .key, "SELECT \(KeyModel.columns) FROM api_keys JOIN users ON users.id = owner_id WHERE api_keys.id = $1", key)
            return (try KeyModel(changed), true)
        }
    }
}

extension KeyModel {
    fileprivate static let columns = "api_keys.id, name, username, model_id, last_used_at"

    fileprivate init(_ row: Row) throws(StoreError) {
        try self.init(
            id: row["id"], name: row["name"], username: row["username"], model: row["model_id"], lastUsedAt: row["last_used_at"])
    }
}
