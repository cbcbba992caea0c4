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
        let connection = try HTTPServerTests.connection()
        connection.send(
            "POST /first HTTP/1.1\r\n\(headers.hasPrefix("Host") ? "" : "Host: h\r\n")\(headers)\r\n\r\nhello"
                + "GET /second HTTP/1.1\r\nHost: h\r\n\r\n"
        )
        #expect([400, 413].contains(connection.answer()?.status))
        #expect(connection.answer() == nil)
    }

    @Test(
        "a header that proxies read in different ways is rejected and the connection closed",
        arguments: [
            "Content-Length : 44", "Content-Length\t: 44", " Content-Length: 44", "\tContent-Length: 44", "Content Length: 44",
            "Content-Length: 44\r\n folded", "X: 1\r\n\tContent-Length: 44", "X: a\rContent-Length: 44", "X: 1\nContent-Length: 44",
            "X: a\u{0}b", "X: a\u{B}b", "X(: a", "X\u{E9}: a", ": a", "no colon", "\"X\": a", "X: a\r\r",
        ])
    func ambiguousHeader(header: String) throws {
        let connection = try HTTPServerTests.connection()
        connection.send("POST /first HTTP/1.1\r\nHost: h\r\n\(header)\r\n\r\nGET /second HTTP/1.1\r\nHost: h\r\nX: 12345\r\n\r\n")
        let answer = try #require(connection.answer())
        #expect(answer.status == 400 && answer.headers["connection"] == "close")
        #expect(connection.answer() == nil)
    }

    @Test("blanks around a header value are not part of it, and every visible character may be in it")
    func headerValues() throws {
        let connection = try HTTPServerTests.connection { $0.respond(.text(.ok, $0.request.header("x") ?? "none")) }
        for (sent, expected) in [(" \t a:b \t", "a:b"), ("", ""), ("a\tb \u{E9}~", "a\tb \u{E9}~")] {
            connection.send("GET / HTTP/1.1\r\nHost: h\r\nX:\(sent)\r\n\r\n")
            #expect(connection.answer()?.text == expected)
        }
    }

    @Test(
        "a malformed request line is rejected",
        arguments: [
            ("GET /", 400), ("GET  / HTTP/1.1", 400), ("GET / HTTP/1.1 ", 400), ("GET / http/1.1", 400), ("GET / HTTP/1.10", 400),
            ("GET / HTTP/2.0", 505), ("GET / HTTP/0.9", 505), ("G\u{E9}T / HTTP/1.1", 400), ("GET /\u{1} HTTP/1.1", 400),
            ("\u{16}\u{3}\u{1}", 400), (" GET / HTTP/1.1", 400),
        ])
    func requestLines(line: String, status: Int) throws {
        let connection = try HTTPServerTests.connection()
        connection.send("\(line)\r\nHost: h\r\n\r\n")
        #expect(connection.answer()?.status == status)
        #expect(connection.answer() == nil)
    }

    @Test("an empty line before a request is ignored, and a head may arrive byte by byte")
    func slowHead() throws {
        let connection = try HTTPServerTests.connection()
        for byte in "\r\nPOST /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n0\r\nX: y\r\n\r\n".utf8 {
            connection.send([byte])
        }
        #expect(connection.answer()?.text == #"POST ["a"]  abc"#)
    }

    @Test(
        "invalid chunks close the connection",
        arguments: ["zz\r\nabc\r\n", "-1\r\na\r\n", "ffffffffffffffffff\r\na\r\n", "3\r\nabcdef\r\n0\r\n\r\n", "0x3\r\nabc\r\n0\r\n\r\n",
                    "3\nabc\r\n0\r\n\r\n", "3 \r\nabc\r\n0\r\n\r\n", "\r\nabc\r\n0\r\n\r\n", "3\r\nabc\r\n0\r\n folded\r\n\r\n"])
    func badChunks(body: String) throws {
        let connection = try HTTPServerTests.connection()
        connection.send(
            "POST /first HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n\(body)"
                + "GET /second HTTP/1.1\r\nHost: h\r\n\r\n")
        #expect(connection.answer()?.status == 400)
        #expect(connection.answer() == nil)
    }

    @Test("invalid targets are rejected", arguments: ["/%", "/%2", "/%zz", "/%00", "/a?b=%ff", "/%c3%28", "*"])
    func badTargets(target: String) throws {
        let connection = try HTTPServerTests.connection()
        for _ in 0..<2 { #expect(connection.ask("GET", target)?.status == 400) }         // the connection stays open
        #expect(connection.ask("POST", target, body: "hello")?.headers["connection"] == "close")
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
        let server = try HTTPServerTests.server(with: { $0.limits.bodies.one = 100 })
        defer { server.stop(within: .zero) }
        #expect(try #require(RawHTTPConnection(to: server.port)).ask("POST", "/", body: String(repeating: "a", count: 100))?.status == 200)
        #expect(try #require(RawHTTPConnection(to: server.port)).ask("POST", "/", ["Content-Length": "101"])?.status == 413)
        let connection = try #require(RawHTTPConnection(to: server.port))
        connection.send(
            "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n65\r\n\(String(repeating: "a", count: 101))\r\n0\r\n\r\n")
        #expect(connection.answer()?.status == 413)
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

    @Test("a long body has more time, as long as it arrives at a rate")
    func steadyBody() throws {
        let connection = try HTTPServerTests.connection(with: {
            $0.limits.requestTimeout = .milliseconds(400)
            $0.limits.bodyRate = 1_000
        })
        connection.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 30000\r\n\r\n")
        for _ in 0..<10 {
            connection.send(String(repeating: "a", count: 3_000))
            usleep(100_000)
        }
        #expect(connection.answer()?.status == 200)
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
        var random = TestRandom(41)
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
            while let answer = connection.answer() { #expect([200, 400, 405, 408, 413, 414, 417, 431, 501, 505].contains(answer.status)) }
        }
        #expect(try #require(RawHTTPConnection(to: server.port)).ask("GET", "/")?.status == 200)
    }
}
