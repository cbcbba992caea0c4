import Glibc
import HTTPServer
import Synchronization
import TestSupport
import Testing
import Threads

@Suite("A server of HTTP")
struct HTTPServerTests {
    static func server(
        _ handle: @escaping @Sendable (Exchange) -> Void = echo, with change: (inout HTTPServer.Settings) -> Void = { _ in }
    ) throws -> HTTPServer {
        var settings = HTTPServer.Settings()
        settings.port = 0
        change(&settings)
        return try HTTPServer(settings, handle)
    }

    /// Says what it was asked.
    static let echo: @Sendable (Exchange) -> Void = { exchange in
        let request = exchange.request
        let query = request.queryItems.map { "\($0.name)=\($0.value)" }.joined(separator: "&")
        exchange.respond(.text(.ok, "\(request.method) \(request.segments) \(query) \(String(decoding: request.body, as: UTF8.self))"))
    }

    @Test("requests on one connection, with bodies by length and in chunks")
    func requests() throws {
        let server = try Self.server()
        defer { server.stop(within: .seconds(1)) }
        let wire = try #require(RawHTTPConnection(to: server.port))
        #expect(wire.ask("GET", "/a%20b/c?x=1%262&y=a+b")?.text == #"GET ["a b", "c"] x=1&2&y=a b "#)
        #expect(wire.ask("POST", "/", body: "hello")?.text == "POST []  hello")
        wire.send("POST /in/chunks HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n")
        #expect(wire.answer()?.text == #"POST ["in", "chunks"]  abcde"#)
        let head = try #require(wire.ask("HEAD", "/"))
        #expect(head.status == 200 && head.headers["content-length"] == "9")
        // Two at once, without waiting for the first.
        wire.send("GET /1 HTTP/1.1\r\nHost: h\r\n\r\nGET /2 HTTP/1.1\r\nHost: h\r\n\r\n")
        #expect(wire.answer()?.text == #"GET ["1"]  "# && wire.answer()?.text == #"GET ["2"]  "#)
    }

