/// Where rows are kept: SQLite or PostgreSQL, which are asked in the same words.
///
///     let titles = try database.transaction(.read) { connection throws(StoreError) in
///         try connection.rows("SELECT title FROM conversations WHERE owner_id = $1", [.text(owner)])
///     }
///
/// Any thread may call; the call returns when it is done.
package protocol Database: Sendable {
    var dialect: Dialect { get }

    /// Carries out `body` wholly or not at all, on one state of the database. When a `.write` returns, what it wrote is on the disk.
    ///
    /// A connection that is lost meanwhile may have been lost before or after the last word arrived. Then `body` is carried out again, so it must be such that twice
    /// is like once: whatever names a row is drawn before `transaction` is called.
    func transaction<Result>(_ access: Access, _ body: (any Connection) throws(StoreError) -> Result) throws(StoreError) -> Result

    /// Lets go of all connections that nobody uses; the next call makes new ones. What SQLite has in its log goes into the file then.
    func closeConnections()
}

package enum Access: Sendable {
    case read, write
    /// A writer that nobody else of its kind works beside, and that may take long.
    case migrate
}

/// Belongs to the thread that it was lent to.
package protocol Connection: AnyObject {
    /// Carries out one statement. Its parameters are $1, $2, …: nothing that came from outside is ever a part of `sql`.
    @discardableResult
    func rows(_ sql: String, _ values: [Value]) throws(StoreError) -> [Row]
}

extension Connection {
    package func firstRow(_ sql: String, _ values: [Value]) throws(StoreError) -> Row? { try rows(sql, values).first }
}

package enum Value: Sendable, Equatable {
    case null, integer(Int64), real(Double), text(String)

    package static func text<Kind>(_ id: Identifier<Kind>) -> Value { .text(id.description) }
    package static func text(_ text: String?) -> Value { text.map { .text($0) } ?? .null }
    package static func integer(_ moment: Moment) -> Value { .integer(moment.milliseconds) }
    package static func integer(_ number: Int) -> Value { .integer(Int64(number)) }
}

/// One row of an answer. What is read from it has to be what the schema says; if not, somebody else changed it.
package struct Row: Sendable, Equatable {
    package let values: [Value]
    /// For the sentence of an error.
    let store: String

    package func text(_ column: Int) throws(StoreError) -> String {
        if case .text(let text) = values[column] { return text }
        throw unexpected(column, "text")
    }

    package func integer(_ column: Int) throws(StoreError) -> Int {
        if case .integer(let number) = values[column] { return Int(number) }
        throw unexpected(column, "a whole number")
    }

    package func optionalText(_ column: Int) throws(StoreError) -> String? { values[column] == .null ? nil : try text(column) }

    package func moment(_ column: Int) throws(StoreError) -> Moment { Moment(milliseconds: Int64(try integer(column))) }

    package func optionalMoment(_ column: Int) throws(StoreError) -> Moment? { values[column] == .null ? nil : try moment(column) }

    func id<Kind>(_ column: Int) throws(StoreError) -> Identifier<Kind> {
        guard let id = Identifier<Kind>(try text(column)) else { throw unexpected(column, "an identifier") }
        return id
    }

    func unexpected(_ column: Int, _ expected: String) -> StoreError {
        .damaged(store: store, reason: "column \(column) of a row should be \(expected)")
    }
}

/// In which words two databases differ.
package enum Dialect: Sendable {
    case sqlite, postgresql

    var integer: String { self == .sqlite ? "INTEGER" : "BIGINT" }
    var real: String { self == .sqlite ? "REAL" : "DOUBLE PRECISION" }
    /// Text that is compared by its bytes, whatever language the database is in.
    var name: String { self == .sqlite ? "TEXT" : #"TEXT COLLATE "C""# }
    /// SQLite takes any value in any column unless it is told not to.
    var tableEnd: String { self == .sqlite ? "STRICT" : "" }
    /// Keeps others from changing the rows of a SELECT until the transaction is over. SQLite has one writer anyway.
    var locking: String { self == .sqlite ? "" : "FOR UPDATE" }

    /// Whether a text contains another, in small or capital letters.
    func contains(_ text: String, _ part: String) -> String {
        switch self {
        case .sqlite: "slm_contains(\(text), \(part))"
        case .postgresql: "strpos(lower(\(text)), lower(\(part))) > 0"
        }
    }

    /// Gives 1 if there is a table with the name $1.
    var tableCount: String {
        switch self {
        case .sqlite: "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = $1"
        case .postgresql: "SELECT count(*) FROM pg_tables WHERE schemaname = current_schema() AND tablename = $1"
        }
    }
}
