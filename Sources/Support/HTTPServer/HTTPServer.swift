import Glibc
import Synchronization

/// Answers HTTP/1.1 at an address of this machine, over libmicrohttpd: epoll and a few threads, which never wait for whoever answers.
///
///     let server = try HTTPServer(Settings()) { exchange in exchange.respond(.text(.ok, "Hello, \(exchange.request.path)")) }
///     print("http://127.0.0.1:\(server.port)")
///     server.stop(within: .seconds(30))
///
/// `handle` runs on one of those threads, once the whole request is there, and must not wait: what takes long is answered from a thread of
/// its own, at any
/// time, by the exchange it was handed.
package final class HTTPServer: Sendable {
    package struct Settings: Sendable {
        /// 127.0.0.1 and ::1 are this machine alone; 0.0.0.0 and :: let everybody in.
        package var host = "127.0.0.1"
        /// 0 for one that is free.
        package var port: UInt16 = 8_000
        package var threads = 2
        package var limits = Limits()
        /// What is said to what never becomes a request: the text goes to people.
        package var refuse: @Sendable (Refusal) -> Response = { .text($0.status, $0.description) }
        /// Hears of each request that was answered, on a thread of the server's.
        package var note: @Sendable (Note) -> Void = { _ in }

        package init() {}
    }

    package struct Limits: Sendable {
        package var connections = 4_096
        /// From one address of another machine.
        package var connectionsPerAddress = 128
        /// Bytes of one body, and of all whose requests are not over.
        package var body = 8 << 20, bodies = 128 << 20
        /// Bytes of a request's first line and headers.
        package var head = 32 << 10
        /// How long a connection may be silent, and how long a request may take to arrive whole.
        package var silence = Duration.seconds(60), arrival = Duration.seconds(30)
        /// How long a stream may have nothing to say before it says that it is there.
        package var heartbeat = Duration.seconds(15)
        /// How long what a stream says may wait to go out with what follows: so long at least, longer the more streams there are, and so
        /// long at most.
        package var gathering = Duration.milliseconds(33), gatheringPerStream = Duration.microseconds(1_250),
            gatheringAtMost = Duration.milliseconds(100)
        /// Bytes that may wait for a client for long; with more, one that has read nothing for some seconds is let go.
        package var backlog = 1 << 20

        package init() {}
    }

    /// A request that was answered.
    package struct Note: Sendable {
        package let request: Request
        package let status: Status
        /// From the moment it was there whole until its last byte was handed over.
        package let seconds: Double
    }

    package let port: UInt16
    private let core: Core
    private let daemon: Daemon

    package init(_ settings: Settings, _ handle: @escaping @Sendable (Exchange) -> Void) throws(HTTPServerError) {
        let listening = try ListeningSocket(settings.host, settings.port)
        core = try Core(settings, handle)
        port = listening.port
        daemon = try Daemon(listening, core)
    }

    /// Takes no more connections; what is under way goes on, and each answer closes its connection.
    package func quiesce() {
        core.isLeaving.store(true, ordering: .relaxed)
        daemon.quiesce()
    }

    /// Waits for what is under way, for a while; then hangs up on all that are left.
    package func stop(within time: Duration) {
        quiesce()
        let end = Instant.now + time
        while core.inHand.load(ordering: .relaxed) > 0, Instant.now < end { usleep(5_000) }
        core.isClosed.store(true, ordering: .sequentiallyConsistent)
        core.watch.hangUp()
        daemon.stop()
        core.watch.stop()
    }

    package var connectionCount: Int { core.connections.count }
}

/// Why there is no server.
package enum HTTPServerError: Error, Equatable, CustomStringConvertible {
    case badHost(String, reason: String)
    case taken(host: String, port: UInt16)
    case notAllowed(host: String, port: UInt16)
    case system(what: String, reason: String)

    package var description: String {
        switch self {
        case .badHost(let host, let reason):
            "'\(host)' is no address of this machine: \(reason). 127.0.0.1 is for this machine alone, 0.0.0.0 for all who can reach it."
        case .taken(let host, let port):
            "port \(port) of \(host) is taken: another program listens there. Stop it, or take another port: --port \(port &+ 1)"
        case .notAllowed(let host, let port):
            "port \(port) of \(host) is not for us: ports under 1,024 need a right of their own. Take another: --port 8000"
        case .system(let what, let reason): "\(what): \(reason)."
        }
    }
}
