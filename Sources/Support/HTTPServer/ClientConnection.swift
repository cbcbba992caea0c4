import Glibc
import Platform
import Synchronization

/// The connection of one client: reads a request, hands it to the handler, writes the response, reads the next request.
///
/// Confined to the thread of its event loop.
final class ClientConnection {
    enum Phase {
        case head
        case body(RequestHead, Request)
        /// The handler has the request, or its response is being sent.
        case exchange(Exchange)
        /// The last response is being sent, or one that no handler has made. If `lingers`, the client may still be sending.
        case closing(lingers: Bool)
        /// Everything is sent. What still arrives is read and discarded until the client closes its side: closing at once would reset the
        /// connection, and the client could lose the response that explains why.
        case lingering
        case closed
    }

    let id: UInt64
    let descriptor: Int32
    let address: PeerAddress
    private let events: EventSet
    let state: HTTPServerState
    unowned let table: ConnectionTable
    let waker: Waker

    var phase = Phase.head
    /// Received bytes, of which the first `consumed` are read.
    var input: [UInt8] = []
    var consumed = 0
    /// Bytes to send, of which the first `sent` are sent.
    var output: [UInt8] = []
    var sent = 0
    private var parser: RequestHeadParser
    private var bodyReader: RequestBodyReader?
    var responding = Responding()
    /// The events that are reported.
    private var armed: EventSet.Kinds = []
    var isReadPaused = false
    var hasInputEnded = false
    var waitingSince = ContinuousClock.now
    var lastProgress = ContinuousClock.now

    /// What is known of the response in progress.
    struct Responding {
        var log: RequestLogEntry?
        var isHTTP10 = false
        var keepsAlive = false
        var stream: ResponseStream?
        var isChunked = false
        /// Whether all bytes of the response are in `output`.
        var isComplete = false
    }

    init(
        _ id: UInt64, _ descriptor: Int32, _ address: PeerAddress, _ events: EventSet, _ state: HTTPServerState, _ table: ConnectionTable,
        _ waker: Waker
    ) {
        self.id = id
        self.descriptor = descriptor
        self.address = address
        self.events = events
        self.state = state
        self.table = table
        self.waker = waker
        parser = RequestHeadParser(state.settings.limits)
    }

    /// - Parameter rejection: Why the connection is answered with an error instead of being served.
    func start(rejecting rejection: RequestError?) {
        var yes: Int32 = 1
        setsockopt(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, &yes, socklen_t(MemoryLayout<Int32>.size))
        armed = [.input, .halfClosed]
        guard events.add(descriptor, for: armed, id: id) else { return close() }
        guard let rejection else { return }
        reject(rejection)
        proceed()
    }

    // MARK: Events

    func handle(_ kinds: EventSet.Kinds) {
        if !kinds.isDisjoint(with: .closed) { return close() }
        if kinds.contains(.output) { proceed() }
        if kinds.contains(.input) { receive() }
        if kinds.contains(.halfClosed) { inputEnded() }
    }

    private func receive() {
        switch phase {
        case .closed: return
        case .exchange, .closing:
            isReadPaused = true
            return arm()
        case .head, .body, .lingering: break
        }
        let size = table.scratch.count
        let count = recv(descriptor, &table.scratch, size, 0)
        if count < 0 {
            if errno != EAGAIN, errno != EINTR { close() }
            return
        }
        if count == 0 { return inputEnded() }
        lastProgress = .now
        if case .lingering = phase { return }
        table.scratch.withUnsafeBufferPointer { input.append(contentsOf: $0[..<count]) }
        proceed()
    }

    /// Handles the end of the client's side of the connection. While the client waits for a response, this means that it has gone.
    private func inputEnded() {
        switch phase {
        case .head, .body, .lingering:
            // Bytes that have arrived before the end are read first.
            if hasMoreInput { return }
            close()
        case .exchange where !responding.isComplete: close()
        case .exchange, .closing:
            hasInputEnded = true
            arm()
        case .closed: break
        }
    }

