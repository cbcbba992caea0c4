/// The sender of an admin request, for the audit log.
package struct AdminRequest: Sendable, Equatable {
    /// The name of the administrator.
    package let actor: String
    package let address: String

    package init(actor: String, address: String) {
        self.actor = actor
        self.address = address
    }
}

/// Changes by an administrator. Each writes a line of the audit log in the same transaction.
extension AdminQueries {
    package func addUser(
        _ username: String, email: String?, passwordHash: String, by request: AdminRequest
    ) throws(StoreError) -> User {
        let user = try User(registering: username, email: email, passwordHash: passwordHash, at: now())
        let entry = self.entry(.createUser, request)
        try database.transaction(.write) { connection throws(StoreError) in
            try Store.insert(user, on: connection)
            try Self.write(entry, user.id, user.username, on: connection)
        }
        return user
    }

    /// Disables an account or enables it again. A disabled user cannot sign in, has no sessions, and their API keys are rejected.
    package func setDisabled(_ isDisabled: Bool, user: UserID, by request: AdminRequest) throws(StoreError) -> User {
        let entry = self.entry(isDisabled ? .disableUser : .enableUser, request)
        return try database.transaction(.write) { connection throws(StoreError) in
            if isDisabled { try Store.endAllSessions(of: user, on: connection, database.dialect) }
            let change = isDisabled ? "disabled_at = coalesce(disabled_at, $2)" : "disabled_at = NULL"
            let sql = "UPDATE users SET \(change) WHERE id = $1 RETURNING \(User.columns)"
            guard let row = try connection.firstRow(sql, [.text(user)] + (isDisabled ? [.integer(entry.time)] : [])) else {
                throw .notFound(.user)
            }
            let changed = try User(row)
            try Self.write(entry, user, changed.username, on: connection)
            return changed
        }
    }

    package func deleteUser(_ user: UserID, by request: AdminRequest) throws(StoreError) {
        let entry = self.entry(.deleteUser, request)
        var isFound = false
        try database.transaction(.write) { connection throws(StoreError) in
            guard let row = try connection.firstRow("DELETE FROM users WHERE id = $1 RETURNING username", [.text(user)]) else { return }
            isFound = true
            try Store.notifyServers(on: connection, database.dialect)
            try Store.updateSearchIndex(on: connection, database.dialect)
            try Self.write(entry, user, try row.text(0), on: connection)
        }
        guard isFound else { throw .notFound(.user) }
    }

    package func endSessions(of user: UserID, by request: AdminRequest) throws(StoreError) {
        let entry = self.entry(.endSessions, request)
        try database.transaction(.write) { connection throws(StoreError) in
            let username = try Self.username(of: user, on: connection)
            try Store.endAllSessions(of: user, on: connection, database.dialect)
            try Self.write(entry, user, username, on: connection)
        }
    }

    package func revokeAPIKeys(of user: UserID, by request: AdminRequest) throws(StoreError) {
        let entry = self.entry(.revokeAPIKeys, request)
        try database.transaction(.write) { connection throws(StoreError) in
            let username = try Self.username(of: user, on: connection)
            try connection.execute(
                "UPDATE api_keys SET revoked_at = $2 WHERE owner_id = $1 AND revoked_at IS NULL", [.text(user), .integer(entry.time)])
            try Store.notifyServers(on: connection, database.dialect)
            try Self.write(entry, user, username, on: connection)
        }
    }

