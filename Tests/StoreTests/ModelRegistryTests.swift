import Store
import TestSupport
import Testing

extension Store {
    /// Registers a candidate whose path and digest are made of its name.
    @discardableResult
    func candidate(_ name: String, _ change: (inout NewModel) -> Void = { _ in }) throws(StoreError) -> ModelID {
        var new = NewModel(name: name, path: "/models/\(name).h5", digest: "d-\(name)", sizeBytes: 10)
        change(&new)
        return try registerModel(new, by: owner)
    }

    /// Compares a candidate with the active model.
    ///
    /// - Returns: The id of the comparison.
    @discardableResult
    func compare(_ candidate: ModelID, _ verdict: RegisteredModel.Verdict, isPassed: Bool = true) throws -> String {
        let comparison = try addComparison(of: candidate, gate: "{}", on: "here", by: owner), server = ServerID()
        #expect(try beginComparison(by: server, on: "here")?.id == comparison.id)
        #expect(try finish(comparison.id, by: server, verdict: verdict, isPassed: isPassed, result: "{}"))
        return comparison.id.description
    }

    var owner: AdminRequest { AdminRequest(actor: "ada", address: "::1") }

    /// "active:a previous:b archived:c", in the order of the states, and in each by name.
    func states() throws(StoreError) -> String {
        try models().sorted { ($0.state.rawValue, $0.name) < ($1.state.rawValue, $1.name) }
            .map { "\($0.state.rawValue):\($0.name)" }.joined(separator: " ")
    }
}

@Suite struct ModelRegistryTests {
    private func commandLine(_ store: Store, _ name: String, _ digest: String? = nil, server: String = "a:1", finished: Bool = true)
        throws -> CommandLineModel {
        let new = NewModel(name: name, path: "/models/\(name).h5", digest: digest ?? "d-\(name)", sizeBytes: 10)
        return try store.useCommandLineModel(new, of: server, mayReplace: finished)
    }

