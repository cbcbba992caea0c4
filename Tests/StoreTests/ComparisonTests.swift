import Store
import TestSupport
import Testing

@Suite struct ComparisonTests {
    private let owner = AdminRequest(actor: "ada", address: "127.0.0.1")
    private let server = ServerID()

    private func store(_ backend: Backend) throws -> (db: TestDatabase, store: Store, active: ModelID, candidate: ModelID) {
        let db = try TestDatabase(backend), store = try db.store()
        let active = try store.registerModel(NewModel(name: "first", path: "/first.h5", digest: "1", sizeBytes: 1), by: owner)
        try store.promote(active, forcedBecause: "a test", by: owner)
        let candidate = try store.registerModel(NewModel(name: "second", path: "/second.h5", digest: "2", sizeBytes: 1), by: owner)
        _ = try store.register(server, name: "a", version: "1", keyDigest: "key")
        return (db, store, active, candidate)
    }

    @Test(arguments: Backend.allCases) func `a comparison gives its candidate the verdict`(_ backend: Backend) throws {
        let (_, store, active, candidate) = try store(backend)
        let added = try store.addComparison(of: candidate, gate: "{}", on: "m", by: owner)
        #expect(added.candidate == candidate && added.active == active && added.state == .running && added.verdict == nil)
        #expect(try store.addComparison(of: candidate, gate: "{}", on: "m", by: owner).id == added.id, "one at a time")
        #expect(try store.model(candidate).comparison == added.id.description && store.model(candidate).verdict == nil)
        #expect(try store.beginComparison(by: server, on: "another machine") == nil)
        let begun = try #require(try store.beginComparison(by: server, on: "m"))
        #expect(try begun.attempts == 1 && begun.id == added.id && store.beginComparison(by: server, on: "m") == nil)
        #expect(try !store.finish(added.id, by: ServerID(), verdict: .worse, isPassed: false, result: "{}"), "of another server")
        #expect(try store.finish(added.id, by: server, verdict: .better, isPassed: true, result: "{\"reasons\": []}"))
        #expect(try !store.finish(added.id, by: server, verdict: .worse, isPassed: false, result: "{}"), "finished before")
        let finished = try store.comparison(added.id)
        #expect(finished.state == .finished && finished.verdict == .better && finished.isPassed && finished.finishedAt != nil)
        #expect(try store.model(candidate).verdict == .better && store.promote(candidate, by: owner).state == .active)
    }

    @Test(arguments: Backend.allCases) func `a verdict counts only against the model that is active`(_ backend: Backend) throws {
        let (_, store, active, candidate) = try store(backend)
        func compare(_ verdict: RegisteredModel.Verdict, passed: Bool) throws {
            let comparison = try store.addComparison(of: candidate, gate: "{}", on: "m", by: owner)
            _ = try store.beginComparison(by: server, on: "m")
            try store.finish(comparison.id, by: server, verdict: verdict, isPassed: passed, result: "{}")
        }
        try compare(.better, passed: true)
        let other = try store.registerModel(NewModel(name: "third", path: "/third.h5", digest: "3", sizeBytes: 1), by: owner)
        try store.promote(other, forcedBecause: "a test", by: owner)
        #expect(throws: StoreError.model(.gateNotPassed(.better))) { try store.promote(candidate, by: owner) }
        try compare(.noWorse, passed: false)                                // a better one is required
        #expect(throws: StoreError.model(.gateNotPassed(.noWorse))) { try store.promote(candidate, by: owner) }
        try compare(.worse, passed: false)
        #expect(throws: StoreError.model(.gateNotPassed(.worse))) { try store.promote(candidate, by: owner) }
        try compare(.notEnough, passed: false)
        #expect(try store.model(candidate).verdict == .notEnough)
        #expect(throws: StoreError.model(.gateNotPassed(.notEnough))) { try store.promote(candidate, by: owner) }
        try compare(.noWorse, passed: true)
        #expect(try store.promote(candidate, by: owner).state == .active && store.model(other).state == .previous)
        #expect(try store.model(active).state == .archived)
    }

    @Test(arguments: Backend.allCases) func `another server begins a comparison again`(_ backend: Backend) throws {
        let (_, store, _, candidate) = try store(backend)
        let comparison = try store.addComparison(of: candidate, gate: "{}", on: "m", by: owner)
        _ = try store.beginComparison(by: server, on: "m")
        try store.unregister(server)
        let next = ServerID()
        _ = try store.register(next, name: "b", version: "1", keyDigest: "key")
        let again = try #require(try store.beginComparison(by: next, on: "m"))
        #expect(again.id == comparison.id && again.attempts == 2)
        #expect(try !store.finish(comparison.id, by: server, verdict: .better, isPassed: true, result: "{}"))
        try store.fail(comparison.id, by: next, message: "The disk is full.")
        let failed = try store.comparison(comparison.id)
        #expect(try failed.state == .failed && failed.message == "The disk is full." && store.model(candidate).verdict == nil)
        #expect(throws: StoreError.model(.gateNotPassed(nil))) { try store.promote(candidate, by: owner) }
    }

    @Test(arguments: Backend.allCases) func `models of runs are compared without being asked for, once`(_ backend: Backend) throws {
        let (_, store, _, candidate) = try store(backend)
        #expect(try store.candidatesToCompare().isEmpty)
        var new = NewModel(name: "tuned", path: "/tuned.h5", digest: "4", sizeBytes: 1)
        new.run = "run"
        let tuned = try store.registerModel(new, by: owner)
        #expect(try store.candidatesToCompare().map(\.id) == [tuned] && candidate != tuned)
        _ = try store.addComparison(of: tuned, gate: "{}", on: "m", by: owner)
        #expect(try store.candidatesToCompare().isEmpty)
    }

    @Test(arguments: Backend.allCases) func `questions, thresholds and votes are stored and audited`(_ backend: Backend) throws {
        let (_, store, _, candidate) = try store(backend)
        let first = try store.addGateQuestion("What color is snow?", expected: "white", by: owner)
        let second = try store.addGateQuestion("Why?", expected: nil, by: owner)
        let ids = try store.gateQuestions().map(\.id)
        #expect(ids == [first.id, second.id] || ids == [second.id, first.id], "of the same millisecond")
        try store.deleteGateQuestion(first.id, by: owner)
        try store.deleteGateQuestion(first.id, by: owner)
        #expect(try store.gateQuestions() == [second] && store.gateThresholds() == nil)
        try store.setGateThresholds("{\"significance\": 0.01}", by: owner)
        #expect(try store.gateThresholds() == "{\"significance\": 0.01}")
        let comparison = try store.addComparison(of: candidate, gate: "{}", on: "m", by: owner)
        let voted = try store.changeVotes(of: comparison.id, by: owner) { $0.votes == "{}" ? "{\"1\": \"tie\"}" : "" }
        #expect(voted.votes == "{\"1\": \"tie\"}")
        let lines = try store.admin.auditLog(limit: 10).items
        #expect(lines.map(\.action).reversed().suffix(6) == [
            .addQuestion, .addQuestion, .deleteQuestion, .setGate, .compareModels, .vote,
        ])
        #expect(lines.first?.action == .vote && lines.first?.target == candidate.description && lines.first?.actor == owner.actor)
        #expect(throws: StoreError.notFound(.comparison)) { try store.comparison(ComparisonID()) }
    }
}