    /// Whether the kernel has bytes that were not read.
    private var hasMoreInput: Bool {
        var byte: UInt8 = 0
        return recv(descriptor, &byte, 1, Int32(MSG_PEEK | MSG_DONTWAIT)) > 0
    }

    /// Sends bytes of the stream, and a heartbeat if it is time.
    func flush(_ now: ContinuousClock.Instant) {
        responding.stream?.beat(now, every: state.settings.limits.heartbeat)
        proceed()
    }

    /// Closes a connection whose request takes too long to arrive, or whose client reads nothing.
    func closeIfLate(_ now: ContinuousClock.Instant) {
        let limits = state.settings.limits
        let isLate = switch phase {
        case .head where isIdleAndUnwanted: true
        case .head: waitingSince + (parser.hasBegun ? limits.requestTimeout : limits.idleTimeout) < now
        case .body(_, let request):
            waitingSince + limits.requestTimeout + .seconds(Double(request.content.count) / Double(limits.bodyRate)) < now
        case .exchange, .closing: sent < output.count && lastProgress + limits.idleTimeout < now
        case .lingering: lastProgress + limits.lingerPause < now || waitingSince + limits.lingerTime < now
        case .closed: false
        }
        if isLate { close() }
    }

    /// Whether no request has begun for the time of `HTTPServer.closeIdleConnections`. Needs the phase `head`.
    private var isIdleAndUnwanted: Bool {
        let limit = state.maxIdleMilliseconds.load(ordering: .relaxed)
        guard limit < .max, !parser.hasBegun, input.isEmpty, !hasMoreInput else { return false }
        return waitingSince + .milliseconds(limit) <= .now
    }

    /// Closes the connection. A response that was not sent is dropped, and its handler is notified.
    func close() {
        if case .closed = phase { return }
        let previous = phase
        phase = .closed
        table.remove(id)
        Glibc.close(descriptor)
        state.connections.remove(address)
        if case .exchange(let exchange) = previous { end(exchange) } else { endLog() }
    }

    /// Asks for the events that the connection can handle next.
    func arm() {
        var kinds: EventSet.Kinds = []
        if !hasInputEnded { kinds.formUnion(isReadPaused ? .halfClosed : [.halfClosed, .input]) }
        if sent < output.count { kinds.insert(.output) }
        if kinds == armed { return }
        armed = kinds
        if !events.change(descriptor, to: kinds, id: id) { close() }
    }

    // MARK: Requests

    /// Does everything that is possible without waiting.
    func proceed() {
        while true {
            let canContinue: Bool
            switch phase {
            case .head: canContinue = readHead()
            case .body(let head, let request): canContinue = readBody(head, request)
            case .exchange(let exchange): canContinue = send(exchange)
            case .closing(let lingers): canContinue = sendLast(lingers)
            case .lingering, .closed: return
            }
            if !canContinue { break }
        }
        if case .closed = phase { return }
        if case .head = phase {
            dropConsumedInput()
            if isIdleAndUnwanted { return close() }
        }
        arm()
    }

    private func dropConsumedInput() {
        if consumed == input.count {
            input.removeAll(keepingCapacity: input.capacity <= 64 << 10)
        } else if consumed > 64 << 10 {
            input.removeFirst(consumed)
        } else {
            return
        }
        consumed = 0
    }

    /// - Returns: Whether the phase has changed.
    private func readHead() -> Bool {
        if consumed == input.count { return false }
        let wasIdle = !parser.hasBegun
        do throws(RequestError) {
            let parsed = try parser.parse(input.span.extracting(consumed..<input.count))
            if wasIdle { waitingSince = .now }
            guard let head = parsed else { return false }
            consumed += parser.length
            parser = RequestHeadParser(state.settings.limits)
            begin(head)
        } catch {
            reject(error)
        }
        return true
    }

