import Synchronization

/// A request and its response. A handler responds once, at any time, from any thread.
///
///     exchange.respond(.text(.ok, "Hello"))
package final class Exchange: Sendable {
    private enum Stage {
        /// No response yet.
        case open
        /// No response yet, and the connection waits for it.
        case waiting(Waker)
        case responded(Response)
        /// The connection has the response.
        case sending
        /// Sent, or the client has disconnected.
        case finished
    }

    package let request: Request
    let arrived = ContinuousClock.now
    private let stage = Mutex(Stage.open)
    private let disconnectHandler = Mutex<(@Sendable () -> Void)?>(nil)
    /// Reports a mistake of the handler.
    private let report: @Sendable (String) -> Void

    init(_ request: Request, report: @escaping @Sendable (String) -> Void) {
        self.request = request
        self.report = report
    }

    /// Sends the response. It is dropped if the client has disconnected. A second response is dropped and reported.
    package func respond(_ response: Response) {
        var isSecond = false
        let isDropped = stage.withLock { stage in
            switch stage {
            case .open: stage = .responded(response)
            case .waiting(let waker):
                stage = .responded(response)
                waker.wake()
            case .finished: return true
            case .responded, .sending:
                isSecond = true
                return true
            }
            return false
        }
        if isSecond { report("\(request.method) \(request.path) got a second response, with status \(response.status.rawValue)") }
        if isDropped, case .stream(let stream) = response.body { stream.disconnect() }
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

    /// Returns the response. If there is none yet, wakes the connection when there is.
    func takeResponse(orWake waker: Waker) -> Response? {
        stage.withLock { stage in
            switch stage {
            case .responded(let response):
                stage = .sending
                return response
            case .open:
                stage = .waiting(waker)
                return nil
            case .waiting, .sending, .finished: return nil
            }
        }
    }

    /// Ends the exchange: the response is sent, or the client has disconnected.
    func finish() {
        var unsent: ResponseStream?
        let wasUnanswered = stage.withLock { stage in
            defer { stage = .finished }
            switch stage {
            case .open, .waiting: return true
            case .responded(let response):
                if case .stream(let stream) = response.body { unsent = stream }
                return false
            case .sending, .finished: return false
            }
        }
        unsent?.disconnect()
        let handler = disconnectHandler.withLock { handler in
            defer { handler = nil }
            return handler
        }
        if wasUnanswered { handler?() }
    }
}
