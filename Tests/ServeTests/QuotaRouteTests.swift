import HTTPServer
import JSON
import Serve
import Store
import TestSupport
import Testing
import Threads

/// Quotas, rate limits of changes and searches, and searches that take long.
@Suite struct QuotaRouteTests {
    @Test func `each route that changes something has a rate limit`() {
        for route in Server.routes where route.method != "GET" {
            if case .none = route.rateLimit { Issue.record("\(route.method) \(route.pattern) has no rate limit") }
        }
        #expect(Server.routes.contains { if case .changes = $0.rateLimit { $0.pattern == "/api/conversations" } else { false } })
    }

    @Test func `changes are limited for each account, and reading is not`() throws {
        let server = try TestServer { $0.changesPerMinute = 1 }
        let ada = try server.account("ada"), bob = try server.account("bob"), connection = try server.connect()
        #expect(connection.post("/api/conversations", "{}", ada)?.status == 201)
        let routes = Server.routes.filter { if case .changes = $0.rateLimit, case .account = $0.access { true } else { false } }
        #expect(routes.count > 5)
        for route in routes {
            let path = route.pattern.replacing("{id}", with: ConversationID().description)
            let answer = try server.ask(route.method, path, "{}", ada)
            #expect(answer.status == 429 && answer.headers["retry-after"] != nil, "\(route.method) \(path)")
        }
        #expect(connection.ask("GET", "/api/conversations", ada)?.status == 200)
        #expect(connection.post("/api/conversations", "{}", bob)?.status == 201)
    }

    @Test func `searches are limited for each account`() throws {
        let server = try TestServer { $0.searchesPerMinute = 2 }
        let ada = try server.account("ada"), connection = try server.connect()
        for status in [200, 200, 429] { #expect(connection.ask("GET", "/api/conversations?search=rain", ada)?.status == status) }
        #expect(connection.ask("GET", "/api/conversations?search=", ada)?.status == 200)
        #expect(connection.ask("GET", "/api/conversations?limit=2", ada)?.status == 200)
    }

    @Test func `an account that reaches a quota gets an error that says which`() throws {
        let server = try TestServer(store: .with { $0.maxConversations = 1; $0.maxStoredCharacters = 70; $0.maxAPIKeys = 1 })
        let ada = try server.account("ada"), connection = try server.connect()
        let id = try #require(try server.chat(#"{"message":"one"}"#, as: ada).start["conversation_id"]?.string)
        func expect(_ target: String, _ body: String, _ code: String, _ message: String) {
            let answer = connection.post(target, body, ada)
            #expect(answer?.status == 403 && answer?.error.code == code, "\(target): \(answer?.text ?? "")")
            #expect(answer?.error.message == message)
        }
        let conversations = "Your account has reached its limit for conversations (1). Delete some to start a new one."
        expect("/api/conversations", "{}", "too_many_conversations", conversations)
        expect("/api/chat", #"{"message":"two"}"#, "too_many_conversations", conversations)
        let long = String(repeating: "x", count: 70)
        expect("/api/chat", #"{"message":"\#(long)","conversation_id":"\#(id)"}"#, "storage_full",
               "Your account has reached its limit for stored characters (70). Delete conversations to continue.")
        #expect(connection.post("/api/keys", #"{"name":"a"}"#, ada)?.status == 201)
        expect("/api/keys", #"{"name":"b"}"#, "too_many_keys",
               "Your account has reached its limit for API keys (1). Revoke one to create another.")
        // The rejected message left no answer in progress.
        #expect(try server.chat(#"{"message":"2","conversation_id":"\#(id)"}"#, as: ada).end.name == "done")
    }

    /// The test itself takes both connections for searches, as two slow searches would.
    @Test func `slow searches do not stop other routes`() throws {
        let server = try TestServer(store: .with { $0.timeout = .seconds(60) })
        let ada = try server.account("ada"), store = server.store
        #expect(try server.connect().post("/api/conversations", #"{"title":"rain"}"#, ada)?.status == 201)
        let began = Mailbox<Void>(), end = Mailbox<Void>()
        for _ in 0..<2 {
            try BackgroundThread.run {
                try? store.database.transaction(.search) { _ throws(StoreError) in
                    began.put(())
                    end.take()
                }
            }
        }
        for _ in 0..<2 { began.take() }
        // More searches than there are threads for all other routes.
        let searches = try (0..<20).map { _ in try server.connect() }
        let authorization = try #require(ada["Authorization"])
        for search in searches {
            search.send("GET /api/conversations?search=rain HTTP/1.1\r\nHost: localhost\r\nAuthorization: \(authorization)\r\n\r\n")
        }
        let connection = try server.connect()
        for _ in 0..<3 { #expect(connection.ask("GET", "/api/conversations", ada)?.status == 200) }
        #expect(try server.chat(#"{"message":"one"}"#, as: ada).end.name == "done")
        for _ in 0..<2 { end.put(()) }
        for search in searches {
            let answer = search.answer()
            let found = try answer?.json()["conversations"]?.elements.map { conversation in conversation.map { $0["title"]?.string } }
            #expect(answer?.status == 200 && found == ["rain"])
        }
    }

    @Test func `a search that takes too long gets an error`() throws {
        let server = try TestServer(store: .with { $0.searchTimeout = .milliseconds(5) })
        let ada = try server.account("ada"), owner = try #require(try server.store.user(named: "ada")).id
        let chat = try server.store.createConversation("long", for: owner).id
        try server.store.database.write("""
            INSERT INTO messages (id, conversation_id, position, role, content, created_at, ordinal)
            WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000)
            SELECT 'm' || i, $1, i, 'user', $2, i, i FROM n
            """, chat, String(repeating: "rain ", count: 100))
        let answer = try server.connect().ask("GET", "/api/conversations?search=zz", ada)
        #expect(answer?.status == 503 && answer?.error.code == "search_timeout" && answer?.headers["retry-after"] == "1")
    }
}
