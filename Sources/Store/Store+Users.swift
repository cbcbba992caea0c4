extension Store {
    /// - Throws: `StoreError.taken`, if there is somebody with that name, in small or capital letters.
    package func addUser(_ username: String, email: String? = nil, passwordHash: String) throws(StoreError) -> User {
        try username.checkLength(of: "a name")
        try email?.checkLength(of: "an address")
        let now = options.now()
        let user = User(id: UserID(), username: username.storable, email: email?.storable, passwordHash: passwordHash, createdAt: now, lastActiveAt: now)
        let owner = try database.transaction(.write) { connection throws(StoreError) -> UserID? in
            try connection.rows("""
                INSERT INTO users (id, username, username_key, email, password_hash, created_at, last_active_at)
                VALUES ($1, $2, $3, $4, $5, $6, $6) ON CONFLICT (username_key) DO NOTHING
                """, [.text(user.id), .text(user.username), .text(Self.key(of: username)), .text(user.email), .text(passwordHash), .integer(now)])
            return try connection.firstRow("SELECT id FROM users WHERE username_key = $1", [.text(Self.key(of: username))])?.id(0)
        }
        guard owner == user.id else { throw .taken(username: username) }
        return user
    }

    package func user(named username: String) throws(StoreError) -> User? { try user(where: "username_key", is: .text(Self.key(of: username))) }

    package func user(_ id: UserID) throws(StoreError) -> User? { try user(where: "id", is: .text(id)) }

    /// Remembers that somebody was here.
    package func noteActivity(of user: UserID) throws(StoreError) {
        let now = options.now()
        try database.transaction(.write) { connection throws(StoreError) in try Self.noteActivity(of: user, at: now, on: connection) }
    }

    static func noteActivity(of user: UserID, at now: Moment, on connection: any Connection) throws(StoreError) {
        try connection.rows("UPDATE users SET last_active_at = $2 WHERE id = $1 AND last_active_at < $2", [.text(user), .integer(now)])
    }

    private func user(where column: StaticString, is value: Value) throws(StoreError) -> User? {
        try database.transaction(.read) { connection throws(StoreError) in
            let row = try connection.firstRow("SELECT id, username, email, password_hash, created_at, last_active_at FROM users WHERE \(column) = $1", [value])
            guard let row else { return nil }
            return User(id: try row.id(0), username: try row.text(1), email: try row.optionalText(2), passwordHash: try row.text(3),
                        createdAt: try row.moment(4), lastActiveAt: try row.moment(5))
        }
    }

    /// By what names are compared.
    private static func key(of username: String) -> String { username.storable.lowercased() }
}
