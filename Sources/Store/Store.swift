/// The database of the chat server: users, conversations, messages, token counts, API keys.
///
///     let store = try Store("sqlite:slm_chat.db")
///     let ada = try store.addUser("ada", passwordHash: hash)
///     let chat = try store.createConversation("Rain", for: ada.id).0
///     try store.append(NewMessage(.user, "Why does it rain?"), to: chat.id, of: ada.id)
///
/// When a call that writes returns, its changes are on the disk and survive a crash. Calls take the id of the user they act for and never
/// return or change rows of other users, except through `admin`. Any thread may call; calls block for up to `StoreOptions.timeout`.
package final class Store: Sendable {
    /// The underlying database, for tests and tools.
    package let database: any Database
    let options: StoreOptions

    /// Opens or creates a database and migrates its schema to the latest version.
    package init(_ url: DatabaseURL, _ options: StoreOptions = StoreOptions()) throws(StoreError) {
        self.options = options
        database = try url.database(options)
        try Migration.run(on: database, named: url.description, at: options.now())
    }

    package convenience init(_ url: String, _ options: StoreOptions = StoreOptions()) throws(StoreError) {
        try self.init(DatabaseURL(url), options)
    }

    /// Closes all connections. SQLite then removes its -wal and -shm files.
    package func close() { database.closeConnections() }

    /// Permanently deletes conversations deleted and messages replaced before the undo window. The server calls it periodically.
    ///
    /// - Returns: The number of deleted conversations.
    @discardableResult
    package func purge() throws(StoreError) -> Int {
        let end = SQLValue.integer(options.now().advanced(by: .zero - options.undoWindow))
        return try database.transaction(.write) { connection throws(StoreError) in
            try connection.execute("DELETE FROM messages WHERE replaced_at IS NOT NULL AND replaced_at <= $1", [end])
            let deleted = try connection.execute(
                "DELETE FROM conversations WHERE deleted_at IS NOT NULL AND deleted_at <= $1 RETURNING id", [end])
            return deleted.count
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
