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
            let epoch: Int? = try connection.value(
                "SELECT token_epoch FROM users WHERE id = $1 AND disabled_at IS NULL \(connection.dialect.rowLock)", user.id)
            guard epoch == user.tokenEpoch else { return false }
            try connection.execute("""
                DELETE FROM sessions WHERE user_id = $1 AND id NOT IN
                    (SELECT id FROM sessions WHERE user_id = $1 ORDER BY last_used_at DESC, id LIMIT \(Self.maxSessions - 1))
                """, user.id)
            try connection.execute("""
                INSERT INTO sessions (id, user_id, created_at, last_used_at, expires_at, address, user_agent)
                VALUES ($1, $2, $3, $3, $4, $5, $6) ON CONFLICT (id) DO NOTHING
                """, session.id, user.id, now, session.expiresAt, session.address, session.userAgent)
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
        let row = try database.read("""
            SELECT token_epoch, disabled_at, sessions.last_used_at
            FROM users LEFT JOIN sessions ON sessions.id = $2 AND sessions.user_id = users.id WHERE users.id = $1
            """, user, session).first
        guard let row else { return .ended }
        if try !row.isNull("disabled_at") { return .disabled }
        guard try row["token_epoch"] == epoch, let lastUsed: Timestamp = try row["last_used_at"] else { return .ended }
        if lastUsed < now.advanced(by: .seconds(-60)) {
            try database.write("UPDATE sessions SET last_used_at = $2 WHERE id = $1", session, now)
        }
        return .active
    }

    /// Lists the sessions of a user that have not expired, the last used first.
    package func sessions(of user: UserID) throws(StoreError) -> [LoginSession] {
        let now = options.now()
        return try database.read("""
            SELECT id, created_at, last_used_at, expires_at, address, user_agent FROM sessions
            WHERE user_id = $1 AND expires_at > $2 ORDER BY last_used_at DESC, id
            """, user, now).map { row throws(StoreError) in
                try LoginSession(
                    id: row["id"], createdAt: row["created_at"], lastUsedAt: row["last_used_at"], expiresAt: row["expires_at"],
                    address: row["address"], userAgent: row["user_agent"])
            }
    }

    /// Ends a session. Its token is rejected from then on.
    package func endSession(_ id: SessionID, of user: UserID) throws(StoreError) {
        var isFound = false
        try database.transaction(.write) { connection throws(StoreError) in
            let sql = "DELETE FROM sessions WHERE id = $1 AND user_id = $2 RETURNING id"
            guard try connection.firstRow(sql, id, user) != nil else { return }
            isFound = true
            try Self.notifyServers(on: connection)
        }
        guard isFound else { throw .notFound(.session) }
    }

    /// Ends all sessions of a user.
    package func endAllSessions(of user: UserID) throws(StoreError) {
        try database.transaction(.write) { connection throws(StoreError) in
            try Self.endAllSessions(of: user, on: connection)
        }
    }

    static func endAllSessions(of user: UserID, on connection: any Connection) throws(StoreError) {
        try requestStop(ofAnswersOf: user, on: connection)
        try connection.find(.user, "UPDATE users SET token_epoch = token_epoch + 1 WHERE id = $1 RETURNING id", user)
        try connection.execute("DELETE FROM sessions WHERE user_id = $1", user)
        try notifyServers(on: connection)
    }
}
