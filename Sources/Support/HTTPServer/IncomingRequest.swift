import CMicroHTTPD
import Synchronization
import Threads

/// A request from its first line to the end of its response. libmicrohttpd calls it from one thread at a time.
final class IncomingRequest {
    private let target: String
    private let state: HTTPServerState
    private let connection: Connections.Entry?
    private var body: [UInt8] = []
    /// Bytes of this request in `HTTPServerState.bodyBytes`.
    private var countedBytes = 0
    private var hasHead = false
    /// Set while the body is read: the response waits for its end.
    private var rejection: RejectedRequest?
    private var exchange: Exchange?
    private var status: HTTPStatus?
    private var isMonitored = false

    init(_ target: String, _ state: HTTPServerState, _ connection: Connections.Entry?) {
        self.target = target
        self.state = state
        self.connection = connection
        state.requestsInFlight.add(1, ordering: .relaxed)
    }

    /// Handles one call of libmicrohttpd, which calls once with the head, once for each part of the body, once at its end, and whenever
    /// the connection was resumed.
    ///
    /// - Returns: false to close the connection.
    func proceed(_ connection: ConnectionReference, method: UnsafePointer<CChar>, part: UnsafeRawBufferPointer) -> Bool {
        if let exchange { return sendResponse(of: exchange, connection) }
        if !hasHead {
            hasHead = true
            if let rejection = rejectionOfHead(connection) { return reject(rejection, connection) }
            return true
        }
        if part.count > 0 { return append(part) }
        self.connection?.requestArrived()
        if let rejection { return reject(rejection, connection) }
        guard let target = RequestTarget(target) else {
            let message = "Invalid path: expected UTF-8 text, with two hex digits after each percent sign."
            return reject(RejectedRequest(status: .badRequest, message: message, target: target), connection, closing: false)
        }
        // The bytes of the body stay counted until the request is finished: the Request holds them until then.
        let request = Request(String(cString: method), target: target, headers: connection.headers, body: body, peer: connection.address)
        let exchange = Exchange(request)
        body = []
        self.exchange = exchange
        state.handle(exchange)
        return sendResponse(of: exchange, connection)
    }

    private func sendResponse(of exchange: Exchange, _ connection: ConnectionReference) -> Bool {
        if let response = exchange.takeResponse(for: connection) {
            if case .stream = response.body { monitor(exchange, connection) }
            return send(response, connection)
        }
        if exchange.isFinished { return false }
        monitor(exchange, connection)
        return true
    }

    private func monitor(_ exchange: Exchange, _ connection: ConnectionReference) {
        if isMonitored { return }
        isMonitored = true
        state.monitor.add(exchange, connection.descriptor)
        // Either `disconnectAll` sees this exchange, or this thread sees that it has already run.
        if state.isClosed.load(ordering: .sequentiallyConsistent) { exchange.disconnect() }
    }

    private func send(_ response: Response, _ connection: ConnectionReference, closing: Bool = false) -> Bool {
        status = response.status
        return connection.send(response, closing: closing || state.isStopping.load(ordering: .relaxed))
    }

    private func reject(_ rejection: RejectedRequest, _ connection: ConnectionReference, closing: Bool = true) -> Bool {
        send(state.settings.responseToRejected(rejection), connection, closing: closing)
    }

    /// Rejects heads that a proxy and this server might read in different ways (request smuggling).
    private func rejectionOfHead(_ connection: ConnectionReference) -> RejectedRequest? {
        let headers = connection.headers
        let lengths = headers.filter { $0.name == "content-length" }
        let codings = headers.filter { $0.name == "transfer-encoding" }
        func badRequest(_ message: String) -> RejectedRequest { RejectedRequest(status: .badRequest, message: message, target: target) }
        if headers.count(where: { $0.name == "host" }) > 1 { return badRequest("Expected one Host header, found several.") }
        if lengths.count > 1 || (!lengths.isEmpty && !codings.isEmpty) {
            return badRequest("Expected one Content-Length or one Transfer-Encoding header, found several.")
        }
        if let coding = codings.first, codings.count > 1 || coding.value.lowercased() != "chunked" {
            return badRequest("Unsupported Transfer-Encoding: expected chunked.")
        }
        if let length = lengths.first {
            guard !length.value.isEmpty, length.value.utf8.allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }) else {
                return badRequest("Invalid Content-Length: expected a number of bytes.")
            }
            if (Int(length.value) ?? .max) > state.settings.limits.body { return tooLarge }
        }
        return nil
    }

    private var tooLarge: RejectedRequest {
        RejectedRequest(
            status: .contentTooLarge,
            message: "The request body is too large: expected at most \(state.settings.limits.body) bytes.",
            target: target)
    }

    /// - Returns: false to close the connection: the client keeps sending after the body was rejected.
    private func append(_ part: UnsafeRawBufferPointer) -> Bool {
        if rejection != nil { return false }
        if body.count + part.count > state.settings.limits.body {
            dropBody()
            rejection = tooLarge
            return true
        }
        if state.bodyBytes.add(part.count, ordering: .relaxed).newValue > state.settings.limits.allBodies {
            state.bodyBytes.subtract(part.count, ordering: .relaxed)
            dropBody()
            let message = "The server is receiving too much data at the moment. Try again soon."
            rejection = RejectedRequest(status: .serviceUnavailable, message: message, target: target)
            return true
        }
        body.append(contentsOf: part)
        countedBytes += part.count
        return true
    }

    private func dropBody() {
        state.bodyBytes.subtract(countedBytes, ordering: .relaxed)
        body = []
        countedBytes = 0
    }

    /// Handles the last call of libmicrohttpd for this request.
    func end() {
        dropBody()
        if isMonitored, let exchange { state.monitor.remove(exchange) }
        exchange?.detach()
        connection?.requestEnded()
        connection?.closeIfHalfClosed()
        if let exchange, let status {
            let seconds = (ContinuousClock.now - exchange.arrived).inSeconds
            state.settings.onCompletion(HTTPServer.CompletedRequest(request: exchange.request, status: status, seconds: seconds))
        }
        state.requestsInFlight.subtract(1, ordering: .relaxed)
    }
}
