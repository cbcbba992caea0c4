import Glibc
import HTTPServer
import Synchronization
import TestSupport
import Testing
import Threads

@Suite("HTTP server")
struct HTTPServerTests {
    static func server(
        _ handle: @escaping @Sendable (Exchange) -> Void = echo, with change: (inout HTTPServer.Settings) -> Void = { _ in }
    ) throws -> HTTPServer {
        var settings = HTTPServer.Settings()
        settings.port = 0
        change(&settings)
        return try HTTPServer(settings, handle)
    }

    /// A connection to a server of its own, which stops when the connection is closed.
    static func connection(
        _ handle: @escaping @Sendable (Exchange) -> Void = echo, with change: (inout HTTPServer.Settings) -> Void = { _ in }
    ) throws -> RawHTTPConnection {
        let server = try server(handle, with: change)
        return try #require(RawHTTPConnection(to: server.port) { server.stop(within: .zero) })
    }

    /// Responds with the request.
    static let echo: @Sendable (Exchange) -> Void = { exchange in
        let request = exchange.request
        let query = request.queryItems.map { "\($0.name)=\($0.value)" }.joined(separator: "&")
        exchange.respond(.text(.ok, "\(request.method) \(request.segments) \(query) \(String(decoding: request.body, as: UTF8.self))"))
    }

    @Test("requests on one connection, with Content-Length and chunked bodies")
    func requests() throws {
        let connection = try Self.connection()
        #expect(connection.ask("GET", "/a%20b/c?x=1%262&y=a+b")?.text == #"GET ["a b", "c"] x=1&2&y=a b "#)
        #expect(connection.ask("POST", "/", body: "hello")?.text == "POST []  hello")
        connection.send("POST /in/chunks HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n")
        #expect(connection.answer()?.text == #"POST ["in", "chunks"]  abcde"#)
        let head = try #require(connection.ask("HEAD", "/"))
        #expect(head.status == 200 && head.headers["content-length"] == "9")
        // Pipelined requests.
        connection.send("GET /1 HTTP/1.1\r\nHost: h\r\n\r\nGET /2 HTTP/1.1\r\nHost: h\r\n\r\n")
        #expect(connection.answer()?.text == #"GET ["1"]  "# && connection.answer()?.text == #"GET ["2"]  "#)
    }

