extension Store {
    /// Adds a user.
    ///
    /// - Parameter invitation: The digest of an invitation, which is used up.
    /// - Throws: `StoreError.usernameTaken` and `emailTaken`, regardless of case, and `invalidCode`.
    package func addUser(
        _ username: String, email: String? = nil, passwordHash: String, invitation: String? = nil
    ) throws(StoreError) -> User {
        let user = try User(registering: username, email: email, passwordHash: passwordHash, at: options.now())
        try database.transaction(.write) { connection throws(StoreError) in
            try Self.insert(user, on: connection)
            if let invitation { try Self.useInvitation(invitation, by: user.id, at: user.createdAt, on: connection) }
        }
        return user
    }

    static func insert(_ user: User, on connection: any Connection) throws(StoreError) {
        let usernameKey = comparisonKey(of: user.username)
        try connection.execute("""
            INSERT INTO users (id, username, username_key, email, email_key, password_hash, created_at, last_active_at)
            VALUES ($1, $2, $3, $4, $5, $6, $7, $7) ON CONFLICT DO NOTHING
            """, user.id, user.username, usernameKey, user.email, user.email.map { comparisonKey(of: $0) }, user.passwordHash,
                user.createdAt)
        let owner: UserID? = try connection.value("SELECT id FROM users WHERE username_key = $1", usernameKey)
        guard let owner else { throw .emailTaken }
        if owner != user.id { throw .usernameTaken(username: user.username) }
    }

    package func user(named username: String) throws(StoreError) -> User? {
        try user(where: "username_key", is: Self.comparisonKey(of: username))
    }

    /// Looks up a user by email address, regardless of case.
    package func user(withEmail email: String) throws(StoreError) -> User? {
        try user(where: "email_key", is: Self.comparisonKey(of: email))
    }

    package func user(_ id: UserID) throws(StoreError) -> User? { try user(where: "id", is: id) }

    /// Sets the time of the user's last activity.
    static func recordActivity(of user: UserID, at now: Timestamp, on connection: any Connection) throws(StoreError) {
        let time = "CASE WHEN last_active_at < $2 THEN $2 ELSE last_active_at END"
        try connection.execute("UPDATE users SET last_active_at = \(time) WHERE id = $1", user, now)
    }

    private func user(where column: StaticString, is value: any ColumnValue) throws(StoreError) -> User? {
        try database.read("SELECT \(User.columns) FROM users WHERE \(column) = $1", value).first.map(User.init)
    }

    /// Replaces the password of a user and ends all their sessions.
    ///
    /// - Parameter user: As read before the current password was checked.
    /// - Returns: The changed user, or nil if the user was changed or deleted meanwhile.
    package func changePassword(of user: User, to hash: String) throws(StoreError) -> User? {
        try database.transaction(.write) { connection throws(StoreError) in
            // The second condition is true if the transaction runs again after a lost connection.
            let row = try connection.firstRow("""
                UPDATE users SET password_hash = $2, token_epoch = $4
                WHERE id = $1 AND disabled_at IS NULL AND (token_epoch = $3 OR (token_epoch = $4 AND password_hash = $2))
                RETURNING \(User.columns)
                """, user.id, hash, user.tokenEpoch, user.tokenEpoch + 1)
            guard let row else { return nil }
            try connection.execute("DELETE FROM sessions WHERE user_id = $1", user.id)
            try Self.notifyServers(on: connection)
            return try User(row)
        }
    }

    /// Deletes a user permanently, with all conversations, messages, sessions and API keys. Token counts remain, without the user.
    package func deleteUser(_ id: UserID) throws(StoreError) {
        var isFound = false
        try database.transaction(.write) { connection throws(StoreError) in
            if try connection.firstRow("DELETE FROM users WHERE id = $1 RETURNING id", id) != nil { isFound = true }
            try Self.notifyServers(on: connection)
            try Self.updateSearchIndex(on: connection)
        }
        guard isFound else { throw .notFound(.user) }
    }

    /// Usernames, and email addresses, with the same key are equal.
    private static func comparisonKey(of name: String) -> String { name.storable.lowercased() }
}

extension User {
    static let columns = "id, username, email, password_hash, created_at, last_active_at, token_epoch, disabled_at"

    /// A user who has just registered.
    init(registering username: String, email: String?, passwordHash: String, at now: Timestamp) throws(StoreError) {
        try username.checkLength(of: "the username")
        try email?.checkLength(of: "the email address")
        self.init(
            id: UserID(), username: username.storable, email: email?.storable, passwordHash: passwordHash,
            createdAt: now, lastActiveAt: now, tokenEpoch: 0, disabledAt: nil)
    }

    /// - Parameter row: The values of `columns`.
    init(_ row: Row) throws(StoreError) {
        try self.init(
            id: row["id"], username: row["username"], email: row["email"], passwordHash: row["password_hash"], createdAt: row["created_at"],
            lastActiveAt: row["last_active_at"], tokenEpoch: row["token_epoch"], disabledAt: row["disabled_at"])
    }
}
