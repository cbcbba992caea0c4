import Corpus
import JSON
import Serve
import Store
import TestSupport
import Testing

/// The routes of the chats that an owner reviews.
@Suite struct TrainingChatRouteTests {
    private let server: TestServer
    private let ada, olga: UserID
    private let owner: [String: String]
    private var store: Store { server.store }
    private let admin = ["X-Admin-Key": "the owner's key"]

    init() throws {
        server = try TestServer(store: .with { $0.showsTrainingNotice = true }) { $0.adminKey = "the owner's key" }
        ada = try server.store.addUser("ada", passwordHash: "x").id
        owner = try server.account("olga")
        olga = try #require(try server.store.user(named: "olga")).id
        try server.store.admin.setRole(of: olga, to: .owner, by: AdminRequest(actor: "admin", address: ""))
    }

    private func ask(
        _ method: String, _ path: String, _ body: String? = nil, as headers: [String: String]? = nil
    ) throws -> RawHTTPConnection.Answer {
        try server.ask(method, "/api/training/" + path, body, headers ?? owner)
    }

    private func json(_ method: String, _ path: String, _ body: String? = nil) throws -> JSONElement {
        let answer = try ask(method, path, body)
        #expect(answer.status == 200, "\(method) \(path): \(answer.text)")
        return try answer.json()
    }

    private func chat(_ texts: String...) throws -> String {
        let id = try store.createConversation("chat", for: ada).id
        for (i, text) in texts.enumerated() { try store.append(NewMessage(i % 2 == 0 ? .user : .assistant, text), to: id, of: ada) }
        return id.description
    }

    private func ids(_ query: String) throws -> [String] {
        try json("GET", "chats?" + query)["items"]?.elements?.compactMap { $0["id"]?.string } ?? []
    }

