import JSON
import Serve
import Store
import TestSupport
import Testing
import Threads

/// Answers under `/v1` end when their sender may no longer have them.
@Suite struct RevocationTests {
    private static let changes: [(method: String, path: String, body: String)] = [
        ("DELETE", "/api/keys/KEY", ""), ("DELETE", "/api/admin/users/USER/keys", ""),
        ("PATCH", "/api/admin/users/USER", #"{"disabled":true}"#), ("DELETE", "/api/admin/users/USER", ""),
        ("POST", "/api/me/delete", #"{"password":"correct horse"}"#),
    ]

    /// An answer that waits at a gate, so that only its cancellation can end it.
    private struct Pair {
        let gate = GenerationGate(beforeCharacter: 3)
        let backend: RecordingBackend
        let servers: ServerPair
        let ada: [String: String]
        let user: String

        init(_ isSQLite: Bool) throws {
            backend = RecordingBackend("0123456789", gate: gate)
            servers = try ServerPair(isSQLite, backend)
            ada = try servers.first.account("ada")
            user = try #require(try servers.first.store.user(named: "ada")).id.description
        }

        func key() throws -> (id: String, headers: [String: String]) {
            let made = try #require(try servers.first.connect().post("/api/keys", #"{"name":"k"}"#, ada)).json()
            return (try #require(made["id"]?.string), ["Authorization": "Bearer \(try #require(made["key"]?.string))"])
        }

        /// Starts an answer on the first server and returns when its stream has begun.
        func stream(_ headers: [String: String]) throws -> RawHTTPConnection {
            let connection = try servers.first.connect()
            let body = #"{"messages":[{"role":"user","content":"Hi"}],"stream":true}"#
            let lines = headers.map { "\($0.key): \($0.value)\r\n" }.joined()
            connection.send("""
                POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
                Content-Length: \(body.utf8.count)\r\n\(lines)\r\n\(body)
                """)
            #expect(try #require(connection.head()).status == 200)
            return connection
        }

        func ask(_ method: String, _ target: String, _ body: String, on server: TestServer) throws -> Int? {
            try server.ask(method, target, body, ada.merging(ServerPair.admin) { $1 }).status
        }
    }

    private func rest(of connection: RawHTTPConnection) -> String {
        var bytes: [UInt8] = []
        while let chunk = connection.chunk(), !chunk.isEmpty { bytes += chunk }
        return String(decoding: bytes, as: UTF8.self)
    }

    /// On the server of the answer with SQLite, and on another one with PostgreSQL, which notifies it, or SQLite.
    @Test(arguments: changes.indices) func `a revoked key ends its answers, also on other servers`(_ index: Int) throws {
        let (method, path, body) = Self.changes[index]
        for isLocal in [true, false] {
            let pair = try Pair(isLocal || index % 2 == 0), (id, headers) = try pair.key()
            defer { pair.gate.open() }
            let stream = try pair.stream(headers), whole = Mailbox<RawHTTPConnection.Answer?>()
            let port = pair.servers.first.port
            try BackgroundThread.run {
                let body = #"{"messages":[{"role":"user","content":"Hi"}]}"#
                whole.put(RawHTTPConnection(to: port)?.post("/v1/chat/completions", body, headers))
            }
            #expect(try pair.servers.first.waitForLoad(running: 2))
            let target = path.replacing("KEY", with: id).replacing("USER", with: pair.user)
            let status = try pair.ask(method, target, body, on: isLocal ? pair.servers.first : pair.servers.second)
            #expect(status ?? 500 < 300, "\(path)")
            let text = rest(of: stream)
            #expect(text.contains("The API key was revoked") && !text.contains("[DONE]"), "\(path): \(text)")
            let refused = try #require(whole.take(within: .seconds(30)) ?? nil)
            #expect(refused.status == 401 && refused.text.contains("The API key was revoked"), "\(path)")
            try eventually { pair.backend.cancellations.value >= 2 }
            pair.gate.open()
            #expect(try pair.servers.first.waitForLoad(running: 0))
        }
    }

    @Test(arguments: [true, false]) func `answers of other keys and sessions continue`(_ isSQLite: Bool) throws {
        let pair = try Pair(isSQLite), first = try pair.key(), second = try pair.key()
        defer { pair.gate.open() }
        let revoked = try pair.stream(first.headers), others = try [pair.stream(second.headers), pair.stream(pair.ada)]
        #expect(try pair.ask("DELETE", "/api/keys/\(first.id)", "", on: pair.servers.second) == 204)
        #expect(rest(of: revoked).contains("revoked"))
        // The session of a session token ends.
        #expect(try pair.ask("POST", "/api/auth/logout", "{}", on: pair.servers.second) == 204)
        #expect(rest(of: others[1]).contains("the session has ended"))
        pair.gate.open()
        #expect(rest(of: others[0]).contains("[DONE]"))
    }
}
