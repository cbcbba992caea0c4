import Files

/// The version of a database's schema, and that of this program.
///
///     let state = try SchemaState(of: DatabaseURL("sqlite:slm_chat.db"))
///     state.pendingMigrations                                  // 0
package struct SchemaState: Sendable, Equatable {
    /// 0 for a database without tables, or a file that does not exist.
    package let version: Int
    /// The version to which `Store` migrates the database when it opens it.
    package let latest: Int

    package var pendingMigrations: Int { max(0, latest - version) }

    /// Reads the version and changes nothing. Throws for tables of another program, or of a later version of slm.
    package init(of url: DatabaseURL, _ options: StoreOptions = StoreOptions()) throws(StoreError) {
        latest = options.migrations.count
        if case .sqlite(let path) = url, FileStatus(path) == nil {
            version = 0
            return
        }
        let database = try url.database(options)
        defer { database.closeConnections() }
        version = try database.transaction(.read) { connection throws(StoreError) in
            try Migration.version(of: connection, url.description, known: options.migrations.count)
        }
    }
}
