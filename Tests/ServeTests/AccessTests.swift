import Glibc
import JSON
import Secrets
import Serve
import Store
import TestSupport
import Testing

/// Who may do what: every route the server has, with every kind of wrong key.
@Suite struct AccessTests {
    /// What Ada has, all of it with a word in it that nobody else ever says.
    private struct House {
        static let word = "adasword"
        let stage: ServeStage
        let conversation, deleted, key, user, question: String
        let ada: [String: String]

        init(_ change: (inout ServeSettings) -> Void = { _ in }) throws {
            stage = try ServeStage { settings in
                settings.adminKey = "the owner's key"
                change(&settings)
            }
            let wire = try stage.wire(),
                made = wire.post(
                    "/api/auth/register", #"{"username":"\#(Self.word)","password":"correct horse","email":"\#(Self.word)@example.org"}"#)
            ada = ["Authorization": "Bearer \(try #require(try made?.json()["access_token"]?.string))"]
            let start = try stage.chat(#"{"message":"\#(Self.word)"}"#, as: ada).start
            conversation = try #require(start["conversation_id"]?.string)
            question = try #require(start["message_id"]?.string)
            deleted = try #require(try stage.chat(#"{"message":"\#(Self.word)"}"#, as: ada).start["conversation_id"]?.string)
            #expect(wire.ask("DELETE", "/api/conversations/\(deleted)", ada)?.status == 204)
            key = try #require(try wire.post("/api/keys", #"{"name":"\#(Self.word)"}"#, ada)?.json()["id"]?.string)
            user = try #require(try stage.store.user(named: Self.word)).id.description
        }

        /// The route asked for what is Ada's.
        func target(of route: Route) -> String {
            let id = switch route.pattern {
            case _ where route.pattern.hasPrefix("/api/keys"): key
            case _ where route.pattern.hasPrefix("/api/admin/users"): user
            case _ where route.pattern.hasSuffix("/restore"): deleted
            default: conversation
            }
            return route.pattern.replacing("{id}", with: id).replacing("{file}", with: "app.js").replacing("{model}", with: "test-model")
        }

        /// A body with which the route would do something.
        func body(of route: Route) -> String? {
            if !["POST", "PATCH", "PUT"].contains(route.method) { return nil }
            return switch route.pattern {
            case "/api/chat": #"{"message":"x","conversation_id":"\#(conversation)","replace_from":"\#(question)"}"#
            case "/api/chat/guest", "/chat": #"{"message":"x"}"#
            case "/api/conversations", "/api/conversations/{id}": #"{"title":"x"}"#
            case "/api/keys": #"{"name":"x"}"#
            case "/api/auth/register": #"{"username":"\#(Self.word)","password":"another horse"}"#
            case "/api/auth/login": #"{"username":"\#(Self.word)","password":"another horse"}"#
            case "/tokenize": #"{"text":"x"}"#
            case "/v1/chat/completions": #"{"model":"test-model","messages":[{"role":"user","content":"x"}]}"#
            case "/v1/completions": #"{"model":"test-model","prompt":"x"}"#
            default: "{}"
            }
        }

        func ask(_ route: Route, _ headers: [String: String]) throws -> RawHTTPConnection.Answer {
            let body = body(of: route), type = body == nil ? [:] : ["Content-Type": "application/json"]
            return try #require(try stage.wire().ask(route.method, target(of: route), headers.merging(type) { $1 }, body: body))
        }

        /// Whether all that is Ada's is as it was.
        func checkUntouched() throws {
            let wire = try stage.wire()
            let messages = try stage.messages(of: conversation, as: ada)
            #expect(messages == ["user: \(Self.word)", "assistant: \(OneSentenceModel.sentence)"])
            #expect(try wire.ask("GET", "/api/conversations/\(conversation)", ada)?.json()["title"]?.string == Self.word)
            #expect(wire.ask("GET", "/api/conversations/\(deleted)", ada)?.status == 404)
            #expect(try wire.ask("GET", "/api/keys", ada)?.json()["keys"]?.elements.flatMap { Array($0).first }?["id"]?.string == key)
            #expect(wire.post("/api/auth/login", #"{"username":"\#(Self.word)","password":"correct horse"}"#)?.status == 200)
        }

        /// Tokens that are none, by what is wrong with them.
        func badTokens() throws -> [(kind: String, headers: [String: String])] {
            let now = Int(time(nil)), signer = SessionTokenSigner(stage.secret),
                other = SessionTokenSigner(try Secret(validating: Secret.generate(), source: "another server"))
            let good = signer.text(of: SessionToken(for: user, at: now, lifetime: 60)), parts = good.split(separator: ".").map(String.init)
            let unsigned = "eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0.\(parts[1])."
            let texts = [
                ("forged", other.text(of: SessionToken(for: user, at: now, lifetime: 60))),
                ("expired", signer.text(of: SessionToken(for: user, at: now - 100, lifetime: 99))),
                ("unsigned", unsigned), ("cut", parts[0] + "." + parts[1]),
                ("of nobody", signer.text(of: SessionToken(for: "nobody", at: now, lifetime: 60))), ("noise", "x"),
            ]
            return texts.map { ($0.0, ["Authorization": "Bearer \($0.1)"]) }
                + [
                    ("none", [:]), ("empty", ["Authorization": "Bearer "]), ("basic", ["Authorization": "Basic \(good)"]),
                    ("elsewhere", ["X-SessionToken": good, "Cookie": "token=\(good)"]),
                ]
        }
    }

    @Test func `no route for accounts answers without a token of ours`() throws {
        let house = try House()
        let routes = Server.routes.filter { $0.access == .accounts }
        #expect(routes.count >= 11)
        for route in routes {
            for (kind, headers) in try house.badTokens() {
                let answer = try house.ask(route, headers)
                #expect(
                    answer.status == 401 && answer.error.code == "unauthorized",
                    "\(route.method) \(route.pattern), \(kind): \(answer.status) \(answer.text)")
                #expect(answer.headers["www-authenticate"]?.hasPrefix("Bearer") ?? false)
                #expect(!answer.text.contains(House.word))
            }
        }
        try house.checkUntouched()
    }

