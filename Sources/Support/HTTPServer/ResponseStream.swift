import Synchronization
import Threads

/// A response body that is written piece by piece, from any thread. Writing never blocks on the client.
///
///     let stream = ResponseStream { generation.cancel() }      // called when the client disconnects
///     exchange.respond(Response(.ok, headers, stream: stream))
///     stream.write(piece)
///     stream.finish()
///
/// Frequent writes are sent together, about thirty times a second. The first one is sent at once.
package final class ResponseStream: Sendable {
    private struct State: Sendable {
        /// Bytes that the connection has not taken.
        var buffer: [UInt8] = []
        var isFinished = false
        var isDisconnected = false
        /// The connection that sends the stream, while it waits for bytes.
        var waker: Waker?
        var isWoken = false
        /// Whether the next write may wait for the next flush.
        var mayDelay = false
        var lastWrite = ContinuousClock.now
        var lastRead = ContinuousClock.now

        mutating func wake() {
            guard let waker, !isWoken else { return }
            isWoken = true
            waker.wake()
        }
    }

    private let state = Mutex(State())
    /// A client that has read nothing for this long while the buffer is full is disconnected.
    private static let readTimeout = Duration.seconds(5)
    private let bufferLimit: Int
    private let heartbeat: [UInt8]
    private let onDisconnect: @Sendable () -> Void

    /// - Parameters:
    ///   - heartbeat: Written when nothing else was written for `Limits.heartbeat`: a comment in server-sent events. Empty for none.
    ///   - onDisconnect: Called once if the client disconnects before the end or reads too slowly. Runs on any thread and must not block.
    package init(
        heartbeat: String = "",
        bufferLimit: Int = HTTPServer.Limits().streamBuffer,
        onDisconnect: @escaping @Sendable () -> Void = {}
    ) {
        self.heartbeat = Array(heartbeat.utf8)
        self.bufferLimit = bufferLimit
        self.onDisconnect = onDisconnect
    }

    /// Appends bytes. Does nothing after `finish` and after the client has disconnected.
    ///
    /// - Parameter flush: Sends them at once instead of with the next flush.
    package func write(_ bytes: [UInt8], flush: Bool = false) {
        let isTooSlow = state.withLock { state in
            if state.isFinished || state.isDisconnected { return false }
            let pending = state.buffer.count + bytes.count
            // A single large write is not the fault of the client: it has time to read, up to 16 times the limit. Nor is a pause before it,
            // if the client has read everything.
            let isLate = !state.buffer.isEmpty && state.lastRead + Self.readTimeout < .now
            if pending > bufferLimit, pending > 16 * bufferLimit || isLate { return true }
            state.buffer += bytes
            state.lastWrite = .now
            if flush || !state.mayDelay || state.buffer.count > 4_096 { state.wake() }
            state.mayDelay = true
            return false
        }
        if isTooSlow { disconnect() }
    }

    /// Ends the stream.
    ///
    /// - Parameter last: The end of the body. What another thread writes at the same time is before it, or is dropped.
    package func finish(with last: [UInt8] = []) {
        state.withLock { state in
            if !state.isFinished, !state.isDisconnected { state.buffer += last }
            state.isFinished = true
            state.wake()
        }
    }

    /// What the connection has not taken.
    package var bufferedBytes: Int { state.withLock(\.buffer.count) }

    /// Closes the connection, so that the client sees that the response is incomplete.
    package func abort() { disconnect() }

    /// Whether the client has disconnected.
    package var isDisconnected: Bool { state.withLock(\.isDisconnected) }

    /// Drops the buffer and reports the disconnect, once.
    func disconnect() {
        let isFirst = state.withLock { state in
            defer {
                state.isDisconnected = true
                state.buffer = []
                state.waker = nil
            }
            state.wake()
            return !state.isDisconnected && !state.isFinished
        }
        if isFirst { onDisconnect() }
    }

    /// Wakes the connection when there are bytes to send.
    func attach(_ waker: Waker) { state.withLock { $0.waker = waker } }

    enum Content { case bytes([UInt8]), nothingYet, finished, disconnected }

    /// Takes the buffered bytes.
    func take() -> Content {
        state.withLock { state in
            state.isWoken = false
            if state.isDisconnected { return .disconnected }
            if state.buffer.isEmpty { return state.isFinished ? .finished : .nothingYet }
            defer { state.buffer = [] }
            state.lastRead = .now
            return .bytes(state.buffer)
        }
    }

    /// Writes a heartbeat if nothing was written for `interval`.
    func beat(_ now: ContinuousClock.Instant, every interval: Duration) {
        if heartbeat.isEmpty { return }
        state.withLock { state in
            guard !state.isFinished, !state.isDisconnected, state.lastWrite + interval < now else { return }
            state.buffer += heartbeat
            state.lastWrite = now
        }
    }
}
