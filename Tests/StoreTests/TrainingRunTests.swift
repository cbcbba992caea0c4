import Store
import TestSupport
import Testing
import Threads

/// Fine-tuning runs in the database, and which server supervises them.
@Suite struct TrainingRunTests {
    private static let owner = AdminRequest(actor: "ada", address: "::1")

    private func add(_ store: Store, _ name: String, on machine: String = "m") throws -> TrainingRunRecord {
        var new = NewTrainingRun(
            name: name, settings: #"{"method":"full"}"#, base: nil, basePath: "/base.h5", machine: machine, folder: "/runs/" + name)
        new.isScheduled = name.hasPrefix("nightly")
        return try #require(try store.addTrainingRun(new, by: Self.owner))
    }

    private func server(_ store: Store) throws -> ServerID {
        let id = ServerID()
        #expect(try store.register(id, name: id.description, version: "1", keyDigest: "key").isEmpty)
        return id
    }

    private func actions(_ store: Store) throws -> [String] { try store.admin.auditLog().items.map(\.action.rawValue).reversed() }

    @Test(arguments: Backend.allCases) func `a run is queued, runs and finishes`(_ backend: Backend) throws {
        let db = try TestDatabase(backend), store = try db.store(), server = try server(store)
        let added = try add(store, "first")
        #expect(added.state == .queued && added.createdBy == "ada" && added.data == nil && !added.isScheduled && added.attempts == 0)
        #expect(try store.addTrainingRun(NewTrainingRun(
            name: "first", settings: "{}", base: nil, basePath: "", machine: "m", folder: ""), by: Self.owner) == nil)
        db.advanceClock(by: .seconds(5))
        let begun = try #require(try store.begin(added.id, by: server, on: "m"))
        #expect(begun.state == .running && begun.server == server && begun.startedAt == begun.createdAt.advanced(by: .seconds(5)))
        let data = TrainingRunRecord.DataSet(chats: 12, heldOut: 2, preferences: 0, digest: "abc")
        #expect(try store.setData(data, of: added.id, by: server) && store.setTokens(900, of: added.id, by: server))
        #expect(try store.countAttempt(of: added.id, by: server, logBytes: 10, outputBytes: 20))
        #expect(try store.setProcess(.init(id: 77, ticks: 1_000), of: added.id, by: server))
        var progress = TrainingRunRecord.Progress()
        progress.step = 7
        progress.steps = 20
        progress.loss = 1.5
        progress.secondsLeft = 3
        progress.tokensPerSecond = 100
        progress.validationLoss = 1.25
        progress.bestValidationLoss = 1.125
        var output = TrainingRunOutput()
        output.curve = "[1]"
        output.samples = "[2]"
        output.log = "line\nü"
        #expect(try store.setProgress(progress, output, of: added.id, by: server, hasProgressed: false))
        let running = try store.trainingRun(added.id)
        #expect(running.progress == progress && running.process == .init(id: 77, ticks: 1_000) && running.attempts == 1)
        #expect(running.logBytes == 10 && running.outputBytes == 20)
        #expect(running.data == TrainingRunRecord.DataSet(chats: 12, heldOut: 2, preferences: 0, tokens: 900, digest: "abc"))
        #expect(try store.trainingRunOutput(added.id) == output)
        let model = ModelID()
        progress.secondsLeft = nil
        for isFirst in [true, false] {
            #expect(try store.end(added.id, as: .finished, progress, output, model: model, by: server) == isFirst)
        }
        let finished = try store.trainingRun(added.id)
        #expect(finished.state == .finished && finished.model == model.description && finished.process == nil)
        #expect(try store.resumeTrainingRun(added.id, by: Self.owner) == nil)
        #expect(try store.requestStop(ofRun: added.id, by: Self.owner) == finished)
        #expect(try store.deleteTrainingRun(added.id, by: Self.owner) == finished)
        #expect(throws: StoreError.notFound(.run)) { try store.trainingRun(added.id) }
        #expect(try store.sql("SELECT count(*) FROM training_run_output") == [[.integer(0)]])
        #expect(try actions(store) == ["run.create", "run.delete"])
    }

    @Test(arguments: Backend.allCases) func `a run is stopped and resumed`(_ backend: Backend) throws {
        let db = try TestDatabase(backend), store = try db.store(), server = try server(store)
        let waiting = try add(store, "waiting")
        #expect(try store.resumeTrainingRun(waiting.id, by: Self.owner) == waiting && !waiting.canResume)
        #expect(try store.requestStop(ofRun: waiting.id, by: Self.owner).state == .stopped)
        #expect(try store.trainingRun(waiting.id).canResume)
        #expect(try store.begin(waiting.id, by: server, on: "m") == nil)
        #expect(try store.resumeTrainingRun(waiting.id, by: Self.owner)?.state == .queued)
        #expect(try store.begin(waiting.id, by: server, on: "m") != nil)
        #expect(try store.deleteTrainingRun(waiting.id, by: Self.owner) == nil)
        #expect(try store.resumeTrainingRun(waiting.id, by: Self.owner) == nil)
        for _ in 0..<2 { #expect(try store.requestStop(ofRun: waiting.id, by: Self.owner).state == .stopping) }
        #expect(try store.setStopSent(of: waiting.id, by: server) && store.trainingRun(waiting.id).stopSentAt != nil)
        #expect(try store.end(waiting.id, as: .stopped, message: nil, .init(), .init(), by: server))
        let resumed = try #require(try store.resumeTrainingRun(waiting.id, by: Self.owner))
        #expect(resumed.stopSentAt == nil && resumed.server == nil && resumed.startedAt != nil)
        // Its machine has no server.
        #expect(try store.begin(waiting.id, by: server, on: "m") != nil)
        #expect(try store.requestStop(ofRun: waiting.id, by: Self.owner, isAbandoned: { $0.machine == "m" }).state == .stopped)
        #expect(try actions(store) == ["run.create", "run.stop", "run.resume", "run.stop", "run.resume", "run.stop"])
    }

    @Test(arguments: Backend.allCases) func `a run that has failed before it had a base cannot be resumed`(_ backend: Backend) throws {
        let store = try TestDatabase(backend).store()
        for (base, canResume) in [("", false), ("/base.h5", true)] {
            var new = NewTrainingRun(name: "run" + base, settings: "{}", base: nil, basePath: base, machine: "m", folder: "/runs")
            new.failure = "no chats"
            let run = try #require(try store.addTrainingRun(new, by: Self.owner))
            #expect(run.state == .failed && run.message == "no chats" && run.canResume == canResume && run.finishedAt != nil)
        }
        #expect(TrainingRunRecord.State.allCases.filter(\.isInProgress) == [.running, .stopping])
        #expect(TrainingRunRecord.State.allCases.filter(\.hasEnded) == [.stopped, .finished, .failed])
    }

    @Test(arguments: Backend.allCases) func `one run of a machine is in progress`(_ backend: Backend) throws {
        let db = try TestDatabase(backend), store = try db.store(), server = try server(store)
        let runs = try (0..<6).map { try add(store, "run\($0)", on: $0 == 5 ? "other" : "m") }
        let begun = Mailbox<TrainingRunID>()
        let stores = try (0..<4).map { _ in try db.store() }
        try inThreads(4) { thread in
            for run in runs.prefix(5) where try stores[thread].begin(run.id, by: server, on: "m") != nil { begun.put(run.id) }
        }
        #expect(begun.takeIfAvailable() != nil && begun.takeIfAvailable() == nil)
        #expect(try store.begin(runs[5].id, by: server, on: "other") != nil)
        let (page, next, total) = try store.trainingRuns(limit: 4)
        #expect(page.count == 4 && total == 6 && next == page.last?.id)
        #expect(try store.trainingRuns(limit: 6).next == nil && store.trainingRuns(limit: 5).next != nil)
        let rest = try store.trainingRuns(after: next, limit: 4)
        #expect(rest.runs.count == 2 && rest.next == nil && Set((page + rest.runs).map(\.id)) == Set(runs.map(\.id)))
    }

    @Test(arguments: Backend.allCases) func `another server takes over only after the first one has died`(_ backend: Backend) throws {
        let db = try TestDatabase(backend), store = try db.store(), first = try server(store), second = try server(store)
        let run = try add(store, "run")
        #expect(try store.unsupervisedRuns(by: second).map(\.id) == [run.id])
        #expect(try store.begin(run.id, by: first, on: "m") != nil)
        #expect(try store.unsupervisedRuns(by: first).count == 1 && store.unsupervisedRuns(by: second).isEmpty)
        #expect(try store.supervise(run.id, by: second, on: "m") == nil)
        #expect(try !store.setProcess(.init(id: 1, ticks: 1), of: run.id, by: second))
        #expect(try !store.end(run.id, as: .failed, .init(), .init(), by: second))
        try store.unregister(first)
        #expect(try store.unsupervisedRuns(by: second).map(\.id) == [run.id])
        #expect(try store.supervise(run.id, by: second, on: "new")?.machine == "new")
        // What the first one had in mind is too late.
        #expect(try !store.setProgress(.init(), nil, of: run.id, by: first, hasProgressed: false))
        #expect(try !store.end(run.id, as: .failed, .init(), .init(), by: first) && store.trainingRun(run.id).state == .running)
    }

    @Test(arguments: Backend.allCases) func `of several servers one starts the run of the schedule`(_ backend: Backend) throws {
        let db = try TestDatabase(backend), store = try db.store()
        #expect(try store.trainingSchedule() == TrainingSchedule())
        var wanted = TrainingSchedule()
        wanted.isEnabled = true
        wanted.startMinute = 180
        wanted.newChats = 20
        wanted.settings = #"{"method":"lora"}"#
        wanted.nextAt = Timestamp(milliseconds: 5)
        let schedule = try store.changeTrainingSchedule(by: Self.owner) { $0 = wanted }
        #expect(schedule.startMinute == 180 && schedule.newChats == 20 && schedule.lastRun == nil && schedule.change == 1)
        #expect(try store.trainingSchedule() == schedule)
        var later = schedule
        later.nextAt = Timestamp(milliseconds: 99)
        let stores = try (0..<4).map { _ in try db.store() }, started = Mailbox<TrainingRunID>()
        try inThreads(4) { [later] thread in
            var new = NewTrainingRun(
                name: "nightly\(thread)", settings: "{}", base: nil, basePath: "", machine: "m", folder: "")
            new.isScheduled = true
            if let run = try stores[thread].advance(schedule, to: later, starting: new) { started.put(run.id) }
        }
        let run = try #require(started.takeIfAvailable())
        #expect(started.takeIfAvailable() == nil && run.description.count == 26)
        let after = try store.trainingSchedule()
        #expect(after.lastRun == run && after.nextAt == Timestamp(milliseconds: 99) && after.change == 2)
        #expect(try store.trainingRun(run).isScheduled && store.trainingRun(run).createdBy == "schedule")
        #expect(try actions(store) == ["schedule.set", "run.create"])
    }

    /// The run has counted its chats: another one must not start for the same.
    @Test(arguments: Backend.allCases) func `an owner's change of the schedule keeps the run that started meanwhile`(
        _ backend: Backend
    ) throws {
        let db = try TestDatabase(backend), stores = try (0..<2).map { _ in try db.store() }
        let first = try stores[0].changeTrainingSchedule(by: Self.owner) { $0.isEnabled = true; $0.newChats = 1 }
        var later = first
        later.countedFrom = Timestamp(milliseconds: 7)
        let new = NewTrainingRun(name: "nightly", settings: "{}", base: nil, basePath: "", machine: "m", folder: "")
        let ended = Mailbox<Void>()
        // The owner's change waits for the run, or the run for the change: whichever comes later reads what the other one wrote.
        try BackgroundThread.run { [later] in
            var known = first, next = later
            while (try? stores[1].advance(known, to: next, starting: new)) == nil {
                known = (try? stores[1].trainingSchedule()) ?? known
                next = known
                next.countedFrom = Timestamp(milliseconds: 7)
            }
            ended.put(())
        }
        for count in 2...40 { _ = try stores[0].changeTrainingSchedule(by: Self.owner) { $0.newChats = count } }
        _ = try #require(ended.take(within: .seconds(60)))
        let schedule = try stores[0].changeTrainingSchedule(by: Self.owner) { $0.newChats = 5 }
        #expect(schedule.countedFrom == Timestamp(milliseconds: 7) && schedule.lastRun != nil && schedule.newChats == 5)
    }
}