    @Test func `no route shows or changes what is another's`() throws {
        let house = try House(), eve = try house.stage.account("eve")
        for route in Server.routes where route.access != .admin {
            for headers in [eve, [:]] {
                let answer = try house.ask(route, headers), name = "\(route.method) \(route.pattern)"
                #expect(!answer.text.contains(House.word), "\(name) shows what is Ada's: \(answer.text)")
                #expect(answer.status < 500 || answer.status == 501, "\(name): \(answer.status)")
                guard route.access == .accounts, headers == eve else { continue }
                let asksForAdas = [house.conversation, house.deleted, house.key].contains {
                    house.target(of: route).contains($0) || house.body(of: route)?.contains($0) ?? false
                }
                #expect(
                    asksForAdas ? answer.status == 404 : (200...204).contains(answer.status),
                    "\(name) answers another \(answer.status): \(answer.text)")
            }
        }
        try house.checkUntouched()
    }

    @Test func `no route of the owner's answers without the owner's key`() throws {
        let house = try House(), routes = Server.routes.filter { $0.access == .admin }
        #expect(routes.count >= 5)
        let bad: [[String: String]] = [
            [:], house.ada, ["X-Admin-Key": ""], ["X-Admin-Key": "the owner's kez"], ["x-admin-key": "the owner's ke"],
            ["Authorization": "Bearer the owner's key"],
        ]
        for route in routes {
            for headers in bad {
                let answer = try house.ask(route, headers)
                #expect(answer.status == 401 && !answer.text.contains(House.word), "\(route.pattern): \(answer.status)")
            }
            #expect(try house.ask(route, ["X-Admin-Key": "the owner's key"]).status == 200, "\(route.pattern)")
        }
        let shut = try House { $0.adminKey = nil }
        for route in routes {
            for key in ["the owner's key", ""] { #expect(try shut.ask(route, ["X-Admin-Key": key]).status == 404) }
        }
    }

    @Test func `programs need a key where the server says so`() throws {
        let house = try House { $0.needsKey = true }
        for route in Server.routes where route.access == .programs {
            for (kind, headers) in try house.badTokens() {
                #expect(try house.ask(route, headers).status == 401, "\(route.pattern), \(kind)")
            }
            #expect(try house.ask(route, house.ada).status == 200, "\(route.pattern)")
        }
    }

    @Test func `the owner sees everybody, sorted and in pages`() throws {
        let house = try House(), stage = house.stage, key = ["X-Admin-Key": "the owner's key"], wire = try stage.wire()
        for name in ["bob", "carl"] {
            let account = try stage.account(name)
            if name == "carl" { for _ in 0..<3 { try stage.chat(#"{"message":"Hi"}"#, as: account) } }
        }
        func get(_ target: String) throws -> JSONElement { try #require(wire.ask("GET", target, key)).json() }
        func names(_ target: String, _ list: String = "users", _ field: String = "username") throws -> [String] {
            try get(target)[list]?.elements.map { $0.compactMap { $0[field]?.string } } ?? []
        }
        let totals = try get("/api/admin/stats")
        #expect(
            totals["users"]?.integer == 3 && totals["messages"]?.integer == 8 && totals["generations"]?.integer == 5
                && totals["conversations"]?.integer == 4)
        #expect(totals["top_users"]?.elements.flatMap { Array($0).first }?["username"]?.string == "carl")
        #expect(try names("/api/admin/users?sort=username&order=asc") == [House.word, "bob", "carl"])
        #expect(try names("/api/admin/users?sort=messages") == ["carl", House.word, "bob"])
        #expect(try names("/api/admin/users?sort=joined&order=asc&limit=1&offset=1") == ["bob"])
        #expect(try get("/api/admin/users?limit=1")["total"]?.integer == 3)
        #expect(try names("/api/admin/users/\(house.user)/conversations", "conversations") == [House.word])
        #expect(try names("/api/admin/conversations?sort=messages&limit=2", "conversations").count == 2)
        #expect(
            try names("/api/admin/conversations/\(house.conversation)/messages", "messages", "content") == [
                House.word, OneSentenceModel.sentence,
            ])
        #expect(
            try names("/api/admin/conversations/\(house.conversation)/messages?limit=1&offset=1", "messages", "content") == [
                OneSentenceModel.sentence
            ])
        for (target, field) in [
            ("users?sort=password", "sort"), ("users?order=up", "order"), ("users?limit=0", "limit"), ("users?limit=201", "limit"),
            ("users?offset=-1", "offset"),
            ("conversations?sort=joined", "sort"), ("conversations?offset=99999999999999999999", "offset"),
        ] {
            let answer = wire.ask("GET", "/api/admin/\(target)", key)
            #expect(answer?.status == 422 && answer?.error.field == field, "\(target)")
        }
        for target in [
            "users/x/conversations", "users/\(UserID())/conversations", "conversations/x/messages",
            "conversations/\(house.deleted)/messages",
        ] {
            #expect(wire.ask("GET", "/api/admin/\(target)", key)?.status == 404, "\(target)")
        }
    }
}
