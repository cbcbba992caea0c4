import Checkpoint
import Files
import Glibc
import JSON
import Secrets
import Serve
import Store
import TestSupport
import Testing

/// Fine-tuning runs through the routes, with a script in place of `slm finetune`.
@Suite struct TrainingRunRouteTests {
    private typealias Area = TrainingArea

    @Test func `a run whose base has no known data mixes in chats that the base generates`() throws {
        let area = try Area()
        let first = try area.add(#"{"name":"first"}"#)
        #expect(first["settings"]?["replay"]?.elements?.compactMap(\.string) == ["generated"])
        let other = try area.add(#"{"name":"other","replay":["generated","\#(area.folder("training"))"],"replay_share":0.25}"#)
        for (run, words) in [(first, "--replay generated --replay-share 0.5"), (other, "--replay-share 0.25")] {
            _ = try area.wait(for: "finished", of: #require(run["id"]?.string))
            let name = try #require(run["settings"]?["name"]?.string ?? run["name"]?.string)
            let arguments = try String(decoding: InputFile.contents(of: area.folder("training/runs/\(name)/arguments")), as: UTF8.self)
            #expect(arguments.contains("--replay generated ") && arguments.contains(words), "\(arguments)")
        }
    }

    @Test(arguments: [(#"{"method":"lora"}"#, 16), (#"{"rank":4}"#, 4), (#"{"method":"full"}"#, nil)] as [(String, Int?)])
    func `an adapter has rank 16 unless a request says otherwise`(request: String, rank: Int?) throws {
        let settings = try #require(try Area().add(request)["settings"])
        #expect(settings["rank"]?.integer == rank && settings["method"]?.string == (rank == nil ? "full" : "lora"))
    }

    @Test func `a run becomes a candidate, with its curve, samples and log`() throws {
        let area = try Area()
        let added = try area.add(#"{"name":"first","epochs":2,"lr":0.001,"replay":[]}"#)
        let id = try #require(added["id"]?.string)
        #expect(added["state"]?.string == "queued" && added["created_by"]?.string == "admin" && added["data"]?.isNull == true)
        let settings = try #require(added["settings"])
        #expect(settings["method"]?.string == "full" && settings["objective"]?.string == "chats" && settings["epochs"]?.number == 2)
        let run = try area.wait(for: "finished", of: id)
        #expect(run["step"]?.integer == 2 && run["steps"]?.integer == 9 && run["val_loss"]?.number == 1.5)
        #expect(run["curve"]?.list?.count == 2 && run["log"]?.string == "slm: starting first")
        #expect(run["data"]?["tokens"]?.integer == 100 || run["data"]?["tokens"]?.isNull == true)
        let data = try String(decoding: InputFile.contents(of: area.folder("training/runs/first/data/chats.jsonl")), as: UTF8.self)
        let counts = try area.server.store.trainingSetCounts()
        #expect(data.split(separator: "\n").count == counts.chats && run["data"]?["chats"]?.integer == counts.chats)
        #expect(run["data"]?["held_out"]?.integer == counts.heldOut && counts.chats + counts.heldOut == 30)
        let model = try #require(try area.server.store.models().first)
        #expect(model.id.description == run["model"]?.string && model.run == id && model.state == .candidate && model.name == "first")
        #expect(model.metrics?.contains(#""val_loss":1.5"#) == true && model.data?.contains("digest") == true)
        #expect(try area.ask("POST", "runs/\(id)/resume", "{}").error.code == "run_finished")
        #expect(try area.ask("POST", "runs", #"{"name":"first"}"#).error.code == "taken")
        let list = try area.ask("GET", "runs?limit=1").json()
        #expect(list["total"]?.integer == 1 && list["next"]?.isNull == true && list["items"]?.list?.count == 1)
        // The model stays.
        #expect(try area.ask("DELETE", "runs/\(id)").status == 204)
        #expect(try area.ask("GET", "runs/\(id)").status == 404)
        #expect(Folder.contains("best.h5", in: area.folder("training/runs/first")))
        #expect(!Folder.contains("data", in: area.folder("training/runs/first")))
        let actions = try area.server.store.admin.auditLog().items.map(\.action.rawValue)
        #expect(actions.contains("run.create") && actions.contains("run.delete") && actions.contains("model.register"))
    }

    @Test func `runs wait for each other, stop, are resumed, and say why they failed`() throws {
        let area = try Area()
        let first = try #require(try area.add(#"{"name":"waiting","base":null}"#)["id"]?.string)
        let second = try #require(try area.add(#"{"name":"failing"}"#)["id"]?.string)
        area.waitUntilItWaits("waiting")
        _ = try area.wait(for: "running", of: first)
        #expect(try area.ask("GET", "runs/\(second)").json()["state"]?.string == "queued")
        for (method, path) in [("DELETE", "runs/\(first)"), ("POST", "runs/\(first)/resume")] {
            let answer = try area.ask(method, path, method == "POST" ? "{}" : nil)
            #expect(answer.status == 409 && answer.error.code == "run_in_progress")
        }
        #expect(try area.ask("POST", "runs/\(first)/stop", "{}").status == 200)
        _ = try area.wait(for: "stopped", of: first)
        let failed = try area.wait(for: "failed", of: second)
        #expect(failed["message"]?.string == "The data of failing is bad.")
        #expect(try area.ask("POST", "runs/\(first)/resume", "{}").status == 200)
        #expect(try area.wait(for: "finished", of: first)["message"]?.isNull == true)
        #expect(try area.ask("DELETE", "runs/\(second)").status == 204)
        #expect(!Folder.contains("failing", in: area.folder("training/runs")))
    }

    @Test func `a run survives its server, and the next one takes it over`() throws {
        let folder = TemporaryFolder(in: TemporaryFolder.inMemory), database = "sqlite:" + folder("chats.db")
        var area: Area? = try Area(database: database)
        let id = try #require(try area?.add(#"{"name":"waiting2"}"#)["id"]?.string)
        area?.waitUntilItWaits("waiting2")
        // The files stay as long as the first area.
        let files = area
        area?.server.server.stop(within: .zero)
        area = try Area(chats: 0, database: database, signingKey: files?.server.signingKey)
        #expect(try area?.ask("GET", "runs/\(id)").json()["state"]?.string == "running")
        #expect(try area?.ask("POST", "runs/\(id)/stop", "{}").status == 200)
        #expect(try area?.wait(for: "stopped", of: id)["step"]?.integer == 2)
        _ = files
    }

    @Test func `refusals are sentences`() throws {
        let area = try Area(chats: 3)
        func refusal(_ body: String, _ area: Area) throws -> (status: Int, code: String?, message: String?) {
            let answer = try area.ask("POST", "runs", body)
            return (answer.status, answer.error.code, answer.error.message)
        }
        let few = try refusal("{}", area)
        #expect(few.status == 422 && few.code == "too_few_chats" && few.message?.contains("at least 10 answers") == true)
        #expect(try refusal(#"{"objective":"preferences"}"#, area).message?.contains("10 preferences") == true)
        #expect(try refusal(#"{"base":"0000000000000000000000000x"}"#, area).code == "base_missing")
        for body in [
            #"{"minutes":1,"max_steps":2}"#, #"{"rank":4,"method":"full"}"#, #"{"name":"../x"}"#, #"{"name":"-x"}"#, #"{"minutes":0}"#,
            #"{"method":"other"}"#, #"{"replay":["/nowhere"]}"#, #"{"replay":"x"}"#, #"{"unknown":1}"#, #"{"filter":{"rating":"x"}}"#,
            #"{"filter":[]}"#, #"{"lr":20}"#, #"{"objective":"preferences","replay":["a"]}"#, #"{"base":"x y"}"#,
        ] {
            let found = try refusal(body, area)
            #expect(found.status == 422, "\(body): \(found)")
        }
        let large = try Area(estimate: #""memory_bytes":2000000000"#)
        let memory = try refusal("{}", large)
        #expect(memory.status == 422 && memory.code == "not_enough_memory" && memory.message?.contains("2.0 GB") == true)
        let disk = try refusal("{}", Area(estimate: #""memory_bytes":1,"disk_bytes":9000000000000000"#))
        #expect(disk.status == 422 && disk.code == "disk_full" && disk.message?.hasSuffix(".") == true)
        let estimate = try large.ask("POST", "estimate", #"{"max_steps":5}"#).json()
        #expect(estimate["fits"]?.boolean == false && estimate["advice"]?.string == memory.message)
        #expect(estimate["memory_bytes"]?.integer == 2_000_000_000)
        unlink(area.folder("base.h5"))
        #expect(try refusal("{}", area).code == "base_missing")
    }

    @Test func `an estimate says what a run would need`() throws {
        let area = try Area()
        #expect(try area.ask("POST", "estimate", #"{"max_steps":5}"#).json()["advice"]?.isNull == true)
        let timed = try area.ask("POST", "estimate", #"{"max_steps":5,"replay":[]}"#).json()
        #expect(timed["seconds"]?.number == 7.5 && timed["fits"]?.boolean == true)
        #expect(timed["advice"]?.string?.hasPrefix("No older chats are mixed in") == true)
        #expect(try timed["chats"]?.integer == area.server.store.trainingSetCounts().chats)
        // Another estimate may follow at once.
        for _ in 0..<20 { #expect(try area.ask("POST", "estimate", #"{"minutes":1}"#).status == 200) }
        let short = try area.ask("POST", "estimate", "{}").json()
        #expect(short["seconds"]?.number == 600 && short["settings"]?["minutes"]?.number == 10)
        #expect(try area.ask("GET", "runs").json()["total"]?.integer == 0)
        // All that is free would be needed.
        let full = try Area(estimate: #""memory_bytes":2000,"available_bytes":2000"#)
        #expect(try full.ask("POST", "estimate", #"{"max_steps":5}"#).json()["fits"]?.boolean == false)
    }

    @Test func `the schedule starts one run after enough new chats`() throws {
        let area = try Area()
        let off = try area.ask("GET", "schedule").json()
        #expect(off["enabled"]?.boolean == false && off["at"]?.isNull == true && off["next_at"]?.isNull == true)
        for body in [
            #"{"enabled":true}"#, #"{"enabled":true,"at":"24:00"}"#, #"{"enabled":true,"at":"3:00"}"#, #"{"enabled":true,"new_chats":0}"#,
            #"{"enabled":true,"new_chats":5,"settings":{"unknown":1}}"#, #"{"enabled":true,"new_chats":5,"settings":{"minutes":-1}}"#,
        ] {
            #expect(try area.ask("PUT", "schedule", body).status == 422, "\(body)")
        }
        let night = try area.ask("PUT", "schedule", #"{"enabled":true,"at":"03:00","settings":{"max_steps":3}}"#).json()
        #expect(night["at"]?.string == "03:00" && night["next_at"]?.string != nil && night["settings"]?["max_steps"]?.integer == 3)
        // Without settings, those that are set stay.
        let set = try area.ask("PUT", "schedule", #"{"enabled":true,"new_chats":10}"#).json()
        #expect(set["new_chats"]?.integer == 10 && set["next_at"]?.isNull == true && set["settings"]?["max_steps"]?.integer == 3)
        #expect(try area.ask("GET", "runs").json()["total"]?.integer == 0)
        try area.setSchedule("counted_from = 0")
        let run = try area.wait(for: "finished", of: area.scheduledRun())
        #expect(run["scheduled"]?.boolean == true && run["created_by"]?.string == "schedule" && run["settings"]?["max_steps"]?.integer == 3)
        #expect(try area.ask("GET", "runs").json()["total"]?.integer == 1)
    }

    @Test func `a scheduled run that cannot start is listed, keeps the chats new for the next night, and can be resumed`() throws {
        let area = try Area(estimate: #""memory_bytes":2000000000"#), store = area.server.store
        _ = try area.ask("PUT", "schedule", #"{"enabled":true,"at":"03:00","settings":{"max_steps":3}}"#)
        let tonight = Timestamp.now()
        try area.setSchedule("counted_from = 0, next_at = \(tonight.milliseconds)")
        let id = try area.scheduledRun(), run = try area.ask("GET", "runs/\(id)").json()
        #expect(run["state"]?.string == "failed" && run["message"]?.string?.hasPrefix("Training needs about 2.0 GB of memory") == true)
        #expect(run["scheduled"]?.boolean == true && run["started_at"]?.isNull == true && run["can_resume"]?.boolean == true)
        #expect(run["settings"]?["method"]?.string == "lora" && run["settings"]?["max_steps"]?.integer == 3)
        let schedule = try store.trainingSchedule()
        #expect(schedule.countedFrom == Timestamp(milliseconds: 0), "the chats are still new")
        #expect(try #require(schedule.nextAt) > tonight)
        // The reason is gone: the program of the test does not need the memory.
        #expect(try area.ask("POST", "runs/\(id)/resume", "{}").status == 200)
        #expect(try area.wait(for: "finished", of: id)["can_resume"]?.boolean == false)
        // Without a time of the day, each look would add a failed run.
        _ = try area.ask("PUT", "schedule", #"{"enabled":true,"new_chats":10}"#)
        try area.setSchedule("counted_from = 0")
        let second = try area.scheduledRun(after: id)
        #expect(try area.ask("GET", "runs/\(second)").json()["state"]?.string == "failed")
        #expect(try #require(try store.trainingSchedule().countedFrom) >= tonight)
        #expect(try area.ask("GET", "runs").json()["total"]?.integer == 2)
    }

    @Test func `a scheduled run that cannot be prepared is listed once, and a new one is to be started`() throws {
        let area = try Area()
        // A file where the folder of the runs belongs.
        area.folder.write("", to: "training")
        _ = try area.ask("PUT", "schedule", #"{"enabled":true,"at":"03:00"}"#)
        let tonight = Timestamp.now()
        try area.setSchedule("counted_from = 0, next_at = \(tonight.milliseconds)")
        let id = try area.scheduledRun(), run = try area.ask("GET", "runs/\(id)").json()
        #expect(run["state"]?.string == "failed" && run["can_resume"]?.boolean == false)
        #expect(run["message"]?.string?.contains("training") == true && run["message"]?.string?.hasSuffix(".") == true)
        #expect(try #require(try area.server.store.trainingSchedule().nextAt) > tonight)
        let refused = try area.ask("POST", "runs/\(id)/resume", "{}")
        #expect(refused.status == 409 && refused.error.code == "run_not_prepared")
        #expect(refused.error.message?.hasSuffix("Start a new run.") == true)
        #expect(try area.ask("DELETE", "runs/\(id)").status == 204)
    }

    @Test func `only owners reach the routes`() throws {
        let area = try Area(chats: 0)
        let areas = ["/api/training/runs", "/api/training/estimate", "/api/training/schedule"]
        let routes = Server.routes.filter { route in areas.contains { route.pattern.hasPrefix($0) } }
        #expect(routes.count == 9)
        let bob = try area.server.account("bob"), eve = try area.server.account("eve")
        let owner = try #require(try area.server.store.user(named: "eve")).id
        try area.server.store.admin.setRole(of: owner, to: .owner, by: AdminRequest(actor: "admin", address: ""))
        for route in routes {
            let path = route.pattern.replacing("{id}", with: TrainingRunID().description)
            let body = ["GET", "DELETE"].contains(route.method) ? nil : "{}"
            #expect(try area.server.ask(route.method, path, body).status == 401, "\(route.pattern)")
            #expect(try area.server.ask(route.method, path, body, bob).status == 403, "\(route.pattern)")
            for headers in [eve, TrainingArea.key] {
                let found = try area.server.ask(route.method, path, body, headers).status
                #expect(![401, 403].contains(found), "\(route.method) \(route.pattern): \(found)")
            }
        }
    }
}
