/// Who said what: accounts, conversations, messages, what answers took, keys of programs.
///
///     let store = try Store("sqlite:slm_chat.db")
///     let ada = try store.addUser("ada", passwordHash: hash)
///     let chat = try store.createConversation("Rain", for: ada.id)
///     try store.append(Draft(.user, "Why does it rain?"), to: chat.id, of: ada.id)
///
/// What `append` and all that writes have returned from is on the disk, whatever is killed next. Every call names the user it is for, and finds nothing of
/// anybody else; only `administration` does. Calls are for any thread; they wait for the disk or the server, at most `StoreOptions.patience` for each.
package final class Store: Sendable {
    package let address: StoreAddress
    /// The tables themselves, for tests and tools.
    package let database: any Database
    let options: StoreOptions

    /// Opens what is at an address, or makes it, and brings its tables to the latest version.
    package init(_ address: StoreAddress, _ options: StoreOptions = StoreOptions()) throws(StoreError) {
        (self.address, self.options) = (address, options)
        database = try address.database(options)
        try Migration.run(on: database, named: address.description, at: options.now())
    }

    package convenience init(_ address: String, _ options: StoreOptions = StoreOptions()) throws(StoreError) {
        try self.init(StoreAddress(address), options)
    }

    /// For the end: a database in a file is one file then.
    package func close() { database.closeConnections() }

    /// Deletes for good what was deleted or replaced longer ago than it can be had back. Somebody has to call it now and then.
    ///
    /// - Returns: How many conversations are gone.
    @discardableResult
    package func purge() throws(StoreError) -> Int {
        let end = Value.integer(options.now().advanced(by: .zero - options.undoWindow))
        return try database.transaction(.write) { connection throws(StoreError) in
            try connection.rows("DELETE FROM messages WHERE replaced_at IS NOT NULL AND replaced_at <= $1", [end])
            return try connection.rows("DELETE FROM conversations WHERE deleted_at IS NOT NULL AND deleted_at <= $1 RETURNING id", [end]).count
        }
    }
}

extension StoreAddress {
    /// What is there, as it is.
    package func database(_ options: StoreOptions) throws(StoreError) -> any Database {
        switch self {
        case .sqlite(let path): try SQLiteDatabase(path: path, options: options)
        case .postgresql(let url, let name): try PostgresDatabase(url: url, name: name, options: options)
        }
    }
}
