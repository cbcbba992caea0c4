import HTTPServer
import TestSupport
import Testing
import Threads

@Suite("Limits of requests")
struct RequestLimitTests {
    private static func ask(_ port: UInt16, _ request: String) -> RawHTTPConnection.Answer? {
        let connection = RawHTTPConnection(to: port)
        connection?.send(request)
        return connection?.answer()
    }

    @Test("a request with too many query parameters, or a long target, gets 414 at once", arguments: [
        (String(repeating: "a=1&", count: 300), 200), (String(repeating: "a=1&", count: 600), 414),
        (String(repeating: "a=1&", count: 100_000), 414), (String(repeating: "a", count: 4_000), 200),
        (String(repeating: "a", count: 9_000), 414), (String(repeating: "a", count: 1_000_000), 414),
    ])
    func longTargets(query: String, status: Int) throws {
        let server = try HTTPServerTests.server()
        defer { server.stop(within: .zero) }
        #expect(Self.ask(server.port, "GET /?\(query) HTTP/1.1\r\nHost: h\r\n\r\n")?.status == status)
    }

    @Test("too many headers, or too long ones, get 431 at once", arguments: [
        (50, 20, 200), (600, 1, 431), (1, 40_000, 431), (90, 1_000, 431),
    ])
    func manyHeaders(count: Int, length: Int, status: Int) throws {
        let server = try HTTPServerTests.server()
        defer { server.stop(within: .zero) }
        let headers = (0..<count).map { "X\($0): \(String(repeating: "a", count: length))\r\n" }.joined()
        #expect(Self.ask(server.port, "GET / HTTP/1.1\r\nHost: h\r\n\(headers)\r\n")?.status == status)
        // A head that does not end.
        #expect(status == 200 || Self.ask(server.port, "GET / HTTP/1.1\r\nHost: h\r\n\(headers)")?.status == status)
    }

