import Files
import Glibc
import SQLite

/// A SQLite file in WAL mode: one connection writes and several read, without blocking each other.
final class SQLiteDatabase: Database {
    let dialect = Dialect.sqlite
    private let path: String
    private let timeout: Duration
    private let writer: ConnectionPool<SQLiteStoreConnection>
    private let readers: ConnectionPool<SQLiteStoreConnection>
    private let searchers: ConnectionPool<SQLiteStoreConnection>
    /// For writes whose commit does not wait for the disk.
    private let transientWriter: ConnectionPool<SQLiteStoreConnection>
    private let searchTimeout: Duration

    init(path: String, options: StoreOptions) throws(StoreError) {
        let path = path.hasPrefix("/") ? path : "./" + path
        try Self.create(path)
        self.path = path
        timeout = options.timeout
        let first = try Self.connect(path, .write, timeout: options.timeout)
        writer = ConnectionPool(capacity: 1, [first])
        readers = ConnectionPool(capacity: options.connections)
        searchers = ConnectionPool(capacity: options.searchConnections)
        transientWriter = ConnectionPool(capacity: 1)
        searchTimeout = options.searchTimeout
    }

    func transaction<Result>(_ access: Access, _ body: (any Connection) throws(StoreError) -> Result) throws(StoreError) -> Result {
        let pool = switch access {
        case .read, .backup: readers
        case .search: searchers
        case .write, .migrate: writer
        case .transient: transientWriter
        }
        let isReader = access.isReader
        let borrowed = try pool.borrow(within: timeout) { () throws(StoreError) in try Self.connect(path, access, timeout: timeout) }
        guard let connection = borrowed else { throw .busy(store: path, reason: "all connections are in use") }
        defer { pool.release(connection) }
        connection.setDeadline(access == .search ? .now + searchTimeout : nil)
        // IMMEDIATE takes the write lock now. A lock taken in the middle of a transaction could not wait without a deadlock.
        try connection.execute(isReader ? "BEGIN" : "BEGIN IMMEDIATE")
        do {
            let result = try body(connection)
            try connection.execute("COMMIT")
            return result
        } catch {
            connection.setDeadline(nil)
            if connection.isInTransaction { _ = try? connection.execute("ROLLBACK") }     // report the first error
            throw error
        }
    }

    /// All connections of the process: each keeps up to 2 MB of pages.
    var memoryBytes: Int? { SQLiteConnection.memoryBytes }

    func closeConnections() {
        readers.clear()
        searchers.clear()
        transientWriter.clear()
        writer.clear()
    }

    func listener() throws(StoreError) -> (any NotificationListener)? { nil }

    /// Creates the file if it does not exist. SQLite treats an empty file as an empty database.
    ///
    /// Only the owner may access the file; SQLite gives its -wal and -shm files the same permissions. Looser permissions are removed.
    private static func create(_ path: String) throws(StoreError) {
        let descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NONBLOCK, 0o600)
        guard descriptor >= 0 else { throw .unusable(store: path, reason: "it cannot be opened: \(systemErrorMessage())") }
        defer { close(descriptor) }
        var status = stat()
        guard access(RelativePath.folder(ofFileAt: path), W_OK) == 0 else {
            throw .unusable(store: path, reason: "its folder is not writable, and SQLite creates a log file in it")
        }
        guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
            throw .unusable(store: path, reason: "it is not a regular file")
        }
        guard restrictToOwner(descriptor) else {
            let mode = String(status.st_mode & 0o777, radix: 8)
            throw .unusable(
                store: path, reason: "other users can access it (mode \(mode)) and it belongs to user \(status.st_uid); chmod 600 it")
        }
        // Opening and closing these files here would release the locks of another connection of this process.
        for suffix in ["-wal", "-shm"] where !restrictToOwner(fileAt: path + suffix) {
            throw .unusable(store: path, reason: "other users can access \(path)\(suffix); run chmod 600 on it")
        }
    }

    private static func connect(_ path: String, _ access: Access, timeout: Duration) throws(StoreError) -> SQLiteStoreConnection {
        let connection = try SQLiteStoreConnection(path, timeout: timeout)
        try enableWAL(on: connection, path, until: .now + timeout)
        try connection.execute("PRAGMA foreign_keys = ON")
        // With FULL, COMMIT returns after fsync. With NORMAL, the next full commit also syncs what was written before.
        try connection.execute(access == .transient ? "PRAGMA synchronous = NORMAL" : "PRAGMA synchronous = FULL")
        try connection.execute("PRAGMA secure_delete = ON")        // overwrite deleted rows
        try connection.execute("PRAGMA trusted_schema = OFF")      // the schema of a foreign file must not call functions
        if access.isReader { try connection.execute("PRAGMA query_only = ON") }
        return connection
    }

    /// Switches to WAL mode, retrying while another program does the same: SQLite's busy timeout does not apply here.
    private static func enableWAL(
        on connection: SQLiteStoreConnection, _ path: String, until deadline: ContinuousClock.Instant
    ) throws(StoreError) {
        while true {
            do throws(StoreError) {
                if try connection.value("PRAGMA journal_mode = WAL") == "wal" { return }
                throw .unusable(store: path, reason: "its file system does not support shared memory; move the file to a local disk")
            } catch .busy(let store, let reason) {
                guard ContinuousClock.now < deadline else { throw .busy(store: store, reason: reason) }
                usleep(10_000)
            }
        }
    }
}
