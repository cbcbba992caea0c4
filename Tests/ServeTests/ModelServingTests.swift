import Glibc
import JSON
import Secrets
import Serve
import Store
import TestSupport
import Testing
import Threads

/// Which model of the registry answers.
@Suite struct ModelServingTests {
    @Test func `a promotion replaces the model, and answers that have started finish with the old one`() throws {
        let gate = GenerationGate(beforeCharacter: 2)
        let models = try RegistryModels("first", "second", gate: gate), server = try models.server(), ada = try server.account("ada")
        let second = try models.register("second", on: server)
        let stream = try server.openStream("/api/chat", #"{"message":"Hi"}"#, ada)
        let start = try #require(try stream.next()?.data)
        try models.promote(second, on: server)
        #expect(try models.states(server) == "first:previous second:active")
        gate.open()
        #expect(try stream.read().text == "first" && start["model"]?.string == "first")
        // The conversation continues with the new model, and its messages say which one answered.
        let id = try #require(start["conversation_id"]?.string)
        #expect(try server.chat(#"{"message":"And?","conversation_id":"\#(id)"}"#, as: ada).text == "second")
        let messages = try #require(try server.connect().ask("GET", "/api/conversations/\(id)", ada)?.json()["messages"]?.elements)
        #expect(messages.compactMap { $0["model"]?.string } == ["first", "second"])
        // The name of the command line's model still means the model that answers.
        for name in ["first", "default", "second"] { #expect(try models.answer(server, #""model":"\#(name)","#) == "second") }
        #expect(try models.ask(server, "POST", "rollback", "{}").json()["name"]?.string == "first")
        try eventually { try models.answer(server) == "first" }
        #expect(try models.states(server) == "first:active second:archived")
        #expect(try models.ask(server, "POST", "rollback", "{}").error.code == "no_previous_model")
        // The list for clients has what a request can name.
        let listed = try #require(try server.connect().ask("GET", "/v1/models")?.json()["data"]?.elements).map { $0["id"]?.string }
        #expect(listed == ["first"])
        let metrics = try #require(try server.connect().ask("GET", "/metrics")).text
        for name in ["first", "second"] {
            let line = metrics.split(separator: "\n").first { $0.contains("slm_model_answers_total{") && $0.contains("model=\"\(name)\"") }
            #expect(line != nil, "\(name)")
        }
    }

    @Test func `promotions under load fail no request`() throws {
        let models = try RegistryModels("first", "second"), server = try models.server(), second = try models.register("second", on: server)
        let first = try #require(try server.store.activeModel()).id.description
        let ends = AtomicCounter(), stop = AtomicCounter(), port = server.port, threads = Mailbox<Bool>()
        for _ in 0..<4 {
            try BackgroundThread.run {
                let connection = RawHTTPConnection(to: port)
                var areRight = connection != nil
                while stop.value == 0, areRight {
                    let answer = connection?.post("/chat", #"{"message":"Hi"}"#)
                    let text = try? answer?.json()["response"]?.string
                    areRight = answer?.status == 200 && (text == "first" || text == "second")
                    ends.increment()
                }
                threads.put(areRight)
            }
        }
        for round in 0..<6 {
            if round % 3 == 2 {
                #expect(try models.ask(server, "POST", "rollback", "{}").status == 200)
            } else {
                try models.promote(round % 3 == 0 ? second : first, on: server)
            }
            let count = ends.value
            try eventually { ends.value > count + 8 }
        }
        stop.increment()
        for _ in 0..<4 { #expect(threads.take(within: .seconds(60)) == true) }
    }

    @Test func `the canary answers a share of the conversations, each always or never`() throws {
        let models = try RegistryModels("first", "canary"), server = try models.server(), ada = try server.account("ada")
        let canary = try models.register("canary", on: server)
        for body in [
            #"{"model":"\#(canary)"}"#, #"{"model":"\#(canary)","share":0}"#, #"{"model":"\#(canary)","share":1.5}"#,
            #"{"model":"x","share":1}"#,
        ] {
            #expect(try models.ask(server, "PUT", "canary", body).status == 422, "\(body)")
        }
        #expect(try models.ask(server, "PUT", "canary", #"{"model":"\#(canary)","share":0.5}"#).status == 200)
        try models.waitUntilServed(canary, by: server)
        let list = try models.ask(server, "GET", "models").json()
        #expect(list["canary"]?["model"]?.string == canary && list["canary"]?["share"]?.number == 0.5)
        var answers: [String: String] = [:]
        for _ in 0..<60 {
            let chat = try server.chat(#"{"message":"Hi"}"#, as: ada)
            answers[try #require(chat.start["conversation_id"]?.string)] = chat.text
        }
        // 60 coins: fewer than 10 heads come up once in 10 million times.
        let count = answers.values.count { $0 == "canary" }
        #expect((10...50).contains(count), "\(count) of 60")
        for (id, text) in answers.prefix(12) {
            #expect(try server.chat(#"{"message":"And?","conversation_id":"\#(id)"}"#, as: ada).text == text)
            // The name wins, also from then on.
            #expect(try server.chat(#"{"message":"And?","conversation_id":"\#(id)","model":"first"}"#, as: ada).text == "first")
            #expect(try server.chat(#"{"message":"And?","conversation_id":"\#(id)"}"#, as: ada).text == "first")
        }
        // It can be named, but is not offered.
        #expect(try models.answer(server, #""model":"canary","#) == "canary")
        #expect(try server.connect().ask("GET", "/api/health")?.json()["models"]?.elements.map { $0.map(\.string) } == ["first"])
        #expect(try models.ask(server, "PUT", "canary", #"{"model":"\#(canary)","share":1}"#).status == 200)
        try eventually { try models.answer(server) == "canary" }
        #expect(try models.ask(server, "DELETE", "canary").status == 204)
        try eventually { try models.answer(server) == "first" }
        #expect(try models.ask(server, "GET", "models/\(canary)").json()["is_served"]?.boolean == false)
        #expect(try models.ask(server, "GET", "models").json()["canary"]?.isNull == true)
    }

    @Test func `an API key that is pinned to a model gets its answers`() throws {
        let models = try RegistryModels("first", "pinned"), server = try models.server(), ada = try server.account("ada")
        let pinned = try models.register("pinned", on: server)
        let key = try #require(try server.connect().post("/api/keys", #"{"name":"laptop"}"#, ada)).json()
        let secret = try #require(key["key"]?.string), id = try #require(key["id"]?.string)
        let client = ["Authorization": "Bearer \(secret)"]
        func model(_ name: String? = nil, as headers: [String: String]) throws -> (status: Int, model: String?) {
            let field = name.map { #""model":"\#($0)","# } ?? ""
            let answer = try #require(try server.connect().post(
                "/v1/chat/completions", #"{\#(field)"messages":[{"role":"user","content":"Hi"}]}"#, headers))
            return (answer.status, try answer.json()["model"]?.string)
        }
        #expect(try model(as: client).model == "first")
        #expect(try models.ask(server, "PUT", "keys/\(id)", #"{"model":"\#(pinned)"}"#).json()["model"]?.string == pinned)
        try models.waitUntilServed(pinned, by: server)
        #expect(try model(as: client).model == "pinned" && model("default", as: client).model == "pinned")
        // A model that is named and served wins. Others do not know the pinned one.
        #expect(try model("first", as: client).model == "first" && model("pinned", as: client).model == "pinned")
        #expect(try model(as: [:]).model == "first" && model("pinned", as: [:]).status == 404)
        let listed = try #require(try server.connect().ask("GET", "/v1/models", client)?.json()["data"]?.elements).map { $0["id"]?.string }
        #expect(listed == ["pinned", "first"])
        let keys = try models.ask(server, "GET", "keys").json()
        #expect(keys["total"]?.integer == 1 && keys["next"]?.isNull == true)
        let item = keys["items"]?.list?.first
        #expect(item?["name"]?.string == "laptop" && item?["user"]?.string == "ada" && item?["model"]?.string == pinned)
        #expect(try models.ask(server, "DELETE", "models/\(pinned)").error.code == "in_use")
        // A file that cannot be loaded any more is an error for this key, and for no other client.
        try models.write("pinned", generation: 9)
        server.load()
        let failing = try model(as: client)
        #expect(failing.status == 503)
        #expect(try model(as: [:]).model == "first")
        #expect(try models.ask(server, "GET", "models/\(pinned)").json()["error"]?.string?.contains("was replaced") == true)
        #expect(try models.ask(server, "PUT", "keys/\(id)", #"{"model":"\#(pinned)"}"#).error.code == "model_unreadable")
        #expect(try models.ask(server, "PUT", "keys/\(id)", #"{"model":null}"#).json()["model"]?.isNull == true)
        try eventually { try model(as: client).model == "first" }
    }

    @Test func `the API keys with their models come in pages`() throws {
        let models = try RegistryModels("first"), server = try models.server(), ada = try server.account("ada")
        for name in ["one", "two", "three"] { #expect(try server.connect().post("/api/keys", #"{"name":"\#(name)"}"#, ada)?.status == 201) }
        func page(_ query: String) throws -> (names: Set<String>, next: String?) {
            let page = try models.ask(server, "GET", "keys?\(query)").json()
            #expect(page["total"]?.integer == 3)
            let items = try #require(page["items"]?.elements)
            return (Set(items.compactMap { $0["name"]?.string }), page["next"]?.string)
        }
        let all = try page("limit=3"), first = try page("limit=2")
        #expect(all.names == ["one", "two", "three"] && all.next == nil && first.names.count == 2)
        let second = try page("limit=2&after=\(try #require(first.next))")
        #expect(second.names.count == 1 && second.names.union(first.names) == all.names && second.next == nil)
    }

    /// Deletes, replaces or damages the file of the active model.
    @Test(arguments: ["missing", "replaced", "damaged"])
    func `a model that cannot be loaded is replaced by the previous one`(_ fault: String) throws {
        let models = try RegistryModels("first", "second", "third")
        var server = try models.server()
        let second = try models.register("second", on: server), third = try models.register("third", on: server)
        try models.promote(second, on: server)
        try models.promote(third, on: server)
        func spoil(_ name: String) throws {
            switch fault {
            case "missing": unlink(models.path(name))
            case "replaced": try models.write(name, generation: 9)
            default:
                // Not among the bytes that tell files apart, if the file is large; this one is small, and is replaced as well.
                let file = try #require(fopen(models.path(name), "r+"))
                fseek(file, 3_000, SEEK_SET)
                fputs("damage", file)
                fclose(file)
            }
        }
        try spoil("third")
        // The server that has loaded it keeps it.
        #expect(try models.answer(server) == "third")
        // Another start serves the previous one.
        server = try models.server()
        #expect(try models.answer(server) == "second")
        let state = try models.ask(server, "GET", "models/\(third)").json()
        #expect(state["state"]?.string == "active" && state["is_served"]?.boolean == false && state["error"]?.string != nil)
        let admin = try #require(try server.connect().ask("GET", "/api/admin/server", RegistryModels.admin)).json()
        let registry = admin["registry"]?.list ?? []
        #expect(registry.first?["name"]?.string == "second" && registry.first?["role"]?.string == "active")
        #expect(registry.last?["id"]?.string == third && registry.last?["role"]?.string == "failed")
        #expect(registry.last?["error"]?.string != nil)
        // Without that, the command line's.
        try spoil("second")
        server = try models.server()
        #expect(try models.answer(server) == "first")
        // Nothing of that can be promoted, rolled back to, or become the canary.
        for (method, path, body) in [
            ("POST", "rollback", "{}"), ("POST", "models/\(second)/promote", #"{"force":true,"reason":"a test"}"#),
            ("PUT", "canary", #"{"model":"\#(second)","share":1}"#),
        ] {
            #expect(try models.ask(server, method, path, body).error.code == "model_unreadable", "\(path)")
        }
        #expect(try models.states(server) == "first:archived second:previous third:active")
    }

    @Test func `another file on the command line becomes active, and the promoted model comes back with a roll-back`() throws {
        let models = try RegistryModels("first", "second", "third")
        var server = try models.server()
        let second = try models.register("second", on: server)
        try models.promote(second, on: server)
        server = try models.server()
        #expect(try models.answer(server) == "second")
        server = try models.server("third")
        #expect(try models.answer(server) == "third" && models.states(server) == "first:archived second:previous third:active")
        #expect(try models.ask(server, "POST", "rollback", "{}").status == 200)
        try models.waitUntilServed(second, by: server)
        server = try models.server("third")
        #expect(try models.answer(server) == "second")
        // Its file is replaced, as by a run that has finished: the server is asked to reload (SIGHUP, --reload).
        try models.write("third", generation: 8)
        server.load()
        #expect(try models.answer(server) == "third" && server.store.models().count { $0.name == "third" } == 2)
    }

    @Test(arguments: [true, false]) func `all servers of the database follow a promotion`(_ isSQLite: Bool) throws {
        let models = try RegistryModels("first", "second")
        let url = isSQLite ? nil : try PostgresServer.shared.get().freshSchemaURL()
        let servers = try (0..<2).map { i in try models.server(database: url) { $0.serverName = "s\(i)" } }
        let second = try models.register("second", on: servers[0])
        try models.promote(second, on: servers[1])
        for server in servers {
            try models.waitUntilServed(second, by: server)
            #expect(try models.answer(server) == "second")
        }
        #expect(try models.ask(servers[0], "POST", "rollback", "{}").status == 200)
        for server in servers { try eventually { try models.answer(server) == "first" } }
    }

    @Test func `a promoted model answers before the canary is loaded`() throws {
        let models = try RegistryModels("first", "second", "slow"), server = try models.server()
        let second = try models.register("second", on: server), slow = try models.register("slow", on: server)
        let promoted = try #require(ModelID(second)), canary = try #require(ModelID(slow))
        models.opening.close()
        // One load for both changes, unless the server looks in between.
        let owner = AdminRequest(actor: "admin", address: "")
        _ = try server.store.promote(promoted, forcedBecause: "a test", by: owner)
        _ = try server.store.setCanary(canary, share: 1, by: owner)
        try eventually { try models.answer(server) == "second" }
        models.opening.open()
        try eventually { try models.answer(server) == "slow" }
    }

    @Test func `the response to a promotion comes when the model answers`() throws {
        let models = try RegistryModels("first", "slow"), server = try models.server(), slow = try models.register("slow", on: server)
        models.opening.close()
        try BackgroundThread.run { [opening = models.opening] in
            usleep(300_000)
            opening.open()
        }
        #expect(try models.ask(server, "POST", "models/\(slow)/promote", #"{"force":true,"reason":"a test"}"#).status == 200)
        #expect(try models.answer(server) == "slow")
    }

    @Test func `of the loads during a load, only the last one follows`() throws {
        let models = try RegistryModels("slow"), server = try models.server("slow"), ended = Mailbox<Int>()
        models.opening.close()
        for number in 0..<4 { server.server.load { _ in ended.put(number) } }
        models.opening.open()
        var numbers: [Int] = []
        while let number = ended.take(within: numbers.last == 3 ? .milliseconds(50) : .seconds(30)) { numbers.append(number) }
        #expect(numbers.last == 3 && !numbers.contains(1) && !numbers.contains(2), "\(numbers)")
    }

    @Test func `a copy of the command line's model is another model`() throws {
        let models = try RegistryModels("first"), server = try models.server()
        #expect(models.lastOpened?.isCommandLine == true)
        try models.write("copy", generation: 1)
        try models.promote(models.register("copy", on: server), on: server)
        let opened = try #require(models.lastOpened)
        #expect(opened.path == models.path("copy") && !opened.isCommandLine)
    }

    @Test func `LoRA adapters share the weights of a base that is served`() throws {
        let models = try RegistryModels("first")
        _ = try SampleAdapter(in: models.folder)
        let server = try models.server("base"), base = try #require(try server.store.activeModel()).id.description
        let adapter = try models.register("adapter", on: server)
        let registered = try models.ask(server, "GET", "models/\(adapter)").json()
        #expect(registered["kind"]?.string == "adapter" && registered["base"]?.string == base)
        #expect(try models.ask(server, "PUT", "canary", #"{"model":"\#(adapter)","share":1}"#).status == 200)
        try eventually { try models.answer(server) == "adapter" }
        let together = try #require(models.lastOpened)
        #expect(together.path == models.path("base") && together.adapters.map(\.path) == [models.path("adapter")] && together.isCommandLine)
        #expect(try models.answer(server, #""model":"base","#) == "base")
        #expect(try server.connect().ask("GET", "/api/health")?.json()["models"]?.elements.map { $0.map(\.string) } == ["base"])
        // Alone, it is opened over its base.
        try models.promote(adapter, on: server)
        // It was served as the canary, so the server may not have looked at the registry yet.
        try eventually { models.lastOpened?.path == models.path("adapter") }
        let alone = try #require(models.lastOpened)
        #expect(alone.path == models.path("adapter") && alone.base == models.path("base") && alone.adapters.isEmpty)
        #expect(try models.answer(server) == "adapter")
        #expect(try models.ask(server, "DELETE", "models/\(base)").error.code == "in_use")
    }
}
