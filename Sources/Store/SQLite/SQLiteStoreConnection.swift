import SQLite

/// A connection to the SQLite file of a store.
///
/// `@unchecked Sendable`: the pool lends it to one thread at a time, as `SQLiteConnection` requires.
final class SQLiteStoreConnection: Connection, @unchecked Sendable {
    let dialect = Dialect.sqlite
    private let path: String
    private let connection: SQLiteConnection

    init(_ path: String, timeout: Duration) throws(StoreError) {
        self.path = path
        do throws(SQLiteError) { connection = try SQLiteConnection(path, timeout: timeout) } catch {
            throw StoreError(error, store: path)
        }
    }

    @discardableResult
    func execute(_ sql: String, values: [SQLValue]) throws(StoreError) -> [Row] {
        do throws(SQLiteError) {
            let statement = try connection.statement(sql)
            defer { statement.reset() }
            try statement.bind(values.map(\.parameter))
            var rows: [Row] = []
            while let row = try nextRow(of: statement, columns: rows.first?.columns) { rows.append(row) }
            return rows
        } catch { throw StoreError(error, store: path) }
    }

    func forEachRow(_ sql: String, _ body: (Row) throws(StoreError) -> Void) throws(StoreError) {
        let statement: SQLiteStatement
        do throws(SQLiteError) { statement = try connection.statement(sql) } catch { throw StoreError(error, store: path) }
        defer { statement.reset() }
        while true {
            let next: Row?
            do throws(SQLiteError) { next = try nextRow(of: statement) } catch { throw StoreError(error, store: path) }
            guard let row = next else { return }
            try body(row)
        }
    }

    /// - Parameter columns: The names of the columns, if they are known from another row.
    private func nextRow(of statement: SQLiteStatement, columns: [String]? = nil) throws(SQLiteError) -> Row? {
        guard try statement.step() else { return nil }
        let places = 0..<statement.columnCount
        return Row(columns: columns ?? places.map(statement.name), values: places.map { statement.value($0) }, store: path)
    }

    /// Cancels statements that run after `deadline`; nil for no limit.
    func setDeadline(_ deadline: ContinuousClock.Instant?) { connection.setDeadline(deadline) }

    /// Whether a transaction is open. SQLite rolls back by itself after some errors, such as a full disk.
    var isInTransaction: Bool { connection.isInTransaction }
}

extension SQLValue {
    fileprivate var parameter: SQLiteValue {
        switch self {
        case .null: .null
        case .integer(let number): .integer(Int(number))
        case .real(let number): .real(number)
        case .text(let text): .text(text.storable)
        }
    }
}

extension SQLiteStatement {
    fileprivate func value(_ column: Int) -> SQLValue {
        switch type(column) {
        case .integer: .integer(Int64(integer(column)))
        case .real: .real(real(column))
        case .text: .text(text(column))
        case .null: .null
        }
    }
}

extension StoreError {
    fileprivate init(_ error: SQLiteError, store: String) {
        self = switch error {
        case .diskFull(let reason): .diskFull(store: store, reason: reason)
        case .busy(let reason): .busy(store: store, reason: reason)
        case .unusable(let reason): .unusable(store: store, reason: reason)
        case .damaged(let reason): .damaged(store: store, reason: reason)
        case .notADatabase(let reason): .foreignDatabase(store: store, found: reason)
        case .timeout: .queryTimeout(store: store)
        case .failed(let reason): .failed(store: store, reason: reason)
        }
    }
}
