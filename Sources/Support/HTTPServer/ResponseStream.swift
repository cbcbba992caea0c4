import CMicroHTTPD
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
    fileprivate struct State: Sendable {
        /// Bytes to send, of which the first `sent` are sent.
        var buffer: [UInt8] = []
        var sent = 0
        var isFinished = false
        var isDisconnected = false
        /// Suspended until there are bytes to send.
        var suspended: ConnectionReference?
        /// Whether the next write may wait for the next flush.
        var mayDelay = false
        var lastWrite = ContinuousClock.now
        var lastRead = ContinuousClock.now
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
            let pending = state.buffer.count - state.sent + bytes.count
            // A single large write is not the fault of the client: it has time to read, up to 16 times the limit.
            if pending > bufferLimit, pending > 16 * bufferLimit || state.lastRead + Self.readTimeout < .now { return true }
            state.buffer += bytes
            state.lastWrite = .now
            if flush || !state.mayDelay || state.buffer.count > 4_096 { state.resume() }
            state.mayDelay = true
            return false
        }
        if isTooSlow { disconnect() }
    }

    package func write(_ text: String) { write(Array(text.utf8)) }

    package func finish() {
        state.withLock { state in
            state.isFinished = true
            state.resume()
        }
    }

    /// Whether the client has disconnected.
    package var isDisconnected: Bool { state.withLock(\.isDisconnected) }

    /// Sends buffered bytes, and a heartbeat if nothing was written for `interval`.
    func flush(_ now: ContinuousClock.Instant, heartbeatEvery interval: Duration) {
        state.withLock { state in
            if !heartbeat.isEmpty, !state.isFinished, !state.isDisconnected, state.lastWrite + interval < now {
                state.buffer += heartbeat
                state.lastWrite = now
            }
            if state.buffer.count > state.sent { state.resume() }
        }
    }

    /// Drops the buffer and reports the disconnect, once.
    func disconnect() {
        let isFirst = state.withLock { state in
            defer {
                state.isDisconnected = true
                state.buffer = []
                state.sent = 0
            }
            state.resume()
            return !state.isDisconnected && !state.isFinished
        }
        if isFirst { onDisconnect() }
    }

    /// Drops the connection, which libmicrohttpd is about to free.
    func detach() {
        state.withLock { $0.suspended = nil }
        disconnect()
    }

    /// Copies pending bytes into `memory`. If there are none, suspends the connection until there are.
    func read(into memory: UnsafeMutableRawBufferPointer, for connection: ConnectionReference) -> Int {
        state.withLock { state in
            if state.isDisconnected { return ConnectionReference.readerFailed }
            let count = min(memory.count, state.buffer.count - state.sent)
            if count > 0 {
                state.buffer[state.sent..<state.sent + count].withUnsafeBytes { memory.copyMemory(from: UnsafeRawBufferPointer($0)) }
                state.sent += count
                state.lastRead = .now
                if state.sent == state.buffer.count {
                    state.buffer.removeAll(keepingCapacity: true)
                    state.sent = 0
                }
                return count
            }
            if state.isFinished { return ConnectionReference.readerFinished }
            connection.suspend()
            state.suspended = connection
            return 0
        }
    }
}

extension ResponseStream.State {
    fileprivate mutating func resume() {
        suspended?.resume()
        suspended = nil
    }
}
