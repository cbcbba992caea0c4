extension Store {
    /// Adds an API key.
    ///
    /// - Parameter hash: The unique digest of the key, computed by the server.
    package func addAPIKey(_ name: String, hash: String, for owner: UserID) throws(StoreError) -> APIKey {
        let key = APIKey(id: APIKeyID(), name: name.storable, createdAt: options.now(), lastUsedAt: nil, revokedAt: nil)
        try database.transaction(.write) { connection throws(StoreError) in
            // The lock makes the limit exact however many servers add keys.
            try connection.find(.user, "SELECT id FROM users WHERE id = $1 \(database.dialect.rowLock)", owner)
            let count: Int = try connection.value(
                "SELECT count(*) FROM api_keys WHERE owner_id = $1 AND revoked_at IS NULL AND id <> $2", owner, key.id) ?? 0
            if options.maxAPIKeys > 0, count >= options.maxAPIKeys {
                throw .quotaExceeded(.apiKeys, limit: options.maxAPIKeys)
            }
            try connection.execute(
                "INSERT INTO api_keys (id, owner_id, name, hash, created_at) VALUES ($1, $2, $3, $4, $5) ON CONFLICT (id) DO NOTHING",
                key.id, owner, name, hash, key.createdAt)
        }
        return key
    }

    /// Lists a user's API keys, newest first, including revoked ones.
    package func apiKeys(of owner: UserID) throws(StoreError) -> [APIKey] {
        let sql = "SELECT id, name, created_at, last_used_at, revoked_at FROM api_keys WHERE owner_id = $1 ORDER BY created_at DESC, id"
        return try database.read(sql, owner).map { row throws(StoreError) in
            try APIKey(
                id: row["id"], name: row["name"], createdAt: row["created_at"], lastUsedAt: row["last_used_at"],
                revokedAt: row["revoked_at"])
        }
    }

    /// Returns the key with this hash, its owner and the model that it is pinned to, or nil if there is none, it was revoked or its owner
    /// is disabled.
    ///
    /// Updates `last_used_at` at most once a minute, so that most requests do not write.
    package func apiKey(withHash hash: String) throws(StoreError) -> (id: APIKeyID, owner: UserID, model: ModelID?)? {
        let now = options.now()
        let row = try database.read("""
            SELECT api_keys.id, owner_id, last_used_at, model_id FROM api_keys JOIN users ON users.id = owner_id
            WHERE hash = $1 AND revoked_at IS NULL AND disabled_at IS NULL
            """, hash).first
        guard let row else { return nil }
        let lastUsed: Timestamp? = try row["last_used_at"]
        if lastUsed.map({ $0 < now.advanced(by: .seconds(-60)) }) ?? true {
            try database.write("UPDATE api_keys SET last_used_at = $2 WHERE hash = $1", hash, now)
        }
        return (try row["id"], try row["owner_id"], try row["model_id"])
    }

    /// Revokes a key permanently. Revoking it again has no effect.
    package func revokeAPIKey(_ id: APIKeyID, of owner: UserID) throws(StoreError) {
        let sql = "UPDATE api_keys SET revoked_at = coalesce(revoked_at, $3) WHERE id = $1 AND owner_id = $2 RETURNING id"
        let now = options.now()
        let isFound = try database.transaction(.write) { connection throws(StoreError) in
            guard try connection.firstRow(sql, id, owner, now) != nil else { return false }
            try Self.notifyServers(on: connection)
            return true
        }
        guard isFound else { throw .notFound(.key) }
    }
}
