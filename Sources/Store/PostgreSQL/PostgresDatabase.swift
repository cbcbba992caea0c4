import Glibc
import Synchronization

/// A server, and a few connections to it that are opened when they are needed.
///
/// A connection that is lost costs its caller time, not the answer: as every transaction may be carried out twice, it is, until `patience` is over. A call that
/// begins while the server cannot be reached fails at once, and half a second later the next one tries again.
final class PostgresDatabase: Database {
    let dialect = Dialect.postgresql
    private let url, name: String
    private let patience: Duration
    private let pool: Pool<PostgresConnection>
    /// Until when nobody tries to connect, and why.
    private let outage = Mutex<(until: ContinuousClock.Instant, error: StoreError)?>(nil)

    private static let pause = Duration.milliseconds(500)

    init(url: String, name: String, options: StoreOptions) throws(StoreError) {
        (self.url, self.name, patience) = (url, name, options.patience)
        pool = Pool(capacity: options.connections)
        try waitForServer()
    }

    func transaction<Result>(_ access: Access, _ body: (any Connection) throws(StoreError) -> Result) throws(StoreError) -> Result {
        let deadline = ContinuousClock.now + patience
        var wasLost = false, undone = 0
        while true {
            let connection: PostgresConnection
            do { connection = try borrow(tryingAnyway: wasLost) } catch {
                guard wasLost, ContinuousClock.now < deadline else { throw error }
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

    private func borrow(tryingAnyway: Bool) throws(StoreError) -> PostgresConnection {
        let borrowed = try pool.borrow(within: patience) { () throws(StoreError) in try connect(tryingAnyway: tryingAnyway) }
        guard let borrowed else { throw .busy(store: name, reason: "all connections are in use") }
        return borrowed
    }

    private func dispose(of connection: PostgresConnection) {
        guard connection.isLost else { return pool.giveBack(connection) }
        pool.forget()
        pool.clear()                                        // the others were lost with it, as a rule
    }

    private func connect(tryingAnyway: Bool) throws(StoreError) -> PostgresConnection {
        if !tryingAnyway, let outage = outage.withLock({ $0 }), ContinuousClock.now < outage.until { throw outage.error }
        do {
            let connection = try PostgresConnection(url, store: name, patience: patience)
            outage.withLock { $0 = nil }
            return connection
        } catch {
            outage.withLock { $0 = (ContinuousClock.now + Self.pause, error) }
            throw error
        }
    }

    /// A server that is still starting is waited for; one that does not let us in is not.
    private func waitForServer() throws(StoreError) {
        let deadline = ContinuousClock.now + patience
        while true {
            do { return pool.add(try connect(tryingAnyway: true)) } catch .unavailable(let store, let reason) {
                if PostgresConnection.answers(url) { throw .refused(store: store, reason: reason) }
                guard ContinuousClock.now < deadline else { throw .unavailable(store: store, reason: reason) }
                usleep(100_000)
            }
        }
    }
}
