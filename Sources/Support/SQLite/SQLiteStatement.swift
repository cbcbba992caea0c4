import CSQLite
import Glibc

/// A prepared statement of a connection, which stays open as long as this value lives.
///
/// Reset it after use: an unfinished statement keeps its locks, and a finished one its parameters.
package struct SQLiteStatement {
    package enum ValueType: Sendable { case integer, real, text, null }

    private let statement: OpaquePointer
    private let connection: SQLiteConnection

    init(_ statement: OpaquePointer, of connection: SQLiteConnection) {
        self.statement = statement
        self.connection = connection
    }

    /// Ends the execution and removes the values of parameters.
    package func reset() {
        sqlite3_reset(statement)
        sqlite3_clear_bindings(statement)
    }

    /// Executes the statement up to its next row. Returns false at the end.
    package func step() throws(SQLiteError) -> Bool {
        errno = 0
        switch sqlite3_step(statement) {
        case SQLITE_ROW: return true
        case SQLITE_DONE: return false
        case let code: throw connection.failure(code)
        }
    }

    // MARK: Parameters, by name: $1, $2, …

    package func bind(_ text: String, to name: String) throws(SQLiteError) {
        var text = text
        let index = sqlite3_bind_parameter_index(statement, name)
        try check(text.withUTF8 { bytes in
            bytes.withMemoryRebound(to: CChar.self) { slm_sqlite_bind_text(statement, index, $0.baseAddress, Int64($0.count)) }
        })
    }

    package func bind(_ number: Int, to name: String) throws(SQLiteError) {
        try check(sqlite3_bind_int64(statement, sqlite3_bind_parameter_index(statement, name), Int64(number)))
    }

    package func bind(_ number: Double, to name: String) throws(SQLiteError) {
        try check(sqlite3_bind_double(statement, sqlite3_bind_parameter_index(statement, name), number))
    }

    package func bind(_ bytes: [UInt8], to name: String) throws(SQLiteError) {
        let index = sqlite3_bind_parameter_index(statement, name)
        try check(bytes.withUnsafeBytes { slm_sqlite_bind_blob(statement, index, $0.baseAddress, Int64($0.count)) })
    }

    package func bindNull(to name: String) throws(SQLiteError) {
        try check(sqlite3_bind_null(statement, sqlite3_bind_parameter_index(statement, name)))
    }

    private func check(_ code: Int32) throws(SQLiteError) { if code != SQLITE_OK { throw connection.failure(code) } }

    // MARK: The columns of the row, from 0

    package var columnCount: Int { Int(sqlite3_column_count(statement)) }

    package func name(_ column: Int) -> String { sqlite3_column_name(statement, Int32(column)).map { String(cString: $0) } ?? "" }

    package func type(_ column: Int) -> ValueType {
        switch sqlite3_column_type(statement, Int32(column)) {
        case SQLITE_INTEGER: .integer
        case SQLITE_FLOAT: .real
        case SQLITE_NULL: .null
        default: .text
        }
    }

    package func integer(_ column: Int) -> Int { Int(sqlite3_column_int64(statement, Int32(column))) }

    package func real(_ column: Int) -> Double { sqlite3_column_double(statement, Int32(column)) }

    /// Lends the bytes of a column; none for NULL.
    @discardableResult
    package func withBytes<Result>(_ column: Int, _ body: (Span<UInt8>) -> Result) -> Result {
        let bytes = sqlite3_column_blob(statement, Int32(column)), count = Int(sqlite3_column_bytes(statement, Int32(column)))
        return body(UnsafeBufferPointer(start: bytes?.assumingMemoryBound(to: UInt8.self), count: bytes == nil ? 0 : count).span)
    }

    /// The text of a column; empty for NULL. Invalid UTF-8 becomes U+FFFD.
    package func text(_ column: Int) -> String {
        guard let text = sqlite3_column_text(statement, Int32(column)) else { return "" }
        return String(decoding: UnsafeBufferPointer(start: text, count: Int(sqlite3_column_bytes(statement, Int32(column)))), as: UTF8.self)
    }
}
