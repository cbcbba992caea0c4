import Files
import Foundation
import Glibc
import JSON
import Serve
import Store
import TestSupport
import Testing
import Threads

/// Every field of the responses of the training area.
@Suite struct TrainingFieldsTests {
    private static let varying: Set = ["held_out", "chats", "tokens"]

    @Test func `models, the canary and the models of API keys`() throws {
        let models = try RegistryModels("first", "second"), server = try models.server(), ada = try server.account("ada")
        let second = try models.register("second", on: server)
        func response(_ method: String, _ path: String, _ body: String? = nil) throws -> String {
            try described(models.ask(server, method, path, body).json())
        }
        func model(_ name: String, _ state: String, by user: String, promoted: Bool, isServed: Bool, keys: Int = 0) -> String {
            """
            {id: id, name: \(name), state: \(state), kind: checkpoint, base: null, path: …/\(name).h5, size_bytes: number, \
            created_at: time, created_by: \(user), promoted_at: \(promoted ? "time" : "null"), \
            promoted_by: \(promoted ? user : "null"), run: null, data: null, metrics: null, verdict: null, comparison: null, \
            is_served: \(isServed), error: null, files_deleted_at: null, keys: \(keys)}
            """
        }
        let candidate = model("second", "candidate", by: "admin", promoted: false, isServed: false)
        let active = model("first", "active", by: "command line of test-first", promoted: true, isServed: true)
        #expect(try response("GET", "models/\(second)") == candidate)
        let list = try response("GET", "models")
        #expect(list.contains(candidate) && list.contains(active), "\(list)")
        #expect(list.hasSuffix("], canary: null, disk: {used_bytes: number, free_bytes: number}}"))
        #expect(try response("PUT", "canary", #"{"model":"\#(second)","share":1}"#) == "{model: id, share: 1.0}")
        #expect(try response("GET", "models").contains(", canary: {model: id, share: 1.0}, disk: {"))
        try models.waitUntilServed(second, by: server)
        let registry = try #require(server.connect().ask("GET", "/api/admin/server", RegistryModels.admin)).json()["registry"]
        #expect(registry.map { described($0) }
            == "[{id: id, name: first, role: active, error: null}, {id: id, name: second, role: canary, error: null}]")
        #expect(try models.ask(server, "DELETE", "canary").status == 204)
        let key = try #require(try server.connect().post("/api/keys", #"{"name":"laptop"}"#, ada)?.json()["id"]?.string)
        func keyed(_ model: String) -> String { "{id: id, name: laptop, user: ada, model: \(model), last_used_at: null}" }
        #expect(try response("GET", "keys") == "{items: [\(keyed("null"))], next: null, total: 1}")
        #expect(try response("PUT", "keys/\(key)", #"{"model":"\#(second)"}"#) == keyed("id"))
        #expect(try models.ask(server, "GET", "models/\(second)").json()["keys"]?.integer == 1)
        for (body, field) in [(#"{"model":"x"}"#, "model"), (#"{"name":"x"}"#, "name")] {
            #expect(try models.ask(server, "PUT", "keys/\(key)", body).error.field == field)
        }
        for (keep, isAccepted) in [("0", true), ("1000", true), ("1001", false), ("-1", false)] {
            let answer = try models.ask(server, "POST", "models/clean-up", #"{"keep":\#(keep)}"#)
            #expect(answer.status == (isAccepted ? 200 : 422), "\(keep)")
            if isAccepted { #expect(answer.text == #"{"items":[],"deleted":0,"freed_bytes":0}"#) }
        }
    }

    private func chatServer() throws -> (server: TestServer, ada: UserID) {
        let server = try TestServer(store: .with { $0.showsTrainingNotice = true }) { $0.adminKey = "the owner's key" }
        return (server, try server.store.addUser("ada", passwordHash: "x").id)
    }

    private func response(_ server: TestServer, _ method: String, _ path: String, _ body: String? = nil) throws -> String {
        let answer = try server.ask(method, "/api/training/" + path, body, ["X-Admin-Key": "the owner's key"])
        return try described(answer.json(), varying: Self.varying)
    }

    @Test func `chats, their messages and tags`() throws {
        let (server, ada) = try chatServer(), store = server.store
        let id = try store.createConversation("Pumps", for: ada).id
        let messages = try ["Mail ada@example.org", "a1"].enumerated().map { i, text in
            try store.append(NewMessage(i == 0 ? .user : .assistant, text), to: id, of: ada)
        }
        _ = try store.update(id, of: ada) { $0.systemPrompt = "Be kind." }
        func chat(_ state: String, good: Int = 0, bad: Int = 0, corrections: Int = 0, owner: Int = 0, preferences: Int = 0,
                  tags: String = "", isReviewed: Bool = false, characters: Int = 22) -> String {
            """
            {id: id, source: account, state: \(state), title: Pumps, person: person, model: null, created_at: time, updated_at: time, \
            turns: 1, characters: \(characters), good: \(good), bad: \(bad), corrections: \(corrections), owner_corrections: \(owner), \
            preferences: \(preferences), tags: [\(tags)], duplicates: 0, duplicate_of: null, personal: [email], held_out: boolean, \
            reviewed_at: \(isReviewed ? "time" : "null"), reviewed_by: \(isReviewed ? "admin" : "null")}
            """
        }
        func counts(_ new: Int, _ included: Int, _ excluded: Int) -> String {
            """
            next: null, total: 1, total_is_exact: true, counts: {new: \(new), included: \(included), excluded: \(excluded), \
            held_out: number}, pending: 0}
            """
        }
        #expect(try response(server, "GET", "chats") == "{items: [\(chat("new"))], \(counts(1, 0, 0))")
        let personal = "personal: [{kind: email, start: 5, end: 20}]"
        func shown(_ chat: String, _ answer: String) -> String {
            """
            \(chat.dropLast()), system_prompt: Be kind., messages: [{id: id, role: user, content: Mail ada@example.org, correction: null, \
            owner_correction: null, rating: null, chosen: false, alternatives: [], \(personal)}, \(answer)]}
            """
        }
        func answer(_ text: String, chosen: Bool = false, others: String = "") -> String {
            """
            {id: id, role: assistant, content: \(text), correction: null, owner_correction: null, rating: null, \
            chosen: \(chosen), alternatives: [\(others)], personal: []}
            """
        }
        #expect(try response(server, "GET", "chats/\(id)") == shown(chat("new"), answer("a1")))
        #expect(try response(server, "PUT", "chats/\(id)", #"{"state":"included","tags":["b","a"]}"#)
            .hasPrefix(chat("included", tags: "a, b", isReviewed: true).dropLast()))
        #expect(try response(server, "GET", "tags") == "{items: [{tag: a, chats: number}, {tag: b, chats: number}]}")
        // Another answer that the user prefers.
        try store.rate(messages[1].id, in: id, of: ada, Rating(.bad))
        let start = try store.beginAnswer(to: .storedMessage(messages[0].id), in: id, of: ada)
        let other = try store.append(
            NewMessage(.assistant, "a2"), to: id, of: ada, replacingFrom: start.replacedAnswer, answering: messages[0].id)
        try store.activate(other.id, in: id, of: ada)
        let found = try response(server, "GET", "chats/\(id)")
        #expect(found.contains(answer("a2", chosen: true, others: "{id: id, content: a1, chosen: false, rating: bad}")), "\(found)")
        let corrected = try response(server, "PUT", "chats/\(id)/corrections/\(other.id)", #"{"content":"a3"}"#)
        #expect(corrected.contains("content: a2, correction: null, owner_correction: a3,"), "\(corrected)")
        #expect(try response(server, "PUT", "chats/\(id)", #"{"state":"excluded"}"#).contains("owner_corrections: 1"))
        #expect(try response(server, "GET", "chats").hasSuffix(counts(0, 0, 1)))
    }

    @Test func `imports`() throws {
        let (server, _) = try chatServer(), text = "[INST] a [/INST] b\nbroken\n"
        let result = try response(server, "POST", "chats/import", text)
        #expect(result.hasPrefix("{import: id, added: 1, duplicates: 0, skipped: 1, errors: [{line: 2, message: "), "\(result)")
        #expect(try response(server, "GET", "imports") == "{items: [{id: id, created_at: time, chats: number, included: 0}]}")
        // Ten errors are listed, and all are counted.
        let lines = String(repeating: "broken\n", count: 12) + "[INST] c [/INST] d\n"
        let many = try server.ask("POST", "/api/training/chats/import", lines, ["X-Admin-Key": "the owner's key"]).json()
        #expect(many["errors"]?.list?.count == 10 && many["skipped"]?.integer == 12)
    }

    @Test func `an export is read in pages`() throws {
        let (server, ada) = try chatServer()
        for i in 0..<5 {
            let id = try server.store.createConversation("chat", for: ada).id
            for (role, text) in [(Message.Role.user, "q\(i)"), (.assistant, "a\(i)")] {
                try server.store.append(NewMessage(role, text), to: id, of: ada)
            }
        }
        func page(_ query: String) throws -> RawHTTPConnection.Answer {
            try server.ask("GET", "/api/training/chats/export?" + query, nil, ["X-Admin-Key": "the owner's key"])
        }
        let first = try page("limit=2&after="), second = try page("limit=2&after=\(first.headers["x-next-after"] ?? "")")
        let third = try page("limit=2&after=\(second.headers["x-next-after"] ?? "")")
        let texts = [first, second, third].map { $0.text.split(separator: "\n") }
        #expect(texts.map(\.count) == [2, 2, 1] && third.headers["x-next-after"] == nil)
        #expect(try Set(texts.joined()) == Set(page("").text.split(separator: "\n")) && Set(texts.joined()).count == 5)
        #expect(try page("after=x").error.field == "after" && page("limit=1001").error.field == "limit")
        #expect(try server.store.admin.auditLog().items.filter { $0.action == .exportChats }.count == 4)
    }

    @Test func `tags and texts of filters have limits`() throws {
        let (server, ada) = try chatServer(), id = try server.store.createConversation("chat", for: ada).id
        for (role, text) in [(Message.Role.user, "q"), (.assistant, "a")] {
            try server.store.append(NewMessage(role, text), to: id, of: ada)
        }
        func status(_ method: String, _ path: String, _ body: String? = nil) throws -> Int {
            try server.ask(method, "/api/training/" + path, body, ["X-Admin-Key": "the owner's key"]).status
        }
        func tags(_ tags: [String]) -> String { #"{"tags":[\#(tags.map { "\"\($0)\"" }.joined(separator: ","))]}"# }
        let longest = String(repeating: "é", count: Store.maxTagBytes / 2)
        for (list, isAccepted) in [
            ([longest], true), ([longest + "x"], false), (["a,b"], false), ([" "], false), ((1...50).map { "\($0)" }, true),
            ((1...51).map { "\($0)" }, false), ([], true),
        ] { #expect(try status("PUT", "chats/\(id)", tags(list)) == (isAccepted ? 200 : 422), "\(list.count) tags") }
        for (count, isAccepted) in [(200, true), (201, false)] {
            #expect(try status("GET", "chats?q=" + String(repeating: "x", count: count)) == (isAccepted ? 200 : 422))
        }
        for (query, isAccepted) in [
            ("min_turns=0", true), ("min_turns=-1", false), ("max_turns=2147483647", true), ("max_turns=2147483648", false),
        ] { #expect(try status("GET", "chats?" + query) == (isAccepted ? 200 : 422), "\(query)") }
        for (filter, isAccepted) in [
            (#"{"min_turns":1,"tag":null}"#, true), (#"{"min_turns":[1]}"#, false), (#"{"tag":true}"#, false), ("null", false),
            ("[]", false),
        ] {
            let found = try status("POST", "chats/bulk", #"{"filter":\#(filter),"state":"new"}"#)
            #expect(found == (isAccepted ? 200 : 422), "\(filter)")
        }
    }

    @Test func `runs, estimates and the schedule`() throws {
        let area = try TrainingArea()
        func response(_ method: String, _ path: String, _ body: String? = nil) throws -> String {
            // A run that ended at once was never seen reading its data.
            try described(area.ask(method, path, body).json(), varying: Self.varying).replacing("tokens: null", with: "tokens: number")
        }
        func settings(_ name: String, _ rest: String) -> String {
            "{name: \(name), base: null, method: full, objective: chats, filter: null, replay: []\(rest)}"
        }
        func run(_ state: String, _ settings: String, _ data: String, _ progress: String, model: String, finished: Bool) -> String {
            """
            {id: id, name: first, state: \(state), settings: \(settings), base: null, data: \(data), scheduled: false, machine: machine, \
            created_at: time, created_by: admin, started_at: \(finished ? "time" : "null"), finished_at: \(finished ? "time" : "null"), \
            \(progress), message: null, model: \(model), can_resume: false
            """
        }
        let given = settings("first", ", epochs: 2.0, lr: 0.001")
        let none = "step: 0, steps: null, seconds_left: null, tokens_per_s: null, loss: null, val_loss: null, best_val_loss: null"
        let added = try area.add(#"{"name":"first","epochs":2,"lr":0.001,"replay":[]}"#), id = try #require(added["id"]?.string)
        #expect(described(added) == run("queued", given, "null", none, model: "null", finished: false) + "}")
        _ = try area.wait(for: "finished", of: id)
        let data = "{chats: number, held_out: number, preferences: 0, tokens: number, digest: digest}"
        let progress = "step: 2, steps: 9, seconds_left: null, tokens_per_s: null, loss: 2.5, val_loss: 1.5, best_val_loss: 1.5"
        let finished = run("finished", given, data, progress, model: "id", finished: true)
        #expect(try response("GET", "runs/\(id)") == finished + """
            , curve: [{step: 1, loss: 2.5, val_loss: null, tokens_per_s: null}, {step: 2, loss: null, val_loss: 1.5, tokens_per_s: null}], \
            samples: [], log: slm: starting first}
            """)
        #expect(try response("GET", "runs") == "{items: [\(finished)}], next: null, total: 1}")
        #expect(try response("POST", "estimate", #"{"name":"x","epochs":1,"replay":[],"method":"full"}"#) == """
            {memory_bytes: number, available_bytes: 1000000000, disk_bytes: number, free_disk_bytes: number, seconds: number, \
            chats: number, held_out: number, preferences: 0, fits: true, advice: \
            No older chats are mixed in, so the model will forget much of what it knew. Mix in files of general chats, or generated ones., \
            settings: \(settings("x", ", epochs: 1.0"))}
            """.replacing("disk_bytes: number, free", with: "disk_bytes: \(try diskBytes(area)), free"))
        #expect(try response("GET", "schedule")
            == "{enabled: false, at: null, new_chats: null, settings: {}, last_run: null, next_at: null}")
        let schedule = #"{"enabled":true,"at":"13:07","new_chats":5,"settings":{"name":"x","max_steps":3}}"#
        #expect(try response("PUT", "schedule", schedule) == """
            {enabled: true, at: 13:07, new_chats: 5, settings: {base: null, objective: chats, filter: null, replay: null, max_steps: 3}, \
            last_run: null, next_at: time}
            """)
        for at in ["24:00", "23:60", "1:07", "013:7", "13.07", "-1:07", "é1:07"] {
            #expect(try area.ask("PUT", "schedule", #"{"enabled":true,"at":"\#(at)"}"#).error.field == "at", "\(at)")
        }
        #expect(try response("PUT", "schedule", #"{"enabled":true,"at":"23:59"}"#).contains("at: 23:59, new_chats: null"))
        #expect(try response("PUT", "schedule", #"{"enabled":false,"at":"23:59"}"#).hasSuffix("last_run: null, next_at: null}"))
    }

    @Test func `the time of a run that does not fit into memory is not estimated`() throws {
        let area = try TrainingArea(estimate: #""memory_bytes":99000000000000"#)
        let answer = try area.ask("POST", "estimate", #"{"epochs":1}"#).json()
        #expect(answer["fits"]?.boolean == false && answer["chats"]?.integer ?? 0 > 0 && answer["seconds"]?.number == nil, "\(answer)")
    }

    @Test func `one estimate is made at a time`() throws {
        let area = try TrainingArea(), held = area.folder.write("", to: "hold"), first = Mailbox<Int>(), port = area.server.port
        let body = #"{"epochs":1}"#
        try BackgroundThread.run {
            let headers = TrainingArea.key.merging(["Content-Type": "application/json"]) { $1 }
            first.put(RawHTTPConnection(to: port)?.ask("POST", "/api/training/estimate", headers, body: body)?.status ?? 0)
        }
        try eventually { Folder.contains("estimates", in: area.folder.path) }
        let second = try area.ask("POST", "estimate", body)
        #expect(second.status == 503 && second.error.code == "busy")
        unlink(held)
        #expect(first.take(within: .seconds(60)) == 200)
        #expect(try area.ask("POST", "estimate", body).status == 200)
    }

    /// Those of the program, and of the data twice: in the run's folder and in its memory.
    private func diskBytes(_ area: TrainingArea) throws -> Int {
        let data = area.folder("training/runs/first/data/chats.jsonl")
        return 5_000 + 2 * (try FileManager.default.attributesOfItem(atPath: data)[.size] as? Int ?? 0)
    }

    @Test func `the numbers and names of a run's settings have limits`() throws {
        let area = try TrainingArea(chats: 0)
        func isAccepted(_ settings: String) throws -> Bool {
            // Chats are missing, which is found after the settings were checked.
            let answer = try area.ask("POST", "runs", settings)
            #expect(answer.status == 422, "\(answer.text)")
            return answer.error.code == "too_few_chats"
        }
        let name = String(repeating: "n", count: 64), files = Array(repeating: #""generated""#, count: 101)
        for (settings, isFine) in [
            (#"{"rank":1}"#, true), (#"{"rank":0}"#, false), (#"{"rank":65536}"#, true), (#"{"rank":65537}"#, false),
            (#"{"rank":1.5}"#, false),
            (#"{"minutes":0.01}"#, true), (#"{"minutes":0.009}"#, false), (#"{"minutes":100000}"#, true), (#"{"minutes":100001}"#, false),
            (#"{"max_steps":1}"#, true), (#"{"max_steps":0}"#, false), (#"{"replay_share":0.9}"#, true), (#"{"replay_share":0.91}"#, false),
            (#"{"name":"\#(name)"}"#, true), (#"{"name":"\#(name)n"}"#, false), (#"{"name":"a.-_9"}"#, true), (#"{"name":".a"}"#, false),
            (#"{"name":"_a"}"#, false), (#"{"name":"9a"}"#, true), (#"{"name":"default"}"#, false), (#"{"name":"a/b"}"#, false),
            (#"{"replay":[\#(files.prefix(100).joined(separator: ","))]}"#, true),
            (#"{"replay":[\#(files.joined(separator: ","))]}"#, false),
            (#"{"replay":[""]}"#, false), (#"{"replay":["a\u0000"]}"#, false), (#"{"filter":{"state":"included"}}"#, true),
            (#"{"epochs":1,"max_steps":1}"#, false), (#"{"epochs":1,"minutes":1}"#, false), (#"{"passages":true}"#, true),
            (#"{"passages":1}"#, false), (#"{"objective":"preferences"}"#, true), (#"{"objective":"preferences","replay":[]}"#, true),
            (#"{"rank":4,"method":"lora"}"#, true), (#"{"filter":{}}"#, true),
        ] { #expect(try isAccepted(settings) == isFine, "\(settings.prefix(60))") }
    }
}
