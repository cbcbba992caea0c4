import Files
import Glibc
import JSON
import Serve
import Store
import TestSupport
import Testing

/// How fine-tuning runs begin, end and are stopped, with a script in place of `slm finetune`.
@Suite struct TrainingRunEndingTests {
    private func ended(_ name: String, as state: String, in area: TrainingArea) throws -> JSONElement {
        let id = try #require(try area.add(#"{"name":"\#(name)","replay":[]}"#)["id"]?.string)
        let run = try area.wait(for: state, of: id)
        #expect(run["model"]?.isNull == true && run["finished_at"]?.string != nil && run["seconds_left"]?.isNull == true, "\(name)")
        return run
    }

    @Test func `a run that fails says what is known of it`() throws {
        let area = try TrainingArea()
        for (name, message) in [
            ("quiet-exit", "slm finetune ended with the exit status 3."),
            ("quiet-end", "The process of the run was ended 3 times without an error message, perhaps because memory ran out."),
            ("quiet-diverged", "The loss was not finite in three steps in a row. Use a lower learning rate."),
            ("lost", "The run has finished, but its file \(area.folder("training/runs/lost/best.h5")) is missing."),
        ] {
            #expect(try ended(name, as: "failed", in: area)["message"]?.string == message, "\(name)")
        }
        let damaged = try #require(try ended("damaged", as: "failed", in: area)["message"]?.string)
        #expect(damaged.hasPrefix("The run has finished, but its model cannot be opened: ") && damaged.hasSuffix("."), "\(damaged)")
        let useless = try ended("useless", as: "finished", in: area)
        #expect(useless["message"]?.string?.hasPrefix("Nothing was learned: ") == true && useless["best_val_loss"]?.number == 1.2)
        #expect(try area.server.store.models().isEmpty)
    }

