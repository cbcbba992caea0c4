/// A SQLite or PostgreSQL database. Both accept the same SQL, apart from the differences in `Dialect`.
///
///     let titles = try database.transaction(.read) { connection throws(StoreError) in
///         try connection.execute("SELECT title FROM conversations WHERE owner_id = $1", [.text(owner)])
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
    /// Executes one statement. Its parameters are $1, $2, …; `sql` must never contain untrusted text.
    @discardableResult
    func execute(_ sql: String, _ values: [SQLValue]) throws(StoreError) -> [Row]

    /// Executes a statement without parameters and lends each row of its result. Only one row is in memory at a time. `body` must not use
    /// the connection.
    func forEachRow(_ sql: String, _ body: (Row) throws(StoreError) -> Void) throws(StoreError)
}

extension Connection {
    package func firstRow(_ sql: String, _ values: [SQLValue]) throws(StoreError) -> Row? { try execute(sql, values).first }
}

package enum SQLValue: Sendable, Equatable {
    case null, integer(Int64), real(Double), text(String)

    package static func text<Kind>(_ id: Identifier<Kind>?) -> SQLValue { .text(id?.description) }
    package static func text(_ text: String?) -> SQLValue { text.map { .text($0) } ?? .null }
    package static func integer(_ timestamp: Timestamp?) -> SQLValue { timestamp.map { .integer($0.milliseconds) } ?? .null }
    package static func integer(_ number: Int?) -> SQLValue { number.map { .integer(Int64($0)) } ?? .null }
    package static func real(_ number: Double?) -> SQLValue { number.map { .real($0) } ?? .null }
}

/// One row of a result. Accessors throw `StoreError.damaged` if a value does not have the type of the schema.
///
///     let row = try connection.firstRow("SELECT username, email FROM users WHERE id = $1", [.text(id)])
///     let name = try row.text("username")
package struct Row: Sendable, Equatable {
    /// A column, by its name. A result of one column, or one that only counts, may also be read by position.
    package enum Column: Sendable, Equatable, ExpressibleByStringLiteral, ExpressibleByIntegerLiteral {
        case name(String), position(Int)

        package init(stringLiteral name: String) { self = .name(name) }
        package init(integerLiteral position: Int) { self = .position(position) }
    }

    let columns: [String]
    package let values: [SQLValue]
    /// The name of the database, for error messages.
    let store: String

    package subscript(column: Column) -> SQLValue {
        switch column {
        case .position(let position): return values[position]
        case .name(let name):
            guard let position = columns.firstIndex(of: name) else { preconditionFailure("no column \(name) among \(columns)") }
            return values[position]
        }
    }

    func isNull(_ column: Column) -> Bool { self[column] == .null }

    package func text(_ column: Column) throws(StoreError) -> String {
        if case .text(let text) = self[column] { return text }
        throw unexpected(column, "text")
    }

    package func integer(_ column: Column) throws(StoreError) -> Int {
        if case .integer(let number) = self[column] { return Int(number) }
        throw unexpected(column, "an integer")
    }

    package func real(_ column: Column) throws(StoreError) -> Double {
        switch self[column] {
        case .real(let number): number
        case .integer(let number): Double(number)
        default: throw unexpected(column, "a number")
        }
    }

    package func timestamp(_ column: Column) throws(StoreError) -> Timestamp {
        Timestamp(milliseconds: Int64(try integer(column)))
    }

    func id<Kind>(_ column: Column) throws(StoreError) -> Identifier<Kind> {
        guard let id = Identifier<Kind>(try text(column)) else { throw unexpected(column, "an identifier") }
        return id
    }

    package func optionalText(_ column: Column) throws(StoreError) -> String? { isNull(column) ? nil : try text(column) }
    package func optionalInteger(_ column: Column) throws(StoreError) -> Int? { isNull(column) ? nil : try integer(column) }
    package func optionalReal(_ column: Column) throws(StoreError) -> Double? { isNull(column) ? nil : try real(column) }
    package func optionalTimestamp(_ column: Column) throws(StoreError) -> Timestamp? { isNull(column) ? nil : try timestamp(column) }
    func optionalID<Kind>(_ column: Column) throws(StoreError) -> Identifier<Kind>? { isNull(column) ? nil : try id(column) }

    func unexpected(_ column: Column, _ expected: String) -> StoreError {
        let name = switch column {
        case .name(let name): name
        case .position(let position): columns[position]
        }
        return .damaged(store: store, reason: "expected \(expected) in the column \(name) of a row, found something else")
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
