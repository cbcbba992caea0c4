import CMicroHTTPD
import Synchronization

/// A request and its response. A handler may respond once, at any time, from any thread.
///
///     exchange.respond(.text(.ok, "Hello"))
package final class Exchange: Sendable {
    private enum Stage {
        /// No response yet.
        case open
        /// No response yet, and the connection waits for it.
        case suspended(ConnectionReference)
        case responded(Response)
        /// libmicrohttpd has the response.
        case sending(ResponseStream?)
        /// Sent, or the client has disconnected.
        case finished
    }

    package let request: Request
    let arrived = ContinuousClock.now
    private let stage = Mutex(Stage.open)
    private let disconnectHandler = Mutex<(@Sendable () -> Void)?>(nil)

    init(_ request: Request) { self.request = request }

    /// Sends the response. It is dropped if the client has disconnected. Responding twice is a programming error.
    package func respond(_ response: Response) {
        let dropped: Response? = stage.withLock { stage in
            switch stage {
            case .open: stage = .responded(response)
            case .suspended(let connection):
                stage = .responded(response)
                connection.resume()
            case .finished: return response
            case .responded, .sending: preconditionFailure("expected one response to \(request.method) \(request.path), found a second one")
            }
            return nil
        }
        if case .stream(let stream)? = dropped?.body { stream.disconnect() }
    }

    /// Calls `handler` once if the client disconnects before a response. (A `ResponseStream` has a handler of its own.)
    package func onDisconnect(_ handler: @escaping @Sendable () -> Void) {
        let isDisconnected = stage.withLock { stage in
            if case .finished = stage { return true }
            disconnectHandler.withLock { $0 = handler }
            return false
        }
        if isDisconnected { handler() }
    }

    /// Returns the response. If there is none yet, suspends the connection until there is.
    func takeResponse(for connection: ConnectionReference) -> Response? {
        stage.withLock { stage in
            switch stage {
            case .responded(let response):
                if case .stream(let stream) = response.body { stage = .sending(stream) } else { stage = .sending(nil) }
                return response
            case .open:
                connection.suspend()
                stage = .suspended(connection)
                return nil
            case .suspended, .sending, .finished: return nil
            }
        }
    }

    var isFinished: Bool { stage.withLock { if case .finished = $0 { true } else { false } } }

    /// Ends the exchange because the client has disconnected, or is about to be disconnected.
    func disconnect() { end(isDetached: false) }

    /// Ends the exchange because libmicrohttpd has completed it and is about to free the connection.
    func detach() { end(isDetached: true) }

    private func end(isDetached: Bool) {
        var stream: ResponseStream?
        var wasUnanswered = false
        stage.withLock { stage in
            switch stage {
            case .open: wasUnanswered = true
            case .suspended(let connection):
                wasUnanswered = true
                if !isDetached { connection.resume() }
            case .responded(let response): if case .stream(let unread) = response.body { stream = unread }
            case .sending(let sent):
                stream = sent
                // libmicrohttpd sends the rest, or fails to, and detaches then.
                if !isDetached { return }
            case .finished: return
            }
            stage = .finished
        }
        if isDetached { stream?.detach() } else { stream?.disconnect() }
        if wasUnanswered { disconnectHandler.withLock { $0 }?() }
        disconnectHandler.withLock { $0 = nil }
    }

    func flush(_ now: ContinuousClock.Instant, heartbeatEvery interval: Duration) {
        let stream = stage.withLock { stage -> ResponseStream? in if case .sending(let stream) = stage { stream } else { nil } }
        stream?.flush(now, heartbeatEvery: interval)
    }
}
