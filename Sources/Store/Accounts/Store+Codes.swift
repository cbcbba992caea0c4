/// One-time codes: invitations, and codes with which users set a new password.
extension Store {
    /// Whether an invitation can be used, to reject a wrong one before the password is hashed.
    package func isValidInvitation(_ hash: String) throws(StoreError) -> Bool { try isValid(hash, .invitation, of: nil) }

    /// Whether a code for a new password is valid, to reject a wrong one before the password is hashed.
    package func isValidPasswordReset(_ hash: String, of user: UserID) throws(StoreError) -> Bool {
        try isValid(hash, .passwordReset, of: user)
    }

    private func isValid(_ hash: String, _ kind: OneTimeCodeKind, of user: UserID?) throws(StoreError) -> Bool {
        let now = options.now()
        let sql = "SELECT user_id FROM one_time_codes WHERE hash = $1 AND kind = $2 AND used_at IS NULL AND expires_at > $3"
        return try database.read(sql, hash, kind, now).first.map { row throws(StoreError) in try row["user_id"] == user } ?? false
    }

    /// Uses a code to set a new password, and ends all sessions of the user.
    ///
    /// - Throws: `StoreError.invalidCode` if the code is wrong, used or expired, or the user is disabled.
    package func resetPassword(of user: UserID, code hash: String, to passwordHash: String) throws(StoreError) -> User {
        let now = options.now()
        let kind = OneTimeCodeKind.passwordReset
        return try database.transaction(.write) { connection throws(StoreError) in
            // `used_at = $4` is true if the transaction runs again after a lost connection.
            let code = try connection.firstRow("""
                UPDATE one_time_codes SET used_at = $4
                WHERE hash = $1 AND user_id = $2 AND kind = $3 AND (used_at IS NULL OR used_at = $4) AND expires_at > $4 RETURNING id
                """, hash, user, kind, now)
            guard let code else { throw .invalidCode }
            let row = try connection.firstRow("""
                UPDATE users SET password_hash = $2, token_epoch = token_epoch + 1 WHERE id = $1 AND disabled_at IS NULL
                RETURNING \(User.columns)
                """, user, passwordHash)
            guard let row else { throw .invalidCode }
            try connection.execute("DELETE FROM sessions WHERE user_id = $1", user)
            try connection.execute(
                "DELETE FROM one_time_codes WHERE user_id = $1 AND kind = $2 AND id <> $3", user, kind, code["id"] as OneTimeCodeID)
            return try User(row)
        }
    }

    /// Marks an invitation as used by a user who was just added.
    static func useInvitation(_ hash: String, by user: UserID, at now: Timestamp, on connection: any Connection) throws(StoreError) {
        let row = try connection.firstRow("""
            UPDATE one_time_codes SET used_at = $3, user_id = $2
            WHERE hash = $1 AND kind = $4 AND (used_at IS NULL OR user_id = $2) AND expires_at > $3 RETURNING id
            """, hash, user, now, OneTimeCodeKind.invitation)
        if row == nil { throw .invalidCode }
    }
}

/// What a one-time code is for. Raw values are stored.
enum OneTimeCodeKind: String, ColumnValue { case invitation, passwordReset = "password_reset" }

