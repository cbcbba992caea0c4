import CSQLite
import Glibc

/// A connection to a SQLite file and its prepared statements.
///
/// `@unchecked Sendable`: the pool lends it to one thread at a time, as SQLite requires of connections opened with NOMUTEX.
final class SQLiteConnection: Connection, @unchecked Sendable {
    private let path: String
    private let database: OpaquePointer
    private var statements: [String: OpaquePointer] = [:]
    /// Statements that run longer are cancelled.
    private var deadline = ContinuousClock.now

    /// - Parameter path: Absolute or starting with "./", since SQLite may parse other paths as URIs.
    init(_ path: String, timeout: Duration) throws(StoreError) {
        var opened: OpaquePointer?
        let code = sqlite3_open_v2(path, &opened, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, nil)
        guard let database = opened else { throw .failed(store: path, reason: "out of memory while opening a connection") }
        self.path = path
        self.database = database
        sqlite3_extended_result_codes(database, 1)
        guard code == SQLITE_OK else { throw failure(code) }
        sqlite3_busy_timeout(database, Int32(clamping: timeout.milliseconds))
        registerFunctions(on: database)
    }

    deinit {
        for statement in statements.values { sqlite3_finalize(statement) }
        sqlite3_close_v2(database)
    }

    @discardableResult
    func execute(_ sql: String, _ values: [SQLValue]) throws(StoreError) -> [Row] {
        let statement = try prepared(sql)
        defer {
            sqlite3_reset(statement)
            sqlite3_clear_bindings(statement)
        }
        for (i, value) in values.enumerated() { try bind(value, to: "$\(i + 1)", of: statement) }
        var rows: [Row] = []
        while let row = try nextRow(of: statement, columns: rows.first?.columns) { rows.append(row) }
        return rows
    }

    func forEachRow(_ sql: String, _ body: (Row) throws(StoreError) -> Void) throws(StoreError) {
        let statement = try prepared(sql)
        defer { sqlite3_reset(statement) }
        while let row = try nextRow(of: statement) { try body(row) }
    }

    /// - Parameter columns: The names of the columns, if they are known from another row.
    private func nextRow(of statement: OpaquePointer, columns: [String]? = nil) throws(StoreError) -> Row? {
        errno = 0
        switch sqlite3_step(statement) {
        case SQLITE_ROW:
            let places = 0..<sqlite3_column_count(statement)
            return Row(
                columns: columns ?? places.map { sqlite3_column_name(statement, $0).map { String(cString: $0) } ?? "" },
                values: places.map { column($0, of: statement) }, store: path)
        case SQLITE_DONE: return nil
        case let code: throw failure(code)
        }
    }

    private func prepared(_ sql: String) throws(StoreError) -> OpaquePointer {
        if let statement = statements[sql] { return statement }
        var statement: OpaquePointer?
        let code = sqlite3_prepare_v3(database, sql, -1, UInt32(SQLITE_PREPARE_PERSISTENT), &statement, nil)
        guard code == SQLITE_OK else { throw failure(code) }
        guard let statement else { throw .failed(store: path, reason: "empty SQL statement") }
        statements[sql] = statement
        return statement
    }

    private func bind(_ value: SQLValue, to name: String, of statement: OpaquePointer) throws(StoreError) {
        let index = sqlite3_bind_parameter_index(statement, name)
        let code = switch value {
        case .null: sqlite3_bind_null(statement, index)
        case .integer(let number): sqlite3_bind_int64(statement, index, number)
        case .real(let number): sqlite3_bind_double(statement, index, number)
        case .text(let text): Self.bind(text.storable, index, statement)
        }
        guard code == SQLITE_OK else { throw failure(code) }
    }

    private static func bind(_ text: String, _ index: Int32, _ statement: OpaquePointer) -> Int32 {
        var text = text
        return text.withUTF8 { bytes in
            bytes.withMemoryRebound(to: CChar.self) { slm_sqlite_bind_text(statement, index, $0.baseAddress, Int64($0.count)) }
        }
    }

    private func column(_ i: Int32, of statement: OpaquePointer) -> SQLValue {
        switch sqlite3_column_type(statement, i) {
        case SQLITE_INTEGER: return .integer(sqlite3_column_int64(statement, i))
        case SQLITE_FLOAT: return .real(sqlite3_column_double(statement, i))
        case SQLITE_NULL: return .null
        default:
            guard let text = sqlite3_column_text(statement, i) else { return .null }
            let bytes = UnsafeBufferPointer(start: text, count: Int(sqlite3_column_bytes(statement, i)))
            return .text(String(decoding: bytes, as: UTF8.self))
        }
    }

    /// Cancels statements that run after `deadline`; nil for no limit.
    func setDeadline(_ deadline: ContinuousClock.Instant?) {
        guard let deadline else { return sqlite3_progress_handler(database, 0, nil, nil) }
        self.deadline = deadline
        // SQLite calls this every 1,000 instructions of its virtual machine, on the thread that executes the statement. The pointer is
        // valid for as long as the connection, which is closed when this object is released.
        sqlite3_progress_handler(database, 1_000, { connection in
            guard let connection else { return 0 }
            return ContinuousClock.now > Unmanaged<SQLiteConnection>.fromOpaque(connection).takeUnretainedValue().deadline ? 1 : 0
        }, Unmanaged.passUnretained(self).toOpaque())
    }

    /// Whether a transaction is open. SQLite rolls back by itself after some errors, such as a full disk.
    var isInTransaction: Bool { sqlite3_get_autocommit(database) == 0 }

    /// Uses `errno` where SQLite does not store the system error, as for COMMIT.
    private func failure(_ code: Int32) -> StoreError {
        let last = errno
        let stored = sqlite3_system_errno(database)
        let systemError = stored != 0 ? stored : last
        return StoreError(sqlite: code, reason: String(cString: sqlite3_errmsg(database)), systemError: systemError, path: path)
    }
}

extension StoreError {
    /// - Parameter code: An extended result code; its low byte is the primary result code.
    fileprivate init(sqlite code: Int32, reason: String, systemError: Int32, path: String) {
        let isSystem = [SQLITE_IOERR, SQLITE_CANTOPEN].contains(code & 0xFF) && systemError != 0
        let detail = isSystem ? "\(reason) (\(String(cString: strerror(systemError))))" : reason
        self = switch code & 0xFF {
        case SQLITE_FULL: .diskFull(store: path, reason: reason)
        case SQLITE_IOERR where [ENOSPC, EDQUOT, EFBIG].contains(systemError): .diskFull(store: path, reason: detail)
        case SQLITE_BUSY, SQLITE_LOCKED: .busy(store: path, reason: reason)
        case SQLITE_CANTOPEN, SQLITE_READONLY, SQLITE_PERM, SQLITE_AUTH: .unusable(store: path, reason: detail)
        case SQLITE_INTERRUPT: .queryTimeout(store: path)
        case SQLITE_ERROR where reason == "no such module: fts5":
            .unusable(store: path, reason: "the SQLite library has no full-text search (FTS5); install a build that has it")
        case SQLITE_CORRUPT: .damaged(store: path, reason: reason)
        case SQLITE_NOTADB: .foreignDatabase(store: path, found: reason)
        default: .failed(store: path, reason: detail)
        }
    }
}

extension Duration {
    var milliseconds: Int64 { components.seconds * 1_000 + components.attoseconds / 1_000_000_000_000_000 }
}