    @Test("too many connections of one address get 429, and too many in all 503")
    func manyConnections() throws {
        let server = try HTTPServerTests.server(with: { $0.limits.connections = 3 })
        defer { server.stop(within: .zero) }
        // Programs on this machine have no limit of their own, so only the limit of all connections is reached.
        let open = try (0..<3).map { _ in try #require(RawHTTPConnection(to: server.port)) }
        for connection in open { #expect(connection.ask("GET", "/")?.status == 200) }
        #expect(RawHTTPConnection(to: server.port)?.ask("GET", "/")?.status == 503)
        for connection in open { #expect(connection.ask("GET", "/")?.status == 200) }
    }

    @Test("a client that sends a body that is too long reads the 413", arguments: [false, true])
    func lingering(isChunked: Bool) throws {
        let connection = try HTTPServerTests.connection(with: { $0.limits.bodies.one = 1_000 })
        // More than the buffers of both sockets hold: a server that does not read on makes the client's `send` fail.
        let size = 30_000_000
        let body = [UInt8](repeating: 65, count: size)
        connection.send("POST / HTTP/1.1\r\nHost: h\r\n\(isChunked ? "Transfer-Encoding: chunked" : "Content-Length: \(size)")\r\n\r\n")
        if isChunked { connection.send("\(String(size, radix: 16))\r\n") }
        #expect(connection.sendAll(body))
        #expect(connection.answer()?.status == 413)
        connection.closeOurSide()
        #expect(connection.isClosed())
    }

    @Test("what follows a rejected request is discarded for a limited time only")
    func lingeringEnds() throws {
        let connection = try HTTPServerTests.connection(with: {
            $0.limits.bodies.one = 1_000
            $0.limits.lingerTime = .milliseconds(300)
        })
        connection.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1000000000\r\n\r\n")
        let end = ContinuousClock.now + .seconds(20)
        while ContinuousClock.now < end, connection.sendAll([UInt8](repeating: 65, count: 10_000)) {}
        #expect(ContinuousClock.now < end)
    }

    @Test("Expect: 100-continue is answered before the body, and with 413 if the body would be too long")
    func expectation() throws {
        let connection = try HTTPServerTests.connection(with: { $0.limits.bodies.one = 1_000 })
        connection.send("POST / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n")
        #expect(connection.text(through: "\r\n\r\n") == "HTTP/1.1 100 Continue\r\n\r\n")
        connection.send("abc")
        #expect(connection.answer()?.text == "POST []  abc")
        connection.send("POST / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 1001\r\n\r\n")
        #expect(connection.answer()?.status == 413)
    }

    @Test("each request has a limit for its body")
    func bodyPolicy() throws {
        let server = try HTTPServerTests.server(with: {
            $0.requestPolicy = { request in HTTPServer.RequestPolicy(bodyLimit: request.path == "/small" ? 10 : nil) }
        })
        defer { server.stop(within: .zero) }
        func post(_ target: String) throws -> Int? {
            try #require(RawHTTPConnection(to: server.port)).ask("POST", target, body: String(repeating: "a", count: 11))?.status
        }
        #expect(try post("/small") == 413 && post("/large") == 200)
    }

    private static let longRequest =
        "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 100000\r\n\r\n" + String(repeating: "a", count: 100_000)

    @Test("the memory of all bodies is limited until they are released")
    func allBodies() throws {
        let arrived = Mailbox<Exchange>()
        let server = try HTTPServerTests.server { arrived.put($0) } with: { $0.limits.bodies.all = 250_000 }
        defer { server.stop(within: .zero) }
        let connections = try (0..<2).map { _ in try #require(RawHTTPConnection(to: server.port)) }
        for connection in connections { connection.send(Self.longRequest) }
        let exchanges = try connections.map { _ in try #require(arrived.take(within: .seconds(10))) }
        #expect(Self.ask(server.port, Self.longRequest)?.status == 503 && arrived.takeIfAvailable() == nil)
        // The answer is still to come, but the body is no longer needed.
        exchanges[0].request.releaseBody()
        #expect(exchanges[0].request.body.isEmpty && exchanges[1].request.body.count == 100_000)
        let third = try #require(RawHTTPConnection(to: server.port))
        third.send(Self.longRequest)
        let last = try #require(arrived.take(within: .seconds(10)))
        #expect(last.request.body.count == 100_000)
        for exchange in exchanges + [last] { exchange.respond(.text(.ok, "thanks")) }
        for connection in connections + [third] { #expect(connection.answer()?.status == 200) }
    }

    @Test("one address has a share of the memory of all bodies")
    func share() throws {
        let arrived = Mailbox<Exchange>()
        let server = try HTTPServerTests.server { arrived.put($0) } with: {
            $0.limits.bodies.perAddress = 150_000
            $0.requestPolicy = { request in HTTPServer.RequestPolicy(client: request.header("x-client").flatMap { PeerAddress($0) }) }
        }
        defer { server.stop(within: .zero) }
        func request(_ client: String) -> String { Self.longRequest.replacing("Host: h", with: "Host: h\r\nX-Client: \(client)") }
        let first = try #require(RawHTTPConnection(to: server.port))
        first.send(request("192.0.2.1"))
        let exchange = try #require(arrived.take(within: .seconds(10)))
        #expect(Self.ask(server.port, request("192.0.2.1"))?.status == 503)
        let other = try #require(RawHTTPConnection(to: server.port))
        other.send(request("192.0.2.2"))
        let otherExchange = try #require(arrived.take(within: .seconds(10)))
        for exchange in [exchange, otherExchange] { exchange.respond(.text(.ok, "thanks")) }
        for connection in [first, other] { #expect(connection.answer()?.status == 200) }
    }

    @Test("uploads have limits and memory of their own")
    func uploads() throws {
        let arrived = Mailbox<Exchange>()
        let server = try HTTPServerTests.server { arrived.put($0) } with: {
            $0.limits.bodies.one = 1_000
            $0.limits.uploads.one = 120_000
            $0.limits.uploads.all = 150_000
            $0.requestPolicy = { HTTPServer.RequestPolicy(isUpload: $0.path == "/upload") }
        }
        defer { server.stop(within: .zero) }
        let upload = Self.longRequest.replacing("POST /", with: "POST /upload")
        let first = try #require(RawHTTPConnection(to: server.port))
        first.send(upload)
        let exchange = try #require(arrived.take(within: .seconds(10)))
        #expect(exchange.request.body.count == 100_000)
        #expect(Self.ask(server.port, upload)?.status == 503 && Self.ask(server.port, Self.longRequest)?.status == 413)
        #expect(Self.ask(server.port, "POST /upload HTTP/1.1\r\nHost: h\r\nContent-Length: 120001\r\n\r\n")?.status == 413)
        let other = try #require(RawHTTPConnection(to: server.port))
        other.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1000\r\n\r\n" + String(repeating: "a", count: 1_000))
        try #require(arrived.take(within: .seconds(10))).respond(.text(.ok, "thanks"))
        exchange.respond(.text(.ok, "thanks"))
        for connection in [first, other] { #expect(connection.answer()?.status == 200) }
    }
}
