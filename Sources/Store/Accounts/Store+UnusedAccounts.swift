/// Deletion of accounts that are not used, if `StoreOptions.unusedAccountRetention` is set.
extension Store {
    /// Accounts in one transaction: the deletion of each includes all its messages.
    private static let accountsPerTransaction = 20

    /// The actor in the audit log.
    private static let retention = AdminRequest(actor: "retention", address: "")

    /// Writes a warning into the audit log for each account that has not been used for so long that it will be deleted after
    /// `unusedAccountWarning`. Deletes those whose warning is old enough and that have not been used since.
    func deleteUnusedAccounts(at now: Timestamp) throws(StoreError) {
        guard let retention = options.unusedAccountRetention else { return }
        let warning = options.unusedAccountWarning
        let warned = now.advanced(by: .zero - warning)
        try changeUnused(
            .warnUnusedUser, "UPDATE users SET unused_warning_at = $2",
            where: "unused_warning_at IS NULL OR unused_warning_at < last_active_at",
            before: now.advanced(by: warning - retention), now)
        try changeUnused(
            .deleteUnusedUser, "DELETE FROM users", where: "unused_warning_at >= last_active_at AND unused_warning_at <= $2",
            before: now.advanced(by: .zero - retention), warned)
    }

    /// Changes accounts that were last used at a time or earlier, a few in each transaction, with a line in the audit log for each.
    ///
    /// - Parameters:
    ///   - condition: Further conditions.
    ///   - second: The value of $2.
    private func changeUnused(
        _ action: AdminQueries.Action, _ change: String, where condition: String, before time: Timestamp, _ second: Timestamp
    ) throws(StoreError) {
        // A browser that only reads, and a program with an API key, use an account, too.
        let isUnused = """
            last_active_at <= $1 AND disabled_at IS NULL AND (\(condition))
            AND NOT EXISTS (SELECT 1 FROM sessions WHERE user_id = users.id AND last_used_at > $1)
            AND NOT EXISTS (SELECT 1 FROM api_keys WHERE owner_id = users.id AND last_used_at > $1)
            """
        let count = Self.accountsPerTransaction
        let sql = """
            \(change) WHERE id IN (SELECT id FROM users WHERE \(isUnused) ORDER BY last_active_at LIMIT \(count)) AND \(isUnused)
            RETURNING id, username
            """
        while true {
            let changed = try database.transaction(.write) { connection throws(StoreError) in
                let rows = try connection.execute(sql, time, second)
                for row in rows {
                    try admin.entry(action, Self.retention).write(row["id"] as UserID, row["username"], on: connection)
                }
                if action == .deleteUnusedUser, !rows.isEmpty {
                    try Self.notifyServers(on: connection)
                    try Self.updateSearchIndex(on: connection)
                }
                return rows.count
            }
            if changed < count { return }
        }
    }
}
