import CMicroHTTPD
import Synchronization

/// A body that comes piece by piece, from any thread; nobody waits for its reader.
///
///     let stream = ResponseStream { answer.cancel() }          // when the client is gone
///     exchange.respond(Response(.ok, headers, stream: stream))
///     stream.write(piece)
///     stream.finish()
///
/// Pieces that come fast go out together, some thirty times a second; the first at once.
package final class ResponseStream: Sendable {
    fileprivate struct State: Sendable {
        var waiting: [UInt8] = [], taken = 0
        var isFinished = false, isGone = false
        /// Whether libmicrohttpd has put the connection aside until there is more.
        var sleeper: ConnectionReference?
        var mayWait = false
        var lastWrite = Instant.now, lastRead = Instant.now
    }

    private let state = Mutex(State())
    private static let patience = Duration.seconds(5)
    private let backlog: Int
    private let heartbeat: [UInt8]
    private let onGone: @Sendable () -> Void

    /// - Parameters:
    ///   - heartbeat: What is said when there is nothing to say for long; nothing for a body that allows no such thing.
    ///   - onGone: Called once, when the client is gone before the end, or reads too slowly. On any thread; it must not wait.
    package init(heartbeat: String = "", backlog: Int = HTTPServer.Limits().backlog, onGone: @escaping @Sendable () -> Void = {}) {
        self.heartbeat = Array(heartbeat.utf8)
        self.backlog = backlog
        self.onGone = onGone
    }

    /// Behind the end, and when nobody reads any more, nothing happens.
    ///
    /// - Parameter atOnce: It does not wait for what follows.
    package func write(_ bytes: [UInt8], atOnce: Bool = false) {
        let isTooMuch = state.withLock { state in
            if state.isFinished || state.isGone { return false }
            let waiting = state.waiting.count - state.taken + bytes.count
            // Much at once is no fault of the reader's.
            if waiting > backlog, waiting > 16 * backlog || state.lastRead + Self.patience < .now { return true }
            state.waiting += bytes
            state.lastWrite = .now
            if atOnce || !state.mayWait || state.waiting.count > 4_096 { state.wake() }
            state.mayWait = true
            return false
        }
        if isTooMuch { lose() }
    }

    package func write(_ text: String) { write(Array(text.utf8)) }

    package func finish() {
        state.withLock { state in
            state.isFinished = true
            state.wake()
        }
    }

    /// Whether nobody reads any more.
    package var isGone: Bool { state.withLock(\.isGone) }

    /// What waits to go out with more goes now; what was silent for long says that it is there.
    func tick(_ now: Instant, heartbeat every: Duration) {
        state.withLock { state in
            if !heartbeat.isEmpty, !state.isFinished, !state.isGone, state.lastWrite + every < now {
                state.waiting += heartbeat
                state.lastWrite = now
            }
            if state.waiting.count > state.taken { state.wake() }
        }
    }

    /// The client is gone.
    func lose() {
        let isNews = state.withLock { state in
            defer {
                state.isGone = true
                state.waiting = []
                state.taken = 0
            }
            state.wake()
            return !state.isGone && !state.isFinished
        }
        if isNews { onGone() }
    }

    /// The exchange is over: libmicrohttpd forgets the connection.
    func leave() {
        state.withLock { $0.sleeper = nil }
        lose()
    }

    /// Copies what waits into `memory`; where there is nothing, puts the connection aside until there is.
    func read(into memory: UnsafeMutableRawBufferPointer, for connection: ConnectionReference) -> Int {
        state.withLock { state in
            if state.isGone { return ConnectionReference.readerFailed }
            let count = min(memory.count, state.waiting.count - state.taken)
            if count > 0 {
                state.waiting[state.taken..<state.taken + count].withUnsafeBytes { memory.copyMemory(from: UnsafeRawBufferPointer($0)) }
                state.taken += count
                state.lastRead = .now
                if state.taken == state.waiting.count {
                    state.waiting.removeAll(keepingCapacity: true)
                    state.taken = 0
                }
                return count
            }
            if state.isFinished { return ConnectionReference.readerFinished }
            connection.suspend()
            state.sleeper = connection
            return 0
        }
    }
}

extension ResponseStream.State {
    fileprivate mutating func wake() {
        sleeper?.resume()
        sleeper = nil
    }
}
