import HTTPServer
import Infer
import JSON
import Secrets
import Serve
import Store
import TestSupport
import Testing
import Tokenize

/// Limits, lists and settings that several servers on one database share.
@Suite struct SharedLimitTests {
    @Test(arguments: [true, false]) func `messages per minute count on all servers together`(_ isSQLite: Bool) throws {
        let servers = try ServerPair(isSQLite) { $0.chatsPerMinute = 4 }
        let ada = try servers.first.account("ada")
        func chat(_ server: TestServer) throws -> Int? { try server.connect().post("/api/chat", #"{"message":"Hi"}"#, ada)?.status }
        for server in [servers.first, servers.second, servers.first, servers.second] { #expect(try chat(server) == 200) }
        #expect(try [chat(servers.first), chat(servers.second)] == [429, 429])
        let guests = try (0..<6).map { i in
            try (i % 2 == 0 ? servers.first : servers.second).connect().post("/api/chat/guest", #"{"message":"Hi"}"#)?.status
        }
        #expect(guests == [200, 200, 200, 200, 429, 429])
    }

    @Test(arguments: [true, false]) func `failed sign-ins lock an account on all servers, and after a restart`(_ isSQLite: Bool) throws {
        let servers = try ServerPair(isSQLite) {
            $0.signInsPerMinute = 3
            $0.trustsProxy = true
        }
        #expect(try servers.first.connect().post("/api/auth/register", #"{"username":"ada","password":"correct horse"}"#)?.status == 201)
        var address = 0
        func signIn(_ server: TestServer, _ password: String) throws -> Int? {
            address += 1
            let body = #"{"username":"ada","password":"\#(password)"}"#
            return try server.connect().post("/api/auth/login", body, ["X-Forwarded-For": "192.0.2.\(address)"])?.status
        }
        // Right passwords do not count.
        for _ in 0..<5 { #expect(try signIn(servers.first, "correct horse") == 200) }
        for server in [servers.first, servers.second, servers.first] { #expect(try signIn(server, "wrong") == 401) }
        #expect(try signIn(servers.second, "correct horse") == 429 && signIn(servers.first, "correct horse") == 429)
        let restarted = try TestServer(database: servers.url, signingKey: servers.first.signingKey) { $0.signInsPerMinute = 3 }
        #expect(try signIn(restarted, "correct horse") == 429)
    }

    @Test(arguments: [true, false]) func `answers of a client count on all servers`(_ isSQLite: Bool) throws {
        let gate = GenerationGate(beforeCharacter: 0)
        let servers = try ServerPair(isSQLite, RecordingBackend(gate: gate)) { $0.answersPerClient = 2 }
        let ada = try servers.first.account("ada")
        let running = try (0..<2).map { _ in try servers.first.openStream("/api/chat", #"{"message":"a"}"#, ada) }
        try eventually { try servers.second.connect().post("/api/chat", #"{"message":"b"}"#, ada)?.status == 429 }
        let eve = try servers.second.account("eve")
        #expect(try servers.second.connect().post("/api/chat", #"{"message":"c"}"#, eve)?.status == 200)
        gate.open()
        for stream in running { #expect(try stream.read().last?.name == "done") }
        try eventually { try servers.second.connect().post("/api/chat", #"{"message":"b"}"#, ada)?.status == 200 }
    }

    @Test func `a server with another key does not start`() throws {
        let folder = TemporaryFolder(in: TemporaryFolder.inMemory), url = "sqlite:" + folder("chats.db")
        let first = try TestServer(database: url) { $0.serverName = "first" }
        // The first server sends a heartbeat every second, and later ones on a busy machine.
        let store = StoreOptions.with { $0.leaseTime = .seconds(6) }
        let error = #expect(throws: SigningKeyError.self) { try TestServer(database: url, store: store) }
        #expect(error == .differs(from: ["first"]))
        #expect(error?.description.contains("Set SLM_JWT_SECRET to the same value") == true)
        // Its key was not noted as the current one.
        let path = folder("other.secret")
        #expect(throws: SigningKeyError.self) {
            try SigningKey(in: path, environment: nil, Store(url, store)) { _ in }
        }
        first.server.stop(within: .zero)
        _ = try TestServer(database: url)
    }

    @Test(arguments: [true, false]) func `the admin sees all servers and their answers`(_ isSQLite: Bool) throws {
        let gate = GenerationGate(beforeCharacter: 0)
        var number = 0
        let servers = try ServerPair(isSQLite, RecordingBackend(gate: gate)) {
            number += 1
            $0.serverName = "server \(number)"
        }
        let stream = try servers.first.openStream("/api/chat/guest", #"{"message":"a"}"#)
        func ask(_ server: TestServer, _ path: String) throws -> JSONElement {
            try #require(try server.connect().ask("GET", path, ServerPair.admin)).json()
        }
        for (server, current) in [(servers.first, "server 1"), (servers.second, "server 2")] {
            try eventually {
                let stats = try ask(server, "/api/admin/stats")
                return stats["running"]?.integer == 1 && stats["waiting"]?.integer == 0 && stats["servers"]?.integer == 2
            }
            let list = try #require(try ask(server, "/api/admin/servers")["servers"]?.list)
            #expect(list.map { $0["name"]?.string } == ["server 1", "server 2"] && list.map { $0["running"]?.integer } == [1, 0])
            #expect(list.map { $0["current"]?.boolean } == ["server 1", "server 2"].map { $0 == current })
            // The model is in the heartbeat after it was loaded.
            try eventually {
                let servers = try ask(server, "/api/admin/servers")["servers"]?.elements
                return servers?.allSatisfy { $0["model"]?.string == "test-model" && $0["memory_bytes"]?.integer ?? 0 > 0 } == true
            }
            #expect(try server.connect().ask("GET", "/metrics")?.text.contains("slm_servers{server=\"\(current)\"} 2\n") == true)
        }
        gate.open()
        _ = try stream.read()
        servers.second.server.stop(within: .zero)
        try eventually { try ask(servers.first, "/api/admin/servers")["servers"]?.list?.count == 1 }
    }

    @Test(arguments: [true, false]) func `one request reloads the model of all servers`(_ isSQLite: Bool) throws {
        let servers = try ServerPair(isSQLite, next: ScriptedBackend("next"))
        #expect(try servers.first.connect().post("/api/admin/reload", "{}", ServerPair.admin)?.status == 204)
        for server in [servers.first, servers.second] {
            try eventually { try server.connect().ask("GET", "/api/health")?.json()["model"]?.string == "next-model" }
        }
        let audit = try servers.first.connect().ask("GET", "/api/admin/audit", ServerPair.admin)?.json()
        #expect(audit?["entries"]?.list?.first?["action"]?.string == "model.reload")
        #expect(try servers.first.connect().post("/api/admin/reload", "{}")?.status == 401)
    }

    @Test(arguments: [true, false]) func `collected chats are those of all servers`(_ isSQLite: Bool) throws {
        let servers = try ServerPair(isSQLite, collecting: true)
        let ada = try servers.first.account("ada")
        // An answer that ends by itself or at a stop text is collected; one that reaches its limit is not.
        try servers.first.chat(#"{"message":"one","stop":["y"]}"#, as: ada)
        try eventually { try servers.first.chatLines.count == 1 }
        _ = try servers.second.openStream("/api/chat/guest", #"{"message":"two","stop":["y"]}"#).read()
        try eventually { try servers.second.chatLines.count == 1 }
        for server in [servers.first, servers.second] {
            try eventually { try server.connect().ask("GET", "/stats")?.json()["count"]?.integer == 2 }
        }
        func export(_ query: String = "") throws -> RawHTTPConnection.Answer {
            try #require(try servers.second.connect().ask("GET", "/api/admin/collected-chats" + query, ServerPair.admin))
        }
        // The same lines as in the files of the servers.
        let files = try [servers.first, servers.second].map { try $0.chatLines.map { $0 + "\n" }.joined() }
        #expect(try export().text == files.joined() && export().headers["x-next-after"] == nil)
        let page = try export("?limit=1")
        #expect(page.text == files[0])
        #expect(try export("?limit=1&after=\(page.headers["x-next-after"] ?? "")").text == files[1])
        #expect(try servers.second.connect().post("/api/me/delete", #"{"password":"correct horse"}"#, ada)?.status == 204)
        #expect(try export().text == files[1])
        try eventually { try servers.first.connect().ask("GET", "/stats")?.json()["count"]?.integer == 1 }
    }
}
