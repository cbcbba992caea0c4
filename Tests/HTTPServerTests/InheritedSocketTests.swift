import Glibc
import HTTPServer
import TestSupport
import Testing
import Threads

/// Sockets that a service manager passes: systemd's socket activation.
@Suite struct InheritedSocketTests {
    private func environment(_ count: Int, names: String? = nil) -> [String: String] {
        ["LISTEN_PID": "\(getpid())", "LISTEN_FDS": "\(count)"].merging(names.map { ["LISTEN_FDNAMES": $0] } ?? [:]) { $1 }
    }

    private func take(_ sockets: [TestSocket], names: String? = nil) throws -> [ListeningSocket] {
        try InheritedSockets.take(from: environment(sockets.count, names: names), firstDescriptor: TestSocket.passed(sockets))
    }

    @Test func `a server answers on each socket that it inherits`() throws {
        let folder = TemporaryFolder()
        let held = [TestSocket.listening(), TestSocket.listening(), .unixListening(folder("http"))]
        let sockets = try take(held, names: "http:admin:local")
        #expect(sockets.map(\.address) == ["127.0.0.1:\(held[0].port)", "127.0.0.1:\(held[1].port)", "unix:\(folder("http"))"])
        #expect(sockets.map(\.port) == [held[0].port, held[1].port, 0])
        let server = try HTTPServerTests.server(with: { $0.listening = sockets })
        defer { server.stop(within: .zero) }
        for socket in held[..<2] { #expect(try #require(RawHTTPConnection(to: socket.port)).ask("GET", "/a")?.status == 200) }
    }

    @Test func `connections wait in the queue until the server accepts`() throws {
        let held = TestSocket.listening()
        let sockets = try take([held])
        let arrived = Mailbox<Bool>()
        let server = try HTTPServerTests.server({ exchange in
            arrived.put(true)
            exchange.respond(.text(.ok, "late"))
        }, with: {
            $0.listening = sockets
            $0.acceptsLater = true
        })
        defer { server.stop(within: .zero) }
        let connection = try #require(RawHTTPConnection(to: held.port))
        connection.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n")
        #expect(arrived.take(within: .milliseconds(100)) == nil)
        try server.startAccepting()
        #expect(connection.answer()?.text == "late")
    }

    @Test func `a stopped server leaves connections in the queue for the next one`() throws {
        let held = TestSocket.listening()
        for round in 0..<3 {
            let sockets = try take([held])
            let server = try HTTPServerTests.server({ $0.respond(.text(.ok, "server \(round)")) }, with: { $0.listening = sockets })
            #expect(try #require(RawHTTPConnection(to: held.port)).ask("GET", "/")?.text == "server \(round)")
            server.stopAccepting()
            // Its event loop would otherwise report this connection again and again.
            let waiting = try #require(RawHTTPConnection(to: held.port))
            waiting.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n")
            server.stop(within: .seconds(1))
            let next = try take([held])
            let successor = try HTTPServerTests.server({ $0.respond(.text(.ok, "successor \(round)")) }, with: { $0.listening = next })
            #expect(waiting.answer()?.text == "successor \(round)")
            successor.stop(within: .zero)
        }
    }

    @Test func `after the server has stopped accepting, connections without a request are closed, and others are answered`() throws {
        let held = TestSocket.listening()
        let sockets = try take([held])
        let finish = Mailbox<Bool>(), arrived = Mailbox<Bool>()
        let server = try HTTPServerTests.server({ exchange in
            arrived.put(true)
            try? BackgroundThread.run {
                _ = finish.take()
                exchange.respond(.text(.ok, "done"))
            }
        }, with: { $0.listening = sockets })
        defer { server.stop(within: .zero) }
        let busy = try #require(RawHTTPConnection(to: held.port))
        let idle = try #require(RawHTTPConnection(to: held.port))
        let begun = try #require(RawHTTPConnection(to: held.port))
        begun.send("GET / HT")
        busy.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n")
        #expect(arrived.take(within: .seconds(20)) == true)
        while server.connectionCount < 3 { usleep(1_000) }
        server.stopAccepting()
        server.closeIdleConnections(after: .milliseconds(100))
        #expect(idle.isClosed())
        begun.send("TP/1.1\r\nHost: h\r\n\r\n")
        for _ in 0..<2 { finish.put(true) }
        #expect(busy.answer()?.headers["connection"] == "close" && begun.answer()?.text == "done")
    }

    @Test func `a client whose last response announced no end of the connection can send one more request`() throws {
        let server = try HTTPServerTests.server()
        defer { server.stop(within: .zero) }
        let connection = try #require(RawHTTPConnection(to: server.port))
        #expect(connection.ask("GET", "/")?.headers["connection"] == nil)
        server.stopAccepting()
        server.closeIdleConnections(after: .seconds(60))
        usleep(50_000)
        #expect(connection.ask("GET", "/")?.headers["connection"] == "close")
        #expect(connection.isClosed())
    }

    @Test func `variables for another process, or without sockets, are ignored`() throws {
        #expect(try InheritedSockets.take(from: [:]).isEmpty)
        #expect(try InheritedSockets.take(from: environment(0)).isEmpty)
        #expect(try InheritedSockets.take(from: environment(1).merging(["LISTEN_PID": "\(getpid() + 1)"]) { $1 }).isEmpty)
        #expect(try InheritedSockets.take(from: ["LISTEN_FDS": "1"]).isEmpty)
    }

    @Test(arguments: ["", "-1", "65", "1x", "99999999999999999999", " 1"])
    func `a number of sockets that makes no sense is an error`(count: String) throws {
        #expect(throws: HTTPServerError.invalidInheritance("expected 1 to 64 sockets in LISTEN_FDS, found '\(count)'")) {
            try InheritedSockets.take(from: ["LISTEN_PID": "\(getpid())", "LISTEN_FDS": count])
        }
    }