    @Test(arguments: Backend.allCases)
    func `a promotion and a roll-back change one active and one previous model`(_ backend: Backend) throws {
        let db = try TestDatabase(backend), store = try db.store()
        #expect(try store.activeModel() == nil)
        #expect(throws: StoreError.model(.noPreviousModel)) { try store.rollBack(by: store.owner) }
        #expect(try commandLine(store, "first").isTaken)
        let second = try store.candidate("second") { $0.metrics = #"{"loss":1}"# }, third = try store.candidate("third")
        #expect(try store.states() == "active:first candidate:second candidate:third")
        #expect(throws: StoreError.model(.gateNotPassed(nil))) { try store.promote(second, by: store.owner) }
        try store.compare(second, .worse, isPassed: false)
        #expect(throws: StoreError.model(.gateNotPassed(.worse))) { try store.promote(second, by: store.owner) }
        let comparison = try store.compare(second, .noWorse)
        db.advanceClock(by: .seconds(5))
        let promoted = try store.promote(second, by: store.owner)
        #expect(promoted.state == .active && promoted.promotedBy == "ada" && promoted.promotedAt == store.options.now())
        #expect(promoted.metrics == #"{"loss":1}"# && promoted.comparison == comparison && promoted.verdict == .noWorse)
        #expect(try store.states() == "active:second candidate:third previous:first")
        // Promoting the active model changes nothing.
        try store.promote(second, forcedBecause: "a test", by: store.owner)
        try store.promote(third, forcedBecause: "a test", by: store.owner)
        #expect(try store.states() == "active:third archived:first previous:second")
        #expect(try store.rollBack(by: store.owner).name == "second")
        #expect(try store.states() == "active:second archived:first archived:third")
        #expect(throws: StoreError.model(.noPreviousModel)) { try store.rollBack(by: store.owner) }
        // An archived model can be promoted again, and so can the previous one: both change places.
        try store.promote(third, forcedBecause: "a test", by: store.owner)
        try store.promote(second, forcedBecause: "a test", by: store.owner)
        #expect(try store.states() == "active:second archived:first previous:third")
        #expect(throws: StoreError.notFound(.model)) { try store.promote(ModelID(), forcedBecause: "a test", by: store.owner) }
        let log = try store.admin.auditLog().items
        #expect(log.map(\.action.rawValue) == [
            "model.force_promote", "model.force_promote", "model.roll_back", "model.force_promote", "model.promote",
            "comparison.create", "comparison.create", "model.register", "model.register",
        ])
        #expect(log.allSatisfy { $0.actor == "ada" && $0.address == "::1" } && log[2].targetName == "second")
    }

    @Test(arguments: Backend.allCases) func `a file is registered once, and a run registers one model`(_ backend: Backend) throws {
        let store = try TestDatabase(backend).store(), first = try store.candidate("first")
        #expect(try store.candidate("first") == first)
        #expect(try store.candidate("other") { $0.path = "/models/first.h5"; $0.digest = "d-first" } == first)
        #expect(throws: StoreError.model(.nameTaken("first"))) { try store.candidate("first") { $0.path = "/elsewhere.h5" } }
        // A run that has finished gets a name, and registers its model once although it is asked to twice.
        let made = try store.candidate("first") { $0.path = "/runs/1/best.h5"; $0.run = "run-1"; $0.data = #"{"chats":3}"# }
        #expect(try store.candidate("first") { $0.path = "/runs/1/best.h5"; $0.run = "run-1" } == made)
        let model = try store.model(made)
        #expect(model.name == "first-2" && model.run == "run-1" && model.data == #"{"chats":3}"# && model.createdBy == "ada")
        // A file that was replaced is another model, and the earlier one cannot be loaded any more.
        let newer = try store.candidate("second") { $0.path = "/models/first.h5"; $0.digest = "other" }
        #expect(try newer != first && store.model(first).filesDeletedAt != nil && store.model(first).state == .archived)
        #expect(throws: StoreError.model(.filesDeleted)) { try store.promote(first, forcedBecause: "a test", by: store.owner) }
        #expect(throws: StoreError.model(.filesDeleted)) { try store.setCanary(first, share: 0.5, by: store.owner) }
        #expect(try store.models().count == 3 && store.admin.auditLog().total == 3)
    }

    @Test(arguments: Backend.allCases)
    func `the command line's file becomes active when it is another one than before`(_ backend: Backend) throws {
        let store = try TestDatabase(backend).store()
        let first = try commandLine(store, "first")
        #expect(first.isTaken && first.replaced == nil)
        let promoted = try store.candidate("promoted")
        try store.promote(promoted, forcedBecause: "a test", by: store.owner)
        // The same command line again, and that of another server with the same file.
        for server in ["a:1", "b:1"] {
            let again = try commandLine(store, "first", server: server)
            #expect(!again.isTaken && again.model?.name == "first" && again.replaced?.id == promoted)
        }
        #expect(try store.states() == "active:promoted previous:first")
        // Another file.
        #expect(try commandLine(store, "second").isTaken)
        #expect(try store.states() == "active:second archived:first previous:promoted")
        // The other server keeps its command line: it takes nothing back.
        #expect(try !commandLine(store, "first", server: "b:1").isTaken)
        // The operator goes back to the first file.
        #expect(try commandLine(store, "first").isTaken)
        #expect(try store.states() == "active:first archived:promoted previous:second")
        // A run in progress replaces nothing until it is finished, and is not registered either.
        let unfinished = try commandLine(store, "third", finished: false)
        #expect(!unfinished.isTaken && unfinished.model == nil)
        #expect(try commandLine(store, "third").isTaken)
        #expect(try store.states() == "active:third archived:promoted archived:second previous:first")
        // The file was replaced: what it contained is gone, and a roll-back returns to the model before it.
        #expect(try commandLine(store, "third", "new contents", finished: false).isTaken)
        #expect(try store.states() == "active:third archived:promoted archived:second archived:third previous:first")
        #expect(try store.rollBack(by: store.owner).name == "first")
        let actors = Set(try store.admin.auditLog().items.map(\.actor))
        #expect(actors == ["ada", "command line of a:1"])
    }

    @Test(arguments: Backend.allCases) func `the command line of a server that has not started for a year is forgotten`(
        _ backend: Backend
    ) throws {
        let db = try TestDatabase(backend), store = try db.store()
        func servers(afterStartOf server: String, in time: Duration) throws -> [[SQLValue]] {
            db.advanceClock(by: time)
            _ = try commandLine(store, "first", server: server)
            return try store.sql("SELECT server FROM command_line_models ORDER BY server")
        }
        #expect(try servers(afterStartOf: "a:1", in: .zero).count == 1)
        #expect(try servers(afterStartOf: "b:1", in: .seconds(300 * 86_400)).count == 2)
        #expect(try servers(afterStartOf: "c:1", in: .seconds(65 * 86_400)).count == 3)
        #expect(try servers(afterStartOf: "c:1", in: .milliseconds(1)) == [[.text("b:1")], [.text("c:1")]])
    }

    @Test(arguments: Backend.allCases) func `the canary and pinned models are loaded and kept`(_ backend: Backend) throws {
        let store = try TestDatabase(backend).store(), ada = try store.addTestUser("ada")
        _ = try commandLine(store, "first")
        let base = try store.candidate("base"), canary = try store.candidate("canary") { $0.kind = .adapter; $0.base = base }
        let pinned = try store.candidate("pinned"), key = try store.addAPIKey("laptop", hash: "h", for: ada)
        #expect(try store.setCanary(pinned, share: 1, by: store.owner).canaryShare == 1)
        #expect(try store.setCanary(canary, share: 0.25, by: store.owner).canaryShare == 0.25)
        #expect(try store.setModel(ofKey: key.id, to: pinned, by: store.owner).model == pinned)
        #expect(try store.apiKey(withHash: "h")?.model == pinned && store.model(pinned).keys == 1)
        var served = try store.servedModels()
        #expect(served.active?.name == "first" && served.canary?.id == canary && served.pinned.map(\.id) == [pinned])
        #expect(served.bases.keys.map { $0 } == [base] && served.previous == nil)
        // Nothing of that is archived or deleted.
        for id in [canary, pinned] {
            let refusal = StoreError.model(.inUse(id == canary ? .canary : .pinned(keys: 1)))
            #expect(throws: refusal) { try store.archiveModel(id, by: store.owner) }
            #expect(throws: refusal) { try store.deleteModel(id, by: store.owner) }
        }
        #expect(throws: StoreError.model(.inUse(.base(of: "canary")))) { try store.deleteModel(base, by: store.owner) }
        let active = try #require(try store.activeModel()).id
        #expect(throws: StoreError.model(.inUse(.active))) { try store.archiveModel(active, by: store.owner) }
        #expect(throws: StoreError.model(.inUse(.active))) { try store.setCanary(active, share: 1, by: store.owner) }
        // A canary that is promoted is no canary any more.
        try store.promote(canary, forcedBecause: "a test", by: store.owner)
        _ = try store.setModel(ofKey: key.id, to: nil, by: store.owner)
        served = try store.servedModels()
        #expect(served.active?.id == canary && served.canary == nil && served.pinned.isEmpty && served.previous?.name == "first")
        #expect(try store.setCanary(pinned, share: 0.5, by: store.owner).canaryShare == 0.5)
        try store.endCanary(by: store.owner)
        try store.endCanary(by: store.owner)
        #expect(try store.servedModels().canary == nil && store.deleteModel(pinned, by: store.owner).model.name == "pinned")
        // A key that was revoked is not listed, and holds no model.
        _ = try store.setModel(ofKey: key.id, to: base, by: store.owner)
        let listed = try store.keyModels().items
        #expect(listed.map(\.id) == [key.id] && listed.map(\.name) == ["laptop"] && listed.map(\.username) == ["ada"])
        #expect(listed.map(\.model) == [base] && listed.map(\.lastUsedAt) == [store.options.now()])
        try store.revokeAPIKey(key.id, of: ada)
        #expect(try store.keyModels().total == 0 && store.servedModels().pinned.isEmpty)
        #expect(throws: StoreError.notFound(.key)) { try store.setModel(ofKey: key.id, to: nil, by: store.owner) }
    }

    @Test(arguments: Backend.allCases) func `keys of all accounts are listed in pages`(_ backend: Backend) throws {
        let db = try TestDatabase(backend), store = try db.store(), ada = try store.addTestUser("ada")
        for i in 0..<5 {
            _ = try store.addAPIKey("key \(i)", hash: "h\(i)", for: ada)
            if i % 2 == 0 { db.advanceClock(by: .seconds(1)) }               // some at the same time
        }
        var names: [String] = [], last: APIKeyID?
        for _ in 0..<3 {
            let page = try store.keyModels(after: last, limit: 2)
            #expect(page.total == 5)
            names += page.items.map(\.name)
            last = page.items.last?.id
        }
        #expect(names.count == 5 && Set(names).count == 5 && ["key 3", "key 4"].contains(names.first))
    }

    @Test(arguments: Backend.allCases) func `cleaning up keeps the newest and all that is needed`(_ backend: Backend) throws {
        let db = try TestDatabase(backend), store = try db.store()
        _ = try commandLine(store, "first")
        var ids: [String: ModelID] = [:]
        for name in ["base", "b", "c", "d", "e", "f"] {
            db.advanceClock(by: .seconds(1))
            ids[name] = try store.candidate(name) { if name == "e" { $0.base = ids["base"]; $0.kind = .adapter } }
        }
        func change() throws -> [[SQLValue]] { try store.sql("SELECT value FROM settings WHERE name = 'model_registry'") }
        let before = try change()
        for name in ["b", "c"] { try store.archiveModel(#require(ids[name]), by: store.owner) }
        // Servers follow changes, and what is archived already is none.
        let archived = try change()
        try store.archiveModel(#require(ids["c"]), by: store.owner)
        #expect(try archived != before && change() == archived)
        #expect(try store.states() == "active:first archived:b archived:c candidate:base candidate:d candidate:e candidate:f")
        let cleaned = try store.cleanUpModels(keeping: 1, by: store.owner) { $0.name != "d" }
        // The newest are c and f. d may not be deleted. e is older than f, and then nothing needs its base.
        #expect(cleaned.map(\.name) == ["e", "b", "base"])
        #expect(try store.states() == "active:first archived:b archived:base archived:c archived:e candidate:d candidate:f")
        #expect(try store.cleanUpModels(keeping: 1, by: store.owner) { $0.name != "d" }.isEmpty)
        #expect(throws: StoreError.model(.filesDeleted)) { try store.promote(#require(ids["b"]), forcedBecause: "a test", by: store.owner) }
        let line = try #require(try store.admin.auditLog().items.first)
        #expect(line.action == .cleanUpModels && line.targetName == "e, b, base")
    }

    /// Random changes on two servers, compared with a plain model of the states after each.
    @Test(arguments: Backend.allCases) func `random changes agree with a reference`(_ backend: Backend) throws {
        let db = try TestDatabase(backend), stores = [try db.store(), try db.store()]
        var random = TestRandom(11), names: [String] = [], active: String?, previous: String?, archived: Set<String> = [], canary: String?
        var ids: [String: ModelID] = [:]
        for step in 0..<250 {
            let store = stores[random.below(2)], name = names.isEmpty ? "" : names[random.below(names.count)]
            let id = ids[name] ?? ModelID()
            var isRefused = false
            db.advanceClock(by: .milliseconds(1))
            do throws(StoreError) {
                switch random.below(10) {
                case 0, 1:
                    let new = "m\(step)"
                    ids[new] = try store.candidate(new)
                    names.append(new)
                case 2, 3, 4:
                    isRefused = name.isEmpty
                    try store.promote(id, forcedBecause: "a test", by: store.owner)
                    guard name != active else { break }
                    archived.remove(name)
                    if let active {
                        if let previous, previous != name { archived.insert(previous) }
                        previous = active
                    }
                    active = name
                    if canary == name { canary = nil }
                case 5:
                    isRefused = previous == nil
                    try store.rollBack(by: store.owner)
                    archived.insert(active ?? "")
                    if canary == previous || canary == active { canary = nil }
                    (active, previous) = (previous, nil)
                case 6:
                    isRefused = name.isEmpty || name == active || name == canary && !archived.contains(name)
                    try store.archiveModel(id, by: store.owner)
                    archived.insert(name)
                    if previous == name { previous = nil }
                case 7:
                    isRefused = name.isEmpty || [active, previous, canary].contains(name)
                    _ = try store.deleteModel(id, by: store.owner)
                    names.removeAll { $0 == name }
                    archived.remove(name)
                case 8:
                    isRefused = name.isEmpty || name == active
                    _ = try store.setCanary(id, share: 0.5, by: store.owner)
                    canary = name
                default:
                    try store.endCanary(by: store.owner)
                    canary = nil
                }
                #expect(!isRefused, "step \(step)")
            } catch { #expect(isRefused, "step \(step): \(error)") }
            let expected = names.map { name in
                name == active ? "active:\(name)" : name == previous ? "previous:\(name)"
                    : (archived.contains(name) ? "archived:" : "candidate:") + name
            }.sorted().joined(separator: " ")
            let other = stores[random.below(2)]
            #expect(try other.states().split(separator: " ").sorted().joined(separator: " ") == expected, "step \(step)")
            #expect(try other.servedModels().canary?.name == canary, "step \(step)")
        }
    }

    @Test(arguments: Backend.allCases) func `servers that promote at once leave one active model`(_ backend: Backend) throws {
        let db = try TestDatabase(backend), store = try db.store()
        _ = try commandLine(store, "first")
        let ids = try (0..<6).map { try store.candidate("m\($0)") }
        try inThreads(6) { i in
            let store = try db.store()
            for round in 0..<5 {
                if round == 3 {
                    do { try store.rollBack(by: store.owner) } catch StoreError.model(.noPreviousModel) {}
                } else {
                    try store.promote(ids[i], forcedBecause: "a test", by: store.owner)
                }
                #expect(try store.activeModel() != nil)
            }
        }
        let states = try store.models().map(\.state)
        #expect(states.count { $0 == .active } == 1 && states.count { $0 == .previous } <= 1)
    }

    @Test(arguments: Backend.allCases) func `each change is seen with the next heartbeat`(_ backend: Backend) throws {
        let store = try TestDatabase(backend).store(), server = ServerID()
        func change() throws -> String? {
            try store.heartbeat(
                of: server, name: "s", version: "1", keyDigest: "k", startedAt: store.options.now(), ServerStatus()).registry
        }
        #expect(try change() == nil)
        _ = try commandLine(store, "first")
        let first = try change(), id = try store.candidate("second"), second = try change()
        #expect(first != nil && second != nil && first != second)
        try store.promote(id, forcedBecause: "a test", by: store.owner)
        let third = try change()
        #expect(third != second)
        try store.promote(id, forcedBecause: "a test", by: store.owner)
        _ = try commandLine(store, "first")
        #expect(throws: StoreError.self) { try store.deleteModel(id, by: store.owner) }
        #expect(try change() == third)
    }

    @Test(arguments: Backend.allCases) func `an account is an owner or not`(_ backend: Backend) throws {
        let store = try TestDatabase(backend).store(), ada = try store.addTestUser("ada")
        #expect(try store.role(of: ada) == .user && store.ownerName(ada) == nil && store.admin.user(ada).activity.role == .user)
        try store.admin.setRole(of: ada, to: .owner, by: store.owner)
        #expect(try store.role(of: ada) == .owner && store.ownerName(ada) == "ada" && store.admin.user(ada).activity.role == .owner)
        #expect(try store.admin.users(sortedBy: .username).items.map(\.role) == [.owner])
        try store.admin.setRole(of: ada, to: .user, by: store.owner)
        #expect(try store.ownerName(ada) == nil && store.admin.auditLog().items.map(\.action) == [.setRole, .setRole])
        #expect(throws: StoreError.notFound(.user)) { try store.admin.setRole(of: UserID(), to: .owner, by: store.owner) }
        #expect(throws: StoreError.notFound(.user)) { try store.role(of: UserID()) }
    }
}
