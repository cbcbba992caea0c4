extension Store {
    /// Adds a user.
    ///
    /// - Throws: `StoreError.usernameTaken` if the username exists, regardless of case.
    package func addUser(_ username: String, email: String? = nil, passwordHash: String) throws(StoreError) -> User {
        try username.checkLength(of: "the username")
        try email?.checkLength(of: "the email address")
        let now = options.now()
        let user = User(
            id: UserID(), username: username.storable, email: email?.storable, passwordHash: passwordHash,
            createdAt: now, lastActiveAt: now)
        let owner = try database.transaction(.write) { connection throws(StoreError) -> UserID? in
            try connection.execute("""
                INSERT INTO users (id, username, username_key, email, password_hash, created_at, last_active_at)
                VALUES ($1, $2, $3, $4, $5, $6, $6) ON CONFLICT (username_key) DO NOTHING
                """, [
                    .text(user.id), .text(user.username), .text(Self.comparisonKey(of: username)),
                    .text(user.email), .text(passwordHash), .integer(now),
                ])
            return try connection.firstRow("SELECT id FROM users WHERE username_key = $1", [.text(Self.comparisonKey(of: username))])?.id(0)
        }
        guard owner == user.id else { throw .usernameTaken(username: username) }
        return user
    }

    package func user(named username: String) throws(StoreError) -> User? {
        try user(where: "username_key", is: .text(Self.comparisonKey(of: username)))
    }

    package func user(_ id: UserID) throws(StoreError) -> User? { try user(where: "id", is: .text(id)) }

    /// Sets the time of the user's last activity to now.
    package func recordActivity(of user: UserID) throws(StoreError) {
        let now = options.now()
        try database.transaction(.write) { connection throws(StoreError) in try Self.recordActivity(of: user, at: now, on: connection) }
    }

    static func recordActivity(of user: UserID, at now: Timestamp, on connection: any Connection) throws(StoreError) {
        try connection.execute("UPDATE users SET last_active_at = $2 WHERE id = $1 AND last_active_at < $2", [.text(user), .integer(now)])
    }

    private func user(where column: StaticString, is value: SQLValue) throws(StoreError) -> User? {
        let sql = "SELECT id, username, email, password_hash, created_at, last_active_at FROM users WHERE \(column) = $1"
        return try database.transaction(.read) { connection throws(StoreError) in
            guard let row = try connection.firstRow(sql, [value]) else { return nil }
            return User(
                id: try row.id(0), username: try row.text(1), email: try row.optionalText(2), passwordHash: try row.text(3),
                createdAt: try row.timestamp(4), lastActiveAt: try row.timestamp(5))
        }
    }

    /// Usernames with the same key are equal.
    private static func comparisonKey(of username: String) -> String { username.storable.lowercased() }
}
