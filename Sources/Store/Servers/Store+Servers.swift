/// A server that uses the database.
package struct ServerRecord: Sendable, Equatable {
    package let id: ServerID
    package let name, version: String
    package let startedAt: Timestamp
    package var heartbeatAt: Timestamp
    package var status: ServerStatus
}

/// What a server publishes about itself with each heartbeat.
package struct ServerStatus: Sendable, Equatable {
    package var model: String?
    /// Answers that can run at the same time, that run, and that wait.
    package var slots = 0
    package var running = 0
    package var waiting = 0
    /// Generated since the start.
    package var answerTokens = 0
    package var memoryBytes = 0
    /// The clients with answers, in a format that only servers read.
    package var clients = ""

    package init() {}
}

/// The servers that share the database. Each has a row, and is alive as long as the row's heartbeat is recent.
///
///     try store.register(id, name: "a:8000", version: "1.0", keyDigest: digest)
///     let alive = try store.heartbeat(of: id, status)          // every half second
extension Store {
    /// A condition on a row of `servers`.
    func isAlive(within time: Duration) -> String { "heartbeat_at > \(database.dialect.clock) / 1000 - \(time.milliseconds)" }

    /// Adds a server, unless another one that is alive signs session tokens with another key.
    ///
    /// - Parameter name: Unique among the servers of the database, such as "host:port".
    /// - Returns: The names of the servers with another key.
    package func register(_ id: ServerID, name: String, version: String, keyDigest: String) throws(StoreError) -> [String] {
        let dialect = database.dialect
        return try database.transaction(.write) { connection throws(StoreError) in
            // If two servers with different keys start at once, the second one sees the first.
            try connection.lockTable("servers")
            let others = try servers(withOtherKeyThan: keyDigest, on: connection)
            if !others.isEmpty { return others }
            // Two servers cannot have the same name, so this is the one that ended before this start. Its conversations are free at once.
            try connection.execute("DELETE FROM servers WHERE name = $1 AND id <> $2", name, id)
            let now = "\(dialect.clock) / 1000"
            try connection.execute("""
                INSERT INTO servers (id, name, version, key_digest, started_at, heartbeat_at) VALUES ($1, $2, $3, $4, \(now), \(now))
                ON CONFLICT (id) DO NOTHING
                """, id, name, version, keyDigest)
            return []
        }
    }

    /// The names of the servers that are alive and sign session tokens with another key.
    package func servers(withOtherKeyThan digest: String) throws(StoreError) -> [String] {
        try database.transaction(.read) { connection throws(StoreError) in try servers(withOtherKeyThan: digest, on: connection) }
    }

    private func servers(withOtherKeyThan digest: String, on connection: any Connection) throws(StoreError) -> [String] {
        let condition = isAlive(within: options.leaseTime)
        return try connection.values("SELECT name FROM servers WHERE key_digest <> $1 AND \(condition) ORDER BY name", digest)
    }

    package var leaseTime: Duration { options.leaseTime }

    /// Renews the row of a server, and with it all its leases.
    ///
    /// - Returns: All servers that are alive, the oldest one first, the number of the last request to reload the model, and that of the
    ///   last change of the registry of models.
    package func heartbeat(
        of id: ServerID, name: String, version: String, keyDigest: String, startedAt: Timestamp, _ status: ServerStatus
    ) throws(StoreError) -> (servers: [ServerRecord], reload: String?, registry: String?) {
        let dialect = database.dialect
        return try database.transaction(.transient) { connection throws(StoreError) in
            // A heartbeat that a crash of PostgreSQL undoes is repeated soon. COMMIT need not wait for the disk.
            if dialect == .postgresql { try connection.execute("SELECT set_config('synchronous_commit', 'off', true)") }
            // The row may have been purged while the database was not reachable.
            try connection.execute("""
                INSERT INTO servers (id, name, version, key_digest, started_at, heartbeat_at, model, slots, running, waiting,
                    answer_tokens, memory_bytes, clients)
                VALUES ($1, $2, $3, $4, $5, \(dialect.clock) / 1000, $6, $7, $8, $9, $10, $11, $12)
                ON CONFLICT (id) DO UPDATE SET heartbeat_at = excluded.heartbeat_at, name = excluded.name, model = excluded.model,
                    slots = excluded.slots, running = excluded.running, waiting = excluded.waiting,
                    answer_tokens = excluded.answer_tokens, memory_bytes = excluded.memory_bytes, clients = excluded.clients
                """, id, name, version, keyDigest, startedAt, status.model, status.slots, status.running, status.waiting,
                    status.answerTokens, status.memoryBytes, status.clients)
            let servers = try connection.execute("""
                SELECT id, name, version, started_at, heartbeat_at, model, slots, running, waiting, answer_tokens, memory_bytes, clients
                FROM servers WHERE \(isAlive(within: options.leaseTime)) ORDER BY started_at, id
                """).map(ServerRecord.init)
            return (servers, try Self.setting(Self.reloadSetting, on: connection), try Self.registryChange(on: connection))
        }
    }

    /// Removes a server that has stopped.
    package func unregister(_ id: ServerID) throws(StoreError) {
        try database.transaction(.write) { connection throws(StoreError) in
            try connection.execute("DELETE FROM servers WHERE id = $1", id)
            try Self.notifyServers(on: connection)
        }
    }

    /// Deletes the rows of servers that have been dead for a day.
    func purgeServers() throws(StoreError) {
        _ = try database.transaction(.transient) { connection throws(StoreError) in
            try connection.execute("DELETE FROM servers WHERE NOT (\(isAlive(within: .seconds(86_400))))")
        }
    }

    private static let reloadSetting = "model_reload"

    /// Asks all servers to load their model again.
    package func requestReload(by request: AdminRequest) throws(StoreError) {
        let number = SessionID().description
        try admin.change(.reloadModel, by: request) { connection, entry throws(StoreError) in
            try Self.set(Self.reloadSetting, to: number, on: connection)
            try entry.write(on: connection)
            try Self.notifyServers(on: connection)
        }
    }
}

extension ServerRecord {
    fileprivate init(_ row: Row) throws(StoreError) {
        var status = ServerStatus()
        status.model = try row["model"]
        status.slots = try row["slots"]
        status.running = try row["running"]
        status.waiting = try row["waiting"]
        status.answerTokens = try row["answer_tokens"]
        status.memoryBytes = try row["memory_bytes"]
        status.clients = try row["clients"]
        try self.init(
            id: row["id"], name: row["name"], version: row["version"], startedAt: row["started_at"],
            heartbeatAt: row["heartbeat_at"], status: status)
    }
}
