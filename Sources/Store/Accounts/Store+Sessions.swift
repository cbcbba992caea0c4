/// Sessions of signed-in users. A session token names its session and the user's `tokenEpoch`; it is valid as long as the session exists
/// and the epoch is the same.
extension Store {
    /// The most sessions of one user. A new one ends the one that was unused for the longest time.
    package static let maxSessions = 100

    /// Starts a session.
    ///
    /// - Parameter user: As read before the password was checked.
    /// - Returns: nil if the user was disabled or deleted, or the password was changed meanwhile.
    package func startSession(
        of user: User, from address: String, userAgent: String, lifetime: Duration
    ) throws(StoreError) -> LoginSession? {
        let now = options.now()
        let session = LoginSession(
            id: SessionID(), createdAt: now, lastUsedAt: now, expiresAt: now.advanced(by: lifetime),
            address: address.storable, userAgent: userAgent.storable)
        let isStarted = try database.transaction(.write) { connection throws(StoreError) in
            let row = try connection.firstRow(
                "SELECT token_epoch FROM users WHERE id = $1 AND disabled_at IS NULL \(database.dialect.rowLock)", [.text(user.id)])
            guard try row?.integer(0) == user.tokenEpoch else { return false }
            try connection.execute("""
                DELETE FROM sessions WHERE user_id = $1 AND id NOT IN
                    (SELECT id FROM sessions WHERE user_id = $1 ORDER BY last_used_at DESC, id LIMIT \(Self.maxSessions - 1))
                """, [.text(user.id)])
            try connection.execute("""
                INSERT INTO sessions (id, user_id, created_at, last_used_at, expires_at, address, user_agent)
                VALUES ($1, $2, $3, $3, $4, $5, $6) ON CONFLICT (id) DO NOTHING
                """, [
                    .text(session.id), .text(user.id), .integer(now), .integer(session.expiresAt),
                    .text(session.address), .text(session.userAgent),
                ])
            try Self.recordActivity(of: user.id, at: now, on: connection)
            return true
        }
        return isStarted ? session : nil
    }

    /// Checks a session token, with one query. Updates `lastUsedAt` at most once a minute, so that most requests do not write.
    ///
    /// - Parameter epoch: The epoch in the token.
    package func state(ofSession session: SessionID, epoch: Int, of user: UserID) throws(StoreError) -> SessionState {
        let now = options.now()
        let row = try database.transaction(.read) { connection throws(StoreError) in
            try connection.firstRow("""
                SELECT token_epoch, disabled_at, sessions.last_used_at
                FROM users LEFT JOIN sessions ON sessions.id = $2 AND sessions.user_id = users.id WHERE users.id = $1
                """, [.text(user), .text(session)])
        }
        guard let row else { return .ended }
        if try row.optionalTimestamp("disabled_at") != nil { return .disabled }
        guard try row.integer("token_epoch") == epoch else { return .ended }
        guard let lastUsed = try row.optionalTimestamp("last_used_at") else { return .ended }
        if lastUsed < now.advanced(by: .seconds(-60)) {
            try database.transaction(.write) { connection throws(StoreError) in
                _ = try connection.execute("UPDATE sessions SET last_used_at = $2 WHERE id = $1", [.text(session), .integer(now)])
            }
        }
        return .active
    }

    /// Lists the sessions of a user that have not expired, the last used first.
    package func sessions(of user: UserID) throws(StoreError) -> [LoginSession] {
        let now = options.now()
        return try database.transaction(.read) { connection throws(StoreError) in
            try connection.execute("""
                SELECT id, created_at, last_used_at, expires_at, address, user_agent FROM sessions
                WHERE user_id = $1 AND expires_at > $2 ORDER BY last_used_at DESC, id
                """, [.text(user), .integer(now)]).map { row throws(StoreError) in
                    try LoginSession(
                        id: row.id("id"), createdAt: row.timestamp("created_at"), lastUsedAt: row.timestamp("last_used_at"),
                        expiresAt: row.timestamp("expires_at"), address: row.text("address"), userAgent: row.text("user_agent"))
                }
        }
    }

    /// Ends a session. Its token is rejected from then on.
    package func endSession(_ id: SessionID, of user: UserID) throws(StoreError) {
        var isFound = false
        try database.transaction(.write) { connection throws(StoreError) in
            let sql = "DELETE FROM sessions WHERE id = $1 AND user_id = $2 RETURNING id"
            guard try connection.firstRow(sql, [.text(id), .text(user)]) != nil else { return }
            isFound = true
            try Self.notifyServers(on: connection, database.dialect)
        }
        guard isFound else { throw .notFound(.session) }
    }

    /// Ends all sessions of a user.
    package func endAllSessions(of user: UserID) throws(StoreError) {
        try database.transaction(.write) { connection throws(StoreError) in
            try Self.endAllSessions(of: user, on: connection, database.dialect)
        }
    }

    static func endAllSessions(of user: UserID, on connection: any Connection, _ dialect: Dialect) throws(StoreError) {
        try requestStop(ofAnswersOf: user, on: connection, dialect)
        let sql = "UPDATE users SET token_epoch = token_epoch + 1 WHERE id = $1 RETURNING id"
        guard try connection.firstRow(sql, [.text(user)]) != nil else { throw .notFound(.user) }
        try connection.execute("DELETE FROM sessions WHERE user_id = $1", [.text(user)])
        try notifyServers(on: connection, dialect)
    }
}
