import Glibc
import JSON
import Secrets
import Serve
import Store
import TestSupport
import Testing

/// Revocation of sessions and keys, and what users can do with their own account.
@Suite struct OwnAccountTests {
    private func signIn(_ server: TestServer, _ name: String, _ password: String = "correct horse") throws -> [String: String]? {
        let body = #"{"username":"\#(name)","password":"\#(password)"}"#
        let answer = try #require(try server.connect().post("/api/auth/login", body, ["User-Agent": "Test/1.0"]))
        guard answer.status == 200, let token = try answer.json()["access_token"]?.string else { return nil }
        return ["Authorization": "Bearer \(token)"]
    }

    private func status(_ server: TestServer, _ headers: [String: String], _ target: String = "/api/me") throws -> Int? {
        try server.connect().ask("GET", target, headers)?.status
    }

    private func key(_ server: TestServer, _ account: [String: String]) throws -> [String: String] {
        let made = try #require(try server.connect().post("/api/keys", #"{"name":"laptop"}"#, account))
        return ["Authorization": "Bearer \(try #require(try made.json()["key"]?.string))"]
    }

    @Test func `an API key is rejected outside v1 and cannot create keys`() throws {
        let server = try TestServer { $0.requiresAPIKey = true }
        let key = try key(server, try server.account("ada"))
        #expect(try status(server, key, "/v1/models") == 200)
        let routes = Server.routes.filter { $0.access == .account }
        #expect(routes.count >= 18)
        for route in routes {
            let target = route.pattern.replacing("{id}", with: ConversationID().description)
            let answer = try server.ask(route.method, target, ["POST", "PATCH"].contains(route.method) ? #"{"name":"x"}"# : nil, key)
            #expect(answer.status == 403 && answer.error.code == "session_required", "\(route.method) \(route.pattern)")
        }
    }

    @Test func `a changed password ends all sessions but the new one, and keeps API keys`() throws {
        let server = try TestServer { $0.requiresAPIKey = true }
        let ada = try server.account("ada"), other = try #require(try signIn(server, "ada")), key = try key(server, ada)
        let connection = try server.connect()
        func change(_ password: String, _ new: String) -> RawHTTPConnection.Answer? {
            connection.post("/api/me/password", #"{"password":"\#(password)","new_password":"\#(new)"}"#, ada)
        }
        let wrong = change("wrong horse", "battery staple")
        #expect(wrong?.status == 403 && wrong?.error.code == "wrong_password" && wrong?.error.field == "password")
        #expect(change("correct horse", "short")?.error.field == "new_password")
        #expect(try status(server, other) == 200)
        let changed = try #require(change("correct horse", "battery staple"))
        let token = try #require(try changed.json()["access_token"]?.string)
        #expect(changed.status == 200)
        #expect(try status(server, ["Authorization": "Bearer \(token)"]) == 200)
        #expect(try status(server, ada) == 401 && status(server, other) == 401 && status(server, key, "/v1/models") == 200)
        #expect(try signIn(server, "ada") == nil && signIn(server, "ada", "battery staple") != nil)
    }

    @Test func `wrong passwords in account requests are limited like sign-ins`() throws {
        let server = try TestServer { $0.signInsPerMinute = 3 }
        let ada = try server.account("ada"), connection = try server.connect()
        let statuses = (0..<4).map { _ in connection.post("/api/me/delete", #"{"password":"wrong horse"}"#, ada)?.status }
        #expect(statuses == [403, 403, 403, 429])
        #expect(try server.connect().post("/api/auth/login", #"{"username":"ada","password":"correct horse"}"#)?.status == 429)
        #expect(try status(server, ada) == 200)
    }

    /// A stolen session could otherwise keep the server busy with hashing passwords.
    @Test func `requests with the right password are limited like sign-ins`() throws {
        let server = try TestServer { $0.signInsPerMinute = 3 }
        var session = try server.account("ada")
        var statuses: [Int] = []
        for _ in 0..<4 {
            let body = #"{"password":"correct horse","new_password":"correct horse"}"#
            let answer = try #require(try server.connect().post("/api/me/password", body, session))
            statuses.append(answer.status)
            if let token = try answer.json()["access_token"]?.string { session = ["Authorization": "Bearer \(token)"] }
        }
        #expect(statuses == [200, 200, 200, 429])
    }

    @Test func `sessions are listed and can be ended one by one`() throws {
        let server = try TestServer()
        let ada = try server.account("ada"), other = try #require(try signIn(server, "ada")), connection = try server.connect()
        func sessions() throws -> [JSONElement] {
            let list = try #require(connection.ask("GET", "/api/me/sessions", ada))
            return try #require(try list.json()["sessions"]?.list)
        }
        let both = try sessions()
        #expect(both.count == 2 && both.filter { $0["current"]?.boolean == true }.count == 1)
        let second = try #require(both.first { $0["current"]?.boolean == false }), id = try #require(second["id"]?.string)
        #expect(second["user_agent"]?.string == "Test/1.0" && second["address"]?.string == "127.0.0.1")
        #expect(connection.ask("DELETE", "/api/me/sessions/\(id)", ada)?.status == 204)
        #expect(connection.ask("DELETE", "/api/me/sessions/\(id)", ada)?.status == 404)
        #expect(try status(server, other) == 401 && sessions().count == 1)
        #expect(connection.ask("POST", "/api/auth/logout", ada)?.status == 204)
        #expect(try status(server, ada) == 401)
    }

    @Test func `log out everywhere ends all sessions and running answers`() throws {
        let gate = GenerationGate(beforeCharacter: 1), backend = RecordingBackend(gate: gate)
        let server = try TestServer(backend)
        let ada = try server.account("ada"), other = try #require(try signIn(server, "ada")), eve = try server.account("eve")
        let stream = try server.openStream("/api/chat", #"{"message":"one"}"#, other)
        let others = try server.openStream("/api/chat", #"{"message":"two"}"#, eve)
        try eventually { backend.prompts.count == 2 }
        #expect(try server.connect().ask("DELETE", "/api/me/sessions", ada)?.status == 204)
        // An answer that is just starting is canceled when it has started.
        try eventually { backend.cancellations.value > 0 }
        gate.open()
        #expect(try stream.read().last?.data["reason"]?.string == "cancelled" && others.read().last?.data["reason"]?.string == "stop")
        #expect(try status(server, ada) == 401 && status(server, other) == 401 && status(server, eve) == 200)
        #expect(try signIn(server, "ada") != nil)
    }

    @Test func `a session token is rejected after its user was deleted`() throws {
        let server = try TestServer { $0.requiresAPIKey = true }
        let ada = try server.account("ada"), key = try key(server, ada)
        try server.store.deleteUser(try #require(try server.store.user(named: "ada")).id)
        #expect(try status(server, ada) == 401 && status(server, key, "/v1/models") == 401 && status(server, ada, "/v1/models") == 401)
    }

    @Test func `a token without a stored session, or without an epoch, is not valid`() throws {
        let server = try TestServer()
        _ = try server.account("ada")
        let id = try #require(try server.store.user(named: "ada")).id, now = Int(time(nil))
        let unknown = SessionToken(for: id.description, id: SessionID().description, at: now, lifetime: 60)
        let text = server.signingKey.text(of: unknown)
        #expect(try status(server, ["Authorization": "Bearer \(text)"]) == 401)
    }

    @Test func `the export has everything of the account and no secret`() throws {
        let server = try TestServer()
        let ada = try server.account("ada"), eve = try server.account("eve")
        let id = try #require(try server.chat(#"{"message":"Why does it rain?"}"#, as: ada).start["conversation_id"]?.string)
        try server.chat(#"{"message":"Eve's secret"}"#, as: eve)
        let made = try #require(try server.connect().post("/api/keys", #"{"name":"laptop"}"#, ada)).json()
        for (account, name) in [(ada, "pumps"), (eve, "Eve's secret")] {
            let library = try #require(try server.connect().post("/api/libraries", #"{"name":"\#(name)"}"#, account)).json()
            let path = try "/api/libraries/\(#require(library["id"]?.string))", shared = #"{"access":"everyone"}"#
            #expect(try server.ask("PATCH", path, shared, account).status == 200)
            #expect(try server.connect().ask("POST", path + "/files?name=pump.md", account, body: "Hold the button.")?.status == 201)
        }
        let answer = try #require(try server.connect().ask("GET", "/api/me/export", ada)), export = try answer.json()
        #expect(answer.status == 200 && answer.headers["content-disposition"] == #"attachment; filename="slm-export.json""#)
        #expect(export["profile"]?["username"]?.string == "ada")
        let conversations = try #require(export["conversations"]?.list)
        #expect(conversations.map { $0["id"]?.string } == [id])
        let texts = conversations[0]["messages"]?.elements.map { $0.map { $0["content"]?.string } }
        #expect(texts == ["Why does it rain?", OneSentenceModel.sentence])
        #expect(export["keys"]?.elements.map { $0.map { $0["name"]?.string } } == ["laptop"])
        let libraries = export["libraries"]?.list ?? []
        #expect(libraries.map { $0["name"]?.string } == ["pumps"] && export["files"]?.list?.count == 1)
        #expect(libraries.first?["files"]?.elements.map { $0.map { $0["name"]?.string } } == ["pump.md"])
        #expect(export["sessions"]?.list?.count == 1)
        for secret in ["$2b$", try #require(made["key"]?.string), "Eve's secret", "Bearer"] { #expect(!answer.text.contains(secret)) }
    }

    @Test func `exports have a limit of their own`() throws {
        let server = try TestServer { $0.chatsPerMinute = 1 }, ada = try server.account("ada")
        #expect(try server.ask("POST", "/api/chat", #"{"message":"Hi"}"#, ada).status == 200)
        #expect(try (0..<2).map { _ in try status(server, ada, "/api/me/export") } == [200, 429])
    }

    @Test func `an account is deleted with its password, and its running answer is canceled`() throws {
        let gate = GenerationGate(beforeCharacter: 1), backend = RecordingBackend(gate: gate), server = try TestServer(backend)
        let ada = try server.account("ada"), connection = try server.connect()
        let stream = try server.openStream("/api/chat", #"{"message":"one"}"#, ada)
        try eventually { backend.prompts.count == 1 }
        #expect(connection.post("/api/me/delete", #"{"password":"wrong horse"}"#, ada)?.error.code == "wrong_password")
        #expect(connection.post("/api/me/delete", "{}", ada)?.error.field == "password")
        #expect(connection.post("/api/me/delete", #"{"password":"correct horse"}"#, ada)?.status == 204)
        try eventually { backend.cancellations.value > 0 }
        gate.open()
        #expect(try stream.read().last?.data["reason"]?.string == "cancelled")
        #expect(try status(server, ada) == 401 && signIn(server, "ada") == nil)
        let totals = try server.store.admin.totals()
        #expect(totals.users == 0 && totals.conversations == 0 && totals.messages == 0)
        #expect(try server.waitForLoad(running: 0))
    }
}