    /// Adds a code with which the user sets a new password. The current password stays valid until then. Earlier codes become invalid.
    ///
    /// - Parameter hash: The unique digest of the code, computed by the server.
    /// - Returns: When the code expires.
    package func addPasswordReset(
        _ hash: String, of user: UserID, lifetime: Duration, by request: AdminRequest
    ) throws(StoreError) -> Timestamp {
        let entry = self.entry(.resetPassword, request)
        let id = OneTimeCodeID()
        let end = entry.time.advanced(by: lifetime)
        try database.transaction(.write) { connection throws(StoreError) in
            let username = try Self.username(of: user, on: connection)
            try connection.execute(
                "DELETE FROM one_time_codes WHERE user_id = $1 AND kind = $2 AND id <> $3",
                [.text(user), .text(OneTimeCodeKind.passwordReset.rawValue), .text(id)])
            try connection.execute("""
                INSERT INTO one_time_codes (id, kind, hash, user_id, created_at, expires_at) VALUES ($1, $2, $3, $4, $5, $6)
                ON CONFLICT (id) DO NOTHING
                """, [
                    .text(id), .text(OneTimeCodeKind.passwordReset.rawValue), .text(hash), .text(user),
                    .integer(entry.time), .integer(end),
                ])
            try Self.write(entry, user, username, on: connection)
        }
        return end
    }
}

/// Invitations: codes with which a user can register although registration is closed.
extension AdminQueries {
    package struct Invitation: Sendable, Equatable {
        package let id: OneTimeCodeID
        /// For whom it is; only a note.
        package let email: String?
        package let createdAt, expiresAt: Timestamp
        package let usedAt: Timestamp?
        /// The user who registered with it.
        package let username: String?
    }

    /// - Parameter hash: The unique digest of the code, computed by the server.
    package func addInvitation(
        _ hash: String, email: String?, lifetime: Duration, by request: AdminRequest
    ) throws(StoreError) -> Invitation {
        try email?.checkLength(of: "the email address")
        let entry = self.entry(.addInvitation, request)
        let invitation = Invitation(
            id: OneTimeCodeID(), email: email?.storable, createdAt: entry.time, expiresAt: entry.time.advanced(by: lifetime),
            usedAt: nil, username: nil)
        try database.transaction(.write) { connection throws(StoreError) in
            try connection.execute("""
                INSERT INTO one_time_codes (id, kind, hash, email, created_at, expires_at) VALUES ($1, $2, $3, $4, $5, $6)
                ON CONFLICT (id) DO NOTHING
                """, [
                    .text(invitation.id), .text(OneTimeCodeKind.invitation.rawValue), .text(hash), .text(invitation.email),
                    .integer(invitation.createdAt), .integer(invitation.expiresAt),
                ])
            try Self.write(entry, invitation.id, invitation.email, on: connection)
        }
        return invitation
    }

    /// Lists the invitations that have not expired, newest first, including used ones.
    package func invitations() throws(StoreError) -> [Invitation] {
        let now = now()
        return try database.transaction(.read) { connection throws(StoreError) in
            try connection.execute("""
                SELECT codes.id, codes.email, codes.created_at, expires_at, used_at, username
                FROM one_time_codes AS codes LEFT JOIN users ON users.id = codes.user_id
                WHERE kind = $1 AND expires_at > $2 ORDER BY codes.created_at DESC, codes.id
                """, [.text(OneTimeCodeKind.invitation.rawValue), .integer(now)]).map { row throws(StoreError) in
                    try Invitation(
                        id: row.id("id"), email: row.optionalText("email"), createdAt: row.timestamp("created_at"),
                        expiresAt: row.timestamp("expires_at"), usedAt: row.optionalTimestamp("used_at"),
                        username: row.optionalText("username"))
                }
        }
    }

    /// Deletes an invitation. A user who has registered with it stays.
    package func deleteInvitation(_ id: OneTimeCodeID, by request: AdminRequest) throws(StoreError) {
        let entry = self.entry(.deleteInvitation, request)
        var isFound = false
        try database.transaction(.write) { connection throws(StoreError) in
            let sql = "DELETE FROM one_time_codes WHERE id = $1 AND kind = $2 RETURNING email"
            guard let row = try connection.firstRow(sql, [.text(id), .text(OneTimeCodeKind.invitation.rawValue)]) else { return }
            isFound = true
            try Self.write(entry, id, try row.optionalText(0), on: connection)
        }
        guard isFound else { throw .notFound(.invitation) }
    }
}
