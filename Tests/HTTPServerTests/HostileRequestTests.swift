import Glibc
import HTTPServer
import TestSupport
import Testing
import Threads

@Suite("Requests that mean harm")
struct HostileRequestTests {
    @Test(
        "a length that could be read in two ways is refused, and the connection closed",
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
        let wire = try #require(RawHTTPConnection(to: server.port))
        wire.send(
            "POST /first HTTP/1.1\r\n\(headers.hasPrefix("Host") ? "" : "Host: h\r\n")\(headers)\r\n\r\nhelloGET /second HTTP/1.1\r\nHost: h\r\n\r\n"
        )
        let answer = wire.answer()
        #expect(answer.map { [400, 413].contains($0.status) } ?? true)
        #expect(wire.answer() == nil)
    }

    @Test(
        "chunks that are none end the connection",
        arguments: ["zz\r\nabc\r\n", "-1\r\na\r\n", "ffffffffffffffffff\r\na\r\n", "3\r\nabcdef\r\n0\r\n\r\n", "0x3\r\nabc\r\n0\r\n\r\n"])
    func badChunks(body: String) throws {
        let server = try HTTPServerTests.server()
        defer { server.stop(within: .zero) }
        let wire = try #require(RawHTTPConnection(to: server.port))
        wire.send("POST /first HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n\(body)GET /second HTTP/1.1\r\nHost: h\r\n\r\n")
        wire.closeOurSide()
        while let answer = wire.answer() { #expect(answer.status >= 400, "\(answer.text)") }
    }

    @Test("targets that are none", arguments: ["/%", "/%2", "/%zz", "/%00", "/a?b=%ff", "/%c3%28", "*"])
    func badTargets(target: String) throws {
        let server = try HTTPServerTests.server()
        defer { server.stop(within: .zero) }
        #expect(try #require(RawHTTPConnection(to: server.port)).ask("GET", target)?.status == 400)
    }

    @Test("segments are split before they are decoded")
    func segments() {
        #expect(Target("/web/..%2f..%2fetc")?.segments == ["web", "../../etc"])
        #expect(Target("/a//b/")?.segments == ["a", "", "b", ""])
        #expect(Target("http://example.org/x?y=1")?.segments == ["x"])
        #expect(Target("http://example.org")?.segments == [])
        #expect(Target("//etc/passwd")?.segments == ["", "etc", "passwd"])
        #expect(Target("example.org:80") == nil && Target("") == nil)
        // What combines with a slash, a question mark or an equals sign changes nothing of it.
        #expect(Target("/\u{301}a/\u{301}b")?.segments == ["\u{301}a", "\u{301}b"])
        #expect(
            Target("/a?\u{301}b=\u{301}c&\u{301}d")?.queryItems.map { [$0.name, $0.value] } == [
                ["\u{301}b", "\u{301}c"], ["\u{301}d", ""],
            ])
    }

    @Test("a body that is too long is refused, by its length and by its chunks")
    func longBody() throws {
        let server = try HTTPServerTests.server(with: { $0.limits.body = 100 })
        defer { server.stop(within: .zero) }
        #expect(try #require(RawHTTPConnection(to: server.port)).ask("POST", "/", body: String(repeating: "a", count: 100))?.status == 200)
        #expect(try #require(RawHTTPConnection(to: server.port)).ask("POST", "/", ["Content-Length": "101"])?.status == 413)
        let wire = try #require(RawHTTPConnection(to: server.port))
        wire.send(
            "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n65\r\n\(String(repeating: "a", count: 101))\r\n0\r\n\r\n")
        #expect(wire.answer()?.status == 413)
    }

    @Test("bodies take so much memory in all, until their requests are over")
    func manyBodies() throws {
        let arrived = Mailbox<Exchange>(), server = try HTTPServerTests.server { arrived.put($0) } with: { $0.limits.bodies = 250_000 }
        defer { server.stop(within: .zero) }
        let request = "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 100000\r\n\r\n" + String(repeating: "a", count: 100_000)
        let wires = try (0..<2).map { _ in try #require(RawHTTPConnection(to: server.port)) }
        for wire in wires { wire.send(request) }
        let exchanges = try wires.map { _ in try #require(arrived.take(within: .seconds(10))) }
        let third = try #require(RawHTTPConnection(to: server.port))
        third.send(request)
        // It is told so if it listens already, and hung up on if it does not.
        #expect([nil, 503].contains(third.answer()?.status) && arrived.take(within: .zero) == nil)
        for exchange in exchanges { exchange.respond(.text(.ok, "thanks")) }
        for wire in wires { #expect(wire.answer()?.status == 200) }
        let again = try #require(RawHTTPConnection(to: server.port))
        again.send(request)
        #expect(arrived.take(within: .seconds(10)) != nil)
    }

    @Test("headers that are too long are refused")
    func longHead() throws {
        let server = try HTTPServerTests.server()
        defer { server.stop(within: .zero) }
        let answer = try #require(RawHTTPConnection(to: server.port)).ask("GET", "/", ["X": String(repeating: "a", count: 100_000)])
        #expect(answer.map { $0.status == 431 } ?? true)
    }

    @Test("a request that comes a byte at a time has so long, and no longer; others are answered meanwhile")
    func slowLoris() throws {
        let server = try HTTPServerTests.server(with: { $0.limits.arrival = .milliseconds(600) })
        defer { server.stop(within: .zero) }
        let slow = try (0..<200).map { _ in try #require(RawHTTPConnection(to: server.port)) }
        for wire in slow { wire.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1000\r\n\r\n") }
        for _ in 0..<10 {
            for wire in slow { wire.send("a") }
            #expect(try #require(RawHTTPConnection(to: server.port)).ask("GET", "/")?.status == 200)
            usleep(150_000)
        }
        for wire in slow { #expect(wire.isClosed()) }
        #expect(server.connectionCount < 20)
    }

    @Test("whoever says with the request that nothing more comes is hung up on behind the answer")
    func halfClosed() throws {
        let server = try HTTPServerTests.server()
        defer { server.stop(within: .zero) }
        for _ in 0..<50 {
            let wire = try #require(RawHTTPConnection(to: server.port))
            wire.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n")
            wire.closeOurSide()
            #expect(wire.answer()?.status == 200 && wire.isClosed())
        }
    }

    @Test("random bytes are no request, and harm nobody")
    func noise() throws {
        let server = try HTTPServerTests.server(with: { $0.limits.arrival = .milliseconds(50) })
        defer { server.stop(within: .zero) }
        var random = SystemRandomNumberGenerator()
        let seeds = ["GET / HTTP/1.1\r\nHost: h\r\n\r\n", "POST /a?b=c HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc",
                     "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"].map { Array($0.utf8) }
        for round in 0..<150 {
            var bytes = seeds[round % seeds.count]
            for _ in 0..<Int.random(in: 1...6, using: &random) {
                bytes[Int.random(in: bytes.indices, using: &random)] = .random(in: 0...255, using: &random)
            }
            let wire = try #require(RawHTTPConnection(to: server.port))
            wire.send(bytes)
            wire.closeOurSide()
            while wire.answer() != nil {}
        }
        #expect(try #require(RawHTTPConnection(to: server.port)).ask("GET", "/")?.status == 200)
    }
}
