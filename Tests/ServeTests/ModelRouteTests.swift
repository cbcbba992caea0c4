import Glibc
import JSON
import Serve
import Store
import TestSupport
import Testing

/// The routes of the registry of models.
@Suite struct ModelRouteTests {
    @Test func `registering and promoting check the file and the gate`() throws {
        let models = try RegistryModels("first", "second"), server = try models.server()
        for (body, field) in [
            (#"{"path":"/nowhere.h5","name":"x"}"#, "path"), (#"{"path":"\#(models.folder("chats.db"))","name":"x"}"#, "path"),
            (#"{"path":"\#(models.path("second"))","name":"default"}"#, "name"),
            (#"{"path":"\#(models.path("second"))","name":"a b"}"#, "name"), (#"{"path":"\#(models.path("second"))"}"#, "name"),
        ] {
            let answer = try models.ask(server, "POST", "models", body)
            #expect(answer.status == 422 && answer.error.field == field, "\(body): \(answer.text)")
        }
        let taken = try models.ask(server, "POST", "models", #"{"path":"\#(models.path("second"))","name":"first"}"#)
        #expect(taken.status == 409 && taken.error.code == "taken")
        let second = try models.register("second", on: server)
        #expect(try models.register("second", on: server) == second)
        let model = try models.ask(server, "GET", "models/\(second)").json()
        #expect(model["state"]?.string == "candidate" && model["created_by"]?.string == "admin" && model["verdict"]?.isNull == true)
        #expect(model["size_bytes"]?.integer ?? 0 > 1_000 && model["path"]?.string == models.path("second"))
        let refused = try models.ask(server, "POST", "models/\(second)/promote")
        #expect(refused.status == 409 && refused.error.code == "gate_not_passed")
        let id = try #require(ModelID(second))
        // On another machine, so that this server does not run `slm gate`.
        let owner = AdminRequest(actor: "admin", address: ""), other = ServerID()
        let comparison = try server.store.addComparison(of: id, gate: "{}", on: "elsewhere", by: owner)
        _ = try server.store.beginComparison(by: other, on: "elsewhere")
        #expect(try server.store.finish(comparison.id, by: other, verdict: .better, isPassed: true, result: "{}"))
        let promoted = try models.ask(server, "POST", "models/\(second)/promote", "{}").json()
        #expect(promoted["state"]?.string == "active" && promoted["promoted_by"]?.string == "admin")
        #expect(promoted["promoted_at"]?.string != nil)
        #expect(promoted["verdict"]?.string == "better" && promoted["comparison"]?.string == comparison.id.description)
        for path in ["models/x", "models/\(ModelID())", "models/x/promote", "models/\(ModelID())/archive"] {
            let method = path.split(separator: "/").count == 2 ? "GET" : "POST"
            #expect(try models.ask(server, method, path).status == 404, "\(path)")
        }
        let disk = try models.ask(server, "GET", "models").json()["disk"]
        #expect(disk?["used_bytes"]?.integer ?? 0 > 2_000 && disk?["free_bytes"]?.integer ?? 0 > 0)
    }

    @Test func `only files that a run has written are deleted`() throws {
        let models = try RegistryModels("first", "second", "a", "b", "c"), server = try models.server()
        let second = try models.register("second", on: server)
        let admin = AdminRequest(actor: "admin", address: "")
        let ids = try ["a", "b", "c"].map { name in
            let file = try ModelFileIdentity(models.path(name))
            var new = NewModel(name: name, path: file.path, digest: file.digest, sizeBytes: file.sizeBytes)
            new.run = "run-\(name)"
            models.clock.advance(1_000)
            return try server.store.registerModel(new, by: admin).description
        }
        #expect(try models.ask(server, "POST", "models/\(second)/archive").json()["state"]?.string == "archived")
        #expect(try models.ask(server, "POST", "models/clean-up", #"{"keep":-1}"#).error.field == "keep")
        let cleaned = try models.ask(server, "POST", "models/clean-up", #"{"keep":1}"#).json()
        #expect(cleaned["deleted"]?.integer == 2 && cleaned["freed_bytes"]?.integer ?? 0 > 2_000)
        #expect(["first", "second", "a", "b", "c"].filter { access(models.path($0), F_OK) == 0 } == ["first", "second", "c"])
        let forced = try models.ask(server, "POST", "models/\(ids[0])/promote", #"{"force":true,"reason":"a test"}"#)
        #expect(forced.error.code == "files_deleted")
        for id in [ids[2], second] { #expect(try models.ask(server, "DELETE", "models/\(id)").status == 204) }
        #expect(["first", "second", "c"].filter { access(models.path($0), F_OK) == 0 } == ["first", "second"])
        #expect(try models.states(server) == "a:archived b:archived first:active")
        let active = try #require(try server.store.activeModel()).id
        for (method, path) in [("DELETE", "models/\(active)"), ("POST", "models/\(active)/archive")] {
            #expect(try models.ask(server, method, path).error.code == "in_use")
        }
    }

    @Test func `an administrator makes an account an owner, whose name is in the audit log`() throws {
        let models = try RegistryModels("first", "second"), server = try models.server(), ada = try server.account("ada")
        let user = try #require(try server.store.user(named: "ada")).id
        #expect(try server.connect().ask("GET", "/api/me", ada)?.json()["role"]?.string == "user")
        #expect(try models.ask(server, "GET", "models", as: ada).error.code == "owner_required")
        func setRole(_ role: String, as headers: [String: String]) throws -> RawHTTPConnection.Answer? {
            try server.ask("PUT", "/api/admin/users/\(user)/role", #"{"role":"\#(role)"}"#, headers)
        }
        #expect(try setRole("owner", as: ada)?.status == 401 && setRole("king", as: RegistryModels.admin)?.status == 422)
        #expect(try setRole("owner", as: RegistryModels.admin)?.json()["role"]?.string == "owner")
        // Not even an owner makes others owners.
        #expect(try setRole("owner", as: ada)?.status == 401)
        #expect(try server.connect().ask("GET", "/api/me", ada)?.json()["role"]?.string == "owner")
        let list = try #require(try server.connect().ask("GET", "/api/admin/users", RegistryModels.admin)).json()
        #expect(list["users"]?.elements.map { $0.map { $0["role"]?.string } } == ["owner"])
        let second = try models.register("second", on: server)
        let unexplained = try models.ask(server, "POST", "models/\(second)/promote", #"{"force":true}"#, as: ada)
        #expect(unexplained.status == 422 && unexplained.error.message?.contains("reason") == true)
        let promoted = try models.ask(server, "POST", "models/\(second)/promote", #"{"force":true,"reason":"a test"}"#, as: ada).json()
        #expect(promoted["promoted_by"]?.string == "ada")
        let lines = try models.ask(server, "GET", "audit?limit=10", as: ada).json()
        let shown = lines["entries"]?.elements.map { $0.map { "\($0["actor"]?.string ?? "") \($0["action"]?.string ?? "")" } }
        #expect(shown == ["ada model.force_promote", "admin model.register", "admin user.set_role"] && lines["total"]?.integer == 3)
        #expect(lines["entries"]?.elements.map { $0.map { $0["reason"]?.string } } == ["a test", nil, nil])
        #expect(try setRole("user", as: RegistryModels.admin)?.status == 200)
        #expect(try models.ask(server, "GET", "models", as: ada).status == 403)
    }

    @Test func `a server of a remote model has no registry, and says so`() throws {
        let server = try TestServer { $0.adminKey = "the owner's key" }, models = try RegistryModels("first")
        for (method, path, body) in [
            ("GET", "models", nil), ("POST", "models", #"{"path":"x","name":"y"}"#), ("GET", "models/\(ModelID())", nil),
            ("POST", "models/\(ModelID())/promote", "{}"), ("POST", "rollback", "{}"), ("PUT", "canary", #"{"model":"x","share":1}"#),
            ("GET", "keys", nil), ("POST", "models/clean-up", "{}"), ("POST", "models/\(ModelID())/archive", "{}"),
            ("DELETE", "models/\(ModelID())", nil), ("DELETE", "canary", nil), ("PUT", "keys/x", #"{"model":null}"#),
        ] as [(String, String, String?)] {
            let answer = try models.ask(server, method, path, body)
            #expect(answer.status == 409 && answer.error.code == "no_registry", "\(path)")
            #expect(answer.error.message?.contains("--backend") == true)
        }
    }
}
