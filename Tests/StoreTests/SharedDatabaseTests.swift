import Store
import Testing

/// Several servers on one database: leases, counters and limits.
@Suite struct SharedDatabaseTests {
    @Test(arguments: Backend.allCases) func `one server has the lease, until it ends or its server is dead`(_ backend: Backend) throws {
        let db = try TestDatabase(backend), store = try db.store { $0.leaseTime = .seconds(60) }, ada = try store.addTestUser("ada")
        let (alive, other) = (ServerID(), ServerID())
        for id in [alive, other] { #expect(try store.register(id, name: "\(id)", version: "1", keyDigest: "k") == []) }
        let chat = try store.createConversation("Rain", for: ada).id
        let first = AnswerLease(answer: MessageID(), server: alive), second = AnswerLease(answer: MessageID(), server: other)
        let question = try #require(try store.appendAndRead(NewMessage(.user, "a"), to: chat, of: ada, taking: first).1.last)
        #expect(throws: StoreError.answering) { try store.appendAndRead(NewMessage(.user, "b"), to: chat, of: ada, taking: second) }
        #expect(try store.openConversation(chat, of: ada).isAnswering && store.contents(of: chat, ada) == ["a"])
        #expect(try store.answersInProgress(on: alive) == [first.answer] && store.answersInProgress(on: other).isEmpty)
        try store.append(NewMessage(.assistant, "A"), as: first.answer, to: chat, of: ada, answering: question.id, ending: first)
        // A transaction that runs again after a lost connection stores nothing twice.
        try store.append(NewMessage(.assistant, "A"), as: first.answer, to: chat, of: ada, answering: question.id, ending: first)
        #expect(try !store.openConversation(chat, of: ada).isAnswering)
        _ = try store.appendAndRead(NewMessage(.user, "b"), to: chat, of: ada, taking: second)
        // The second server dies.
        _ = try store.sql("UPDATE servers SET heartbeat_at = heartbeat_at - 61000 WHERE id = $1", other)
        #expect(try !store.openConversation(chat, of: ada).isAnswering)
        let third = AnswerLease(answer: MessageID(), server: alive)
        _ = try store.appendAndRead(NewMessage(.user, "c"), to: chat, of: ada, taking: third)
        #expect(throws: StoreError.leaseLost) {
            try store.append(NewMessage(.assistant, "B"), as: second.answer, to: chat, of: ada, ending: second)
        }
        #expect(try store.contents(of: chat, ada) == ["a", "A", "b", "c"])
    }

