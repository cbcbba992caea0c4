import Files

extension Backup {
    package struct RestoreOptions: Sendable {
        /// Whether the contents of the database are replaced. Otherwise it must be empty.
        package var replaces = false
        /// Whether all users have to sign in again. Otherwise sessions that ended after the backup are valid again.
        package var endsSessions = false
        /// Whether the tables are migrated to the latest version of the schema. Otherwise they get the version of the backup, for an
        /// earlier slm.
        package var migrates = true
        /// Only checks the backup and the database.
        package var isDryRun = false

        package init() {}
    }

    /// Restores a backup and, unless `restoring` says otherwise, migrates its tables to the latest version of the schema.
    ///
    /// The backup is checked first. Then all changes are made in one transaction: if anything fails, or the process is killed, the
    /// database is as before.
    @discardableResult
    package static func restore(
        _ path: String, into url: DatabaseURL, _ restoring: RestoreOptions = RestoreOptions(), _ options: StoreOptions = StoreOptions(),
        progress: Progress = { _, _ in }
    ) throws(StoreError) -> Summary {
        let known = options.migrations.count
        try checkVersion(of: BackupReader(path).manifest, path, known: known)
        let summary = try verify(path, progress: progress)
        if restoring.isDryRun, case .sqlite(let file) = url, FileStatus(file) == nil { return summary }
        let database = try url.database(options)
        defer { database.closeConnections() }
        if restoring.isDryRun {
            try database.transaction(.read) { connection throws(StoreError) in
                _ = try checkContents(on: connection, url, restoring, known: known)
            }
            return summary
        }
        var hasBegun = false
        try database.transaction(.migrate) { connection throws(StoreError) in
            guard !hasBegun else {
                throw .unavailable(store: url.description, reason: "the connection was lost; look whether the backup is restored")
            }
            hasBegun = true
            let found = try checkContents(on: connection, url, restoring, known: known)
            if found > 0 { try BackupTables.drop(on: connection) }
            let schema = summary.manifest.schemaVersion
            try Migration.run(options.migrations.prefix(schema), after: 0, on: connection, at: options.now())
            var reader = try BackupReader(path)
            guard reader.manifest == summary.manifest else { throw reader.changed }
            try withoutCounting(on: connection) { () throws(StoreError) in
                try insertAll(from: &reader, on: connection, progress)
            }
            if restoring.endsSessions { try endSessions(on: connection) }
            if restoring.migrates {
                try Migration.run(options.migrations, after: schema, on: connection, at: options.now())
            }
        }
        return summary
    }

    private static func checkVersion(of manifest: BackupManifest, _ path: String, known: Int) throws(StoreError) {
        guard manifest.schemaVersion <= known else {
            throw .backup(.newerSchema(path: path, version: manifest.schemaVersion, known: known))
        }
        for table in manifest.tables where !BackupTables.all.contains(table.name) {
            throw .backup(.damaged(path: path, reason: "slm has no table \(table.name)"))
        }
    }

    /// The schema version of a database that may be replaced; 0 for an empty one.
    private static func checkContents(
        on connection: any Connection, _ url: DatabaseURL, _ restoring: RestoreOptions, known: Int
    ) throws(StoreError) -> Int {
        let version = try Migration.version(of: connection, url.description, known: known)
        guard version <= known else { throw .newerSchema(store: url.description, version: version, known: known) }
        if version > 0, !restoring.replaces, let found = try BackupTables.contents(on: connection) {
            throw .backup(.notEmpty(store: url.description, found: found))
        }
        return version
    }

    /// Runs `body` without the triggers that count the rows of users, and counts them at once afterwards: PostgreSQL needs quadratic time
    /// to change a row many times in a transaction.
    private static func withoutCounting(
        on connection: any Connection, _ body: () throws(StoreError) -> Void
    ) throws(StoreError) {
        guard connection.dialect == .postgresql else { return try body() }
        for table in Schema.countedTables { try connection.execute("ALTER TABLE \(table) DISABLE TRIGGER USER") }
        try body()
        for table in Schema.countedTables { try connection.execute("ALTER TABLE \(table) ENABLE TRIGGER USER") }
        try connection.execute("DELETE FROM user_counts")
        try connection.execute(countUsers)
    }

    /// Fills `user_counts` from the rows that it counts.
    private static let countUsers = """
        INSERT INTO user_counts (user_id, conversations, messages, generations, prompt_tokens, answer_tokens)
        SELECT id, coalesce(conversations, 0), coalesce(messages, 0), coalesce(generations, 0), coalesce(prompts, 0), coalesce(answers, 0)
        FROM users LEFT JOIN (
            SELECT owner_id, count(*) AS conversations, sum(message_count) AS messages
            FROM conversations WHERE deleted_at IS NULL GROUP BY owner_id
        ) AS chats ON chats.owner_id = users.id LEFT JOIN (
            SELECT user_id, count(*) AS generations, sum(\(Dialect.postgresql.bounded("prompt_tokens"))) AS prompts,
                sum(\(Dialect.postgresql.bounded("answer_tokens"))) AS answers
            FROM generations WHERE user_id IS NOT NULL GROUP BY user_id
        ) AS work ON work.user_id = users.id
        """

    private static func insertAll(
        from reader: inout BackupReader, on connection: any Connection, _ progress: Progress
    ) throws(StoreError) {
        while let member = try reader.next() {
            guard case .table(let table) = member else { continue }
            let columns = try BackupTables.columns(of: table.name, on: connection)
            guard !columns.isEmpty else { throw reader.invalidTable(table.name) }
            var inserter = BackupInserter(table.name, columns, connection.dialect)
            var inserted = 0
            while let row = try reader.nextRow() {
                switch BackupTables.values(of: row, columns) {
                case .success(let values): try inserter.insert(values, on: connection)
                case .failure(let error): throw reader.invalidRow(error.description)
                }
                inserted += 1
                // The changes of the search index wait in a table, which should not become large.
                if inserted % 1_000 == 0 { try Store.updateSearchIndex(on: connection) }
                progress(.restoring, reader.fraction)
            }
            try inserter.finish(on: connection)
            guard try BackupTables.rowCount(of: table.name, on: connection) == table.rows else { throw reader.invalidTable(table.name) }
        }
        try Store.updateSearchIndex(on: connection)
    }

    private static func endSessions(on connection: any Connection) throws(StoreError) {
        try connection.execute("DELETE FROM sessions")
        try connection.execute("UPDATE users SET token_epoch = token_epoch + 1")
    }
}

extension BackupReader {
    fileprivate var changed: StoreError { .backup(.damaged(path: path, reason: "it was changed while it was read")) }

    fileprivate func invalidTable(_ table: String) -> StoreError {
        .backup(.damaged(path: path, reason: "table \(table) does not belong to its schema version, or repeats rows"))
    }
}
