import Synchronization

/// The state that libmicrohttpd's callbacks share.
final class HTTPServerState: Sendable {
    let settings: HTTPServer.Settings
    let handle: @Sendable (Exchange) -> Void
    let connections: Connections
    let monitor: ConnectionMonitor
    let requestsInFlight = Atomic(0)
    /// Bytes of the bodies of requests in flight.
    let bodyBytes = Atomic(0)
    let isStopping = Atomic(false)
    /// Whether all clients were disconnected and libmicrohttpd may stop at any moment. It aborts if a connection is suspended then.
    let isClosed = Atomic(false)

    init(_ settings: HTTPServer.Settings, _ handle: @escaping @Sendable (Exchange) -> Void) throws(HTTPServerError) {
        self.settings = settings
        self.handle = handle
        connections = Connections(settings.limits)
        monitor = try ConnectionMonitor(settings.limits, connections)
    }
}
