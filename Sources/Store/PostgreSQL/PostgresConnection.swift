import CPQ
import Files
import Glibc

/// A connection to a PostgreSQL server and the names of its prepared statements.
///
/// `@unchecked Sendable`: the pool lends it to one thread at a time, as libpq requires.
final class PostgresConnection: Connection, @unchecked Sendable {
    let dialect = Dialect.postgresql
    private let store: String
    private let pq: slm_pq_functions
    private let connection: OpaquePointer
    private var statements: [String: String] = [:]
    /// The time limit of a statement.
    var timeout: Duration
    /// Whether the connection failed. The last statement may or may not have been executed.
    private(set) var isLost = false
    /// Whether the transaction was rolled back because of a serialization failure or a deadlock and may be retried.
    var isRetryable = false

    /// - Parameter store: The name of the database in error messages.
    init(_ url: String, store: String, timeout: Duration) throws(StoreError) {
        // The URL overrides the parameters before "dbname". Keepalives detect a dead connection within 90 seconds.
        let tls = DatabaseURL.tlsOptions(for: url)
        let parameters = tls.map { ($0.name, $0.value) } + [
            ("connect_timeout", "\(max(2, timeout.components.seconds))"),
            ("keepalives_idle", "60"), ("keepalives_interval", "10"), ("keepalives_count", "3"),
            ("fallback_application_name", "slm"), ("dbname", url), ("client_encoding", "UTF8"),
        ]
        let pq = try PostgresLibrary.functions
        let opened = withCStrings(parameters.map(\.0)) { names in
            withCStrings(parameters.map(\.1)) { pq.connectdbParams(names, $0, 1) }
        }
        guard let opened else { throw .unavailable(store: store, reason: "out of memory while opening a connection") }
        self.store = store
        self.pq = pq
        connection = opened
        self.timeout = timeout
        guard pq.status(opened) == CONNECTION_OK else {
            let isAboutTLS = !tls.isEmpty && ["SSL", "certificate"].contains { message.contains($0) }
            throw .unavailable(store: store, reason: message + (isAboutTLS ? Self.tlsRemedy : ""))
        }
        _ = pq.setnonblocking(opened, 1)
        slm_pq_silence(pq, opened)
        try configureSession()
    }

    deinit { pq.finish(connection) }

    private static let tlsRemedy = " (a server on another host needs a certificate that this machine trusts: "
        + "?sslmode=verify-full&sslrootcert=FILE in the URL names the authority, ?sslmode=require only encrypts)"

    /// Whether the server accepts connections, regardless of the credentials.
    static func isReachable(_ url: String) -> Bool {
        guard let pq = try? PostgresLibrary.functions else { return false }
        let response = withCStrings(["connect_timeout", "dbname"]) { names in withCStrings(["2", url]) { pq.pingParams(names, $0, 1) } }
        return response == PQPING_OK
    }

    @discardableResult
    func execute(_ sql: String, values: [SQLValue]) throws(StoreError) -> [Row] {
        let name = try prepared(sql)
        return try PostgresParameters(values).withPointers { (count, texts) throws(StoreError) in
            try results { pq.sendQueryPrepared(connection, name, count, texts, nil, nil, 0) }
        }
    }

    func forEachRow(_ sql: String, _ body: (Row) throws(StoreError) -> Void) throws(StoreError) {
        let name = try prepared(sql)
        try stream(of: { pq.sendQueryPrepared(connection, name, 0, nil, nil, nil, 0) }, body)
    }

    private func prepared(_ sql: String) throws(StoreError) -> String {
        if let name = statements[sql] { return name }
        let name = "slm\(statements.count)"
        try results { pq.sendPrepare(connection, name, sql, 0, nil) }
        statements[sql] = name
        return name
    }

    /// Sets the session options that the store relies on, whatever the server's configuration.
    private func configureSession() throws(StoreError) {
        guard try value("SELECT current_setting('server_encoding')") == "UTF8" else {
            throw .unusable(
                store: store, reason: "its encoding is not UTF-8; create it with CREATE DATABASE … ENCODING 'UTF8' TEMPLATE template0")
        }
        // With `off`, COMMIT may return before the data is on the disk. All other values guarantee at least a local flush, or are the
        // administrator's choice.
        try execute("SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'")
        // Compiling a statement takes longer than any of these runs. Versions before 11 do not compile.
        try execute("SELECT set_config('jit', 'off', false) WHERE current_setting('jit', true) = 'on'")
        // A client that died holds its locks for a minute at most. The lock timeout is half of ours, so that its error arrives in time.
        try execute("SELECT set_config('idle_in_transaction_session_timeout', '60000', false), set_config('lock_timeout', $1, false)",
                    "\(max(1, timeout.milliseconds / 2))")
    }

    private var message: String { pq.errorMessage(connection).map { String(cString: $0).firstLine } ?? "" }
}

/// Notifications of `Dialect.notify` in the schema of a connection.
final class PostgresListener: NotificationListener {
    private let connection: PostgresConnection

    init(_ connection: PostgresConnection) throws(StoreError) {
        self.connection = connection
        let channel: String = try connection.value("SELECT 'slm_' || md5(current_schema())") ?? ""
        try connection.execute("LISTEN \(channel)")
    }

    func wait(upTo time: Duration) throws(StoreError) -> Bool { try connection.waitForNotification(upTo: time) }
}

extension PostgresConnection {
    fileprivate func waitForNotification(upTo time: Duration) throws(StoreError) -> Bool {
        if takeNotifications() { return true }
        var socket = pollfd(fd: pq.socket(connection), events: Int16(POLLIN), revents: 0)
        guard socket.fd >= 0 else { throw lost("the connection is closed") }
        let ready = poll(&socket, 1, Int32(clamping: time.milliseconds))
        if ready < 0, errno != EINTR { throw lost(systemErrorMessage()) }
        if ready > 0, pq.consumeInput(connection) == 0 { throw lost(message) }
        return takeNotifications()
    }

