import Glibc

/// A file: one connection writes, a few read, and none waits for the other, because what is written goes to a log beside the file first (WAL).
final class SQLiteDatabase: Database {
    let dialect = Dialect.sqlite
    private let path: String
    private let patience: Duration
    private let writer: Pool<SQLiteConnection>
    private let readers: Pool<SQLiteConnection>

    init(path: String, options: StoreOptions) throws(StoreError) {
        let path = path.hasPrefix("/") ? path : "./" + path
        try Self.create(path)
        _ = longFilesAreErrors
        (self.path, patience) = (path, options.patience)
        let first = try Self.connect(path, .write, patience: options.patience)
        writer = Pool(capacity: 1, [first])
        readers = Pool(capacity: options.connections)
    }

    func transaction<Result>(_ access: Access, _ body: (any Connection) throws(StoreError) -> Result) throws(StoreError) -> Result {
        let pool = access == .read ? readers : writer
        let borrowed = try pool.borrow(within: patience) { () throws(StoreError) in try Self.connect(path, access, patience: patience) }
        guard let connection = borrowed else { throw .busy(store: path, reason: "all connections are in use") }
        defer { pool.giveBack(connection) }
        // IMMEDIATE: who is to write waits here, and not in the middle, where waiting could not end.
        try connection.rows(access == .read ? "BEGIN" : "BEGIN IMMEDIATE", [])
        do {
            let result = try body(connection)
            try connection.rows("COMMIT", [])
            return result
        } catch {
            if connection.isInTransaction { _ = try? connection.rows("ROLLBACK", []) }     // what went wrong first is what counts
            throw error
        }
    }

    func closeConnections() {
        readers.clear()
        writer.clear()
    }

    /// An empty file is an empty database. Only its owner may look into it, and SQLite gives the files beside it the same rights.
    private static func create(_ path: String) throws(StoreError) {
        let descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NONBLOCK, 0o600)
        guard descriptor >= 0 else { throw .refused(store: path, reason: "it cannot be opened: \(String(cString: strerror(errno)))") }
        defer { close(descriptor) }
        var status = stat()
        let folder = path.lastIndex(of: "/").map { String(path[...$0]) } ?? "."
        guard access(folder, W_OK) == 0 else { throw .refused(store: path, reason: "its folder may not be written to, and its log lies beside it") }
        guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG else { throw .refused(store: path, reason: "it is not a file") }
    }

    private static func connect(_ path: String, _ access: Access, patience: Duration) throws(StoreError) -> SQLiteConnection {
        let connection = try SQLiteConnection(path, patience: patience)
        try startLog(of: connection, path, until: .now + patience)
        try connection.rows("PRAGMA foreign_keys = ON", [])
        try connection.rows("PRAGMA synchronous = FULL", [])        // a commit is on the disk, not on its way
        try connection.rows("PRAGMA secure_delete = ON", [])        // what is deleted is overwritten
        try connection.rows("PRAGMA trusted_schema = OFF", [])      // a file from elsewhere calls no functions
        if access == .read { try connection.rows("PRAGMA query_only = ON", []) }
        return connection
    }

    /// Two programs that make a database at the same time refuse each other here, and SQLite does not wait by itself.
    private static func startLog(of connection: SQLiteConnection, _ path: String, until deadline: ContinuousClock.Instant) throws(StoreError) {
        while true {
            do throws(StoreError) {
                let mode = try connection.firstRow("PRAGMA journal_mode = WAL", [])
                if mode?.values == [.text("wal")] { return }
                throw .refused(store: path, reason: "this file system has no shared memory for its log; put the file onto a local disk")
            } catch .busy(let store, let reason) {
                guard ContinuousClock.now < deadline else { throw .busy(store: store, reason: reason) }
                usleep(10_000)
            }
        }
    }
}

/// A file beyond the limit of the shell (ulimit -f) is an error of `write`, where by default it would end the program.
private let longFilesAreErrors: Void = { _ = signal(SIGXFSZ, SIG_IGN) }()
