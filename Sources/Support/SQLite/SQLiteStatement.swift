import CSQLite
import Glibc

/// A value of a parameter.
package enum SQLiteValue: Sendable {
    case null, integer(Int), real(Double), text(String), bytes([UInt8])

    package static func integer(_ number: Int?) -> SQLiteValue { number.map { .integer($0) } ?? .null }
    package static func text(_ text: String?) -> SQLiteValue { text.map { .text($0) } ?? .null }
}

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

    /// Sets the parameters $1, $2, ….
    package func bind(_ values: [SQLiteValue]) throws(SQLiteError) {
        for (i, value) in values.enumerated() { try bind(value, to: sqlite3_bind_parameter_index(statement, "$\(i + 1)")) }
    }

    private func bind(_ value: SQLiteValue, to index: Int32) throws(SQLiteError) {
        switch value {
        case .null: try check(sqlite3_bind_null(statement, index))
        case .integer(let number): try check(sqlite3_bind_int64(statement, index, Int64(number)))
        case .real(let number): try check(sqlite3_bind_double(statement, index, number))
        case .text(var text):
            try check(text.withUTF8 { bytes in
                bytes.withMemoryRebound(to: CChar.self) { slm_sqlite_bind_text(statement, index, $0.baseAddress, Int64($0.count)) }
            })
        case .bytes(let bytes):
            try check(bytes.withUnsafeBytes { slm_sqlite_bind_blob(statement, index, $0.baseAddress, Int64($0.count)) })
        }
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

    private func withBytes<Result>(_ column: Int, _ body: (Span<UInt8>) -> Result) -> Result {
        let bytes = sqlite3_column_blob(statement, Int32(column)), count = Int(sqlite3_column_bytes(statement, Int32(column)))
        return body(UnsafeBufferPointer(start: bytes?.assumingMemoryBound(to: UInt8.self), count: bytes == nil ? 0 : count).span)
    }

    /// The text of a column; empty for NULL. Invalid UTF-8 becomes U+FFFD.
    package func text(_ column: Int) -> String {
        guard let text = sqlite3_column_text(statement, Int32(column)) else { return "" }
        return String(decoding: UnsafeBufferPointer(start: text, count: Int(sqlite3_column_bytes(statement, Int32(column)))), as: UTF8.self)
    }

    // MARK: The columns of the row, by name

    package func integer(_ name: String) -> Int { integer(position(of: name)) }
    package func optionalInteger(_ name: String) -> Int? { isNull(name) ? nil : integer(name) }
    package func real(_ name: String) -> Double { real(position(of: name)) }
    package func text(_ name: String) -> String { text(position(of: name)) }
    package func optionalText(_ name: String) -> String? { isNull(name) ? nil : text(name) }

    /// Lends the bytes of a column; none for NULL.
    @discardableResult
    package func withBytes<Result>(_ name: String, _ body: (Span<UInt8>) -> Result) -> Result { withBytes(position(of: name), body) }

    private func isNull(_ name: String) -> Bool { type(position(of: name)) == .null }

    private func position(of name: String) -> Int {
        // SQLite ignores the case of names, so a damaged file may have others than the query.
        for position in 0..<sqlite3_column_count(statement) where sqlite3_stricmp(sqlite3_column_name(statement, position), name) == 0 {
            return Int(position)
        }
        preconditionFailure("no column \(name) among \((0..<columnCount).map(self.name))")
    }
}
