import CMicroHTTPD
import Synchronization

/// A request and its answer, which may be given from any thread, at any time, once.
///
///     exchange.respond(.text(.ok, "Hello"))
package final class Exchange: Sendable {
    private enum Stage {
        /// Nobody has answered; the connection waits for whoever does.
        case open, asleep(ConnectionReference)
        case answered(Response)
        /// libmicrohttpd has the answer.
        case sending(ResponseStream?)
        /// It is sent, or nobody is there to send it to.
        case over
    }

    package let request: Request
    let arrived = Instant.now
    private let stage = Mutex(Stage.open)
    private let goneHandler = Mutex<(@Sendable () -> Void)?>(nil)

    init(_ request: Request) { self.request = request }

    /// An answer to a client that is gone goes nowhere. A second one is a mistake of the program's.
    package func respond(_ response: Response) {
        let late: Response? = stage.withLock { stage in
            switch stage {
            case .open: stage = .answered(response)
            case .asleep(let connection):
                stage = .answered(response)
                connection.resume()
            case .over: return response
            case .answered, .sending: preconditionFailure("a request was answered twice: \(request.method) \(request.path)")
            }
            return nil
        }
        if case .stream(let stream)? = late?.body { stream.lose() }
    }

    /// Calls `handler` once if the client goes before it was answered. (Of a stream, the stream tells.)
    package func whenGone(_ handler: @escaping @Sendable () -> Void) {
        let isGone = stage.withLock { stage in
            if case .over = stage { return true }
            goneHandler.withLock { $0 = handler }
            return false
        }
        if isGone { handler() }
    }

    /// What there is to send; if there is nothing yet, the connection is put aside until there is.
    func take(for connection: ConnectionReference) -> Response? {
        stage.withLock { stage in
            switch stage {
            case .answered(let response):
                if case .stream(let stream) = response.body { stage = .sending(stream) } else { stage = .sending(nil) }
                return response
            case .open:
                connection.suspend()
                stage = .asleep(connection)
                return nil
            case .asleep, .sending, .over: return nil
            }
        }
    }

    var isOver: Bool { stage.withLock { if case .over = $0 { true } else { false } } }

    /// The client hung up, or is to be hung up on.
    func lose() { end(isForgotten: false) }

    /// libmicrohttpd is done with it and forgets the connection.
    func leave() { end(isForgotten: true) }

    private func end(isForgotten: Bool) {
        var stream: ResponseStream?, wasUnanswered = false
        stage.withLock { stage in
            switch stage {
            case .open: wasUnanswered = true
            case .asleep(let connection):
                wasUnanswered = true
                if !isForgotten { connection.resume() }
            case .answered(let response): if case .stream(let unread) = response.body { stream = unread }
            case .sending(let sent):
                stream = sent
                // A plain answer goes out, or fails, by itself.
                if !isForgotten { return }
            case .over: return
            }
            stage = .over
        }
        if isForgotten { stream?.leave() } else { stream?.lose() }
        if wasUnanswered { goneHandler.withLock { $0 }?() }
        goneHandler.withLock { $0 = nil }
    }

    func tick(_ now: Instant, heartbeat: Duration) {
        let stream = stage.withLock { stage -> ResponseStream? in if case .sending(let stream) = stage { stream } else { nil } }
        stream?.tick(now, heartbeat: heartbeat)
    }
}
