import CPQ
import Glibc

/// One connection to a server, and the names of the statements that the server has compiled for it.
///
/// `@unchecked Sendable`: the pool lends it to one thread at a time, which is what libpq asks.
final class PostgresConnection: Connection, @unchecked Sendable {
    private let store: String
    private let connection: OpaquePointer
    private var statements: [String: String] = [:]
    /// How long a statement may take.
    var patience: Duration
    /// The server does not answer on it any more: what was asked last may have been done or not.
    private(set) var isLost = false
    /// The server took everything back, because of what others did at the same time.
    var isUndone = false

    /// - Parameter store: What it is called in sentences.
    init(_ url: String, store: String, patience: Duration) throws(StoreError) {
        // The address may say otherwise, but for the encoding. Who is gone without a word is noticed within a minute and a half.
        let words = [("connect_timeout", "\(max(2, patience.components.seconds))"),
                     ("keepalives_idle", "60"), ("keepalives_interval", "10"), ("keepalives_count", "3"),
                     ("fallback_application_name", "slm"), ("dbname", url), ("client_encoding", "UTF8")]
        let opened = withCStrings(words.map(\.0)) { names in withCStrings(words.map(\.1)) { PQconnectdbParams(names, $0, 1) } }
        guard let opened else { throw .unavailable(store: store, reason: "no memory for a connection") }
        (self.store, connection, self.patience) = (store, opened, patience)
        guard PQstatus(opened) == CONNECTION_OK else { throw .unavailable(store: store, reason: message) }
        PQsetnonblocking(opened, 1)
        slm_pq_silence(opened)
        try prepareSession()
    }

    deinit { PQfinish(connection) }

    /// Whether the server at this address answers at all, if only with a refusal.
    static func answers(_ url: String) -> Bool {
        withCStrings(["connect_timeout", "dbname"]) { names in withCStrings(["2", url]) { PQpingParams(names, $0, 1) } } == PQPING_OK
    }

    @discardableResult
    func rows(_ sql: String, _ values: [Value]) throws(StoreError) -> [Row] {
        let name = try statement(sql)
        return try Parameters(values).lend { (count, texts) throws(StoreError) in
            try answer { PQsendQueryPrepared(connection, name, count, texts, nil, nil, 0) }
        }
    }

    private func statement(_ sql: String) throws(StoreError) -> String {
        if let known = statements[sql] { return known }
        let name = "slm\(statements.count)"
        try answer { PQsendPrepare(connection, name, sql, 0, nil) }
        statements[sql] = name
        return name
    }

    /// What the store counts on, however the server is set.
    private func prepareSession() throws(StoreError) {
        let encoding = try firstRow("SELECT current_setting('server_encoding')", [])
        guard encoding?.values == [.text("UTF8")] else {
            throw .refused(store: store, reason: "it keeps no UTF-8; make one with CREATE DATABASE … ENCODING 'UTF8' TEMPLATE template0")
        }
        // Off would mean: answered, and perhaps on the disk. The other values are stricter than on, or the owner's choice.
        try rows("SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'", [])
        // Who was cut off keeps others waiting no longer than a minute. A lock that is not to be had is said in time for us to hear it.
        try rows("SELECT set_config('idle_in_transaction_session_timeout', '60000', false), set_config('lock_timeout', $1, false)",
                 [.text("\(max(1, patience.milliseconds / 2))")])
    }

    private var message: String { PQerrorMessage(connection).map { String(cString: $0).firstLine } ?? "" }
}

/// Asking and waiting, never longer than `patience`.
extension PostgresConnection {
    @discardableResult
    private func answer(_ send: () -> Int32) throws(StoreError) -> [Row] {
        let deadline = ContinuousClock.now + patience
        guard send() == 1 else { throw lost(message) }
        try flush(until: deadline)
        var rows: [Row] = [], error: StoreError?
        while let result = try next(until: deadline) {              // until nothing is left, so that the next statement can be sent
            defer { PQclear(result) }
            switch PQresultStatus(result) {
            case PGRES_TUPLES_OK, PGRES_COMMAND_OK: rows = PostgresRows(result, store: store).rows
            default: error = failure(result)
            }
        }
        if PQstatus(connection) == CONNECTION_BAD { isLost = true }
        if let error { throw error }
        return rows
    }

    private func flush(until deadline: ContinuousClock.Instant) throws(StoreError) {
        while true {
            switch PQflush(connection) {
            case 0: return
            case 1:
                let events = try wait(for: Int16(POLLIN | POLLOUT), until: deadline)
                if events & Int16(POLLIN) != 0, PQconsumeInput(connection) == 0 { throw lost(message) }
            default: throw lost(message)
            }
        }
    }

    private func next(until deadline: ContinuousClock.Instant) throws(StoreError) -> OpaquePointer? {
        while PQisBusy(connection) == 1 {
            try wait(for: Int16(POLLIN), until: deadline)
            guard PQconsumeInput(connection) == 1 else { throw lost(message) }
        }
        return PQgetResult(connection)
    }

    @discardableResult
    private func wait(for events: Int16, until deadline: ContinuousClock.Instant) throws(StoreError) -> Int16 {
        var socket = pollfd(fd: PQsocket(connection), events: events, revents: 0)
        while true {
            let rest = ContinuousClock.now.duration(to: deadline).milliseconds
            guard rest > 0, socket.fd >= 0 else { throw lost("no answer within \(patience.milliseconds) ms") }
            let ready = poll(&socket, 1, Int32(clamping: rest))
            if ready > 0 { return socket.revents }
            if ready < 0, errno != EINTR { throw lost(String(cString: strerror(errno))) }
        }
    }

    private func lost(_ reason: String) -> StoreError {
        isLost = true
        return .unavailable(store: store, reason: reason.firstLine)
    }

    private func failure(_ result: OpaquePointer) -> StoreError {
        func field(_ letter: Int32) -> String? { PQresultErrorField(result, letter).map { String(cString: $0) } }
        let state = field(slm_pq_sqlstate) ?? "", reason = (field(slm_pq_primary) ?? message).firstLine
        isUndone = ["40001", "40P01"].contains(state)
        switch state {
        case "", "57P01", "57P02", "57P03", "25P03", "25006": return lost(reason)       // 25006: it became the standby of another server
        case _ where state.hasPrefix("08"): return lost(reason)
        case "53100": return .noRoom(store: store, reason: reason)
        case "55P03", "57014", "40001", "40P01": return .busy(store: store, reason: reason)
        case _ where state.hasPrefix("53"): return .unavailable(store: store, reason: reason)
        case "42501", "3F000": return .refused(store: store, reason: reason)
        case "42P07", "42P01", "42703": return .foreign(store: store, found: reason)
        case "XX001", "XX002": return .damaged(store: store, reason: reason)
        default: return .failed(store: store, reason: "\(reason) (SQLSTATE \(state))")
        }
    }
}

extension String {
    /// What libpq says after it are guesses; what a server says after it may quote a row.
    fileprivate var firstLine: String { split { $0.isNewline }.first.map(String.init) ?? "" }
}
