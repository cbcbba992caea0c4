import Glibc
import HTTPServer
import TestSupport
import Testing
import Threads

@Suite("Malicious requests")
struct MaliciousRequestTests {
    @Test(
        "an ambiguous length is rejected and the connection closed (request smuggling)",
        arguments: [
            "Content-Length: 5\r\nContent-Length: 5", "Content-Length: 5\r\nContent-Length: 6",
            "Content-Length: 5\r\nTransfer-Encoding: chunked",
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity", "Transfer-Encoding: identity", "Transfer-Encoding: gzip, chunked",
            "Content-Length: +5",
            "Content-Length: 5, 5", "Content-Length: 0x5", "Content-Length: -1", "Content-Length: 99999999999999999999999",
            "Host: a\r\nHost: b",
        ])
    func smuggling(headers: String) throws {
        let server = try HTTPServerTests.server()
        defer { server.stop(within: .zero) }
        let connection = try #require(RawHTTPConnection(to: server.port))
        connection.send(
            "POST /first HTTP/1.1\r\n\(headers.hasPrefix("Host") ? "" : "Host: h\r\n")\(headers)\r\n\r\nhello"
                + "GET /second HTTP/1.1\r\nHost: h\r\n\r\n"
        )
        let answer = connection.answer()
        #expect(answer.map { [400, 413].contains($0.status) } ?? true)
        #expect(connection.answer() == nil)
    }

    @Test(
        "invalid chunks close the connection",
        arguments: ["zz\r\nabc\r\n", "-1\r\na\r\n", "ffffffffffffffffff\r\na\r\n", "3\r\nabcdef\r\n0\r\n\r\n", "0x3\r\nabc\r\n0\r\n\r\n"])
    func badChunks(body: String) throws {
        let server = try HTTPServerTests.server()
        defer { server.stop(within: .zero) }
        let connection = try #require(RawHTTPConnection(to: server.port))
        connection.send(
            "POST /first HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n\(body)"
                + "GET /second HTTP/1.1\r\nHost: h\r\n\r\n")
        connection.closeOurSide()
        while let answer = connection.answer() { #expect(answer.status >= 400, "\(answer.text)") }
    }

    @Test("invalid targets are rejected", arguments: ["/%", "/%2", "/%zz", "/%00", "/a?b=%ff", "/%c3%28", "*"])
    func badTargets(target: String) throws {
        let server = try HTTPServerTests.server()
        defer { server.stop(within: .zero) }
        #expect(try #require(RawHTTPConnection(to: server.port)).ask("GET", target)?.status == 400)
    }

    @Test("paths are split into segments before they are decoded")
    func segments() {
        #expect(RequestTarget("/web/..%2f..%2fetc")?.segments == ["web", "../../etc"])
        #expect(RequestTarget("/a//b/")?.segments == ["a", "", "b", ""])
        #expect(RequestTarget("http://example.org/x?y=1")?.segments == ["x"])
        #expect(RequestTarget("http://example.org")?.segments == [])
        #expect(RequestTarget("//etc/passwd")?.segments == ["", "etc", "passwd"])
        #expect(RequestTarget("example.org:80") == nil && RequestTarget("") == nil)
        // A combining mark does not change a slash, a question mark or an equals sign.
        #expect(RequestTarget("/\u{301}a/\u{301}b")?.segments == ["\u{301}a", "\u{301}b"])
        #expect(
            RequestTarget("/a?\u{301}b=\u{301}c&\u{301}d")?.queryItems.map { [$0.name, $0.value] } == [
                ["\u{301}b", "\u{301}c"], ["\u{301}d", ""],
            ])
    }

    @Test("a body that is too long is rejected, with Content-Length and chunked")
    func longBody() throws {
        let server = try HTTPServerTests.server(with: { $0.limits.body = 100 })
        defer { server.stop(within: .zero) }
        #expect(try #require(RawHTTPConnection(to: server.port)).ask("POST", "/", body: String(repeating: "a", count: 100))?.status == 200)
        #expect(try #require(RawHTTPConnection(to: server.port)).ask("POST", "/", ["Content-Length": "101"])?.status == 413)
        let connection = try #require(RawHTTPConnection(to: server.port))
        connection.send(
            "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n65\r\n\(String(repeating: "a", count: 101))\r\n0\r\n\r\n")
        #expect(connection.answer()?.status == 413)
    }

