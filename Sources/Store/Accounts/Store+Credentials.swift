/// What the sender of a request under `/v1` has proved their identity with.
package enum Credential: Sendable, Hashable {
    case apiKey(APIKeyID), session(SessionID)
}

/// Credentials whose answers are in progress.
extension Store {
    /// Those that are still valid: the key is not revoked, the session has not ended, and the user is neither disabled nor deleted.
    package func valid(among credentials: Set<Credential>) throws(StoreError) -> Set<Credential> {
        var keys: [APIKeyID] = []
        var sessions: [SessionID] = []
        for credential in credentials {
            switch credential {
            case .apiKey(let id): keys.append(id)
            case .session(let id): sessions.append(id)
            }
        }
        return try database.transaction(.read) { connection throws(StoreError) in
            let user = "JOIN users ON users.id = owner AND disabled_at IS NULL"
            let keys: [APIKeyID] = try Self.found(
                keys, in: "SELECT id, owner_id AS owner FROM api_keys WHERE revoked_at IS NULL AND id", user, on: connection)
            let sessions: [SessionID] = try Self.found(
                sessions, in: "SELECT id, user_id AS owner FROM sessions WHERE id", user, on: connection)
            return Set(keys.map { .apiKey($0) } + sessions.map { .session($0) })
        }
    }

    /// The ids that a query finds, in groups of a fixed size, so that there is one statement to prepare.
    private static func found<Kind>(
        _ ids: [Identifier<Kind>], in query: StaticString, _ user: String, on connection: any Connection
    ) throws(StoreError) -> [Identifier<Kind>] {
        let group = 16
        let parameters = (1...group).map { "$\($0)" }.joined(separator: ", ")
        var found: [Identifier<Kind>] = []
        for start in stride(from: 0, to: ids.count, by: group) {
            let values = (start..<start + group).map { ids.indices.contains($0) ? ids[$0].sql : .null }
            let rows = try connection.execute("SELECT found.id FROM (\(query) IN (\(parameters))) AS found \(user)", values: values)
            for row in rows { found.append(try row["id"]) }
        }
        return found
    }
}
