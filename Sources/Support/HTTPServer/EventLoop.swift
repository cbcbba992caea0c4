import Glibc
import Platform
import Synchronization
import Threads

/// A thread that reads requests and writes responses, with an event set of its own. It never blocks on a handler or a client.
final class EventLoop: Sendable {
    private struct Inbox {
        var accepted: [(descriptor: Int32, address: PeerAddress)] = []
        var woken: [UInt64] = []
        var isStopped = false
        var checksAll = false
        var isSignalled = false
    }

    /// The id of the first listening socket, after the event set's own; the others follow.
    private static let listeningID: UInt64 = 1
    /// An id that no listening socket has.
    fileprivate static let firstConnectionID: UInt64 = 1 << 16
    private static let checkInterval = Duration.milliseconds(500)

    private let state: HTTPServerState
    private let events: EventSet
    private let inbox = Mutex(Inbox())
    private let ended = Mailbox<Void>()
    /// When the thread last looked for events, in seconds since `state.started`.
    private let lastRound = Atomic(0)

    var secondsSinceLastRound: Int { Self.seconds(since: state.started) - lastRound.load(ordering: .relaxed) }

    init(_ state: HTTPServerState) throws(HTTPServerError) {
        guard let events = EventSet() else { throw .system(call: "epoll", reason: String(cString: strerror(errno))) }
        self.state = state
        self.events = events
    }

    /// Starts the thread.
    ///
    /// - Parameters:
    ///   - listening: The sockets whose connections this loop accepts after `beginAccepting`; none if another loop accepts them.
    ///   - loops: The loops among which new connections are distributed.
    func start(listening: [Int32], _ loops: [EventLoop]) throws(HTTPServerError) {
        lastRound.store(Self.seconds(since: state.started), ordering: .relaxed)
        do throws(ThreadError) { try BackgroundThread.run { self.run(listening, loops) } } catch {
            throw .system(call: "thread", reason: "\(error)")
        }
    }

    /// - Parameter index: The index of the socket among those of `start`.
    func beginAccepting(from listening: Int32, at index: Int) throws(HTTPServerError) {
        guard events.add(listening, for: .input, id: Self.listeningID + UInt64(index)) else {
            throw .system(call: "epoll", reason: String(cString: strerror(errno)))
        }
    }

    /// The thread may still accept connections that it has seen.
    func endAccepting(from listening: Int32) { events.remove(listening) }

    /// Makes the thread look at all connections.
    func checkAll() { post { $0.checksAll = true } }

    /// Disconnects all clients, ends the thread and waits for its end.
    func stop() {
        post { $0.isStopped = true }
        ended.take()
    }

    /// Makes a connection look for a response, or for bytes of a stream.
    fileprivate func wake(_ connection: UInt64) { post { $0.woken.append(connection) } }

    private func add(_ descriptor: Int32, _ address: PeerAddress) { post { $0.accepted.append((descriptor, address)) } }

    private func post(_ change: (inout Inbox) -> Void) {
        let needsSignal = inbox.withLock { inbox in
            change(&inbox)
            defer { inbox.isSignalled = true }
            return !inbox.isSignalled
        }
        if needsSignal { events.wake() }
    }

    private func takeInbox() -> Inbox {
        inbox.withLock { inbox in
            defer { inbox = Inbox(isStopped: inbox.isStopped) }
            return inbox
        }
    }

    private static func seconds(since start: ContinuousClock.Instant) -> Int { Int((ContinuousClock.now - start).components.seconds) }

    private func run(_ listening: [Int32], _ loops: [EventLoop]) {
        let table = ConnectionTable()
        var buffer = EventSet.Buffer()
        var nextFlush = ContinuousClock.now
        var nextCheck = ContinuousClock.now
        var nextLoop = 0
        while true {
            let timeout = table.streaming.isEmpty ? table.connections.isEmpty ? 5_000 : 500 : Self.milliseconds(nextFlush - .now)
            events.wait(into: &buffer, milliseconds: timeout)
            lastRound.store(Self.seconds(since: state.started), ordering: .relaxed)
            for event in buffer.events {
                switch event.id {
                case ..<Self.firstConnectionID: accept(listening[Int(event.id - Self.listeningID)], loops, &nextLoop)
                case let id: table.connections[id]?.handle(event.kinds)
                }
            }
            let inbox = takeInbox()
            for (descriptor, address) in inbox.accepted { table.add(descriptor, address, events, state) { Waker(self, $0) } }
            for id in inbox.woken { table.connections[id]?.proceed() }
            if inbox.isStopped { break }
            let now = ContinuousClock.now
            if !table.streaming.isEmpty, nextFlush <= now {
                for id in table.streaming { table.connections[id]?.flush(now) }
                nextFlush = now + state.flushInterval
            }
            if nextCheck <= now || inbox.checksAll {
                for connection in Array(table.connections.values) { connection.closeIfLate(now) }
                nextCheck = now + Self.checkInterval
            }
        }
        for connection in Array(table.connections.values) { connection.close() }
        ended.put(())
    }

    /// Accepts waiting connections and distributes them.
    private func accept(_ listening: Int32, _ loops: [EventLoop], _ nextLoop: inout Int) {
        for _ in 0..<64 {
            var address = sockaddr_storage()
            let descriptor = StreamSocket.accept(from: listening, address: &address)
            if descriptor < 0 {
                // Without a free descriptor, the system reports the connection again and again: wait for one.
                if [EMFILE, ENFILE, ENOBUFS, ENOMEM].contains(errno) { usleep(10_000) }
                return
            }
            loops[nextLoop % loops.count].add(descriptor, PeerAddress(address))
            nextLoop += 1
        }
    }

    private static func milliseconds(_ time: Duration) -> Int { max(0, Int(time / .milliseconds(1) + 0.999)) }
}

/// Wakes a connection from any thread.
struct Waker: Sendable {
    private let loop: EventLoop
    private let connection: UInt64

    fileprivate init(_ loop: EventLoop, _ connection: UInt64) {
        self.loop = loop
        self.connection = connection
    }

    func wake() { loop.wake(connection) }
}

/// The connections of an event loop. Confined to its thread.
final class ConnectionTable {
    fileprivate(set) var connections: [UInt64: ClientConnection] = [:]
    /// The connections that send a stream.
    var streaming: Set<UInt64> = []
    var encoder = ResponseEncoder()
    /// For bytes that were received.
    var scratch = [UInt8](repeating: 0, count: 64 << 10)
    /// An id is never used again.
    private var nextID = EventLoop.firstConnectionID

    fileprivate func add(
        _ descriptor: Int32, _ address: PeerAddress, _ events: EventSet, _ state: HTTPServerState, _ makeWaker: (UInt64) -> Waker
    ) {
        let rejection = state.connections.add(address)
        if rejection != nil, !state.connections.hasRoomForRejected || state.isStopping.load(ordering: .relaxed) {
            state.connections.remove(address)
            close(descriptor)
            return
        }
        let connection = ClientConnection(nextID, descriptor, address, events, state, self, makeWaker(nextID))
        connections[nextID] = connection
        nextID += 1
        connection.start(rejecting: rejection)
    }

    func remove(_ id: UInt64) {
        connections[id] = nil
        streaming.remove(id)
    }
}
