/// A step from one version of the tables to the next. Steps are only ever added: a database that is somewhere was made by those it has gone through.
struct Migration: Sendable {
    let version: Int
    let statements: @Sendable (Dialect) -> [String]

    static let latest = all.count

    /// Brings a database to the version that this program knows, all steps or none. Of two programs that begin at the same time, the second finds it done.
    ///
    /// - Parameter last: For tests, which need old ones too.
    static func run(on database: any Database, named name: String, upTo last: Int = latest, at now: Moment) throws(StoreError) {
        let dialect = database.dialect
        let found = try database.transaction(.read) { connection throws(StoreError) in try version(of: connection, dialect, name) }
        guard found < last else { return }
        try database.transaction(.migrate) { connection throws(StoreError) in
            let found = try version(of: connection, dialect, name)
            if found == 0 {
                let number = dialect.integer + " NOT NULL"
                try connection.rows("CREATE TABLE slm_schema (version \(number) PRIMARY KEY, applied_at \(number)) \(dialect.tableEnd)", [])
            }
            for migration in all where found < migration.version && migration.version <= last {
                for statement in migration.statements(dialect) { try connection.rows(statement, []) }
                try connection.rows("INSERT INTO slm_schema (version, applied_at) VALUES ($1, $2)", [.integer(migration.version), .integer(now)])
            }
        }
    }

    /// 0 is a database without tables of ours.
    private static func version(of connection: any Connection, _ dialect: Dialect, _ name: String) throws(StoreError) -> Int {
        func has(_ table: String) throws(StoreError) -> Bool { try connection.firstRow(dialect.tableCount, [.text(table)])?.integer(0) == 1 }
        guard try has("slm_schema") else {
            for table in ["users", "conversations", "messages"] {
                if try has(table) { throw .foreign(store: name, found: "it has a table \(table) of another program") }
            }
            return 0
        }
        let version = try connection.firstRow("SELECT max(version) FROM slm_schema", [])?.integer(0) ?? 0
        guard version <= latest else { throw .newer(store: name, version: version, known: latest) }
        return version
    }
}