    @Test("a response from another thread, later", arguments: [0, 20_000])
    func later(delay: UInt32) throws {
        let connection = try Self.connection { exchange in
            try? BackgroundThread.run {
                usleep(delay)
                exchange.respond(.text(.created, "later"))
            }
        }
        for _ in 0..<20 { #expect(connection.ask("GET", "/")?.text == "later") }
    }

    @Test("pieces of a stream are sent at once")
    func stream() throws {
        let more = Mailbox<String?>()
        let connection = try Self.connection { exchange in
            let stream = ResponseStream()
            exchange.respond(Response(.ok, [("Content-Type", "text/event-stream")], stream: stream))
            try? BackgroundThread.run {
                while let text = more.take() { stream.write(text) }
                stream.finish()
            }
        }
        for _ in 0..<3 {
            connection.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n")
            #expect(connection.head()?.headers["transfer-encoding"] == "chunked")
            for text in ["one", "two", "three"] {
                more.put(text)
                #expect(connection.chunk().map { String(decoding: $0, as: UTF8.self) } == text)
            }
            more.put(nil)
            #expect(connection.chunk() == [])
        }
    }

    @Test("nothing follows the end of a stream that several threads write to")
    func streamOfSeveralWriters() throws {
        let connection = try Self.connection { exchange in
            let stream = ResponseStream()
            exchange.respond(Response(.ok, [], stream: stream))
            for _ in 0..<3 { try? BackgroundThread.run { for _ in 0..<200 { stream.write("x") } } }
            stream.finish(with: Array("end".utf8))
        }
        for _ in 0..<50 { #expect(connection.ask("GET", "/")?.text.drop { $0 == "x" } == "end") }
    }

    @Test("long request and response bodies", arguments: [65_536, 1_000_000])
    func longBodies(count: Int) throws {
        let connection = try Self.connection { exchange in
            let stream = ResponseStream()
            exchange.respond(Response(.ok, [], stream: stream))
            stream.write(exchange.request.body)
            stream.finish()
        }
        let body = (0..<count).map { UInt8(65 + $0 % 23) }
        let answer = connection.ask("POST", "/", body: String(decoding: body, as: UTF8.self))
        let isSame = answer?.body == body
        #expect(isSame)
    }

    @Test("a disconnected client is detected, before the response and during it", arguments: [false, true])
    func hangingUp(isStreaming: Bool) throws {
        let gone = Mailbox<Bool>(), arrived = Mailbox<Bool>()
        let server = try Self.server { exchange in
            if isStreaming {
                exchange.respond(Response(.ok, [], stream: ResponseStream { gone.put(true) }))
            } else { exchange.onDisconnect { gone.put(true) } }
            arrived.put(true)
        }
        defer { server.stop(within: .seconds(1)) }
        var connection = RawHTTPConnection(to: server.port)
        connection?.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n")
        #expect(arrived.take(within: .seconds(30)) == true)      // a busy machine may be slow
        #expect(gone.take(within: .milliseconds(100)) == nil)
        connection = nil
        #expect(gone.take(within: .seconds(5)) == true)
        #expect(gone.take(within: .milliseconds(50)) == nil)
    }

    @Test("a client that does not read is disconnected when the buffer is full")
    func slowReader() throws {
        let gone = Mailbox<Bool>()
        let connection = try Self.connection { exchange in
            let stream = ResponseStream(bufferLimit: 100_000) { gone.put(true) }
            exchange.respond(Response(.ok, [], stream: stream))
            try? BackgroundThread.run { while !stream.isDisconnected { stream.write([UInt8](repeating: 65, count: 10_000)); usleep(100) } }
        }
        connection.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n")
        #expect(gone.take(within: .seconds(20)) == true)
    }

    @Test("a burst larger than the buffer does not disconnect the client")
    func burst() throws {
        let gone = Mailbox<Bool>(), part = [UInt8](repeating: 65, count: 100_000)
        let connection = try Self.connection { exchange in
            let stream = ResponseStream(bufferLimit: 100_000) { gone.put(true) }
            for _ in 0..<10 { stream.write(part) }
            stream.finish()
            exchange.respond(Response(.ok, [], stream: stream))
        }
        connection.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n")
        #expect(connection.answer()?.body.count == 1_000_000 && gone.take(within: .zero) == nil)
    }

    @Test("an idle stream sends heartbeats")
    func heartbeat() throws {
        let connection = try Self.connection { exchange in
            exchange.respond(Response(.ok, [], stream: ResponseStream(heartbeat: ": beat\n\n")))
        } with: { $0.limits.heartbeat = .milliseconds(50) }
        connection.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n")
        _ = connection.head()
        for _ in 0..<3 { #expect(connection.chunk().map { String(decoding: $0, as: UTF8.self) } == ": beat\n\n") }
    }

    @Test("stop waits for requests in flight and accepts no more")
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
        let connection = try #require(RawHTTPConnection(to: server.port)), over = Mailbox<Bool>()
        connection.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n")
        _ = arrived.take()
        try BackgroundThread.run { server.stop(within: .seconds(20)); over.put(true) }
        #expect(over.take(within: .milliseconds(100)) == nil)
        for _ in 0..<2_000 where RawHTTPConnection(to: server.port) != nil { usleep(10_000) }
        #expect(RawHTTPConnection(to: server.port)?.ask("GET", "/late") == nil)
        more.put("the last piece")
        more.put(nil)
        #expect(connection.answer()?.text == "the last piece")
        #expect(over.take(within: .seconds(5)) == true)
    }

    @Test("stop disconnects requests that take too long")
    func stoppingAtOnce() throws {
        let gone = Mailbox<Bool>()
        let server = try Self.server { exchange in exchange.respond(Response(.ok, [], stream: ResponseStream { gone.put(true) })) }
        let connections = try (0..<10).map { _ in try #require(RawHTTPConnection(to: server.port)) }
        for connection in connections { connection.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n"); _ = connection.head() }
        server.stop(within: .milliseconds(50))
        for _ in connections { #expect(gone.take(within: .seconds(5)) == true) }
    }

    @Test("stop while requests arrive on open connections")
    func stoppingWhileAsked() throws {
        for _ in 0..<30 {
            let server = try Self.server { exchange in try? BackgroundThread.run { usleep(300); exchange.respond(.text(.ok, "late")) } }
            let over = Mailbox<Void>()
            let answered = Mailbox<Void>()
            let port = server.port
            for _ in 0..<8 {
                try BackgroundThread.run {
                    let connection = RawHTTPConnection(to: port)
                    while connection?.ask("GET", "/")?.status == 200 { answered.put(()) }
                    over.put(())
                }
            }
            for _ in 0..<40 { answered.take() }
            server.stop(within: .zero)
            for _ in 0..<8 { over.take() }
        }
    }

    @Test("a second response is dropped and reported")
    func secondResponse() throws {
        let mistakes = Mailbox<String>(), gone = Mailbox<Bool>()
        let connection = try Self.connection { exchange in
            exchange.respond(.text(.ok, "first"))
            exchange.respond(Response(.created, [], stream: ResponseStream { gone.put(true) }))
        } with: { $0.onMistake = { mistakes.put($0) } }
        for _ in 0..<2 { #expect(connection.ask("GET", "/a")?.text == "first") }
        #expect(mistakes.take(within: .seconds(10)) == "GET /a got a second response, with status 201")
        #expect(gone.take(within: .seconds(10)) == true)
    }

    @Test("each response is reported with its id, size and status, also of rejected and abandoned requests")
    func completions() throws {
        let completed = Mailbox<HTTPServer.CompletedRequest>(), arrived = Mailbox<Bool>()
        let server = try Self.server { exchange in
            if exchange.request.path != "/slow" { exchange.respond(.text(.created, "hello \(exchange.request.id)")) }
            arrived.put(true)
        } with: {
            $0.onCompletion = { completed.put($0) }
            $0.trustsRequestIDs = true
        }
        defer { server.stop(within: .zero) }
        var connection = RawHTTPConnection(to: server.port)
        let text = try #require(connection?.ask("GET", "/a?secret=1")?.text)
        let first = try #require(completed.take(within: .seconds(10)))
        #expect(text == "hello \(first.id)" && first.method == "GET" && first.path == "/a" && first.status == .created)
        #expect(first.bytes == text.utf8.count && !first.isDisconnected && first.request?.query("secret") == "1")
        #expect(connection?.ask("GET", "/b", ["X-Request-Id": "given-by-proxy"])?.text == "hello given-by-proxy")
        #expect(completed.take(within: .seconds(10))?.id == "given-by-proxy")
        #expect(connection?.ask("GET", "/%")?.status == 400)
        let rejected = try #require(completed.take(within: .seconds(10)))
        #expect(rejected.status == .badRequest && rejected.path == "/%" && rejected.request == nil && rejected.id != first.id)
        for _ in 0..<2 { _ = arrived.take(within: .seconds(10)) }
        connection = RawHTTPConnection(to: server.port)
        connection?.send("GET /slow HTTP/1.1\r\nHost: h\r\n\r\n")
        #expect(arrived.take(within: .seconds(10)) == true)
        connection = nil
        let abandoned = try #require(completed.take(within: .seconds(10)))
        #expect(abandoned.status == .clientClosedRequest && abandoned.isDisconnected && abandoned.path == "/slow")
    }

    @Test("HTTP/1.0 clients get streams without chunks, and keep their connection only if they ask for it")
    func http10() throws {
        let connection = try Self.connection { exchange in
            if exchange.request.path == "/plain" { return exchange.respond(.text(.ok, "plain")) }
            let stream = ResponseStream()
            exchange.respond(Response(.ok, [], stream: stream))
            stream.write("streamed")
            stream.finish()
        }
        connection.send("GET /plain HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
        let kept = connection.answer()
        #expect(kept?.text == "plain" && kept?.headers["connection"] == "keep-alive")
        connection.send("GET /stream HTTP/1.0\r\n\r\n")
        let streamed = connection.answer()
        #expect(streamed?.text == "streamed" && streamed?.headers["transfer-encoding"] == nil)
        #expect(connection.isClosed())
    }

    @Test("a port in use and an address of another machine are errors")
    func noAddress() throws {
        let server = try Self.server()
        defer { server.stop(within: .zero) }
        #expect(throws: HTTPServerError.portInUse(host: "127.0.0.1", port: server.port)) {
            _ = try Self.server(with: { $0.port = server.port })
        }
        #expect(throws: HTTPServerError.self) { _ = try Self.server(with: { $0.host = "198.51.100.7" }) }
        #expect(throws: HTTPServerError.self) { _ = try Self.server(with: { $0.host = "no such host" }) }
    }
}

extension ResponseStream {
    fileprivate func write(_ text: String) { write(Array(text.utf8)) }
}
