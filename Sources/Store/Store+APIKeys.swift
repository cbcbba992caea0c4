extension Store {
    /// - Parameter hash: A digest of the key, made by the server, that nobody else has.
    package func addAPIKey(_ name: String, hash: String, for owner: UserID) throws(StoreError) -> APIKey {
        let key = APIKey(id: APIKeyID(), name: name.storable, createdAt: options.now(), lastUsedAt: nil, revokedAt: nil)
        try database.transaction(.write) { connection throws(StoreError) in
            guard try connection.firstRow("SELECT id FROM users WHERE id = $1", [.text(owner)]) != nil else { throw .notFound(.user) }
            try connection.rows("INSERT INTO api_keys (id, owner_id, name, hash, created_at) VALUES ($1, $2, $3, $4, $5) ON CONFLICT (id) DO NOTHING",
                                [.text(key.id), .text(owner), .text(name), .text(hash), .integer(key.createdAt)])
        }
        return key
    }

    /// The newest first, those that were revoked too.
    package func apiKeys(of owner: UserID) throws(StoreError) -> [APIKey] {
        try database.transaction(.read) { connection throws(StoreError) in
            try connection.rows("""
                SELECT id, name, created_at, last_used_at, revoked_at FROM api_keys WHERE owner_id = $1 ORDER BY created_at DESC, id
                """, [.text(owner)]).map { row throws(StoreError) in
                    APIKey(id: try row.id(0), name: try row.text(1), createdAt: try row.moment(2),
                           lastUsedAt: try row.optionalMoment(3), revokedAt: try row.optionalMoment(4))
                }
        }
    }

    /// Whose key has this hash, if it was not revoked. That it was used is noted once a minute: asking often shall not mean writing often.
    package func owner(ofAPIKeyWithHash hash: String) throws(StoreError) -> UserID? {
        let now = options.now(), sql = "SELECT owner_id, last_used_at FROM api_keys WHERE hash = $1 AND revoked_at IS NULL"
        guard let row = try database.transaction(.read, { connection throws(StoreError) in try connection.firstRow(sql, [.text(hash)]) }) else { return nil }
        let recently = now.advanced(by: .seconds(-60))
        if try row.optionalMoment(1).map({ $0 < recently }) ?? true {
            try database.transaction(.write) { connection throws(StoreError) in
                _ = try connection.rows("UPDATE api_keys SET last_used_at = $2 WHERE hash = $1", [.text(hash), .integer(now)])
            }
        }
        return try row.id(0)
    }

    /// For good. A second time changes nothing.
    package func revokeAPIKey(_ id: APIKeyID, of owner: UserID) throws(StoreError) {
        let now = options.now()
        let isFound = try database.transaction(.write) { connection throws(StoreError) in
            try connection.firstRow("UPDATE api_keys SET revoked_at = coalesce(revoked_at, $3) WHERE id = $1 AND owner_id = $2 RETURNING id",
                                    [.text(id), .text(owner), .integer(now)]) != nil
        }
        guard isFound else { throw .notFound(.key) }
    }
}