    @Test func `a run that is killed is resumed, and fails after the third time`() throws {
        let area = try TrainingArea(), run = try ended("killed", as: "failed", in: area)
        #expect(run["message"]?.string == "The process of the run was ended 3 times without an error message, the last time by signal 9, "
            + "perhaps because memory ran out.")
        let starts = try area.lines("starts", of: "killed"), folder = area.folder("training/runs/killed")
        #expect(starts.count == 3 && starts[0].contains(" --name killed ") && starts[0].contains(" --data "), "\(starts)")
        #expect(starts.dropFirst().allSatisfy { $0 == "finetune --resume \(folder) --background" }, "\(starts)")
        #expect(run["log"]?.string == Array(repeating: "slm: starting killed", count: 3).joined(separator: "\n"))
    }

    /// `slm finetune` takes a second request as one to end at once, without a checkpoint.
    @Test func `a run is asked once to stop`() throws {
        let area = try TrainingArea(), id = try #require(try area.add(#"{"name":"slow"}"#)["id"]?.string)
        area.waitUntilItWaits("slow")
        #expect(try area.ask("POST", "runs/\(id)/stop", "{}").json()["state"]?.string == "stopping")
        try eventually { Folder.contains("interrupts", in: area.folder("training/runs/slow")) }
        try area.waitForLooks(at: id)
        #expect(try area.lines("interrupts", of: "slow") == [""])
        area.folder.write("", to: "training/runs/slow/end")
        let run = try area.wait(for: "stopped", of: id)
        #expect(run["message"]?.isNull == true && run["can_resume"]?.boolean == true)
    }

    @Test func `a run that does not stop within a minute is killed`() throws {
        let clock = ManualClock(), area = try TrainingArea(clock: clock)
        let id = try #require(try area.add(#"{"name":"deaf"}"#)["id"]?.string)
        area.waitUntilItWaits("deaf")
        #expect(try area.ask("POST", "runs/\(id)/stop", "{}").status == 200)
        try eventually {
            let row = try area.server.store.database.read("SELECT 1 FROM training_runs WHERE stop_sent_at IS NOT NULL").first
            return row != nil
        }
        clock.advance(30_000)
        try area.waitForLooks(at: id)
        #expect(try area.ask("GET", "runs/\(id)").json()["state"]?.string == "stopping")
        clock.advance(31_000)
        #expect(try area.wait(for: "stopped", of: id)["message"]?.isNull == true)
    }

    /// As after a container was made again, which has another name and the same disk.
    @Test func `a run goes on where its files are, and a run that has none waits for its machine`() throws {
        let area = try TrainingArea()
        let ids = try ["slow", "second", "third"].map { try #require(try area.add(#"{"name":"\#($0)"}"#)["id"]?.string) }
        area.waitUntilItWaits("slow")
        let machine = try area.ask("GET", "runs/\(ids[0])").json()["machine"]?.string
        try area.server.store.database.write("UPDATE training_runs SET machine = 'another' WHERE name IN ('slow', 'second')")
        area.folder.write("", to: "training/runs/slow/end")
        _ = try area.wait(for: "finished", of: ids[2])
        let run = try area.ask("GET", "runs/\(ids[0])").json()
        #expect(run["state"]?.string == "finished" && machine != nil && run["machine"]?.string == machine)
        #expect(try area.ask("GET", "runs/\(ids[1])").json()["state"]?.string == "queued")
        // A run in progress on another machine is stopped at once if no server is there, and otherwise by that server.
        for (server, state) in [("NULL", "stopped"), ("(SELECT id FROM servers)", "stopping")] {
            try area.server.store.database.write("""
                UPDATE training_runs SET state = 'running', finished_at = NULL, server_id = \(server) WHERE name = 'second'
                """)
            #expect(try area.ask("POST", "runs/\(ids[1])/stop", "{}").json()["state"]?.string == state)
        }
    }

    @Test func `a run that waits is stopped before it starts, and never starts`() throws {
        let area = try TrainingArea(), first = try #require(try area.add(#"{"name":"slow"}"#)["id"]?.string)
        let second = try #require(try area.add(#"{"name":"second"}"#)["id"]?.string)
        area.waitUntilItWaits("slow")
        #expect(try area.ask("POST", "runs/\(second)/stop", "{}").json()["state"]?.string == "stopped")
        area.folder.write("", to: "training/runs/slow/end")
        #expect(try area.wait(for: "finished", of: first)["model"]?.string != nil)
        #expect(!Folder.contains("second", in: area.folder("training/runs")))
    }

    @Test func `a run without a name is named by the time, with a number if there are files of that name`() throws {
        let area = try TrainingArea()
        // The second in which the run is added is one of these.
        for second in 0..<300 {
            let name = "run-" + LocalTime(.now().advanced(by: .seconds(second))).compact
            for name in [name, name + "-2"] { try Folder.create(area.folder("training/runs/\(name)")) }
        }
        let name = try #require(try area.add("{}")["name"]?.string)
        #expect(name.hasPrefix("run-") && name.hasSuffix("-3") && name.utf8.count == "run-20261122-030000-3".utf8.count, "\(name)")
        // A name that is given is not changed.
        try Folder.create(area.folder("training/runs/mine"))
        #expect(try area.ask("POST", "runs", #"{"name":"mine"}"#).error.code == "taken")
    }

    @Test func `a run whose base has gone, or whose chats are too few by then, fails before it starts`() throws {
        let area = try TrainingArea(), first = try #require(try area.add(#"{"name":"slow"}"#)["id"]?.string)
        let second = try #require(try area.add(#"{"name":"second"}"#)["id"]?.string)
        area.waitUntilItWaits("slow")
        var review = Store.Review()
        review.state = .excluded
        try area.server.store.review(.filter(TrainingFilter()), review, by: AdminRequest(actor: "test", address: ""))
        area.folder.write("", to: "training/runs/slow/end")
        _ = try area.wait(for: "finished", of: first)
        let few = try area.wait(for: "failed", of: second)["message"]?.string
        #expect(few == "A run needs at least 10 answers, and there are 0 answers to train on in 0 included chats that are not held out. "
            + "Include more chats.")
        unlink(area.folder("base.h5"))
        #expect(try area.ask("POST", "runs/\(second)/resume", "{}").status == 200)
        try eventually { try area.ask("GET", "runs/\(second)").json()["message"]?.string?.hasPrefix("The base model ") == true }
        #expect(try area.ask("GET", "runs/\(second)").json()["message"]?.string?.contains("cannot be read") == true)
    }

    @Test func `the arguments of a run are its settings`() throws {
        let area = try TrainingArea(), program = area.folder("training/runs")
        func arguments(_ settings: String) throws -> String {
            let run = try area.add(settings)
            _ = try area.wait(for: "finished", of: #require(run["id"]?.string))
            let starts = try area.lines("starts", of: #require(run["name"]?.string))
            return try #require(starts.first)
        }
        let base = area.folder("base.h5")
        func begins(_ name: String, _ model: String = "") -> String {
            "finetune \(base)\(model) --data \(program)/\(name)/data/chats.jsonl --out \(program) --name \(name) --background"
        }
        // Without older chats, a whole model learns at the rate of slm finetune.
        #expect(try arguments(#"{"name":"a","replay":[],"max_steps":3}"#) == begins("a") + " --max-steps 3")
        #expect(try arguments(#"{"name":"b","lr":0.25,"epochs":2,"method":"full"}"#)
            == begins("b") + " --epochs 2.0 --replay generated --replay-share 0.5 --lr 0.25 --batch 16")
        #expect(try arguments(#"{"name":"c","rank":4,"minutes":2,"replay":["\#(base)"]}"#)
            == begins("c", " --lora 4") + " --time 2.0m --replay \(base) --replay-share 0.8")
        let estimates = try String(decoding: InputFile.contents(of: area.folder("estimates")), as: UTF8.self).split(separator: "\n")
        #expect(estimates.last == "finetune \(base) --lora 4 --json --quiet --out \(area.folder("training")) --estimate memory"[...])
    }
}