    /// Handles a complete head.
    private func begin(_ head: RequestHead) {
        let requestID = requestID(of: head)
        responding = Responding()
        let prefix = state.settings.pathPrefix(head.target)
        responding.log = RequestLogEntry(requestID, head.method, prefix + head.target)
        responding.isHTTP10 = head.isHTTP10
        responding.keepsAlive = head.isHTTP10 ? head.lists("keep-alive", in: "connection") : !head.lists("close", in: "connection")
        guard let target = RequestTarget(head.target, under: prefix) else {
            let message = "Invalid path: expected UTF-8 text, with two hex digits after each percent sign."
            return reject(.malformed(message), closing: head.hasBody)
        }
        let limits = state.settings.limits
        if target.queryItems.count > limits.queryItems {
            let message = "Too many query parameters: expected at most \(limits.queryItems), found \(target.queryItems.count)."
            return reject(RequestError(status: .uriTooLong, message: message), closing: head.hasBody)
        }
        var bare = Request(head.method, target: target, headers: head.headers, peer: address, id: requestID)
        let policy = state.settings.requestPolicy(bare)
        bare.route = policy.route
        do throws(RequestError) {
            let most = policy.isUpload ? limits.uploads.one : limits.bodies.one, memory = policy.isUpload ? state.uploads : state.bodies
            let reader = try RequestBodyReader(head, limit: min(policy.bodyLimit ?? most, most))
            let request = reader.isComplete ? bare : bare.with(RequestBody(in: memory, for: policy.client ?? address))
            bodyReader = reader
            if !reader.isComplete, let expectation = request.header("expect") {
                guard expectation.lowercased() == "100-continue" else {
                    throw RequestError(status: .expectationFailed, message: "Unsupported Expect header: expected 100-continue.")
                }
                if consumed == input.count, !head.isHTTP10 { output += ResponseEncoder.continueHead }
            }
            phase = .body(head, request)
        } catch {
            reject(error)
        }
    }

    private func requestID(of head: RequestHead) -> String {
        if state.settings.trustsRequestIDs, state.settings.isProxy(address),
           let given = head.headers.last(where: { $0.name == "x-request-id" })?.value,
           (1...128).contains(given.utf8.count), given.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F }) {
            return given
        }
        return state.makeRequestID()
    }

    /// - Returns: Whether the phase has changed.
    private func readBody(_ head: RequestHead, _ request: Request) -> Bool {
        guard var reader = bodyReader else { preconditionFailure("a body without its reader") }
        if !reader.isComplete {
            do throws(RequestError) {
                let used = try request.content.append(input.span.extracting(consumed..<input.count), with: &reader)
                guard let used else {
                    let message = "The server is receiving too much data at the moment. Try again soon."
                    throw RequestError(status: .serviceUnavailable, message: message)
                }
                consumed += used
            } catch {
                request.releaseBody()
                reject(error)
                return true
            }
            bodyReader = reader
            dropConsumedInput()
        }
        guard reader.isComplete else {
            _ = write()              // "100 Continue"
            return false
        }
        let exchange = Exchange(request, report: state.settings.onMistake)
        responding.log?.request = request
        state.requestsInFlight.add(1, ordering: .relaxed)
        phase = .exchange(exchange)
        state.handle(exchange)
        return true
    }

    /// Answers with an error.
    ///
    /// - Parameter closing: Whether it is not known where the next request begins. What the client still sends is then discarded.
    private func reject(_ error: RequestError, closing: Bool = true) {
        let entry = responding.log ?? RequestLogEntry(state.makeRequestID(), "", "")
        responding.log = entry
        if closing { responding.keepsAlive = false }
        let rejected = RejectedRequest(status: error.status, message: error.message, target: entry.target, id: entry.id)
        let response = state.settings.responseToRejected(rejected)
        encode(response, isHead: entry.method == "HEAD")
        phase = .closing(lingers: closing)
    }
}
