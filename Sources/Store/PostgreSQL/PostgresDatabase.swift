import Glibc
import Synchronization

/// A PostgreSQL server with a pool of connections opened on demand.
///
/// A short outage delays calls but does not fail them: transactions are idempotent and retried until `timeout` expires. During a longer
/// outage, calls fail at once, and every half second one of them tries to reconnect.
final class PostgresDatabase: Database {
    let dialect = Dialect.postgresql
    private let url, name: String
    private let timeout: Duration
    private let searchTimeout: Duration
    private let pool: ConnectionPool<PostgresConnection>
    private let searchPool: ConnectionPool<PostgresConnection>
    /// Heartbeats do not wait for transactions that wait for locks.
    private let transientPool: ConnectionPool<PostgresConnection>
    private let outage = Mutex<Outage?>(nil)

    private struct Outage {
        let since: ContinuousClock.Instant
        let nextAttempt: ContinuousClock.Instant
        let error: StoreError
    }

    init(url: String, name: String, options: StoreOptions) throws(StoreError) {
        self.url = url
        self.name = name
        timeout = options.timeout
        searchTimeout = options.searchTimeout
        pool = ConnectionPool(capacity: options.connections)
        searchPool = ConnectionPool(capacity: options.searchConnections)
        transientPool = ConnectionPool(capacity: 2)
        try waitForServer()
    }

    var memoryBytes: Int? { nil }

    func closeConnections() {
        pool.clear()
        searchPool.clear()
        transientPool.clear()
    }

    func listener() throws(StoreError) -> (any NotificationListener)? {
        try PostgresListener(try PostgresConnection(url, store: name, timeout: timeout))
    }

    func transaction<Result>(_ access: Access, _ body: (any Connection) throws(StoreError) -> Result) throws(StoreError) -> Result {
        let pool = switch access {
        case .search: searchPool
        case .transient: transientPool
        case .read, .write, .backup, .migrate: self.pool
        }
        let deadline = ContinuousClock.now + timeout
        var wasLost = false
        var retries = 0
        while true {
            let connection: PostgresConnection
            do { connection = try borrowConnection(from: pool, until: deadline) } catch .unavailable(let store, let reason) {
                // A transaction that lost its connection uses its whole timeout to find out whether it was committed.
                let failsAtOnce = !wasLost && isLong(outage.withLock { $0 })
                guard !failsAtOnce, ContinuousClock.now < deadline else { throw .unavailable(store: store, reason: reason) }
                usleep(50_000)
                continue
            }
            do {
                let result = try run(access, on: connection, body)
                pool.release(connection)
                return result
            } catch {
                let isRetryable = connection.isRetryable && retries < 5
                if isRetryable { retries += 1 }
                wasLost = connection.isLost
                release(connection, to: pool)
                guard (wasLost && ContinuousClock.now < deadline) || isRetryable else { throw error }
            }
        }
    }

    private func run<Result>(
        _ access: Access, on connection: PostgresConnection, _ body: (any Connection) throws(StoreError) -> Result
    ) throws(StoreError) -> Result {
        connection.isRetryable = false
        // All statements of a reader see one snapshot. A writer locks the rows that it depends on.
        try connection.execute(
            access.isReader ? "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY" : "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE")
        let timeout = connection.timeout
        defer { connection.timeout = timeout }
        do {
            if access == .migrate { try Self.lockForMigration(on: connection) }
            if access == .search { try limitTime(on: connection) }
            if access == .backup { connection.timeout = Self.longTimeout }
            let result = try body(connection)
            try connection.execute("COMMIT")
            return result
        } catch {
            if !connection.isLost { _ = try? connection.execute("ROLLBACK") }              // report the first error
            throw error
        }
    }

    private static let longTimeout = Duration.seconds(3_600)

    /// Waits for migrations of other servers without a timeout. The lock number identifies slm among the users of the database.
    private static func lockForMigration(on connection: PostgresConnection) throws(StoreError) {
        connection.timeout = longTimeout
        try connection.execute("SELECT set_config('lock_timeout', '0', true)")
        try connection.execute("SELECT pg_advisory_xact_lock(7564397)")
    }

    /// The server cancels statements that take longer than a search may. The client waits a little longer for this error.
    private func limitTime(on connection: PostgresConnection) throws(StoreError) {
        connection.timeout = max(timeout, searchTimeout + .seconds(1))
        try connection.execute("SELECT set_config('statement_timeout', $1, true)", "\(max(1, searchTimeout.milliseconds))")
    }

    private func borrowConnection(
        from pool: ConnectionPool<PostgresConnection>, until deadline: ContinuousClock.Instant
    ) throws(StoreError) -> PostgresConnection {
        let borrowed = try pool.borrow(within: max(.zero, ContinuousClock.now.duration(to: deadline)), else: connect)
        guard let borrowed else { throw .busy(store: name, reason: "all connections are in use") }
        return borrowed
    }

    /// Returns a connection to its pool. If it is lost, discards it and all idle ones, which are usually lost too.
    private func release(_ connection: PostgresConnection, to pool: ConnectionPool<PostgresConnection>) {
        guard connection.isLost else { return pool.release(connection) }
        pool.discardBorrowed()
        closeConnections()
    }

    private func connect() throws(StoreError) -> PostgresConnection {
        let known = outage.withLock { $0 }
        if let known, isLong(known), ContinuousClock.now < known.nextAttempt { throw known.error }
        do {
            let connection = try PostgresConnection(url, store: name, timeout: timeout)
            outage.withLock { $0 = nil }
            return connection
        } catch {
            let now = ContinuousClock.now
            outage.withLock { $0 = Outage(since: known?.since ?? now, nextAttempt: now + .milliseconds(500), error: error) }
            throw error
        }
    }

    private func isLong(_ outage: Outage?) -> Bool { outage.map { ContinuousClock.now > $0.since + timeout } ?? false }

    /// Waits until the server accepts a connection. Fails at once if it is running but refuses the connection.
    private func waitForServer() throws(StoreError) {
        let deadline = ContinuousClock.now + timeout
        var wasReachable = false
        while true {
            do { return pool.add(try connect()) } catch .unavailable(let store, let reason) {
                guard ContinuousClock.now < deadline else { throw .unavailable(store: store, reason: reason) }
                // The first refusal may come from a server that was still starting.
                let isReachable = PostgresConnection.isReachable(url)
                if isReachable, wasReachable { throw .unusable(store: store, reason: reason) }
                wasReachable = isReachable
                usleep(100_000)
            }
        }
    }
}
