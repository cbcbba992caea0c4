import Glibc
import Synchronization

/// A server, and a few connections to it that are opened when they are needed.
///
/// A server that is away for a moment costs its callers time, not the answer: as every transaction may be carried out twice, it is, until `patience` is
/// over. Once a server has been away for longer, calls fail at once, and every half second one of them tries again.
final class PostgresDatabase: Database {
    let dialect = Dialect.postgresql
    private let url, name: String
    private let patience: Duration
    private let pool: Pool<PostgresConnection>
    private let outage = Mutex<Outage?>(nil)

    private struct Outage {
        let since: ContinuousClock.Instant
        /// When somebody should try again.
        let next: ContinuousClock.Instant
        let error: StoreError
    }

    init(url: String, name: String, options: StoreOptions) throws(StoreError) {
        (self.url, self.name, patience) = (url, name, options.patience)
        pool = Pool(capacity: options.connections)
        try waitForServer()
    }

    func closeConnections() { pool.clear() }

    func transaction<Result>(_ access: Access, _ body: (any Connection) throws(StoreError) -> Result) throws(StoreError) -> Result {
        let deadline = ContinuousClock.now + patience
        var wasLost = false, undone = 0
        while true {
            let connection: PostgresConnection
            do { connection = try borrow(until: deadline) } catch .unavailable(let store, let reason) {
                // Who was cut off in the middle wants to know how it ended, however long others have been waiting.
                let isOver = !wasLost && isLong(outage.withLock { $0 })
                guard !isOver, ContinuousClock.now < deadline else { throw .unavailable(store: store, reason: reason) }
                usleep(50_000)
                continue
            }
            do {
                let result = try Self.run(access, on: connection, body)
                pool.giveBack(connection)
                return result
            } catch {
                let isUndone = connection.isUndone && undone < 5
                if isUndone { undone += 1 }
                wasLost = connection.isLost
                dispose(of: connection)
                guard (wasLost && ContinuousClock.now < deadline) || isUndone else { throw error }
            }
        }
    }

    private static func run<Result>(
        _ access: Access, on connection: PostgresConnection, _ body: (any Connection) throws(StoreError) -> Result
    ) throws(StoreError) -> Result {
        connection.isUndone = false
        // A reader sees one state from its first statement to its last; a writer locks the rows that it goes by.
        try connection.rows(access == .read ? "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY" : "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE", [])
        let patience = connection.patience
        defer { connection.patience = patience }
        do {
            if access == .migrate { try Self.beAlone(on: connection) }
            let result = try body(connection)
            try connection.rows("COMMIT", [])
            return result
        } catch {
            if !connection.isLost { _ = try? connection.rows("ROLLBACK", []) }              // what went wrong first is what counts
            throw error
        }
    }

    /// Waits for others who migrate, as long as it takes. The number stands for slm among the programs that use this database.
    private static func beAlone(on connection: PostgresConnection) throws(StoreError) {
        connection.patience = .seconds(3_600)
        try connection.rows("SELECT set_config('lock_timeout', '0', true)", [])
        try connection.rows("SELECT pg_advisory_xact_lock(7564397)", [])
    }

    private func borrow(until deadline: ContinuousClock.Instant) throws(StoreError) -> PostgresConnection {
        let borrowed = try pool.borrow(within: max(.zero, ContinuousClock.now.duration(to: deadline)), else: connect)
        guard let borrowed else { throw .busy(store: name, reason: "all connections are in use") }
        return borrowed
    }

    private func dispose(of connection: PostgresConnection) {
        guard connection.isLost else { return pool.giveBack(connection) }
        pool.forget()
        pool.clear()                                        // the others were lost with it, as a rule
    }

    private func connect() throws(StoreError) -> PostgresConnection {
        let known = outage.withLock { $0 }
        if let known, isLong(known), ContinuousClock.now < known.next { throw known.error }
        do {
            let connection = try PostgresConnection(url, store: name, patience: patience)
            outage.withLock { $0 = nil }
            return connection
        } catch {
            let now = ContinuousClock.now
            outage.withLock { $0 = Outage(since: known?.since ?? now, next: now + .milliseconds(500), error: error) }
            throw error
        }
    }

    private func isLong(_ outage: Outage?) -> Bool { outage.map { ContinuousClock.now > $0.since + patience } ?? false }

    /// A server that is still starting is waited for; one that does not let us in is not.
    private func waitForServer() throws(StoreError) {
        let deadline = ContinuousClock.now + patience
        var hasAnswered = false
        while true {
            do { return pool.add(try connect()) } catch .unavailable(let store, let reason) {
                guard ContinuousClock.now < deadline else { throw .unavailable(store: store, reason: reason) }
                // Once may be a server that was starting a moment ago.
                let answers = PostgresConnection.answers(url)
                if answers, hasAnswered { throw .refused(store: store, reason: reason) }
                hasAnswered = answers
                usleep(100_000)
            }
        }
    }
}
