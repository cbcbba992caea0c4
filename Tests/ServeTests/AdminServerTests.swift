import JSON
import Serve
import TestSupport
import Testing

/// The routes behind the dashboard: searching, one user, and the state of the server's process.
@Suite struct AdminServerTests {
    private let key = ["X-Admin-Key": "the owner's key"]

    private func server(_ change: (inout ServeSettings) -> Void = { _ in }) throws -> TestServer {
        try TestServer { settings in
            settings.adminKey = "the owner's key"
            change(&settings)
        }
    }

    private func get(_ server: TestServer, _ target: String) throws -> JSONElement {
        try #require(server.connect().ask("GET", "/api/admin/" + target, key)).json()
    }

    private func strings(_ json: JSONElement, _ list: String, _ field: String) throws -> [String] {
        try #require(json[list]?.elements).compactMap { $0[field]?.string }
    }

    @Test func `users and conversations are searched, ignoring case`() throws {
        let server = try server()
        for name in ["Ada", "adam", "bob"] { try server.chat("{\"message\":\"Hi from \(name)\"}", as: server.account(name)) }
        let found = try get(server, "users?search=ADA&sort=username&order=asc")
        #expect(try strings(found, "users", "username") == ["Ada", "adam"] && found["total"]?.integer == 2)
        #expect(try get(server, "users?search=")["total"]?.integer == 3)
        let page = try get(server, "users?search=ada&sort=username&order=asc&limit=1&offset=1")
        #expect(try strings(page, "users", "username") == ["adam"] && page["total"]?.integer == 2)
        #expect(try strings(get(server, "conversations?search=bob"), "conversations", "username") == ["bob"])
        let id = try #require(try get(server, "users?search=bob")["users"]?.list?.first?["id"]?.string)
        #expect(try get(server, "users/\(id)/conversations?search=FROM")["total"]?.integer == 1)
        #expect(try get(server, "users/\(id)/conversations?search=ada")["total"]?.integer == 0)
        let long = try #require(server.connect().ask("GET", "/api/admin/users?search=" + String(repeating: "a", count: 201), key))
        #expect(long.status == 422 && long.error.field == "search")
        let user = try get(server, "users/\(id)")
        #expect(user["username"]?.string == "bob" && user["sessions"]?.integer == 1 && user["api_keys"]?.integer == 0)
        #expect(user["conversations"]?.integer == 1 && user["messages"]?.integer == 2 && user["disabled"]?.boolean == false)
    }

    @Test func `the totals have the answers in progress and those that wait`() throws {
        let gate = GenerationGate(beforeCharacter: 0)
        let server = try TestServer(RecordingBackend(gate: gate)) {
            $0.adminKey = "the owner's key"
            $0.slots = 1
        }
        let streams = try ["one", "two"].map { try server.openStream("/api/chat/guest", #"{"message":"\#($0)"}"#) }
        #expect(try server.waitForLoad(running: 1, waiting: 1))
        let totals = try get(server, "stats")
        #expect(["servers", "running", "waiting"].map { totals[$0]?.integer } == [1, 1, 1])
        gate.open()
        for stream in streams { #expect(try stream.read().last?.name == "done") }
    }

    @Test func `the state of the process has its queue, limits and errors`() throws {
        let server = try server {
            $0.slots = 3
            $0.maxWaiting = 7
            $0.chatsPerMinute = 9
            $0.allowsRegistration = false
            $0.serverName = "first of two"
        }
        let connection = try server.connect()
        for _ in 0..<3 { #expect(connection.ask("GET", "/api/me")?.status == 401) }
        #expect(connection.ask("GET", "/missing")?.status == 404)
        let state = try get(server, "server")
        #expect(state["status"]?.string == "ready" && state["version"]?.string == "test" && state["name"]?.string == "first of two")
        #expect(state["model"]?["name"]?.string == "test-model" && state["model"]?["remote"]?.boolean == true)
        let queue = try #require(state["queue"])
        #expect(["running", "slots", "waiting", "max_waiting"].map { queue[$0]?.integer } == [0, 3, 0, 7])
        #expect(try #require(state["process"]?["resident_bytes"]?.integer) > 1_000_000)
        #expect(state["limits"]?["chats_per_minute"]?.integer == 9 && state["limits"]?["registration"]?.boolean == false)
        let errors = try #require(state["errors"]?.elements).map { error in
            let numbers = ["count", "status"].map { "\(error[$0]?.integer ?? 0)" }
            return (numbers + ["method", "route"].map { error[$0]?.string ?? "" }).joined(separator: " ")
        }
        #expect(errors.first == "3 401 GET /api/me" && errors.contains("1 404 GET other"))
        #expect(try #require(state["requests"]?.integer) >= 4)
        // It reads no data of users, so that it is not in the audit log.
        #expect(try get(server, "audit")["total"]?.integer == 0)
    }
}
