import CSQLite
import Glibc

/// A connection to a SQLite file and its prepared statements. Only one thread may use it at a time.
///
///     let connection = try SQLiteConnection("./chats.db", timeout: .seconds(5))
///     try connection.execute("SELECT title FROM chats WHERE id = $1", [.integer(7)]) { titles.append($0.text("title")) }
package final class SQLiteConnection {
    let database: OpaquePointer
    private var statements: [String: OpaquePointer] = [:]
    /// Statements that run longer are canceled.
    private var deadline = ContinuousClock.now

    /// Opens an existing file, which may be empty. One that cannot be written is only read.
    ///
    /// - Parameters:
    ///   - path: Absolute or starting with "./", since SQLite may parse other paths as URIs.
    ///   - timeout: How long to wait for the locks of other connections.
    package init(_ path: String, timeout: Duration) throws(SQLiteError) {
        _ = ignoreFileSizeSignal
        var opened: OpaquePointer?
        let code = sqlite3_open_v2(path, &opened, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, nil)
        guard let database = opened else { throw .failed(reason: "out of memory while opening a connection") }
        self.database = database
        sqlite3_extended_result_codes(database, 1)
        guard code == SQLITE_OK else { throw failure(code) }
        sqlite3_busy_timeout(database, Int32(min(timeout / .milliseconds(1), 1e9)))
        registerContains(on: database)
    }

    deinit {
        for statement in statements.values { sqlite3_finalize(statement) }
        sqlite3_close_v2(database)
    }

    /// The prepared statement of a text, which is kept for the next call. `sql` must never contain untrusted text.
    package func statement(_ sql: String) throws(SQLiteError) -> SQLiteStatement {
        if let statement = statements[sql] { return SQLiteStatement(statement, of: self) }
        var statement: OpaquePointer?
        let code = sqlite3_prepare_v3(database, sql, -1, UInt32(SQLITE_PREPARE_PERSISTENT), &statement, nil)
        guard code == SQLITE_OK else { throw failure(code) }
        guard let statement else { throw .failed(reason: "empty SQL statement") }
        statements[sql] = statement
        return SQLiteStatement(statement, of: self)
    }

    /// Carries out a statement with the values of its parameters $1, $2, …, and lends its rows.
    package func execute(
        _ sql: String, _ values: [SQLiteValue] = [], forEachRow body: (SQLiteStatement) -> Void = { _ in }
    ) throws(SQLiteError) {
        let statement = try statement(sql)
        defer { statement.reset() }
        try statement.bind(values)
        while try statement.step() { body(statement) }
    }

    /// Runs `body` in a transaction that has the write lock from its start: a lock taken in the middle could not wait without a deadlock.
    /// It is rolled back if `body` throws, or if this program ends before it returns.
    package func writeTransaction<Result, Failure: Error>(
        _ body: () throws(Failure) -> Result, mapping map: (SQLiteError) -> Failure
    ) throws(Failure) -> Result {
        do throws(SQLiteError) { try execute("BEGIN IMMEDIATE") } catch { throw map(error) }
        do throws(Failure) {
            let result = try body()
            do throws(SQLiteError) { try execute("COMMIT") } catch { throw map(error) }
            return result
        } catch {
            if isInTransaction { try? execute("ROLLBACK") }              // report the first error
            throw error
        }
    }

    /// Cancels statements that run after `deadline`; nil for no limit.
    package func setDeadline(_ deadline: ContinuousClock.Instant?) {
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
    package var isInTransaction: Bool { sqlite3_get_autocommit(database) == 0 }

    /// The row that the last INSERT added.
    package var lastInsertedRow: Int { Int(sqlite3_last_insert_rowid(database)) }

    /// Memory that the library uses in this process, in bytes.
    package static var memoryBytes: Int { Int(sqlite3_memory_used()) }

    /// Uses `errno` where SQLite does not store the system error, as for COMMIT.
    func failure(_ code: Int32) -> SQLiteError {
        let last = errno
        let stored = sqlite3_system_errno(database)
        return SQLiteError(code, reason: String(cString: sqlite3_errmsg(database)), systemError: stored != 0 ? stored : last)
    }
}

/// Ignores SIGXFSZ, which would end the program when a file exceeds the limit of `ulimit -f`. `write` then fails with EFBIG.
private let ignoreFileSizeSignal: Void = { _ = signal(SIGXFSZ, SIG_IGN) }()
