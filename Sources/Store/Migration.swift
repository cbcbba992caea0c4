/// A step from one schema version to the next. Released migrations must never change; add a new one instead.
struct Migration: Sendable {
    let version: Int
    /// Whether programs that do not know this version can use the database: it only adds tables, and columns that they need not set.
    /// Such a version is listed in `slm_additions` instead of `slm_schema`, which they compare with the versions that they know.
    let isAdditive: Bool
    let statements: @Sendable (Dialect) -> [String]

    static let latest = all.count

    init(version: Int, isAdditive: Bool = false, statements: @escaping @Sendable (Dialect) -> [String]) {
        self.version = version
        self.isAdditive = isAdditive
        self.statements = statements
    }

    /// Runs all pending migrations in one transaction. If several servers start at once, one migrates and the others find nothing to do.
    ///
    /// - Parameter last: The version to stop at; tests use it to create old schemas.
    /// - Returns: The version before, 0 for an empty database.
    @discardableResult
    static func run(on database: any Database, named name: String, upTo last: Int = latest, at now: Timestamp) throws(StoreError) -> Int {
        let dialect = database.dialect
        let found = try database.transaction(.read) { connection throws(StoreError) in try version(of: connection, dialect, name) }
        guard found < last else { return found }
        return try database.transaction(.migrate) { connection throws(StoreError) in
            let found = try version(of: connection, dialect, name)
            try run(on: connection, dialect, after: found, upTo: last, at: now)
            return found
        }
    }

    /// Runs the migrations after version `found` in the transaction of the caller.
    static func run(
        on connection: any Connection, _ dialect: Dialect, after found: Int, upTo last: Int = latest, at now: Timestamp
    ) throws(StoreError) {
        if found == 0 { try createList("slm_schema", on: connection, dialect) }
        for migration in all where found < migration.version && migration.version <= last {
            for statement in migration.statements(dialect) { try connection.execute(statement, []) }
            let list: StaticString = migration.isAdditive ? "slm_additions" : "slm_schema"
            if migration.isAdditive, try !has("slm_additions", on: connection, dialect) {
                try createList(list, on: connection, dialect)
            }
            try connection.execute(
                "INSERT INTO \(list) (version, applied_at) VALUES ($1, $2)", [.integer(migration.version), .integer(now)])
        }
    }

    private static func createList(_ table: StaticString, on connection: any Connection, _ dialect: Dialect) throws(StoreError) {
        let number = dialect.integer + " NOT NULL"
        try connection.execute(
            "CREATE TABLE \(table) (version \(number) PRIMARY KEY, applied_at \(number)) \(dialect.tableOptions)", [])
    }

    static func has(_ table: String, on connection: any Connection, _ dialect: Dialect) throws(StoreError) -> Bool {
        try connection.firstRow(dialect.tableCount, [.text(table)])?.integer(0) == 1
    }

    /// The schema version of a database; 0 for an empty one. It may be later than `latest` if the versions in between are additive.
    static func version(of connection: any Connection, _ dialect: Dialect, _ name: String) throws(StoreError) -> Int {
        guard try has("slm_schema", on: connection, dialect) else {
            for table in ["users", "conversations", "messages"] where try has(table, on: connection, dialect) {
                throw .foreignDatabase(store: name, found: "its table \(table) was created by another program")
            }
            return 0
        }
        let required = try connection.firstRow("SELECT max(version) FROM slm_schema", [])?.integer(0) ?? 0
        guard required <= latest else { throw .newerSchema(store: name, version: required, known: latest) }
        guard try has("slm_additions", on: connection, dialect) else { return required }
        let added = try connection.firstRow("SELECT coalesce(max(version), 0) FROM slm_additions", [])?.integer(0) ?? 0
        return max(required, added)
    }
}