    @Test("the memory of all bodies is limited until their requests are finished")
    func manyBodies() throws {
        let arrived = Mailbox<Exchange>()
        let server = try HTTPServerTests.server { arrived.put($0) } with: { $0.limits.allBodies = 250_000 }
        defer { server.stop(within: .zero) }
        let request = "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 100000\r\n\r\n" + String(repeating: "a", count: 100_000)
        let connections = try (0..<2).map { _ in try #require(RawHTTPConnection(to: server.port)) }
        for connection in connections { connection.send(request) }
        let exchanges = try connections.map { _ in try #require(arrived.take(within: .seconds(10))) }
        let third = try #require(RawHTTPConnection(to: server.port))
        third.send(request)
        // It gets a response if it has sent everything, and is disconnected otherwise.
        #expect([nil, 503].contains(third.answer()?.status) && arrived.take(within: .zero) == nil)
        for exchange in exchanges { exchange.respond(.text(.ok, "thanks")) }
        for connection in connections { #expect(connection.answer()?.status == 200) }
        let again = try #require(RawHTTPConnection(to: server.port))
        again.send(request)
        #expect(arrived.take(within: .seconds(10)) != nil)
    }

    @Test("headers that are too long are rejected")
    func longHead() throws {
        let server = try HTTPServerTests.server()
        defer { server.stop(within: .zero) }
        let answer = try #require(RawHTTPConnection(to: server.port)).ask("GET", "/", ["X": String(repeating: "a", count: 100_000)])
        #expect(answer.map { $0.status == 431 } ?? true)
    }

    @Test("slow requests time out, and others are answered meanwhile")
    func slowLoris() throws {
        let server = try HTTPServerTests.server(with: { $0.limits.requestTimeout = .milliseconds(600) })
        defer { server.stop(within: .zero) }
        let slow = try (0..<200).map { _ in try #require(RawHTTPConnection(to: server.port)) }
        for connection in slow { connection.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1000\r\n\r\n") }
        for _ in 0..<10 {
            for connection in slow { connection.send("a") }
            #expect(try #require(RawHTTPConnection(to: server.port)).ask("GET", "/")?.status == 200)
            usleep(150_000)
        }
        for connection in slow { #expect(connection.isClosed()) }
        #expect(server.connectionCount < 20)
    }

    @Test("a half-closed connection is closed after the response")
    func halfClosed() throws {
        let server = try HTTPServerTests.server()
        defer { server.stop(within: .zero) }
        for _ in 0..<50 {
            let connection = try #require(RawHTTPConnection(to: server.port))
            connection.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n")
            connection.closeOurSide()
            #expect(connection.answer()?.status == 200 && connection.isClosed())
        }
    }

    @Test("random bytes do not crash the server")
    func noise() throws {
        let server = try HTTPServerTests.server(with: { $0.limits.requestTimeout = .milliseconds(50) })
        defer { server.stop(within: .zero) }
        var random = SystemRandomNumberGenerator()
        let seeds = ["GET / HTTP/1.1\r\nHost: h\r\n\r\n", "POST /a?b=c HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc",
                     "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"].map { Array($0.utf8) }
        for round in 0..<150 {
            var bytes = seeds[round % seeds.count]
            for _ in 0..<Int.random(in: 1...6, using: &random) {
                bytes[Int.random(in: bytes.indices, using: &random)] = .random(in: 0...255, using: &random)
            }
            let connection = try #require(RawHTTPConnection(to: server.port))
            connection.send(bytes)
            connection.closeOurSide()
            while connection.answer() != nil {}
        }
        #expect(try #require(RawHTTPConnection(to: server.port)).ask("GET", "/")?.status == 200)
    }
}
