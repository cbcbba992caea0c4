/// A step from one schema version to the next. Released migrations must never change; add a new one instead.
///
///     Migration(version: 2, isAdditive: true) { _ in ["ALTER TABLE users ADD COLUMN language TEXT"] }
package struct Migration: Sendable {
    let version: Int
    /// Whether programs that do not know this version can use the database: it only adds tables, and columns that they need not set.
    /// Such a version is listed in `slm_additions` instead of `slm_schema`, which they compare with the versions that they know.
    let isAdditive: Bool
    let statements: @Sendable (Dialect) -> [String]

    package static let all = [Migration(version: 1, statements: { Schema.statements($0) })]

    package init(version: Int, isAdditive: Bool = false, statements: @escaping @Sendable (Dialect) -> [String]) {
        self.version = version
        self.isAdditive = isAdditive
        self.statements = statements
    }

    /// Runs all pending migrations in one transaction. If several servers start at once, one migrates and the others find nothing to do.
    ///
    /// - Returns: The version before, 0 for an empty database.
    @discardableResult
    static func run(
        _ migrations: [Migration], on database: any Database, named name: String, at now: Timestamp
    ) throws(StoreError) -> Int {
        let latest = migrations.count
        func version(_ connection: any Connection) throws(StoreError) -> Int {
            try self.version(of: connection, name, known: latest)
        }
        let found = try database.transaction(.read) { connection throws(StoreError) in try version(connection) }
        guard found < latest else { return found }
        return try database.transaction(.migrate) { connection throws(StoreError) in
            let found = try version(connection)
            try run(migrations, after: found, on: connection, at: now)
            return found
        }
    }

    /// Runs the migrations after version `found` in the transaction of the caller.
    static func run(
        _ migrations: some Sequence<Migration>, after found: Int, on connection: any Connection, at now: Timestamp
    ) throws(StoreError) {
        if found == 0 { for list in ["slm_schema", "slm_additions"] { try createList(list, on: connection) } }
        for migration in migrations where migration.version > found {
            for statement in migration.statements(connection.dialect) { try connection.execute(statement) }
            let list = migration.isAdditive ? "slm_additions" : "slm_schema"
            try connection.execute("INSERT INTO \(list) (version, applied_at) VALUES ($1, $2)", migration.version, now)
        }
    }

    private static func createList(_ table: String, on connection: any Connection) throws(StoreError) {
        let dialect = connection.dialect, number = dialect.integer + " NOT NULL"
        try connection.execute("CREATE TABLE \(table) (version \(number) PRIMARY KEY, applied_at \(number))\(dialect.tableOptions)")
    }

    static func has(_ table: String, on connection: any Connection) throws(StoreError) -> Bool {
        try connection.value(connection.dialect.tableCount, table) == 1
    }

    /// The schema version of a database; 0 for an empty one. It may be later than `known` if the versions in between are additive.
    static func version(
        of connection: any Connection, _ name: String, known: Int
    ) throws(StoreError) -> Int {
        guard try has("slm_schema", on: connection) else {
            for table in ["users", "conversations", "messages"] where try has(table, on: connection) {
                throw .foreignDatabase(store: name, found: "its table \(table) was created by another program")
            }
            return 0
        }
        func latest(_ list: String) throws(StoreError) -> Int {
            try connection.value("SELECT coalesce(max(version), 0) FROM \(list)") ?? 0
        }
        let required = try latest("slm_schema")
        guard required <= known else { throw .newerSchema(store: name, version: required, known: known) }
        return max(required, try latest("slm_additions"))
    }
}
