/// A SQLite or PostgreSQL database. Both accept the same SQL, apart from the differences in `Dialect`.
///
///     let titles = try database.transaction(.read) { connection throws(StoreError) in
///         try connection.execute("SELECT title FROM conversations WHERE owner_id = $1", owner)
///     }
///
/// Calls block and may come from any thread.
package protocol Database: Sendable {
    var dialect: Dialect { get }

    /// Memory that the database library of this process uses, in bytes; nil if it does not count it.
    var memoryBytes: Int? { get }

    /// Runs `body` in a transaction. When a `.write` transaction returns, its changes are on the disk.
    ///
    /// If the connection is lost, the commit may or may not have happened, and `body` runs again. `body` must therefore be idempotent:
    /// generate the ids of inserted rows before the call to `transaction`.
    func transaction<Result>(_ access: Access, _ body: (any Connection) throws(StoreError) -> Result) throws(StoreError) -> Result

    /// Closes all idle connections. Later calls open new ones. SQLite checkpoints its write-ahead log into the database file.
    func closeConnections()

    /// Opens a connection that receives the notifications of `notify`; nil if the database has none.
    func listener() throws(StoreError) -> (any NotificationListener)?
}

/// Receives notifications that something has changed. Some may be lost, so readers also look from time to time.
package protocol NotificationListener: AnyObject {
    /// Waits for a notification. Throws when the connection is lost.
    ///
    /// - Returns: false if none came within `time`.
    func wait(upTo time: Duration) throws(StoreError) -> Bool
}

package enum Access: Sendable {
    case read, write
    /// Writes that a power failure may undo, such as heartbeats. With SQLite, their commit does not wait for the disk.
    case transient
    /// Reads on connections of its own and with the time limit of searches.
    case search
    /// Reads a snapshot of the whole database, and has no timeout.
    case backup
    /// Writes, excludes other migrations, and has no timeout.
    case migrate
}

extension Access {
    var isReader: Bool { [.read, .search, .backup].contains(self) }
}

/// One database connection. Only the thread that borrowed it may use it.
package protocol Connection: AnyObject {
    var dialect: Dialect { get }

    /// Executes one statement. Its parameters are $1, $2, …; `sql` must never contain untrusted text.
    @discardableResult
    func execute(_ sql: String, values: [SQLValue]) throws(StoreError) -> [Row]

    /// Executes a statement without parameters and lends each row of its result. Only one row is in memory at a time. `body` must not use
    /// the connection.
    func forEachRow(_ sql: String, _ body: (Row) throws(StoreError) -> Void) throws(StoreError)
}

extension Connection {
    @discardableResult
    package func execute(_ sql: String, _ values: any ColumnValue...) throws(StoreError) -> [Row] {
        try execute(sql, values: values.map(\.sql))
    }

    package func firstRow(_ sql: String, _ values: any ColumnValue...) throws(StoreError) -> Row? {
        try execute(sql, values: values.map(\.sql)).first
    }

    /// The first row. Throws `notFound` if there is none.
    @discardableResult
    func find(_ entity: StoreError.Entity, _ sql: String, _ values: any ColumnValue...) throws(StoreError) -> Row {
        guard let row = try execute(sql, values: values.map(\.sql)).first else { throw .notFound(entity) }
        return row
    }

    /// The first column of the first row.
    package func value<Value: ColumnValue>(_ sql: String, _ values: any ColumnValue...) throws(StoreError) -> Value? {
        try execute(sql, values: values.map(\.sql)).first.map { row throws(StoreError) in try row.value(at: 0) }
    }

    /// The first column of all rows.
    package func values<Value: ColumnValue>(_ sql: String, _ values: any ColumnValue...) throws(StoreError) -> [Value] {
        try execute(sql, values: values.map(\.sql)).map { row throws(StoreError) in try row.value(at: 0) }
    }

    /// Keeps other transactions from writing a table until this one ends. SQLite has a single writer and needs no locks.
    func lockTable(_ table: StaticString) throws(StoreError) {
        if dialect == .postgresql { try execute("LOCK TABLE \(table) IN SHARE ROW EXCLUSIVE MODE") }
    }
}

extension Database {
    /// The rows of one query, in a transaction of its own.
    package func read(_ sql: String, _ values: any ColumnValue...) throws(StoreError) -> [Row] {
        try read(sql, values: values.map(\.sql))
    }

    package func read(_ sql: String, values: [SQLValue]) throws(StoreError) -> [Row] {
        try transaction(.read) { connection throws(StoreError) in try connection.execute(sql, values: values) }
    }

    /// The first column of the first row of one query.
    package func value<Value: ColumnValue>(_ sql: String, _ values: any ColumnValue...) throws(StoreError) -> Value? {
        try read(sql, values: values.map(\.sql)).first.map { row throws(StoreError) in try row.value(at: 0) }
    }

