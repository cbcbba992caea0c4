import CMicroHTTPD
import Glibc
import Synchronization
import Threads

/// Watches exchanges whose response is pending or streaming: detects that the client disconnects, flushes streams and writes heartbeats.
///
/// libmicrohttpd does not watch suspended connections. This is one thread with an epoll set of its own.
final class ConnectionMonitor: Sendable {
    private struct State {
        var nextID: UInt64 = 1
        var exchanges: [UInt64: Exchange] = [:]
        var descriptors: [UInt64: Int32] = [:]
        var ids: [ObjectIdentifier: UInt64] = [:]
        var isStopped = false
    }

    private let limits: HTTPServer.Limits
    private let connections: Connections
    private let epoll: Int32
    /// An eventfd that ends `epoll_wait` early. Its id in the epoll set is 0.
    private let wakeUp: Int32
    private let state = Mutex(State())

    init(_ limits: HTTPServer.Limits, _ connections: Connections) throws(HTTPServerError) {
        self.limits = limits
        self.connections = connections
        epoll = slm_epoll_create()
        wakeUp = slm_eventfd_create()
        var event = epoll_event(events: EPOLLIN.rawValue, data: epoll_data(u64: 0))
        guard epoll >= 0, wakeUp >= 0, epoll_ctl(epoll, EPOLL_CTL_ADD, wakeUp, &event) == 0 else {
            throw .system(call: "epoll", reason: String(cString: strerror(errno)))
        }
        do throws(ThreadError) { try BackgroundThread.run { self.run() } } catch { throw .system(call: "thread", reason: "\(error)") }
    }

    deinit {
        close(epoll)
        close(wakeUp)
    }

    func add(_ exchange: Exchange, _ descriptor: Int32) {
        state.withLock { state in
            let id = state.nextID
            state.nextID += 1
            state.exchanges[id] = exchange
            state.descriptors[id] = descriptor
            state.ids[ObjectIdentifier(exchange)] = id
            var event = epoll_event(events: slm_epoll_disconnect, data: epoll_data(u64: id))
            epoll_ctl(epoll, EPOLL_CTL_ADD, descriptor, &event)
            if state.exchanges.count == 1 { eventfd_write(wakeUp, 1) }
        }
    }

    func remove(_ exchange: Exchange) {
        state.withLock { state in
            guard let id = state.ids.removeValue(forKey: ObjectIdentifier(exchange)) else { return }
            state.exchanges[id] = nil
            if let descriptor = state.descriptors.removeValue(forKey: id) { epoll_ctl(epoll, EPOLL_CTL_DEL, descriptor, nil) }
        }
    }

    func disconnectAll() {
        for exchange in exchanges { exchange.disconnect() }
    }

    func stop() {
        state.withLock { $0.isStopped = true }
        eventfd_write(wakeUp, 1)
    }

    private var exchanges: [Exchange] { state.withLock { Array($0.exchanges.values) } }

    private func run() {
        var events = [epoll_event](repeating: epoll_event(), count: 64)
        var lastCheck = ContinuousClock.now
        while !state.withLock(\.isStopped) {
            let count = epoll_wait(epoll, &events, 64, Int32(flushInterval / .milliseconds(1)))
            for event in events.prefix(Int(max(0, count))) { handle(event.data.u64) }
            let now = ContinuousClock.now
            for exchange in exchanges { exchange.flush(now, heartbeatEvery: limits.heartbeat) }
            if lastCheck + .milliseconds(500) < now {
                connections.closeLate(now)
                disconnectClosed()
                lastCheck = now
            }
        }
    }

    /// Ends exchanges whose client has closed the connection, in case epoll did not report it. Holds the lock, so that the descriptors
    /// are those of the exchanges.
    private func disconnectClosed() {
        let closed = state.withLock { state in
            state.descriptors.compactMap { id, descriptor -> Exchange? in
                var byte: UInt8 = 0
                return recv(descriptor, &byte, 1, Int32(MSG_PEEK | MSG_DONTWAIT)) == 0 ? state.exchanges[id] : nil
            }
        }
        for exchange in closed { exchange.disconnect() }
    }

    /// Grows with the number of streams: each packet that is sent takes CPU time from the model.
    private var flushInterval: Duration {
        let streams = state.withLock(\.exchanges.count)
        if streams == 0 { return .seconds(1) }
        return max(limits.minFlushInterval, min(limits.flushIntervalPerStream * streams, limits.maxFlushInterval))
    }

    private func handle(_ id: UInt64) {
        if id == 0 {
            var count: eventfd_t = 0
            eventfd_read(wakeUp, &count)
        } else {
            state.withLock { $0.exchanges[id] }?.disconnect()
        }
    }
}
