import Platform
import Synchronization

/// The state that all connections share.
final class HTTPServerState: Sendable {
    let settings: HTTPServer.Settings
    let handle: @Sendable (Exchange) -> Void
    let connections: ConnectionCounts
    let bodies, uploads: BodyMemory
    let requestsInFlight = Atomic(0)
    /// Responses that are streamed.
    let streams = Atomic(0)
    let isStopping = Atomic(false)
    /// While the server stops: how long a connection may be idle, in milliseconds.
    let maxIdleMilliseconds = Atomic(Int.max)
    let started = ContinuousClock.now
    private let requestIDPrefix = String(UInt32.random(in: 0x1000_0000 ... .max), radix: 16)
    private let requestCount = Atomic(0)

    init(_ settings: HTTPServer.Settings, _ handle: @escaping @Sendable (Exchange) -> Void) {
        self.settings = settings
        self.handle = handle
        let maxConnections = FileDescriptorLimit.raise(forConnections: settings.limits.connections)
        connections = ConnectionCounts(settings, maxConnections: maxConnections)
        bodies = BodyMemory(settings.limits.bodies, isProxy: settings.isProxy)
        uploads = BodyMemory(settings.limits.uploads, isProxy: settings.isProxy)
    }

    /// Such as "8f03a1c2-1d", which no other request of this server has.
    func makeRequestID() -> String {
        "\(requestIDPrefix)-\(String(requestCount.add(1, ordering: .relaxed).newValue, radix: 16))"
    }

    /// Grows with the number of streams: each packet that is sent takes CPU time from the model.
    var flushInterval: Duration {
        let limits = settings.limits
        let interval = limits.flushIntervalPerStream * streams.load(ordering: .relaxed)
        return max(limits.minFlushInterval, min(interval, limits.maxFlushInterval))
    }
}
