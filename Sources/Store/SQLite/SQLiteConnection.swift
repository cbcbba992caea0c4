import CSQLite
import Glibc

/// One connection to a file, and the statements that it has compiled.
///
/// `@unchecked Sendable`: the pool lends it to one thread at a time, which is what SQLite asks of a connection that is opened with NOMUTEX.
final class SQLiteConnection: Connection, @unchecked Sendable {
    private let path: String
    private let database: OpaquePointer
    private var statements: [String: OpaquePointer] = [:]

    /// - Parameter path: An absolute one, or one that begins with "./": others may be taken for an address.
    init(_ path: String, patience: Duration) throws(StoreError) {
        var opened: OpaquePointer?
        let code = sqlite3_open_v2(path, &opened, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, nil)
        guard let database = opened else { throw .failed(store: path, reason: "no memory for a connection") }
        self.path = path
        self.database = database
        sqlite3_extended_result_codes(database, 1)
        guard code == SQLITE_OK else { throw failure(code) }
        sqlite3_busy_timeout(database, Int32(clamping: patience.milliseconds))
        addFunctions(to: database)
    }

    deinit {
        for statement in statements.values { sqlite3_finalize(statement) }
        sqlite3_close_v2(database)
    }

    @discardableResult
    func rows(_ sql: String, _ values: [Value]) throws(StoreError) -> [Row] {
        let statement = try statement(sql)
        defer {
            sqlite3_reset(statement)
            sqlite3_clear_bindings(statement)
        }
        for (i, value) in values.enumerated() { try bind(value, to: "$\(i + 1)", of: statement) }
        var rows: [Row] = []
        errno = 0
        while true {
            switch sqlite3_step(statement) {
            case SQLITE_ROW: rows.append(Row(values: (0..<sqlite3_column_count(statement)).map { column($0, of: statement) }, store: path))
            case SQLITE_DONE: return rows
            case let code: throw failure(code)
            }
        }
    }

    private func statement(_ sql: String) throws(StoreError) -> OpaquePointer {
        if let known = statements[sql] { return known }
        var compiled: OpaquePointer?
        let code = sqlite3_prepare_v3(database, sql, -1, UInt32(SQLITE_PREPARE_PERSISTENT), &compiled, nil)
        guard code == SQLITE_OK else { throw failure(code) }
        guard let compiled else { throw .failed(store: path, reason: "a statement without words") }
        statements[sql] = compiled
        return compiled
    }

    private func bind(_ value: Value, to name: String, of statement: OpaquePointer) throws(StoreError) {
        let place = sqlite3_bind_parameter_index(statement, name)
        let code = switch value {
        case .null: sqlite3_bind_null(statement, place)
        case .integer(let number): sqlite3_bind_int64(statement, place, number)
        case .real(let number): sqlite3_bind_double(statement, place, number)
        case .text(let text): Self.bind(text.storable, place, statement)
        }
        guard code == SQLITE_OK else { throw failure(code) }
    }

    private static func bind(_ text: String, _ place: Int32, _ statement: OpaquePointer) -> Int32 {
        var text = text
        return text.withUTF8 { bytes in
            bytes.withMemoryRebound(to: CChar.self) { slm_sqlite_bind_text(statement, place, $0.baseAddress, Int64($0.count)) }
        }
    }

    private func column(_ i: Int32, of statement: OpaquePointer) -> Value {
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

    /// Whether a transaction is going on: SQLite ends one by itself when the disk is full, for instance.
    var isInTransaction: Bool { sqlite3_get_autocommit(database) == 0 }

    /// SQLite keeps the system's error of some statements; of a COMMIT it is only in `errno`.
    private func failure(_ code: Int32) -> StoreError {
        let last = errno, kept = sqlite3_system_errno(database)
        return StoreError(sqlite: code, reason: String(cString: sqlite3_errmsg(database)), systemError: kept != 0 ? kept : last, path: path)
    }
}

extension StoreError {
    /// - Parameter code: An extended result code, whose lower byte is the kind of error.
    fileprivate init(sqlite code: Int32, reason: String, systemError: Int32, path: String) {
        let isSystem = [SQLITE_IOERR, SQLITE_CANTOPEN].contains(code & 0xFF) && systemError != 0
        let system = !isSystem ? reason : "\(reason) (\(String(cString: strerror(systemError))))"
        self = switch code & 0xFF {
        case SQLITE_FULL: .noRoom(store: path, reason: reason)
        case SQLITE_IOERR where [ENOSPC, EDQUOT, EFBIG].contains(systemError): .noRoom(store: path, reason: system)
        case SQLITE_BUSY, SQLITE_LOCKED: .busy(store: path, reason: reason)
        case SQLITE_CANTOPEN, SQLITE_READONLY, SQLITE_PERM, SQLITE_AUTH: .refused(store: path, reason: system)
        case SQLITE_CORRUPT: .damaged(store: path, reason: reason)
        case SQLITE_NOTADB: .foreign(store: path, found: reason)
        default: .failed(store: path, reason: system)
        }
    }
}

extension Duration {
    var milliseconds: Int64 { components.seconds * 1_000 + components.attoseconds / 1_000_000_000_000_000 }
}
