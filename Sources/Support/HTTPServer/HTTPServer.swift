import Glibc
import Synchronization

/// An HTTP/1.1 server on a few threads, which never block on a handler or a client.
///
///     let server = try HTTPServer(Settings()) { exchange in exchange.respond(.text(.ok, "Hello, \(exchange.request.path)")) }
///     print("http://127.0.0.1:\(server.port)")
///     server.stop(within: .seconds(30))
///
/// The handler runs on one of those threads when a request is complete, and must not block. Work that takes longer responds later, from
/// another thread.
package final class HTTPServer: Sendable {
    package struct Settings: Sendable {
        /// 127.0.0.1 and ::1 accept connections from this machine only, 0.0.0.0 and :: from every network interface.
        package var host = "127.0.0.1"
        /// 0 picks a free port.
        package var port: UInt16 = 8_000
        /// What is put before the path of a request, such as "/ollama".
        package var pathPrefix: @Sendable (_ target: String) -> String = { _ in "" }
        /// Sockets to accept connections from, instead of `host` and `port`.
        package var listening: [ListeningSocket] = []
        /// Whether connections wait in the queues of the sockets until `startAccepting`.
        package var acceptsLater = false
        /// Whether the head of a stream says that its connection ends with it. A head that is sent before the server begins to stop
        /// cannot say so later, and a proxy would send its next request on a connection that is being closed.
        package var closesAfterStreams = false
        package var threads = 2
        package var limits = Limits()
        /// The addresses of reverse proxies on other machines. Proxies on this machine need not be listed.
        package var proxies: [AddressRange] = []
        /// Whether a proxy gives requests their ids, in `X-Request-Id`.
        package var trustsRequestIDs = false
        /// Decides about a request that has no body yet.
        package var requestPolicy: @Sendable (Request) -> RequestPolicy = { _ in RequestPolicy() }
        /// Makes the response to a request that does not reach the handler.
        package var responseToRejected: @Sendable (RejectedRequest) -> Response = { .text($0.status, $0.message) }
        /// Called after each response, on a thread of the server.
        package var onCompletion: @Sendable (CompletedRequest) -> Void = { _ in }
        /// Called with an English sentence when a handler makes a mistake, such as responding twice.
        package var onMistake: @Sendable (String) -> Void = { _ in }

        package init() {}

        /// Whether an address may be that of a proxy. Limits for one address do not apply to it.
        package func isProxy(_ address: PeerAddress) -> Bool { address.isLoopback || proxies.contains { $0.contains(address) } }
    }

    package struct Limits: Sendable {
        package var connections = 4_096
        /// Connections of one remote address prefix.
        package var connectionsPerAddress = 128
        package var bodies = BodyLimits(one: 8 << 20, all: 128 << 20, perAddress: 16 << 20)
        /// Those of uploads, which have memory of their own: a few fill it, and nothing else has to wait for it.
        package var uploads = BodyLimits(one: 64 << 20, all: 128 << 20, perAddress: 64 << 20)
        /// Bytes of a request line, and of a request line with its headers.
        package var requestLine = 8 << 10
        package var head = 32 << 10
        /// Headers and query parameters of a request.
        package var headers = 100
        package var queryItems = 500
        /// The longest pause of a connection, and the longest time until a request is complete: a second more for each `bodyRate` bytes of
        /// its body that have arrived.
        package var idleTimeout = Duration.seconds(60)
        package var requestTimeout = Duration.seconds(30)
        package var bodyRate = 64 << 10
        /// After a rejected request, what the client still sends is discarded: until a pause, and at most for a time.
        package var lingerPause = Duration.seconds(5)
        package var lingerTime = Duration.seconds(30)
        /// A stream that writes nothing for this long gets a heartbeat.
        package var heartbeat = Duration.seconds(15)
        /// The time between two flushes of a stream: `flushIntervalPerStream` times the number of streams, but at least `minFlushInterval`
        /// and at most `maxFlushInterval`.
        package var minFlushInterval = Duration.milliseconds(33)
        package var flushIntervalPerStream = Duration.microseconds(1_250)
        package var maxFlushInterval = Duration.milliseconds(100)
        /// Bytes of a stream that may wait for a slow client. With more, a client that has read nothing for 5 seconds is disconnected.
        package var streamBuffer = 1 << 20

        package init() {}
    }

    /// Bytes of one request body, of all bodies in memory, and of those of one remote address prefix.
    package struct BodyLimits: Sendable {
        package var one, all, perAddress: Int
    }

    /// The route of a request, and what is allowed for its body.
    package struct RequestPolicy: Sendable {
        /// A number of the caller, which `Request.route` returns.
        package var route: Int?
        /// Bytes; nil for that of `Limits`, which is never exceeded.
        package var bodyLimit: Int?
        /// Whether the limits of the body are `Limits.uploads`.
        package var isUpload: Bool
        /// The client whose share of the memory the body counts towards; nil for the other end of the connection.
        package var client: PeerAddress?

        package init(route: Int? = nil, bodyLimit: Int? = nil, isUpload: Bool = false, client: PeerAddress? = nil) {
            self.route = route
            self.bodyLimit = bodyLimit
            self.isUpload = isUpload
            self.client = client
        }
    }

    /// A request that was answered or rejected, or whose client has disconnected.
    package struct CompletedRequest: Sendable {
        package let id: String
        package let method: String
        /// Not decoded, without the query.
        package let path: String
        /// nil if the request was rejected before it reached the handler.
        package let request: Request?
        /// The other end of the connection.
        package let peer: PeerAddress
        /// 499 if the client disconnected before the response.
        package let status: HTTPStatus
        /// Bytes of the response's body.
        package let bytes: Int
        /// From the complete request to the last byte of the response.
        package let seconds: Double
        /// Whether the client disconnected before the end of the response.
        package let isDisconnected: Bool
    }

    /// The sockets it listens on. Their descriptors stay open until the threads have ended, because one of them may be about to use them.
    package let listening: [ListeningSocket]
    private let state: HTTPServerState
    private let loops: [EventLoop]
    private let acceptance = Mutex(Acceptance.before)
    private let isStopped = Atomic(false)

    /// The port of the first socket; 0 if that is a Unix socket.
    package var port: UInt16 { listening.first?.port ?? 0 }

    package init(_ settings: Settings, _ handle: @escaping @Sendable (Exchange) -> Void) throws(HTTPServerError) {
        let listening = settings.listening.isEmpty ? [try ListeningSocket(settings.host, settings.port)] : settings.listening
        let state = HTTPServerState(settings, handle)
        var loops: [EventLoop] = []
        var started: [EventLoop] = []
        do throws(HTTPServerError) {
            for _ in 0..<max(1, settings.threads) { loops.append(try EventLoop(state)) }
            for (index, loop) in loops.enumerated() {
                try loop.start(listening: index == 0 ? listening.map(\.descriptor) : [], loops)
                started.append(loop)
            }
        } catch {
            for loop in started { loop.stop() }
            for socket in listening { close(socket.descriptor) }
            throw error
        }
        self.state = state
        self.loops = loops
        self.listening = listening
        if !settings.acceptsLater { try startAccepting() }
    }

    deinit { stopLoops() }

    private enum Acceptance { case before, running, over }

    /// Accepts connections, unless `stopAccepting` was called.
    package func startAccepting() throws(HTTPServerError) {
        try acceptance.withLock { acceptance throws(HTTPServerError) in
            guard acceptance == .before else { return }
            acceptance = .running
            for (index, socket) in listening.enumerated() { try loops[0].beginAccepting(from: socket.descriptor, at: index) }
        }
    }

    /// Accepts no more connections. Requests in flight continue, and each response closes its connection.
    package func stopAccepting() {
        state.isStopping.store(true, ordering: .relaxed)
        acceptance.withLock { acceptance in
            guard acceptance != .over else { return }
            acceptance = .over
            for socket in listening {
                loops[0].endAccepting(from: socket.descriptor)
                _ = ListeningSocket.stopListening(socket.descriptor)
            }
        }
    }

    /// After `stopAccepting`: closes each connection on which no request has begun for `time`. A client whose last response did not
    /// announce the end of the connection may be sending a request on it.
    package func closeIdleConnections(after time: Duration) {
        state.maxIdleMilliseconds.store(Int(time / .milliseconds(1)), ordering: .relaxed)
        for loop in loops { loop.checkAll() }
    }

    /// Whether each thread has looked for events within the last 20 seconds. Those that have nothing to do look every 5 seconds.
    package var isResponsive: Bool { loops.allSatisfy { $0.secondsSinceLastRound < 20 } }

    /// Waits up to `time` for the requests in flight, then disconnects the rest.
    package func stop(within time: Duration) {
        stopAccepting()
        let end = ContinuousClock.now + time
        while state.requestsInFlight.load(ordering: .relaxed) > 0, ContinuousClock.now < end { usleep(5_000) }
        stopLoops()
    }

    private func stopLoops() {
        if isStopped.exchange(true, ordering: .sequentiallyConsistent) { return }
        acceptance.withLock { $0 = .over }
        for loop in loops { loop.stop() }
        for socket in listening { close(socket.descriptor) }
    }

    package var connectionCount: Int { state.connections.count }
}

/// Why a server cannot start.
package enum HTTPServerError: Error, Equatable, CustomStringConvertible {
    case invalidHost(String, reason: String)
    case portInUse(host: String, port: UInt16)
    case portNotPermitted(host: String, port: UInt16)
    /// What the service manager has passed is not a listening socket.
    case invalidInheritance(String)
    case system(call: String, reason: String)

    package var description: String {
        switch self {
        case .invalidHost(let host, let reason):
            "cannot listen on '\(host)': \(reason). Use --host 127.0.0.1 for this machine only, or 0.0.0.0 for every network interface."
        case .portInUse(let host, let port):
            "cannot listen on \(host):\(port): another program uses this port. Stop it, or choose another port: --port \(port &+ 1)"
        case .portNotPermitted(let host, let port):
            "cannot listen on \(host):\(port): ports below 1024 need special permission. Choose another port: --port 8000"
        case .invalidInheritance(let reason): "cannot use the sockets of the service manager: \(reason)."
        case .system(let call, let reason): "\(call): \(reason)."
        }
    }
}
