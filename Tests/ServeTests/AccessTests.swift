import Glibc
import JSON
import Secrets
import Serve
import Store
import TestSupport
import Testing

/// Access control: every route of the server, with every kind of wrong credentials.
@Suite struct AccessTests {
    /// Ada's data. All of it contains a word that occurs nowhere else.
    private struct AdaFixture {
        static let marker = "adasword"
        let server: TestServer
        let conversation, deleted, key, session, invitation, user, question, answer, response, library, file: String
        let ada: [String: String]

        init(_ change: (inout ServeSettings) -> Void = { _ in }) throws {
            server = try TestServer { settings in
                settings.adminKey = "the owner's key"
                change(&settings)
            }
            let connection = try server.connect()
            let made = connection.post(
                "/api/auth/register", #"{"username":"\#(Self.marker)","password":"correct horse","email":"\#(Self.marker)@example.org"}"#)
            ada = ["Authorization": "Bearer \(try #require(try made?.json()["access_token"]?.string))"]
            let start = try server.chat(#"{"message":"\#(Self.marker)"}"#, as: ada).start
            conversation = try #require(start["conversation_id"]?.string)
            question = try #require(start["message_id"]?.string)
            answer = try #require(start["answer_id"]?.string)
            deleted = try #require(try server.chat(#"{"message":"\#(Self.marker)"}"#, as: ada).start["conversation_id"]?.string)
            #expect(connection.ask("DELETE", "/api/conversations/\(deleted)", ada)?.status == 204)
            key = try #require(try connection.post("/api/keys", #"{"name":"\#(Self.marker)"}"#, ada)?.json()["id"]?.string)
            let account = try #require(try server.store.user(named: Self.marker)).id
            user = account.description
            let stored = StoredResponse(ResponseID(), after: nil, input: "[]", response: #"{"model":"\#(Self.marker)"}"#)
            try server.store.add(stored, of: account)
            response = "resp_\(stored.id)"
            let uploads = try server.store.createLibrary(Self.marker, for: account)
            library = uploads.id.description
            file = try server.store.addUpload("\(Self.marker).md", Array(Self.marker.utf8), of: account, to: uploads.id).id.description
            session = try #require(try server.store.sessions(of: account).first).id.description
            let admin = AdminRequest(actor: "admin", address: "")
            invitation = try server.store.admin.addInvitation("digest", email: nil, lifetime: .seconds(60), by: admin).id.description
        }

        /// The time at which the file was added to the library, as an id.
        private var batch: String {
            get throws {
                let files = try LibraryID(library).map { try server.store.files(of: $0) } ?? []
                return "vsfb_\(files.first?.addedAt.milliseconds ?? 0)"
            }
        }

        /// The path of a route for Ada's data.
        func target(of route: Route) throws -> String {
            let id = switch route.pattern {
            case _ where route.pattern.hasPrefix("/api/keys"): key
            case _ where route.pattern.hasPrefix("/api/me/sessions"): session
            case _ where route.pattern.hasPrefix("/v1/responses"): response
            case _ where route.pattern.hasPrefix("/api/libraries"): library
            case _ where route.pattern.hasPrefix("/v1/vector_stores"): "vs_\(library)"
            case _ where route.pattern.hasPrefix("/v1/files"): "file-\(file)"
            case _ where route.pattern.hasPrefix("/api/admin/users"): user
            case _ where route.pattern.hasPrefix("/api/admin/invitations"): invitation
            case _ where route.pattern.hasSuffix("/restore"): deleted
            default: conversation
            }
            return route.pattern.replacing("{id}", with: id).replacing("{message}", with: answer).replacing("{file}", with: "app.js")
                .replacing("{folder}", with: "chat").replacing("{model}", with: "test-model")
                .replacing("{batch}", with: try route.pattern.contains("{batch}") ? batch : "")
                .replacing("{upload}", with: route.pattern.hasPrefix("/v1") ? "file-\(file)" : file)
                + (route.pattern == "/api/libraries/{id}/files" ? "?name=x" : "")
        }

        /// A valid request body.
        func body(of route: Route) -> String? {
            if !["POST", "PATCH", "PUT"].contains(route.method) { return nil }
            return switch route.pattern {
            case "/api/chat": #"{"message":"x","conversation_id":"\#(conversation)","replace_from":"\#(question)"}"#
            case "/api/chat/guest", "/chat": #"{"message":"x"}"#
            case "/api/conversations", "/api/conversations/{id}": #"{"title":"x"}"#
            case _ where route.pattern.hasSuffix("/rating"): #"{"rating":"bad","reason":"incorrect"}"#
            case _ where route.pattern.hasSuffix("/correction"): #"{"content":"x"}"#
            case "/api/me": #"{"training":false}"#
            case "/api/keys": #"{"name":"x"}"#
            case "/api/auth/register": #"{"username":"\#(Self.marker)","password":"another horse"}"#
            case "/api/auth/login": #"{"username":"\#(Self.marker)","password":"another horse"}"#
            case "/api/me/password": #"{"password":"correct horse","new_password":"another horse"}"#
            case "/api/me/delete": #"{"password":"correct horse"}"#
            case "/api/auth/logout": nil
            case "/api/auth/reset-password":
                #"{"username":"\#(Self.marker)","code":"0000-0000-0000-0000","new_password":"another horse"}"#
            case "/api/admin/users": #"{"invite":true}"#
            case "/api/admin/users/{id}": #"{"disabled":false}"#
            case "/api/admin/users/{id}/role": #"{"role":"user"}"#
            case "/api/documents/search", "/v1/vector_stores/{id}/search": #"{"query":"x"}"#
            case "/api/libraries", "/api/libraries/{id}": #"{"name":"x"}"#
            case "/api/libraries/{id}/files/delete": #"{"files":["\#(file)"]}"#
            case "/v1/vector_stores/{id}/files": #"{"file_id":"file-\#(file)"}"#
            case "/v1/vector_stores/{id}/file_batches": #"{"file_ids":["file-\#(file)"]}"#
            case "/tokenize": #"{"text":"x"}"#
            case "/v1/chat/completions": #"{"model":"test-model","messages":[{"role":"user","content":"x"}]}"#
            case "/v1/messages", "/v1/messages/count_tokens":
                #"{"model":"test-model","max_tokens":8,"messages":[{"role":"user","content":"x"}]}"#
            case "/v1/responses": #"{"model":"test-model","input":"x"}"#
            case "/v1/embeddings": #"{"model":"test-model","input":"x"}"#
            case "/v1/completions", "/ollama/api/generate", "/ollama/api/embeddings", "/ollama/api/show":
                #"{"model":"test-model","prompt":"x"}"#
            case "/ollama/api/chat": #"{"model":"test-model","messages":[{"role":"user","content":"x"}]}"#
            case "/ollama/api/embed": #"{"model":"test-model","input":"x"}"#
            default: "{}"
            }
        }

        func ask(_ route: Route, _ headers: [String: String]) throws -> RawHTTPConnection.Answer {
            try server.ask(route.method, target(of: route), body(of: route), headers)
        }

        /// Checks that nothing of Ada's has changed.
        func checkUntouched() throws {
            let connection = try server.connect()
            let messages = try server.messages(of: conversation, as: ada)
            #expect(messages == ["user: \(Self.marker)", "assistant: \(OneSentenceModel.sentence)"])
            let found = try #require(try connection.ask("GET", "/api/conversations/\(conversation)", ada)?.json())
            #expect(found["title"]?.string == Self.marker && found["training"]?.boolean == true)
            let last = found["messages"]?.list?.last
            #expect(last != nil && last?["rating"] == nil && last?["correction"] == nil)
            #expect(try connection.ask("GET", "/api/me", ada)?.json()["training"]?.boolean == true)
            #expect(connection.ask("GET", "/api/conversations/\(deleted)", ada)?.status == 404)
            #expect(connection.ask("GET", "/v1/responses/\(response)", ada)?.text.contains(Self.marker) == true)
            let library = try #require(try connection.ask("GET", "/api/libraries/\(library)", ada)?.json())
            #expect(library["name"]?.string == Self.marker && library["access"]?.string == "private" && library["file_count"]?.integer == 1)
            #expect(connection.ask("GET", "/v1/files/file-\(file)/content", ada)?.text == Self.marker)
            #expect(try connection.ask("GET", "/api/keys", ada)?.json()["keys"]?.list?.first?["id"]?.string == key)
            #expect(connection.post("/api/auth/login", #"{"username":"\#(Self.marker)","password":"correct horse"}"#)?.status == 200)
        }

        /// Invalid credentials by kind.
        func badTokens() throws -> [(kind: String, headers: [String: String])] {
            let now = Int(time(nil))
            let key = server.signingKey
            let other = try SigningKey(validating: SigningKey.generate(), source: "another server")
            let good = key.text(of: SessionToken(for: user, at: now, lifetime: 60))
            let parts = good.split(separator: ".").map(String.init)
            let unsigned = "eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0.\(parts[1])."
            let texts = [
                ("forged", other.text(of: SessionToken(for: user, at: now, lifetime: 60))),
                ("expired", key.text(of: SessionToken(for: user, at: now - 100, lifetime: 99))),
                ("unsigned", unsigned), ("cut", parts[0] + "." + parts[1]),
                ("unknown user", key.text(of: SessionToken(for: "unknown", at: now, lifetime: 60))), ("noise", "x"),
            ]
            return texts.map { ($0.0, ["Authorization": "Bearer \($0.1)"]) }
                + [
                    ("none", [:]), ("empty", ["Authorization": "Bearer "]), ("basic", ["Authorization": "Basic \(good)"]),
                    ("elsewhere", ["X-SessionToken": good, "Cookie": "token=\(good)"]),
                ]
        }
    }

    @Test func `every account route rejects invalid credentials`() throws {
        let fixture = try AdaFixture()
        let routes = Server.routes.filter { $0.access == .account }
        #expect(routes.count >= 11)
        for route in routes {
            for (kind, headers) in try fixture.badTokens() {
                let answer = try fixture.ask(route, headers)
                #expect(
                    answer.status == 401 && answer.error.code == "unauthorized",
                    "\(route.method) \(route.pattern), \(kind): \(answer.status) \(answer.text)")
                #expect(answer.headers["www-authenticate"]?.hasPrefix("Bearer") ?? false)
                #expect(!answer.text.contains(AdaFixture.marker))
            }
        }
        try fixture.checkUntouched()
    }

    @Test func `routes for accounts and guests reject invalid credentials, and guests where they may not chat`() throws {
        let open = try AdaFixture(), closed = try AdaFixture { $0.allowsGuests = false }
        let routes = Server.routes.filter { $0.access == .accountOrGuest }
        #expect(routes.count >= 5)
        for route in routes {
            for (kind, headers) in try closed.badTokens() {
                let answer = try closed.ask(route, headers)
                #expect(answer.status == 401 && !answer.text.contains(AdaFixture.marker), "\(route.pattern), \(kind): \(answer.text)")
            }
            // Where guests may chat, a session that has ended does not make its owner a guest.
            for (kind, headers) in try open.badTokens() where headers["Authorization"] != nil {
                #expect(try open.ask(route, headers).status == 401, "\(route.pattern), \(kind)")
            }
        }
    }

    @Test func `no route shows or changes another account's data`() throws {
        let fixture = try AdaFixture()
        for (index, route) in Server.routes.enumerated() where route.access != .admin {
            let eve = try fixture.server.account("eve\(index)")                // another one each time: some routes end the session
            for headers in [eve, [:]] {
                let answer = try fixture.ask(route, headers)
                let name = "\(route.method) \(route.pattern)"
                #expect(!answer.text.contains(AdaFixture.marker), "\(name) shows what is Ada's: \(answer.text)")
                #expect(answer.status < 500 || answer.status == 501, "\(name): \(answer.status)")
                let target = try fixture.target(of: route)
                let isAdas = [fixture.response, fixture.library, fixture.file].contains { target.contains($0) }
                if isAdas, route.access != .account { #expect([401, 404].contains(answer.status), "\(name)") }
                guard route.access == .account, headers == eve else { continue }
                let own = [fixture.conversation, fixture.deleted, fixture.key, fixture.session, fixture.library, fixture.file]
                let asksForAdas = own.contains { target.contains($0) || fixture.body(of: route)?.contains($0) ?? false }
                #expect(
                    asksForAdas ? answer.status == 404 : (200...204).contains(answer.status),
                    "\(name) answers another \(answer.status): \(answer.text)")
            }
        }
        try fixture.checkUntouched()
    }

    @Test func `every admin route rejects requests without the admin key`() throws {
        let fixture = try AdaFixture(), routes = Server.routes.filter { $0.access == .admin }
        #expect(routes.count >= 14)
        let bad: [[String: String]] = [
            [:], fixture.ada, ["X-Admin-Key": ""], ["X-Admin-Key": "the owner's kez"], ["x-admin-key": "the owner's ke"],
            ["Authorization": "Bearer the owner's key"],
        ]
        for route in routes {
            for headers in bad {
                let answer = try fixture.ask(route, headers)
                #expect(answer.status == 401 && !answer.text.contains(AdaFixture.marker), "\(route.pattern): \(answer.status)")
            }
        }
        // Deleting the user comes last.
        let deletesUser = { (route: Route) in route.method == "DELETE" && route.pattern == "/api/admin/users/{id}" }
        for route in routes.filter({ !deletesUser($0) }) + routes.filter(deletesUser) {
            let status = try fixture.ask(route, ["X-Admin-Key": "the owner's key"]).status
            #expect((200...204).contains(status), "\(route.method) \(route.pattern): \(status)")
        }
        let shut = try AdaFixture { $0.adminKey = nil }
        for route in routes {
            for key in ["the owner's key", ""] { #expect(try shut.ask(route, ["X-Admin-Key": key]).status == 404) }
        }
    }

    /// The routes of the training area: the admin key, or an owner.
    @Test func `every owner route rejects others, and accepts the admin key and owners`() throws {
        let fixture = try AdaFixture(), routes = Server.routes.filter { $0.access == .owner }
        #expect(routes.count >= 13)
        let eve = try fixture.server.account("eve")
        let client = try #require(try fixture.server.connect().post("/api/keys", #"{"name":"k"}"#, eve)?.json()["key"]?.string)
        let boss = try fixture.server.account("boss")
        let id = try #require(try fixture.server.store.user(named: "boss")).id
        try fixture.server.store.admin.setRole(of: id, to: .owner, by: AdminRequest(actor: "admin", address: ""))
        for route in routes {
            let name = "\(route.method) \(route.pattern)"
            var others = try fixture.badTokens().map { ($0.headers, 401) }
            others += [
                (fixture.ada, 403), (["Authorization": "Bearer \(client)"], 403), (["X-Admin-Key": "the owner's kez"], 401),
                // An owner's session does not make up for a wrong key.
                (boss.merging(["X-Admin-Key": "the owner's kez"]) { $1 }, 401),
            ]
            for (headers, status) in others {
                let answer = try fixture.ask(route, headers)
                #expect(answer.status == status && !answer.text.contains(AdaFixture.marker), "\(name): \(answer.status) \(answer.text)")
            }
            for headers in [["X-Admin-Key": "the owner's key"], boss] {
                let status = try fixture.ask(route, headers).status
                #expect(![401, 403].contains(status) && status < 500, "\(name): \(status)")
            }
        }
        // An owner is no administrator.
        for route in Server.routes where route.access == .admin {
            #expect(try fixture.ask(route, boss).status == 401, "\(route.pattern)")
        }
        try fixture.checkUntouched()
    }

    @Test func `OpenAI routes require credentials if the server requires an API key`() throws {
        let fixture = try AdaFixture { $0.requiresAPIKey = true }
        // The last one deletes a response that others show.
        for route in Server.routes.filter({ $0.access == .apiClient }).sorted(by: { $1.method == "DELETE" && $0.method != "DELETE" }) {
            for (kind, headers) in try fixture.badTokens() {
                #expect(try fixture.ask(route, headers).status == 401, "\(route.pattern), \(kind)")
            }
            // The model of the test has no tokenizer that could count, and no embeddings; there is no reranker.
            let isUnsupported = ["/v1/messages/count_tokens", "/v1/rerank"].contains(route.pattern) || route.pattern.contains("/embed")
            // A file needs a form.
            let status = isUnsupported ? 501 : route.method == "POST" && route.pattern == "/v1/files" ? 415 : 200
            let answer = try fixture.ask(route, fixture.ada)
            // An earlier route has deleted it.
            let isGone = route.method == "DELETE" && route.pattern.hasPrefix("/v1/vector_stores/{id}/files") && answer.status == 404
            #expect(answer.status == status || isGone, "\(route.pattern): \(answer.status)")
        }
    }

    @Test func `admin routes list all users and conversations, sorted and in pages`() throws {
        let fixture = try AdaFixture()
        let server = fixture.server
        let key = ["X-Admin-Key": "the owner's key"]
        let connection = try server.connect()
        for name in ["bob", "carl"] {
            let account = try server.account(name)
            if name == "carl" { for _ in 0..<3 { try server.chat(#"{"message":"Hi"}"#, as: account) } }
        }
        func get(_ target: String) throws -> JSONElement { try #require(connection.ask("GET", target, key)).json() }
        func names(_ target: String, _ list: String = "users", _ field: String = "username") throws -> [String] {
            try get(target)[list]?.elements.map { $0.compactMap { $0[field]?.string } } ?? []
        }
        let totals = try get("/api/admin/stats")
        #expect(
            totals["users"]?.integer == 3 && totals["messages"]?.integer == 8 && totals["generations"]?.integer == 5
                && totals["conversations"]?.integer == 4)
        #expect(totals["top_users"]?.list?.first?["username"]?.string == "carl")
        #expect(try get("/api/admin/stats?top=0")["top_users"] == nil && get("/api/admin/stats?top=0")["users"]?.integer == 3)
        #expect(try names("/api/admin/stats?top=2", "top_users") == ["carl", AdaFixture.marker])
        #expect(connection.ask("GET", "/api/admin/stats?top=201", key)?.error.field == "top")
        #expect(try names("/api/admin/users?sort=username&order=asc") == [AdaFixture.marker, "bob", "carl"])
        #expect(try names("/api/admin/users?sort=messages") == ["carl", AdaFixture.marker, "bob"])
        #expect(try names("/api/admin/users?sort=joined&order=asc&limit=1&offset=1") == ["bob"])
        #expect(try get("/api/admin/users?limit=1")["total"]?.integer == 3)
        #expect(try names("/api/admin/users/\(fixture.user)/conversations", "conversations") == [AdaFixture.marker])
        #expect(try names("/api/admin/conversations?sort=messages&limit=2", "conversations").count == 2)
        #expect(
            try names("/api/admin/conversations/\(fixture.conversation)/messages", "messages", "content") == [
                AdaFixture.marker, OneSentenceModel.sentence,
            ])
        #expect(
            try names("/api/admin/conversations/\(fixture.conversation)/messages?limit=1&offset=1", "messages", "content") == [
                OneSentenceModel.sentence
            ])
        for (target, field) in [
            ("users?sort=password", "sort"), ("users?order=up", "order"), ("users?limit=0", "limit"), ("users?limit=201", "limit"),
            ("users?offset=-1", "offset"),
            ("conversations?sort=joined", "sort"), ("conversations?offset=99999999999999999999", "offset"),
        ] {
            let answer = connection.ask("GET", "/api/admin/\(target)", key)
            #expect(answer?.status == 422 && answer?.error.field == field, "\(target)")
        }
        for target in [
            "users/x/conversations", "users/\(UserID())/conversations", "conversations/x/messages",
            "conversations/\(fixture.deleted)/messages",
        ] {
            #expect(connection.ask("GET", "/api/admin/\(target)", key)?.status == 404, "\(target)")
        }
    }
}