    @Test func `only owners may use the routes`() throws {
        let id = try chat("Hi", "Hello"), message = try store.trainingChat(#require(TrainingChatID(id))).messages[1].message.id
        let eve = try server.account("eve")
        let areas = ["chats", "tags", "imports"].map { "/api/training/" + $0 }
        let routes = Server.routes.filter { route in areas.contains { route.pattern.hasPrefix($0) } }
        #expect(routes.count == 11 && routes.allSatisfy { $0.access == .owner })
        for route in routes {
            let path = String(route.pattern.dropFirst("/api/training/".count)).replacing("{id}", with: id)
                .replacing("{message}", with: "\(message)")
            let body = switch route.pattern {
            case _ where route.method == "GET" || route.method == "DELETE": nil as String?
            case _ where route.pattern.hasSuffix("{message}"): #"{"content":"x"}"#
            case _ where route.pattern.hasSuffix("bulk"): #"{"filter":{},"state":"new"}"#
            case _ where route.pattern.hasSuffix("import"):
                #"{"messages":[{"role":"user","content":"q"},{"role":"assistant","content":"a"}]}"#
            default: "{}"
            }
            let allowed = route.pattern.hasSuffix("imports/{id}") ? 404 : 200
            for (headers, status) in [
                ([:], 401), (["X-Admin-Key": "wrong"], 401), (["Authorization": "Bearer x"], 401), (eve, 403), (owner, allowed),
                (admin, allowed),
            ] {
                let answer = try ask(route.method, path, body, as: headers)
                #expect(answer.status == status, "\(route.method) \(path) \(headers.keys): \(answer.status) \(answer.text)")
            }
        }
        let actors = Set(try store.admin.auditLog(limit: 100).items.filter { $0.action == .correctChat }.map(\.target))
        #expect(actors == [id])
        // An owner whose role ends has no access.
        try store.admin.setRole(of: olga, to: .user, by: AdminRequest(actor: "admin", address: ""))
        #expect(try ask("GET", "chats").status == 403)
    }

    @Test func `a chat is listed, read, corrected, tagged and included`() throws {
        let id = try chat("Mail ada@example.org 🎉 or bob@example.org", "No.", "Why?", "Because.")
        let other = try chat("Hi", "Ho")
        let list = try json("GET", "chats")
        #expect(list["total"]?.integer == 2 && list["next"]?.isNull == true && list["pending"]?.integer == 0)
        #expect(try ids("flag=personal") == [id] && ids("min_turns=2") == [id])
        #expect(try ids("max_characters=4") == [other] && ids("min_characters=5&max_characters=500") == [id])
        #expect(try ids("max_turns=1") == [other] && ids("q=example.ORG") == [id])
        let person = try #require(list["items"]?.list?.first?["person"]?.string)
        #expect(person.hasPrefix("Person ") && !person.contains("ada"))
        #expect(try Set(ids("person=\(person.replacing(" ", with: "%20"))&sort=longest")) == [id, other])
        let found = try json("GET", "chats/\(id)")
        let messages = try #require(found["messages"]?.list)
        #expect(messages.count == 4 && found["turns"]?.integer == 2 && found["state"]?.isString("new") == true)
        let marks = messages[0]["personal"]?.elements?.map { [$0["start"]?.integer, $0["end"]?.integer] }
        #expect(marks == [[5, 20], [27, 42]])
        let answer = try #require(messages[1]["id"]?.string)
        let corrected = try json("PUT", "chats/\(id)/corrections/\(answer)", #"{"content":"Gladly."}"#)
        #expect(corrected["messages"]?.elements?.map { $0["owner_correction"]?.string ?? "-" } == ["-", "Gladly.", "-", "-"])
        #expect(corrected["owner_corrections"]?.integer == 1)
        let changed = try json("PUT", "chats/\(id)", #"{"state":"included","tags":["mail","  two  words "]}"#)
        #expect(changed["state"]?.isString("included") == true && changed["reviewed_by"]?.string != nil)
        #expect(changed["tags"]?.elements?.compactMap(\.string) == ["mail", "two words"])
        #expect(try ids("state=included&tag=two+words&rating=corrected") == [id] && ids("state=new") == [other])
        #expect(try json("GET", "tags")["items"]?.elements?.map { $0["chats"]?.integer } == [1, 1])
        let lines = try ask("GET", "chats/export?state=included").text.split(separator: "\n")
        #expect(lines.count == 2 && lines[0].contains("Gladly.") && !lines[0].contains("No."))
        let pairs = try ask("GET", "chats/export?state=included&format=pairs").text
        #expect(pairs.contains(#""chosen":[{"role":"assistant","content":"Gladly."}],"rejected":[{"role":"assistant","content":"No."}]"#))
        #expect(try json("DELETE", "chats/\(id)/corrections/\(answer)")["owner_corrections"]?.integer == 0)
    }

    @Test func `many chats are changed at once, by ids or by filter`() throws {
        let all = try (0..<5).map { try chat("question \($0)", "answer") }
        func change(_ body: String) throws -> Int? { try json("POST", "chats/bulk", body)["changed"]?.integer }
        #expect(try change(#"{"ids":["\#(all[0])","\#(all[1])"],"state":"included","add_tags":["a"]}"#) == 2)
        #expect(try change(#"{"filter":{"state":"new"},"state":"excluded","add_tags":["b"]}"#) == 3)
        #expect(try change(#"{"filter":{"tag":"b"},"remove_tags":["b"]}"#) == 3)
        let counts = try json("GET", "chats?limit=2")["counts"]
        #expect(counts?["included"]?.integer == 2 && counts?["excluded"]?.integer == 3 && counts?["new"]?.integer == 0)
        var found: [String] = [], after = ""
        while true {
            let page = try json("GET", "chats?limit=2" + after)
            found += page["items"]?.elements?.compactMap { $0["id"]?.string } ?? []
            guard let next = page["next"]?.string, found.count < 10 else { break }
            after = "&after=" + next
        }
        #expect(found.count == 5 && Set(found) == Set(all))
        for (method, path, body, field) in [
            ("POST", "chats/bulk", #"{"state":"new"}"#, "filter"), ("POST", "chats/bulk", #"{"filter":{},"ids":[]}"#, "filter"),
            ("POST", "chats/bulk", #"{"filter":{"x":1}}"#, "filter.x"),
            ("POST", "chats/bulk", #"{"filter":{"min_characters":-1},"state":"new"}"#, "min_characters"),
            ("POST", "chats/bulk", #"{"ids":["x"]}"#, "ids"),
            ("POST", "chats/bulk", #"{"filter":{},"state":"good"}"#, "state"),
            ("POST", "chats/bulk", #"{"filter":{},"add_tags":[""]}"#, "add_tags"),
            ("PUT", "chats/\(all[0])", #"{"tags":"x"}"#, "tags"), ("PUT", "chats/\(all[0])", #"{"name":"x"}"#, "name"),
        ] {
            let answer = try ask(method, path, body)
            #expect(answer.status == 422 && answer.error.field == field, "\(path) \(body): \(answer.text)")
        }
        for (query, field) in [
            ("state=x", "state"), ("from=yesterday", "from"), ("min_turns=-1", "min_turns"), ("after=x", "after"), ("sort=x", "sort"),
            ("limit=0", "limit"), ("flag=x", "flag"), ("rating=x", "rating"),
        ] {
            let answer = try ask("GET", "chats?" + query)
            #expect(answer.status == 422 && answer.error.field == field, "\(query)")
        }
        #expect(try ids("from=2001-01-01&to=2001-01-02T00:00:00.000Z").isEmpty && ids("from=&state=&q=").count == 5)
        for path in ["chats/x", "chats/\(ConversationID())"] { #expect(try ask("GET", path).status == 404) }
        #expect(try ask("PUT", "chats/\(ConversationID())", #"{"state":"included"}"#).status == 404)
        #expect(try ask("PUT", "chats/\(all[0])/corrections/\(MessageID())", #"{"content":"x"}"#).status == 404)
    }

    @Test func `every format that slm reads is imported, and an export can be imported again`() throws {
        func add(_ text: String, _ format: String = "detected") throws -> [Int?] {
            let result = try json("POST", "chats/import?format=\(format)", text)
            return ["added", "duplicates", "skipped"].map { result[$0]?.integer }
        }
        #expect(try add("[INST] Hi [/INST] Hello! [INST] Bye [/INST] See you\n[INST] broken") == [1, 0, 1])
        #expect(try add("""
            {"timestamp":"x","user":"One","assistant":"first"}
            {"user":"Two","assistant":"second","history":[{"role":"user","content":"One"},{"role":"assistant","content":"first"}]}
            """) == [1, 0, 0])
        let messages = #"{"role":"system","content":"Be brief."},{"role":"user","content":"q"},{"role":"assistant","content":"a"}"#
        #expect(try add(#"{"messages":[\#(messages)]}"#) == [1, 0, 0])
        #expect(try add("""
            {"prompt":"Which?","chosen":"this","rejected":"that"}
            {"prompt":"Good?","completion":"yes","label":true}
            {"prompt":"Same","chosen":"x","rejected":"x"}
            """) == [2, 0, 1])
        #expect(try add(#"{"prompt":"Which?","chosen":"this","rejected":"that"}"#, "preferences") == [0, 1, 0])
        let list = try json("GET", "chats?source=import")
        #expect(list["total"]?.integer == 5)
        let two = try #require(try ids("q=second").first)
        #expect(try json("GET", "chats/\(two)")["turns"]?.integer == 2)
        for (text, format) in [("just text", "detected"), ("", "detected"), ("x", "text"), ("x", "csv")] {
            #expect(try ask("POST", "chats/import?format=\(format)", text).status == 422, "\(format)")
        }
        let errors = try json("POST", "chats/import?format=messages", "{\"messages\":1}\n\n{}")["errors"]?.list
        #expect(errors?.map { $0["line"]?.integer } == [1, 3] && errors?[0]["message"]?.string?.contains("expected an array") == true)
        let pairs = try ask("GET", "chats/export?format=pairs").text, ratings = try ask("GET", "chats/export?format=ratings").text
        #expect(pairs.split(separator: "\n").count == 1 && ratings.split(separator: "\n").count == 1)
        #expect(try add(pairs) == [0, 1, 0] && add(ratings) == [0, 1, 0])
        // Pages.
        let page = try ask("GET", "chats/export?limit=2")
        #expect(page.headers["x-next-after"] != nil && page.headers["content-type"]?.hasPrefix("application/jsonl") == true)
        #expect(try ask("GET", "chats/export").text.split(separator: "\n").count == 7)
        #expect(try store.trainingSet(heldOut: false).chats.isEmpty)
    }

    @Test func `an import is deleted with all of its parts and nothing else`() throws {
        func add(_ text: String, _ query: String = "") throws -> JSONElement { try json("POST", "chats/import?" + query, text) }
        let own = try chat("own", "yes")
        let first = try #require(try add("[INST] a [/INST] b\n[INST] c [/INST] d\n")["import"]?.string)
        #expect(try add("[INST] e [/INST] f\n[INST] a [/INST] b\n", "import=\(first)")["import"]?.isString(first) == true)
        let second = try #require(try add("[INST] g [/INST] h\n")["import"]?.string)
        _ = try json("POST", "chats/bulk", #"{"filter":{"q":"c","source":"import"},"state":"included"}"#)
        let items = try #require(try json("GET", "imports")["items"]?.list)
        #expect(Set(items.compactMap { $0["id"]?.string }) == [first, second])
        let listed = try #require(items.first { $0["id"]?.isString(first) == true })
        #expect(listed["chats"]?.integer == 3 && listed["included"]?.integer == 1)
        #expect(try json("DELETE", "imports/\(first)")["deleted"]?.integer == 3)
        #expect(try ask("DELETE", "imports/\(first)").status == 404 && ask("DELETE", "imports/x").status == 404)
        #expect(try ids("source=import").count == 1 && ids("source=account") == [own])
        #expect(try store.trainingSet(heldOut: false).chats.isEmpty)
        let lines = try store.admin.auditLog(limit: 100).items.filter { $0.action == .deleteImport }
        #expect(lines.map(\.target) == [first] && lines.map(\.targetName) == ["3 chats"])
        // What was deleted can be imported again.
        #expect(try add("[INST] a [/INST] b\n")["added"]?.integer == 1)
        #expect(try ask("POST", "chats/import?import=x", "[INST] i [/INST] j\n").error.field == "import")
    }

    @Test func `an import on a full disk says how many chats of the request were added`() throws {
        func file(_ first: Int, _ count: Int) -> String {
            (first..<first + count).map { "[INST] question \($0) [/INST] \(String(repeating: "\($0) ", count: 200))\n" }.joined()
        }
        /// A disk with space for some more pages of the database.
        func leave(_ pages: Int) throws {
            try store.database.transaction(.write) { connection throws(StoreError) in
                let used = try connection.value("PRAGMA page_count") ?? 0
                _ = try connection.execute("PRAGMA max_page_count = \(used + pages)")
            }
        }
        let first = try #require(try json("POST", "chats/import", file(0, 300))["import"]?.string)
        try leave(200)
        let answer = try ask("POST", "chats/import?import=\(first)", file(300, 1_000))
        #expect(answer.status == 507 && answer.error.code == "no_space")
        let added = try json("GET", "chats")["total"]?.integer.map { $0 - 300 } ?? 0
        #expect(added > 0 && answer.error.message?.contains(" \(added) of 1000 chats of this part of the file were added.") == true,
                "\(added): \(answer.text)")
        try leave(100_000)
        #expect(try json("POST", "chats/import?import=\(first)", file(300, 1_000))["duplicates"]?.integer == added)
    }

    @Test func `the administrator's export leaves out excluded chats`() throws {
        let id = try chat("keep", "yes"), other = try chat("drop", "no")
        _ = try json("PUT", "chats/\(other)", #"{"state":"excluded"}"#)
        let message = try #require(try json("GET", "chats/\(id)")["messages"]?.list?[1]["id"]?.string)
        _ = try json("PUT", "chats/\(id)/corrections/\(message)", #"{"content":"better"}"#)
        let answer = try #require(try server.connect().ask("GET", "/api/admin/training-chats", admin))
        #expect(answer.text.contains("better") && !answer.text.contains("drop"))
    }
}