    @Test(arguments: Backend.allCases) func `answers of dead servers are recovered without a request`(_ backend: Backend) throws {
        let db = try TestDatabase(backend), store = try db.store { $0.leaseTime = .zero }, ada = try store.addTestUser("ada")
        let dead = AnswerLease(answer: MessageID(), server: ServerID()), chat = ConversationID()
        let question = try #require(try store.appendAndRead(
            NewMessage(.user, "why?"), to: chat, of: ada, creating: "Rain", taking: dead).1.last)
        try store.save(
            UnfinishedAnswer(id: dead.answer, to: question.id, content: "clo", model: "m", tokens: 2, seconds: 1), in: chat, of: ada)
        _ = try store.sql("UPDATE answer_leases SET taken_at = taken_at - 1000")
        try store.recoverAnswersOfDeadServers()
        #expect(try store.contents(of: chat, ada) == ["why?", "clo"])
        #expect(try store.sql("SELECT count(*) FROM answer_leases") == [[.integer(0)]])
    }

    @Test(arguments: Backend.allCases) func `text of an answer whose server died comes before the next message`(_ backend: Backend) throws {
        let db = try TestDatabase(backend), store = try db.store { $0.leaseTime = .zero }, ada = try store.addTestUser("ada")
        let dead = AnswerLease(answer: MessageID(), server: ServerID()), chat = ConversationID()
        let question = try #require(try store.appendAndRead(
            NewMessage(.user, "why?"), to: chat, of: ada, creating: "Rain", taking: dead).1.last)
        try store.save(
            UnfinishedAnswer(id: dead.answer, to: question.id, content: "clo", model: "m", tokens: 2, seconds: 1), in: chat, of: ada)
        _ = try store.sql("UPDATE answer_leases SET taken_at = taken_at - 1000")
        let next = AnswerLease(answer: MessageID(), server: ServerID())
        let messages = try store.appendAndRead(NewMessage(.user, "and?"), to: chat, of: ada, taking: next).1
        #expect(messages.map(\.content) == ["why?", "clo", "and?"])
    }

    @Test(arguments: Backend.allCases) func `the time until a token depends on those that were taken`(_ backend: Backend) throws {
        let store = try TestDatabase(backend).store()
        // A token every 6,000 seconds.
        let bucket = RateBucket("slow", burst: 2, perMinute: 0.01)
        #expect(try store.timeUntilToken(in: bucket) == nil)
        #expect(try store.takeTokens(from: [bucket]) == nil && store.timeUntilToken(in: bucket) == nil)
        #expect(try store.takeTokens(from: [bucket]) == nil)
        let time = try #require(try store.timeUntilToken(in: bucket))
        #expect(time > .seconds(5_000) && time <= .seconds(6_000))
        #expect(try store.takeTokens(from: [RateBucket("full again", burst: 2, perMinute: 0.01)]) == nil)
        _ = try store.sql("UPDATE rate_limits SET full_at = full_at - 7000000000 WHERE name = 'full again'")
        try store.purge()
        #expect(try store.sql("SELECT name FROM rate_limits") == [[.text("slow")]])
    }

    /// One server checks and another one writes at the same time.
    @Test(arguments: Backend.allCases) func `limits are exact when several servers count at the same time`(_ backend: Backend) throws {
        let db = try TestDatabase(backend)
        let stores = try (0..<2).map { _ in
            try db.store {
                $0.maxConversations = 5
                $0.maxAPIKeys = 5
                $0.maxStoredCharacters = 50
            }
        }
        let ada = try stores[0].addTestUser("ada")
        let bucket = RateBucket("b", burst: 5, perMinute: 0.01)
        try inThreads(8) { i in
            let store = stores[i % 2]
            for round in 0..<3 {
                _ = try store.takeTokens(from: [bucket])
                _ = try? store.createConversation("c", for: ada)
                _ = try? store.addAPIKey("k", hash: "\(i)-\(round)", for: ada)
            }
        }
        #expect(try stores[0].conversations(of: ada).conversations.count == 5 && stores[0].apiKeys(of: ada).count == 5)
        #expect(try stores[0].takeTokens(from: [bucket]) != nil && stores[1].timeUntilToken(in: bucket) != nil)
        let other = RateBucket("other", burst: 5, perMinute: 0.01)
        // All or none: the second bucket is empty, so that the first keeps its tokens.
        for _ in 0..<9 { #expect(try stores[0].takeTokens(from: [other, bucket]) != nil) }
        #expect(try (0..<6).map { _ in try stores[1].takeTokens(from: [other]) == nil } == [true, true, true, true, true, false])
        try stores[0].returnToken(to: other)
        #expect(try stores[1].takeTokens(from: [other]) == nil)
        let chats = try stores[0].conversations(of: ada).conversations.map(\.id)
        try inThreads(5) { i in
            for _ in 0..<5 { _ = try? stores[i % 2].append(NewMessage(.user, "12345"), to: chats[i], of: ada) }
        }
        #expect(try stores[0].sql("SELECT CAST(sum(characters) AS BIGINT) FROM conversations") == [[.integer(50)]])
    }

    @Test(arguments: Backend.allCases) func `servers see each other while they send heartbeats`(_ backend: Backend) throws {
        let store = try TestDatabase(backend).store { $0.leaseTime = .seconds(60) }
        let (a, b) = (ServerID(), ServerID())
        func beat(_ id: ServerID, _ name: String) throws -> [String] {
            var status = ServerStatus()
            status.model = "m"
            status.slots = 1
            status.running = 2
            status.waiting = 3
            status.answerTokens = 4
            status.memoryBytes = 5
            status.clients = "c"
            let startedAt = Timestamp.now().advanced(by: .seconds(name == "a" ? 0 : 1_000))
            let found = try store.heartbeat(of: id, name: name, version: "1", keyDigest: "k", startedAt: startedAt, status)
            #expect(found.servers.allSatisfy { $0.status == status } && found.reload == nil)
            return found.servers.map(\.name)
        }
        #expect(try store.register(a, name: "a", version: "1", keyDigest: "k") == [])
        #expect(try store.register(b, name: "b", version: "1", keyDigest: "other") == ["a"])
        #expect(try beat(a, "a") == ["a"] && beat(b, "b") == ["a", "b"])
        _ = try store.sql("UPDATE servers SET heartbeat_at = heartbeat_at - 61000 WHERE name = 'a'")
        #expect(try beat(b, "b") == ["b"] && store.servers(withOtherKeyThan: "k") == [])
        #expect(try beat(a, "a") == ["a", "b"])
        try store.unregister(b)
        #expect(try beat(a, "a") == ["a"])
    }

    @Test func `a notification arrives when its transaction commits`() throws {
        let store = try TestDatabase(.postgresql).store(), listener = try #require(try store.database.listener())
        #expect(try !listener.wait(upTo: .zero))
        try store.unregister(ServerID())
        #expect(try listener.wait(upTo: .seconds(30)))
        // Those of another schema do not.
        try TestDatabase(.postgresql).store().unregister(ServerID())
        #expect(try !listener.wait(upTo: .milliseconds(50)))
        #expect(try TestDatabase(.sqlite).store().database.listener() == nil)
    }

    /// Without a notification, other servers notice these changes half a second later.
    @Test func `other servers are notified of what they have to know`() throws {
        let store = try TestDatabase(.postgresql).store(), owner = store.owner, server = ServerID()
        let ada = try store.addUser("ada", passwordHash: "h"), bob = try store.addUser("bob", passwordHash: "h")
        let eve = try store.addTestUser("eve")
        func session() throws -> LoginSession {
            try #require(try store.startSession(of: ada, from: "::1", userAgent: "", lifetime: .seconds(60)))
        }
        let first = try session(), key = try store.addAPIKey("laptop", hash: "k", for: ada.id), chat = ConversationID()
        _ = try store.register(server, name: "s", version: "1", keyDigest: "k")
        _ = try store.appendAndRead(
            NewMessage(.user, "a"), to: chat, of: ada.id, creating: "Rain", taking: AnswerLease(answer: MessageID(), server: server))
        let run = try #require(try store.addTrainingRun(NewTrainingRun(
            name: "first", settings: "{}", base: nil, basePath: "/base.h5", machine: "m", folder: "/runs"), by: owner))
        let model = try store.candidate("first")
        try store.promote(model, forcedBecause: "a test", by: owner)
        let second = try store.candidate("second")
        let listener = try #require(try store.database.listener())
        let changes: [(what: String, make: () throws -> Void)] = [
            ("stop", { _ = try store.requestStop(in: chat, of: ada.id) }), ("session", { try store.endSession(first.id, of: ada.id) }),
            ("key", { try store.revokeAPIKey(key.id, of: ada.id) }), ("keys", { try store.admin.revokeAPIKeys(of: ada.id, by: owner) }),
            ("password", { _ = try store.changePassword(of: bob, to: "new") }), ("sessions", { try store.endAllSessions(of: ada.id) }),
            ("user", { try store.deleteUser(eve) }), ("user by an admin", { try store.admin.deleteUser(bob.id, by: owner) }),
            ("reload", { try store.requestReload(by: owner) }),
            ("promotion", { try store.promote(second, forcedBecause: "a test", by: owner) }),
            ("comparison", { _ = try store.addComparison(of: model, gate: "{}", on: "here", by: owner) }),
            ("schedule", { _ = try store.changeTrainingSchedule(by: owner) { $0.isEnabled = true } }),
            ("stop of a run", { _ = try store.requestStop(ofRun: run.id, by: owner) }),
            ("new run", {
                _ = try store.addTrainingRun(NewTrainingRun(
                    name: "other", settings: "{}", base: nil, basePath: "/base.h5", machine: "m", folder: "/other"), by: owner)
            }),
        ]
        for (what, make) in changes {
            try make()
            #expect(try listener.wait(upTo: .seconds(30)), "\(what)")
        }
    }
}
