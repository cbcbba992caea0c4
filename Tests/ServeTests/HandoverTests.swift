import HTTPServer
import Infer
import JSON
import Serve
import Store
import TestSupport
import Testing
import Threads

/// Restarts behind a load balancer, and with listening sockets that a service manager holds.
@Suite struct HandoverTests {
    private let guest = #"{"message":"Hi"}"#

    @Test func `with a handover, the server reports not ready first and still chats`() throws {
        let server = try TestServer { $0.handover = .seconds(20) }
        let connection = try server.connect()
        try eventually { connection.ask("GET", "/api/ready")?.status == 200 }
        let stopped = try server.beginStopping(within: .seconds(1))
        try eventually { connection.ask("GET", "/api/ready")?.status == 503 }
        #expect(try connection.ask("GET", "/api/ready")?.json()["status"]?.string == "stopping")
        #expect(try connection.ask("GET", "/api/health")?.json()["status"]?.string == "ready")
        #expect(try server.openStream("/api/chat/guest", guest).read().text == OneSentenceModel.sentence)
        #expect(stopped.take(within: .zero) == nil)
    }

    @Test func `an inherited socket is passed on without a refused or failed request`() throws {
        let held = TestSocket.listening()
        func start() throws -> TestServer {
            let variables = ["LISTEN_PID": "1", "LISTEN_FDS": "1"]
            let sockets = try InheritedSockets.take(from: variables, process: 1, firstDescriptor: TestSocket.passed([held]))
            return try TestServer {
                $0.http.listening = sockets
                $0.http.acceptsLater = true
                $0.handover = .milliseconds(100)
            }
        }
        let gate = GenerationGate(beforeCharacter: 2)
        let variables = ["LISTEN_PID": "1", "LISTEN_FDS": "1"]
        let sockets = try InheritedSockets.take(from: variables, process: 1, firstDescriptor: TestSocket.passed([held]))
        let old = try TestServer(RecordingBackend("old one", gate: gate)) {
            $0.http.listening = sockets
            $0.handover = .seconds(20)
        }
        let stream = try old.openStream("/api/chat/guest", guest)
        #expect(try stream.read(2).text == "ol")
        let open = try #require(RawHTTPConnection(to: held.port))
        #expect(open.ask("GET", "/api/health")?.status == 200)
        let stopped = try old.beginStopping(within: .seconds(20))
        try eventually { open.ask("GET", "/api/ready")?.status != 200 }
        // A connection that the old server does not accept, and one whose request it has not received yet, which it has answered above.
        let waiting = try #require(RawHTTPConnection(to: held.port))
        waiting.sendPost("/api/chat/guest", guest)
        gate.open()
        let (rest, end) = try stream.read()
        #expect(rest == "d one" && end?.data["reason"]?.string == "stop")
        #expect(stopped.take(within: .seconds(120)) == true)
        let new = try start()
        #expect(waiting.answer()?.status == 200)
        new.server.stop(within: .zero)
    }

    @Test func `a request that is arriving when the handover ends is answered`() throws {
        let server = try TestServer { $0.handover = .milliseconds(100) }
        let idle = try server.connect()
        #expect(idle.ask("GET", "/api/health")?.status == 200)
        let slow = try server.connect()
        let head = "POST /chat HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: \(guest.utf8.count)\r\n\r\n"
        slow.send(head + "{")
        let stopped = try server.beginStopping(within: .seconds(20))
        #expect(idle.answer() == nil)               // closed when the handover ended
        slow.send(String(guest.dropFirst()))
        let answer = slow.answer()
        #expect(answer?.status == 200, "\(answer?.text ?? "")")
        #expect(stopped.take(within: .seconds(120)) == true)
    }

    @Test(arguments: [Duration.zero, .seconds(3)])
    func `a server that will hand over says in the head of a stream that its connection ends`(handover: Duration) throws {
        let server = try TestServer { $0.handover = handover }
        let connection = try server.connect()
        connection.sendPost("/api/chat/guest", guest)
        #expect(connection.head()?.headers["connection"] == (handover == .zero ? nil : "close"))
        server.server.stop(within: .zero)
    }

    @Test func `the address in X-Forwarded-For counts if a listed proxy sends it`() throws {
        // The test connects from 127.0.0.1, which is always trusted; PeerAddress decides for all others.
        let server = try TestServer {
            $0.trustsProxy = true
            $0.http.proxies = ["172.16.0.0/12"].compactMap { AddressRange($0) }
            $0.chatsPerMinute = 1
        }
        let chat = #"{"message":"Hi"}"#
        func status(from address: String) throws -> Int? {
            try server.connect().post("/chat", chat, ["X-Forwarded-For": address])?.status
        }
        #expect(try [status(from: "192.0.2.1"), status(from: "192.0.2.1"), status(from: "192.0.2.2")] == [200, 429, 200])
    }
}
