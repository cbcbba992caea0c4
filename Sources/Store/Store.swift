import Synchronization

/// The database of the chat server: users, conversations, messages, token counts, API keys.
///
///     let store = try Store("sqlite:slm_chat.db")
///     let ada = try store.addUser("ada", passwordHash: hash)
///     let chat = try store.createConversation("Rain", for: ada.id)
///     try store.append(NewMessage(.user, "Why does it rain?"), to: chat.id, of: ada.id)
///
/// When a call that writes returns, its changes are on the disk and survive a crash. Calls take the id of the user they act for and never
/// return or change rows of other users, except through `admin`. Any thread may call; calls block for up to `StoreOptions.timeout`.
package final class Store: Sendable {
    /// The underlying database, which also reports its memory and listens for notifications.
    package let database: any Database
    package let options: StoreOptions
    /// The version of the schema before this store migrated it; nil if it was new or needed no migration.
    package let migratedFrom: Int?
    /// When this process last removed deleted messages from the search index of SQLite.
    let lastIndexRewrite = Mutex<Timestamp?>(nil)
    private let lastDeletionOfUnused = Mutex<Timestamp?>(nil)

    /// Opens or creates a database and migrates its schema to the latest version.
    package init(_ url: DatabaseURL, _ options: StoreOptions = StoreOptions()) throws(StoreError) {
        self.options = options
        database = try url.database(options)
        let version = try Migration.run(options.migrations, on: database, named: url.description, at: options.now())
        migratedFrom = (1..<options.migrations.count).contains(version) ? version : nil
    }

    package convenience init(_ url: String, _ options: StoreOptions = StoreOptions()) throws(StoreError) {
        try self.init(DatabaseURL(url), options)
    }

    /// The number of searches that run at the same time.
    package var searchConnections: Int { options.searchConnections }

    /// The version of the schema that this program creates.
    package static var schemaVersion: Int { Migration.all.count }

    /// Closes all connections. SQLite then removes its -wal and -shm files.
    package func close() { database.closeConnections() }

    /// Permanently deletes conversations deleted before the undo window, expired sessions and one-time codes, and what is older than the
    /// retention times of `StoreOptions`, also accounts that are not used. The server calls it periodically.
    ///
    /// - Returns: The number of deleted conversations.
    @discardableResult
    package func purge() throws(StoreError) -> Int {
        let now = options.now()
        let end = now.advanced(by: .zero - options.deletedRetention)
        try deleteInBatches("sessions", where: "expires_at <= $1", now, batch: 1_000)
        try deleteInBatches("one_time_codes", where: "expires_at <= $1", now, batch: 1_000)
        let deleted = try deleteInBatches("conversations", where: "deleted_at IS NOT NULL AND deleted_at <= $1", end, batch: 20)
        if let retention = options.generationRetention {
            try deleteInBatches("generations", where: "created_at <= $1", now.advanced(by: .zero - retention), batch: 1_000)
        }
        try deleteInBatches("responses", where: "created_at <= $1", now.advanced(by: .zero - options.responseRetention), batch: 20)
        if let retention = options.revokedKeyRetention {
            try deleteInBatches(
                "api_keys", where: "revoked_at IS NOT NULL AND revoked_at <= $1", now.advanced(by: .zero - retention), batch: 1_000)
        }
        try deleteUnused(at: now)
        try purgeRateLimits()
        try purgeServers()
        try refreshTrainingChats()
        try removeDeletedFromSearchIndex()
        return deleted
    }

    /// Deletes conversations without new messages, accounts that are not used and old lines of the audit log, at most once an hour: it
    /// reads these tables.
    private func deleteUnused(at now: Timestamp) throws(StoreError) {
        let isDue = lastDeletionOfUnused.withLock { last in
            if let last, now < last.advanced(by: .seconds(3_600)) { return false }
            last = now
            return true
        }
        guard isDue else { return }
        if let retention = options.conversationRetention {
            try deleteInBatches("conversations", where: "updated_at <= $1", now.advanced(by: .zero - retention), batch: 20)
        }
        if let retention = options.auditRetention {
            try deleteInBatches("audit_log", where: "created_at <= $1", now.advanced(by: .zero - retention), batch: 1_000)
        }
        try deleteUnusedAccounts(at: now)
    }

    /// Deletes rows in short transactions, so that other writers need not wait long.
    ///
    /// - Parameter time: The value of $1.
    /// - Returns: The number of deleted rows.
    @discardableResult
    private func deleteInBatches(
        _ table: StaticString, where condition: StaticString, _ time: Timestamp, batch: Int
    ) throws(StoreError) -> Int {
        let sql = "DELETE FROM \(table) WHERE id IN (SELECT id FROM \(table) WHERE \(condition) LIMIT \(batch)) RETURNING id"
        var total = 0
        while true {
            let count = try database.transaction(.write) { connection throws(StoreError) in
                let count = try connection.execute(sql, time).count
                try Self.updateSearchIndex(on: connection)
                return count
            }
            total += count
            if count < batch { return total }
        }
    }
}

extension DatabaseURL {
    /// Opens the database without migrating its schema.
    package func database(_ options: StoreOptions) throws(StoreError) -> any Database {
        switch self {
        case .sqlite(let path): try SQLiteDatabase(path: path, options: options)
        case .postgresql(let url, let name): try PostgresDatabase(url: url, name: name, options: options)
        }
    }
}