    @Test("an answer from another thread, later", arguments: [0, 20_000])
    func later(delay: UInt32) throws {
        let server = try Self.server { exchange in
            try? BackgroundThread.run {
                usleep(delay)
                exchange.respond(.text(.created, "later"))
            }
        }
        defer { server.stop(within: .seconds(1)) }
        let wire = try #require(RawHTTPConnection(to: server.port))
        for _ in 0..<20 { #expect(wire.ask("GET", "/")?.text == "later") }
    }

    @Test("a body that comes piece by piece, each when it is there")
    func stream() throws {
        let more = Mailbox<String?>()
        let server = try Self.server { exchange in
            let stream = ResponseStream()
            exchange.respond(Response(.ok, [("Content-Type", "text/event-stream")], stream: stream))
            try? BackgroundThread.run {
                while let text = more.take() { stream.write(text) }
                stream.finish()
            }
        }
        defer { server.stop(within: .seconds(1)) }
        let wire = try #require(RawHTTPConnection(to: server.port))
        for _ in 0..<3 {
            wire.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n")
            #expect(wire.head()?.headers["transfer-encoding"] == "chunked")
            for text in ["one", "two", "three"] {
                more.put(text)
                #expect(wire.chunk().map { String(decoding: $0, as: UTF8.self) } == text)
            }
            more.put(nil)
            #expect(wire.chunk() == [])
        }
    }

    @Test("long bodies, both ways", arguments: [65_536, 1_000_000])
    func longBodies(count: Int) throws {
        let server = try Self.server { exchange in
            let stream = ResponseStream()
            exchange.respond(Response(.ok, [], stream: stream))
            stream.write(exchange.request.body)
            stream.finish()
        }
        defer { server.stop(within: .seconds(1)) }
        let body = (0..<count).map { UInt8(65 + $0 % 23) }, wire = try #require(RawHTTPConnection(to: server.port))
        let answer = wire.ask("POST", "/", body: String(decoding: body, as: UTF8.self)), isSame = answer?.body == body
        #expect(isSame)
    }

    @Test("a client that hangs up is noticed at once, before the answer and within it", arguments: [false, true])
    func hangingUp(isStreaming: Bool) throws {
        let gone = Mailbox<Bool>(), arrived = Mailbox<Bool>()
        let server = try Self.server { exchange in
            if isStreaming {
                exchange.respond(Response(.ok, [], stream: ResponseStream { gone.put(true) }))
            } else { exchange.whenGone { gone.put(true) } }
            arrived.put(true)
        }
        defer { server.stop(within: .seconds(1)) }
        var wire = RawHTTPConnection(to: server.port)
        wire?.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n")
        #expect(arrived.take(within: .seconds(30)) == true)      // a machine with much to do may be late
        #expect(gone.take(within: .milliseconds(100)) == nil)
        wire = nil
        #expect(gone.take(within: .seconds(5)) == true)
        #expect(gone.take(within: .milliseconds(50)) == nil)
    }

    @Test("a client that reads nothing is let go when too much waits")
    func slowReader() throws {
        let gone = Mailbox<Bool>()
        let server = try Self.server { exchange in
            let stream = ResponseStream(backlog: 100_000) { gone.put(true) }
            exchange.respond(Response(.ok, [], stream: stream))
            try? BackgroundThread.run { while !stream.isGone { stream.write([UInt8](repeating: 65, count: 10_000)); usleep(100) } }
        }
        defer { server.stop(within: .seconds(1)) }
        let wire = try #require(RawHTTPConnection(to: server.port))
        wire.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n")
        #expect(gone.take(within: .seconds(20)) == true)
    }

    @Test("a client is not blamed for what is said all at once")
    func burst() throws {
        let gone = Mailbox<Bool>(), part = [UInt8](repeating: 65, count: 100_000)
        let server = try Self.server { exchange in
            let stream = ResponseStream(backlog: 100_000) { gone.put(true) }
            for _ in 0..<10 { stream.write(part) }
            stream.finish()
            exchange.respond(Response(.ok, [], stream: stream))
        }
        defer { server.stop(within: .seconds(1)) }
        let wire = try #require(RawHTTPConnection(to: server.port))
        wire.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n")
        #expect(wire.answer()?.body.count == 1_000_000 && gone.take(within: .zero) == nil)
    }

    @Test("a stream with nothing to say says that it is there")
    func heartbeat() throws {
        let server = try Self.server { exchange in
            exchange.respond(Response(.ok, [], stream: ResponseStream(heartbeat: ": beat\n\n")))
        } with: { $0.limits.heartbeat = .milliseconds(50) }
        defer { server.stop(within: .zero) }
        let wire = try #require(RawHTTPConnection(to: server.port))
        wire.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n")
        _ = wire.head()
        for _ in 0..<3 { #expect(wire.chunk().map { String(decoding: $0, as: UTF8.self) } == ": beat\n\n") }
    }

    @Test("stopping waits for what is under way, and takes nothing more")
    func stopping() throws {
        let more = Mailbox<String?>(), arrived = Mailbox<Bool>()
        let server = try Self.server { exchange in
            let stream = ResponseStream()
            exchange.respond(Response(.ok, [], stream: stream))
            arrived.put(true)
            try? BackgroundThread.run {
                while let text = more.take() { stream.write(text) }
                stream.finish()
            }
        }
        let wire = try #require(RawHTTPConnection(to: server.port)), over = Mailbox<Bool>()
        wire.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n")
        _ = arrived.take()
        try BackgroundThread.run { server.stop(within: .seconds(20)); over.put(true) }
        #expect(over.take(within: .milliseconds(100)) == nil)
        #expect(RawHTTPConnection(to: server.port)?.ask("GET", "/late") == nil)
        more.put("the last word")
        more.put(nil)
        #expect(wire.answer()?.text == "the last word")
        #expect(over.take(within: .seconds(5)) == true)
    }

    @Test("stopping hangs up on what takes too long")
    func stoppingAtOnce() throws {
        let gone = Mailbox<Bool>()
        let server = try Self.server { exchange in exchange.respond(Response(.ok, [], stream: ResponseStream { gone.put(true) })) }
        let wires = try (0..<10).map { _ in try #require(RawHTTPConnection(to: server.port)) }
        for wire in wires { wire.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n"); _ = wire.head() }
        server.stop(within: .milliseconds(50))
        for _ in wires { #expect(gone.take(within: .seconds(5)) == true) }
    }

    /// libmicrohttpd ends the program if a connection is put aside while it stops.
    @Test("stopping while requests come in on connections that are there")
    func stoppingWhileAsked() throws {
        for _ in 0..<30 {
            let server = try Self.server { exchange in try? BackgroundThread.run { usleep(300); exchange.respond(.text(.ok, "late")) } }
            let over = Mailbox<Void>(), asked = Mailbox<Void>(), port = server.port
            for _ in 0..<8 {
                try BackgroundThread.run {
                    let wire = RawHTTPConnection(to: port)
                    while wire?.ask("GET", "/")?.status == 200 { asked.put(()) }
                    over.put(())
                }
            }
            for _ in 0..<40 { asked.take() }
            server.stop(within: .zero)
            for _ in 0..<8 { over.take() }
        }
    }

    @Test("a port that is taken, and a host that is another's, are said")
    func noAddress() throws {
        let server = try Self.server()
        defer { server.stop(within: .zero) }
        #expect(throws: HTTPServerError.taken(host: "127.0.0.1", port: server.port)) {
            _ = try Self.server(with: { $0.port = server.port })
        }
        #expect(throws: HTTPServerError.self) { _ = try Self.server(with: { $0.host = "198.51.100.7" }) }
        #expect(throws: HTTPServerError.self) { _ = try Self.server(with: { $0.host = "no such host" }) }
    }
}
