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
        try change(.createUser, by: request) { connection, entry throws(StoreError) in
            try Store.insert(user, on: connection)
            try entry.write(user.id, user.username, on: connection)
        }
        return user
    }

    /// Disables an account or enables it again. A disabled user cannot sign in, has no sessions, and their API keys are rejected.
    package func setDisabled(_ isDisabled: Bool, user: UserID, by request: AdminRequest) throws(StoreError) -> User {
        try change(isDisabled ? .disableUser : .enableUser, by: request) { connection, entry throws(StoreError) in
            if isDisabled { try Store.endAllSessions(of: user, on: connection) }
            let change = isDisabled ? "disabled_at = coalesce(disabled_at, $2)" : "disabled_at = NULL"
            let sql = "UPDATE users SET \(change) WHERE id = $1 RETURNING \(User.columns)"
            let values = [user.sql] + (isDisabled ? [entry.time.sql] : [])
            guard let changed = try connection.execute(sql, values: values).first.map(User.init) else { throw .notFound(.user) }
            try entry.write(user, changed.username, on: connection)
            return changed
        }
    }

    package func deleteUser(_ user: UserID, by request: AdminRequest) throws(StoreError) {
        var isFound = false
        try change(.deleteUser, by: request) { connection, entry throws(StoreError) in
            guard let row = try connection.firstRow("DELETE FROM users WHERE id = $1 RETURNING username", user) else { return }
            isFound = true
            try Store.notifyServers(on: connection)
            try Store.updateSearchIndex(on: connection)
            try entry.write(user, try row["username"], on: connection)
        }
        guard isFound else { throw .notFound(.user) }
    }

    package func endSessions(of user: UserID, by request: AdminRequest) throws(StoreError) {
        try change(.endSessions, by: request) { connection, entry throws(StoreError) in
            let username = try Self.username(of: user, on: connection)
            try Store.endAllSessions(of: user, on: connection)
            try entry.write(user, username, on: connection)
        }
    }

    package func revokeAPIKeys(of user: UserID, by request: AdminRequest) throws(StoreError) {
        try change(.revokeAPIKeys, by: request) { connection, entry throws(StoreError) in
            let username = try Self.username(of: user, on: connection)
            try connection.execute("UPDATE api_keys SET revoked_at = $2 WHERE owner_id = $1 AND revoked_at IS NULL", user, entry.time)
            try Store.notifyServers(on: connection)
            try entry.write(user, username, on: connection)
        }
    }

    /// Adds a code with which the user sets a new password. The current password stays valid until then. Earlier codes become invalid.
    ///
    /// - Parameter hash: The unique digest of the code, computed by the server.
    /// - Returns: When the code expires.
    package func addPasswordReset(
        _ hash: String, of user: UserID, lifetime: Duration, by request: AdminRequest
    ) throws(StoreError) -> Timestamp {
        let id = OneTimeCodeID()
        return try change(.resetPassword, by: request) { connection, entry throws(StoreError) in
            let end = entry.time.advanced(by: lifetime)
            let username = try Self.username(of: user, on: connection)
            try connection.execute(
                "DELETE FROM one_time_codes WHERE user_id = $1 AND kind = $2 AND id <> $3", user, OneTimeCodeKind.passwordReset, id)
            try connection.execute("""
                INSERT INTO one_time_codes (id, kind, hash, user_id, created_at, expires_at) VALUES ($1, $2, $3, $4, $5, $6)
                ON CONFLICT (id) DO NOTHING
                """, id, OneTimeCodeKind.passwordReset, hash, user, entry.time, end)
            try entry.write(user, username, on: connection)
            return end
        }
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
        let id = OneTimeCodeID()
        return try change(.addInvitation, by: request) { connection, entry throws(StoreError) in
            let invitation = Invitation(
                id: id, email: email?.storable, createdAt: entry.time, expiresAt: entry.time.advanced(by: lifetime), usedAt: nil,
                username: nil)
            try connection.execute("""
                INSERT INTO one_time_codes (id, kind, hash, email, created_at, expires_at) VALUES ($1, $2, $3, $4, $5, $6)
                ON CONFLICT (id) DO NOTHING
                """, invitation.id, OneTimeCodeKind.invitation, hash, invitation.email, invitation.createdAt, invitation.expiresAt)
            try entry.write(invitation.id, invitation.email, on: connection)
            return invitation
        }
    }

    /// Lists the invitations that have not expired, newest first, including used ones.
    package func invitations() throws(StoreError) -> [Invitation] {
        let now = now()
        return try database.read("""
            SELECT codes.id, codes.email, codes.created_at, expires_at, used_at, username
            FROM one_time_codes AS codes LEFT JOIN users ON users.id = codes.user_id
            WHERE kind = $1 AND expires_at > $2 ORDER BY codes.created_at DESC, codes.id
            """, OneTimeCodeKind.invitation, now).map { row throws(StoreError) in
                try Invitation(
                    id: row["id"], email: row["email"], createdAt: row["created_at"], expiresAt: row["expires_at"], usedAt: row["used_at"],
                    username: row["username"])
            }
    }

    /// Deletes an invitation. A user who has registered with it stays.
    package func deleteInvitation(_ id: OneTimeCodeID, by request: AdminRequest) throws(StoreError) {
        var isFound = false
        try change(.deleteInvitation, by: request) { connection, entry throws(StoreError) in
            let sql = "DELETE FROM one_time_codes WHERE id = $1 AND kind = $2 RETURNING email"
            guard let row = try connection.firstRow(sql, id, OneTimeCodeKind.invitation) else { return }
            isFound = true
            try entry.write(id, try row["email"], on: connection)
        }
        guard isFound else { throw .notFound(.invitation) }
    }
}