    /// Discards the notifications that have arrived, and returns whether there were any.
    private func takeNotifications() -> Bool {
        var isNotified = false
        while let notification = pq.notifies(connection) {
            pq.freemem(notification)
            isNotified = true
        }
        return isNotified
    }
}

/// Sending statements and waiting for results, with a deadline.
extension PostgresConnection {
    @discardableResult
    private func results(of send: () -> Int32) throws(StoreError) -> [Row] {
        let deadline = ContinuousClock.now + timeout
        guard send() == 1 else { throw lost(message) }
        try flush(until: deadline)
        var rows: [Row] = []
        var error: StoreError?
        while let result = try nextResult(until: deadline) {        // read to the end, or the next statement cannot be sent
            defer { pq.clear(result) }
            switch pq.resultStatus(result) {
            case PGRES_TUPLES_OK, PGRES_COMMAND_OK: rows = PostgresRows(result, store: store, pq).rows
            default: error = failure(result)
            }
        }
        if pq.status(connection) == CONNECTION_BAD { isLost = true }
        if let error { throw error }
        return rows
    }

    /// Receives the rows one by one. The time limit is that of one row.
    private func stream(of send: () -> Int32, _ body: (Row) throws(StoreError) -> Void) throws(StoreError) {
        guard send() == 1, pq.setSingleRowMode(connection) == 1 else { throw lost(message) }
        try flush(until: .now + timeout)
        var error: StoreError?
        while let result = try nextResult(until: .now + timeout) {
            defer { pq.clear(result) }
            switch pq.resultStatus(result) {
            case PGRES_SINGLE_TUPLE where error != nil: break       // read to the end, or the next statement cannot be sent
            case PGRES_SINGLE_TUPLE:
                do throws(StoreError) { for row in PostgresRows(result, store: store, pq).rows { try body(row) } } catch let failure {
                    error = failure
                    cancel()
                }
            case PGRES_TUPLES_OK, PGRES_COMMAND_OK: break
            default: error = error ?? failure(result)
            }
        }
        if pq.status(connection) == CONNECTION_BAD { isLost = true }
        if let error { throw error }
    }

    /// Asks the server to end the statement, whose rows are not needed. If this fails, the rows arrive and are ignored.
    private func cancel() {
        guard let request = pq.getCancel(connection) else { return }
        defer { pq.freeCancel(request) }
        var message = [CChar](repeating: 0, count: 256)
        _ = pq.cancel(request, &message, Int32(message.count))
    }

    private func flush(until deadline: ContinuousClock.Instant) throws(StoreError) {
        while true {
            switch pq.flush(connection) {
            case 0: return
            case 1:
                let events = try wait(for: Int16(POLLIN | POLLOUT), until: deadline)
                if events & Int16(POLLIN) != 0, pq.consumeInput(connection) == 0 { throw lost(message) }
            default: throw lost(message)
            }
        }
    }

    private func nextResult(until deadline: ContinuousClock.Instant) throws(StoreError) -> OpaquePointer? {
        while pq.isBusy(connection) == 1 {
            try wait(for: Int16(POLLIN), until: deadline)
            guard pq.consumeInput(connection) == 1 else { throw lost(message) }
        }
        return pq.getResult(connection)
    }

    @discardableResult
    private func wait(for events: Int16, until deadline: ContinuousClock.Instant) throws(StoreError) -> Int16 {
        var socket = pollfd(fd: pq.socket(connection), events: events, revents: 0)
        while true {
            let rest = ContinuousClock.now.duration(to: deadline).milliseconds
            guard rest > 0, socket.fd >= 0 else { throw lost("no response within \(timeout.milliseconds) ms") }
            let ready = poll(&socket, 1, Int32(clamping: rest))
            if ready > 0 { return socket.revents }
            if ready < 0, errno != EINTR { throw lost(systemErrorMessage()) }
        }
    }

    private func lost(_ reason: String) -> StoreError {
        isLost = true
        return .unavailable(store: store, reason: reason.firstLine)
    }

    private func failure(_ result: OpaquePointer) -> StoreError {
        func field(_ code: Int32) -> String? { pq.resultErrorField(result, code).map { String(cString: $0) } }
        let state = field(slm_pq_sqlstate) ?? ""
        let reason = (field(slm_pq_primary) ?? message).firstLine
        isRetryable = ["40001", "40P01"].contains(state)            // serialization_failure, deadlock_detected
        switch state {
        case "", "57P01", "57P02", "57P03", "25P03", "25006": return lost(reason)       // 25006: the server became a standby
        case _ where state.hasPrefix("08"): return lost(reason)
        case "53100": return .diskFull(store: store, reason: reason)
        case "57014": return .queryTimeout(store: store)            // query_canceled
        case "55P03", "40001", "40P01": return .busy(store: store, reason: reason)
        case _ where state.hasPrefix("53"): return .unavailable(store: store, reason: reason)
        case "42501", "3F000": return .unusable(store: store, reason: reason)
        case "42P07", "42P01", "42703": return .foreignDatabase(store: store, found: reason)
        case "XX001", "XX002": return .damaged(store: store, reason: reason)
        default: return .failed(store: store, reason: "\(reason) (SQLSTATE \(state))")
        }
    }
}

extension String {
    /// The rest of a message is guesses of libpq, or details of the server that may quote a row.
    fileprivate var firstLine: String { split { $0.isNewline }.first.map(String.init) ?? "" }
}
