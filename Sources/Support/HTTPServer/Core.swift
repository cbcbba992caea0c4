import CMicroHTTPD
import Synchronization

/// What the callbacks of libmicrohttpd work on.
final class Core: Sendable {
    let settings: HTTPServer.Settings
    let handle: @Sendable (Exchange) -> Void
    let connections: Connections
    let watch: Watch
    /// Requests that began and are not over; bytes of their bodies.
    let inHand = Atomic(0), bodyBytes = Atomic(0)
    let isLeaving = Atomic(false)
    /// Whether all have been hung up on, and libmicrohttpd may end at any moment: it cannot bear a connection that is put aside then.
    let isClosed = Atomic(false)

    init(_ settings: HTTPServer.Settings, _ handle: @escaping @Sendable (Exchange) -> Void) throws(HTTPServerError) {
        self.settings = settings
        self.handle = handle
        connections = Connections(settings.limits)
        watch = try Watch(settings.limits, connections)
    }
}

/// A request while it comes in, and until it is over. libmicrohttpd shows it to one thread at a time.
final class Reception {
    let target: String
    private let core: Core
    private let connection: Connections.Entry?
    private var body: [UInt8] = [], counted = 0
    private var hasHead = false
    /// Why it never becomes a request, though its body is read to the end.
    private var refusal: Refusal?
    private(set) var exchange: Exchange?
    private var status: Status?

    init(_ target: String, _ core: Core, _ connection: Connections.Entry?) {
        self.target = target
        self.core = core
        self.connection = connection
        core.inHand.add(1, ordering: .relaxed)
    }

    /// libmicrohttpd calls this once with the head, for each part of the body, at the end, and whenever it was resumed.
    ///
    /// - Returns: false to hang up.
    func proceed(_ connection: ConnectionReference, method: UnsafePointer<CChar>, part: UnsafeRawBufferPointer) -> Bool {
        if let exchange { return answer(exchange, connection) }
        if !hasHead {
            hasHead = true
            if let refusal = refusalOfHead(connection) { return send(core.settings.refuse(refusal), connection, closing: true) }
            return true
        }
        if part.count > 0 { return add(part) }
        self.connection?.requestArrived()
        if let refusal { return send(core.settings.refuse(refusal), connection, closing: true) }
        guard let target = Target(target) else {
            return send(
                core.settings.refuse(
                    Refusal(
                        status: .badRequest,
                        description: "The path is not one: a percent sign needs two digits behind it, and all is UTF-8.", target: target)),
                connection)
        }
        // What came is counted until the request is over: so long it is in memory.
        let exchange = Exchange(
            Request(String(cString: method), target: target, headers: connection.headers, body: body, peer: connection.address))
        body = []
        self.exchange = exchange
        core.handle(exchange)
        return answer(exchange, connection)
    }

    private func answer(_ exchange: Exchange, _ connection: ConnectionReference) -> Bool {
        if let response = exchange.take(for: connection) {
            if case .stream = response.body { watch(exchange, connection) }
            return send(response, connection)
        }
        if exchange.isOver { return false }
        watch(exchange, connection)
        return true
    }

    private var isWatched = false

    private func watch(_ exchange: Exchange, _ connection: ConnectionReference) {
        if isWatched { return }
        isWatched = true
        core.watch.add(exchange, connection.descriptor)
        // Either who hangs up on all that are watched sees it, or it sees here that they have been.
        if core.isClosed.load(ordering: .sequentiallyConsistent) { exchange.lose() }
    }

    private func send(_ response: Response, _ connection: ConnectionReference, closing: Bool = false) -> Bool {
        status = response.status
        return connection.send(response, closing: closing || core.isLeaving.load(ordering: .relaxed))
    }

    /// A length that is said in two ways is read in two ways, by us and by a proxy: nothing of it is taken.
    private func refusalOfHead(_ connection: ConnectionReference) -> Refusal? {
        let headers = connection.headers
        let lengths = headers.filter { $0.name == "content-length" }, codings = headers.filter { $0.name == "transfer-encoding" }
        func bad(_ text: String) -> Refusal { Refusal(status: .badRequest, description: text, target: target) }
        if headers.filter({ $0.name == "host" }).count > 1 { return bad("There is more than one Host.") }
        if lengths.count > 1 || (!lengths.isEmpty && !codings.isEmpty) { return bad("The length of the body is said more than once.") }
        if let coding = codings.first, codings.count > 1 || coding.value.lowercased() != "chunked" {
            return bad("The only transfer coding here is chunked.")
        }
        if let length = lengths.first {
            guard !length.value.isEmpty, length.value.utf8.allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }) else {
                return bad("Content-Length is no number.")
            }
            if (Int(length.value) ?? .max) > core.settings.limits.body { return tooLarge }
        }
        return nil
    }

    private var tooLarge: Refusal {
        Refusal(status: .tooLarge, description: "The body has more than \(core.settings.limits.body) bytes.", target: target)
    }

    /// - Returns: false where not even throwing it away is worth the while.
    private func add(_ part: UnsafeRawBufferPointer) -> Bool {
        if refusal != nil { return false }
        if body.count + part.count > core.settings.limits.body {
            forgetBody()
            refusal = tooLarge
            return true
        }
        if core.bodyBytes.add(part.count, ordering: .relaxed).newValue > core.settings.limits.bodies {
            core.bodyBytes.subtract(part.count, ordering: .relaxed)
            forgetBody()
            refusal = Refusal(status: .unavailable, description: "Too much is being sent at a time. Try again in a moment.", target: target)
            return true
        }
        body.append(contentsOf: part)
        counted += part.count
        return true
    }

    private func forgetBody() {
        core.bodyBytes.subtract(counted, ordering: .relaxed)
        body = []
        counted = 0
    }

    /// The last that libmicrohttpd calls.
    func end() {
        forgetBody()
        if isWatched, let exchange { core.watch.remove(exchange) }
        exchange?.leave()
        connection?.requestEnded()
        connection?.closeIfDone()
        if let exchange, let status {
            core.settings.note(
                HTTPServer.Note(request: exchange.request, status: status, seconds: Instant.now.seconds(since: exchange.arrived)))
        }
        core.inHand.subtract(1, ordering: .relaxed)
    }
}
