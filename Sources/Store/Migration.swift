/// A step from one schema version to the next. Released migrations must never change; add a new one instead.
struct Migration: Sendable {
    let version: Int
    let statements: @Sendable (Dialect) -> [String]

    static let latest = all.count

    /// Runs all pending migrations in one transaction. If several servers start at once, one migrates and the others find nothing to do.
    ///
    /// - Parameter last: The version to stop at; tests use it to create old schemas.
    static func run(on database: any Database, named name: String, upTo last: Int = latest, at now: Timestamp) throws(StoreError) {
        let dialect = database.dialect
        let found = try database.transaction(.read) { connection throws(StoreError) in try version(of: connection, dialect, name) }
        guard found < last else { return }
        try database.transaction(.migrate) { connection throws(StoreError) in
            let found = try version(of: connection, dialect, name)
            if found == 0 {
                let number = dialect.integer + " NOT NULL"
                try connection.execute(
                    "CREATE TABLE slm_schema (version \(number) PRIMARY KEY, applied_at \(number)) \(dialect.tableOptions)", [])
            }
            for migration in all where found < migration.version && migration.version <= last {
                for statement in migration.statements(dialect) { try connection.execute(statement, []) }
                try connection.execute(
                    "INSERT INTO slm_schema (version, applied_at) VALUES ($1, $2)", [.integer(migration.version), .integer(now)])
            }
        }
    }

    /// The schema version of a database; 0 for an empty one.
    static func version(of connection: any Connection, _ dialect: Dialect, _ name: String) throws(StoreError) -> Int {
        func has(_ table: String) throws(StoreError) -> Bool {
            try connection.firstRow(dialect.tableCount, [.text(table)])?.integer(0) == 1
        }
        guard try has("slm_schema") else {
            for table in ["users", "conversations", "messages"] {
                if try has(table) { throw .foreignDatabase(store: name, found: "its table \(table) was created by another program") }
            }
            return 0
        }
        let version = try connection.firstRow("SELECT max(version) FROM slm_schema", [])?.integer(0) ?? 0
        guard version <= latest else { throw .newerSchema(store: name, version: version, known: latest) }
        return version
    }
}