    /// The first row of one query. Throws `notFound` if there is none.
    func find(_ entity: StoreError.Entity, _ sql: String, _ values: any ColumnValue...) throws(StoreError) -> Row {
        guard let row = try read(sql, values: values.map(\.sql)).first else { throw .notFound(entity) }
        return row
    }

    /// Executes one statement in a transaction of its own.
    @discardableResult
    package func write(_ sql: String, _ values: any ColumnValue...) throws(StoreError) -> [Row] {
        try write(sql, values: values.map(\.sql))
    }

    package func write(_ sql: String, values: [SQLValue]) throws(StoreError) -> [Row] {
        try transaction(.write) { connection throws(StoreError) in try connection.execute(sql, values: values) }
    }
}

/// One row of a result.
///
///     let row = try connection.firstRow("SELECT username, email FROM users WHERE id = $1", id)
///     let name: String = try row["username"]
package struct Row: Sendable, Equatable {
    let columns: [String]
    package let values: [SQLValue]
    /// The name of the database, for error messages.
    let store: String

    /// The value of a column. Throws `StoreError.damaged` if it does not have the type of the schema.
    package subscript<Value: ColumnValue>(column: String) -> Value {
        get throws(StoreError) {
            guard let position = columns.firstIndex(of: column) else { preconditionFailure("no column \(column) among \(columns)") }
            return try value(at: position)
        }
    }

    func isNull(_ column: String) throws(StoreError) -> Bool { try self[column] == SQLValue.null }

    func value<Value: ColumnValue>(at position: Int) throws(StoreError) -> Value {
        guard let value = Value(sql: values[position]) else { throw unexpected(columns[position], "\(Value.self)") }
        return value
    }

    func unexpected(_ column: String, _ expected: String) -> StoreError {
        .damaged(store: store, reason: "expected \(expected) in the column \(column) of a row, found something else")
    }
}

/// The SQL dialect of a database.
package enum Dialect: Sendable {
    case sqlite, postgresql

    var integer: String { self == .sqlite ? "INTEGER" : "BIGINT" }
    var real: String { self == .sqlite ? "REAL" : "DOUBLE PRECISION" }
    /// The type of a primary key that the database sets to a larger number in each row.
    var increasingKey: String {
        self == .sqlite ? "INTEGER PRIMARY KEY AUTOINCREMENT" : "BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY"
    }
    /// Text compared byte by byte, independent of the database's locale.
    var binaryText: String { self == .sqlite ? "TEXT" : #"TEXT COLLATE "C""# }
    /// Follows the columns of a table. Without STRICT, SQLite stores values of any type in any column.
    var tableOptions: String { self == .sqlite ? " STRICT" : "" }
    /// Keeps PostgreSQL from logging the changes of a table, which it empties after a crash.
    var unlogged: String { self == .sqlite ? "" : "UNLOGGED " }
    /// The time in microseconds since 1970 by the clock of the database, which is the same for all servers.
    var clock: String {
        switch self {
        case .sqlite: "CAST((julianday('now') - 2440587.5) * 86400000000.0 AS INTEGER)"
        case .postgresql: "CAST(extract(epoch FROM statement_timestamp()) * 1000000 AS BIGINT)"
        }
    }
    /// Notifies listeners of the schema when the transaction commits; nil if the database has no notifications.
    var notify: String? { self == .sqlite ? nil : "SELECT pg_notify('slm_' || md5(current_schema()), '')" }
    /// The larger of two numbers.
    func larger(_ a: String, _ b: String) -> String { self == .sqlite ? "max(\(a), \(b))" : "greatest(\(a), \(b))" }
    /// A token count of one answer as a term of a sum, which must not overflow: another program may have reported any number.
    func bounded(_ column: String) -> String {
        self == .sqlite ? "max(0, min(\(column), 1000000000))" : "greatest(0, least(\(column), 1000000000))"
    }
    /// Locks the rows of a SELECT until the end of the transaction. SQLite has a single writer and needs no row locks.
    var rowLock: String { self == .sqlite ? "" : "FOR UPDATE" }

    /// A case-insensitive substring test.
    func contains(_ text: String, _ part: String) -> String {
        switch self {
        case .sqlite: "slm_contains(\(text), \(part))"
        case .postgresql: "strpos(lower(\(text)), lower(\(part))) > 0"
        }
    }

    /// A query that returns 1 if the table named $1 exists, else 0.
    var tableCount: String {
        switch self {
        case .sqlite: "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = $1"
        case .postgresql: "SELECT count(*) FROM pg_tables WHERE schemaname = current_schema() AND tablename = $1"
        }
    }
}