    @Test func `what is not a listening stream socket is named`() throws {
        func message(_ socket: TestSocket, names: String? = nil) -> String {
            let first = TestSocket.passed([socket])
            defer { close(first) }
            do { _ = try InheritedSockets.take(from: environment(1, names: names), firstDescriptor: first) } catch {
                return "\(error)".replacing("\(first)", with: "N")
            }
            return "no error"
        }
        let start = "cannot use the sockets of the service manager: descriptor N"
        #expect(message(.datagram()) == start + ": expected a stream socket, found another type (ListenStream= passes one).")
        #expect(message(.unconnected(), names: "http")
            == start + " (http): expected a listening socket, found one that does not listen (Accept=no passes one).")
        var ends: [Int32] = [0, 0]
        #expect(pipe(&ends) == 0)
        defer { for end in ends { close(end) } }
        #expect(throws: HTTPServerError.invalidInheritance(
            "descriptor \(ends[0]): expected a listening socket, found another kind of file")) {
            try InheritedSockets.take(from: environment(1), firstDescriptor: ends[0])
        }
        #expect(throws: HTTPServerError.invalidInheritance("descriptor 100000: expected a listening socket, found no open descriptor")) {
            try InheritedSockets.take(from: environment(1), firstDescriptor: 100_000)
        }
    }

    @Test func `the threads of a server respond`() throws {
        let server = try HTTPServerTests.server()
        #expect(server.isResponsive)
        server.stop(within: .zero)
    }
}

@Suite struct AddressRangeTests {
    @Test(arguments: [
        ("172.16.0.0/12", "172.31.255.255", true), ("172.16.0.0/12", "172.32.0.0", false), ("172.16.0.0/12", "::ffff:172.16.0.1", true),
        ("10.0.0.7", "10.0.0.7", true), ("10.0.0.7", "10.0.0.8", false), ("10.0.0.7/24", "10.0.0.8", true),
        ("0.0.0.0/0", "203.0.113.1", true), ("0.0.0.0/0", "2001:db8::1", false), ("::/0", "203.0.113.1", true),
        ("2001:db8::/32", "2001:db8:ffff::1", true), ("2001:db8::/32", "2001:db9::1", false),
        ("fd00:1:2:3:8000::/65", "fd00:1:2:3:8000::9", true), ("fd00:1:2:3:8000::/65", "fd00:1:2:3::9", false),
        ("::1/128", "::1", true), ("::1/128", "::2", false),
    ])
    func `a network contains the addresses that begin with its bits`(network: String, address: String, isInside: Bool) throws {
        #expect(try #require(AddressRange(network)).contains(#require(PeerAddress(address))) == isInside)
    }

    @Test(arguments: [
        "", "/8", "10.0.0.0/", "10.0.0.0/33", "10.0.0.0/-1", "10.0.0.0/+8", "::/129", "10.0.0.0/8/8", "10.0.0", "host", "::/0x1",
    ])
    func `what is not a network is rejected`(text: String) { #expect(AddressRange(text) == nil) }

    @Test func `random texts make no network that contains nothing`() {
        var random = SeededBytes(seed: 1)
        for _ in 0..<20_000 {
            let text = String(decoding: random.bytes(from: Array("0123456789abcdef:./ ".utf8), upTo: 24), as: UTF8.self)
            let first = text.split(separator: "/").first.flatMap { PeerAddress(String($0)) }
            guard let range = AddressRange(text), let first else { continue }
            #expect(range.contains(first), "\(text)")
        }
    }

    @Test func `connections of a proxy on another machine have no limit of their own`() throws {
        var settings = HTTPServer.Settings()
        settings.proxies = ["172.16.0.0/12", "fd00::/8"].compactMap { AddressRange($0) }
        #expect(try ["127.0.0.1", "::1", "172.20.0.3", "fd00::7"].allSatisfy { try settings.isProxy(#require(PeerAddress($0))) })
        #expect(try !settings.isProxy(#require(PeerAddress("172.32.0.1"))))
    }
}

/// Reproducible random bytes.
private struct SeededBytes {
    private var state: UInt64
    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        return state >> 33
    }

    mutating func bytes(from alphabet: [UInt8], upTo count: Int) -> [UInt8] {
        (0..<Int(next() % UInt64(count + 1))).map { _ in alphabet[Int(next() % UInt64(alphabet.count))] }
    }
}
