import CMicroHTTPD
import Glibc
import Synchronization
import Threads

/// Looks after answers that are under way: sees when a client hangs up, sends what waited to go out together, says now and then that a
/// stream is there.
///
/// libmicrohttpd does not look at connections that are put aside, so somebody else has to.
final class Watch: Sendable {
    private struct State {
        var next: UInt64 = 1
        var exchanges: [UInt64: (exchange: Exchange, descriptor: Int32)] = [:]
        var ids: [ObjectIdentifier: UInt64] = [:]
        var isOver = false
    }

    private let limits: HTTPServer.Limits
    private let connections: Connections
    private let poll, bell: Int32
    private let state = Mutex(State())

    init(_ limits: HTTPServer.Limits, _ connections: Connections) throws(HTTPServerError) {
        self.limits = limits
        self.connections = connections
        poll = slm_epoll_make()
        bell = slm_bell_make()
        var event = epoll_event(events: EPOLLIN.rawValue, data: epoll_data(u64: 0))
        guard poll >= 0, bell >= 0, epoll_ctl(poll, EPOLL_CTL_ADD, bell, &event) == 0 else {
            throw .system(what: "no epoll", reason: String(cString: strerror(errno)))
        }
        do throws(ThreadError) { try BackgroundThread.run { self.run() } } catch { throw .system(what: "no thread", reason: "\(error)") }
    }

    deinit {
        close(poll)
        close(bell)
    }

    func add(_ exchange: Exchange, _ descriptor: Int32) {
        state.withLock { state in
            let id = state.next
            state.next += 1
            state.exchanges[id] = (exchange, descriptor)
            state.ids[ObjectIdentifier(exchange)] = id
            var event = epoll_event(events: slm_epoll_gone, data: epoll_data(u64: id))
            epoll_ctl(poll, EPOLL_CTL_ADD, descriptor, &event)
            if state.exchanges.count == 1 { eventfd_write(bell, 1) }
        }
    }

    func remove(_ exchange: Exchange) {
        state.withLock { state in
            guard let id = state.ids.removeValue(forKey: ObjectIdentifier(exchange)), let entry = state.exchanges.removeValue(forKey: id)
            else { return }
            epoll_ctl(poll, EPOLL_CTL_DEL, entry.descriptor, nil)
        }
    }

    /// On everybody who waits for an answer.
    func hangUp() {
        for exchange in watched { exchange.lose() }
    }

    func stop() {
        state.withLock { $0.isOver = true }
        eventfd_write(bell, 1)
    }

    private var watched: [Exchange] { state.withLock { $0.exchanges.values.map(\.exchange) } }

    private func run() {
        var events = [epoll_event](repeating: epoll_event(), count: 64), lastLook = Instant.now
        while !state.withLock(\.isOver) {
            let count = epoll_wait(poll, &events, 64, Int32(pause.nanoseconds / 1_000_000))
            for event in events.prefix(Int(max(0, count))) { notice(event.data.u64) }
            let now = Instant.now
            for exchange in watched { exchange.tick(now, heartbeat: limits.heartbeat) }
            if lastLook + .milliseconds(500) < now {
                connections.dropLate(now)
                lastLook = now
            }
        }
    }

    /// How long to sleep. Each piece that goes out takes time from whoever computes the next.
    private var pause: Duration {
        let streams = state.withLock(\.exchanges.count)
        return streams == 0 ? .seconds(1) : max(limits.gathering, min(limits.gatheringPerStream * streams, limits.gatheringAtMost))
    }

    private func notice(_ id: UInt64) {
        if id == 0 {
            var count: eventfd_t = 0
            eventfd_read(bell, &count)
        } else { state.withLock { $0.exchanges[id]?.exchange }?.lose() }
    }
}
