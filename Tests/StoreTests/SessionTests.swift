import Store
import Testing

/// Sessions, and what ends them.
@Suite struct SessionTests {
    private func start(_ store: Store, _ user: User, lifetime: Duration = .seconds(3_600)) throws -> LoginSession {
        try #require(try store.startSession(of: user, from: "192.0.2.1", userAgent: "Firefox\u{0}", lifetime: lifetime))
    }

    @Test(arguments: Backend.allCases) func `a session is active until it is ended`(_ backend: Backend) throws {
        let db = try TestDatabase(backend), store = try db.store()
        let ada = try store.addUser("ada", passwordHash: "hash"), bob = try store.addUser("bob", passwordHash: "hash")
        let one = try start(store, ada)
        db.advanceClock(by: .seconds(10))
        let two = try start(store, ada)
        #expect(try store.sessions(of: ada.id) == [two, one] && one.userAgent == "Firefox\u{FFFD}" && one.address == "192.0.2.1")
        #expect(try store.user(ada.id)?.lastActiveAt == two.createdAt)
        #expect(try store.state(ofSession: one.id, epoch: 0, of: ada.id) == .active)
        // Neither another user nor another epoch.
        #expect(try store.state(ofSession: one.id, epoch: 0, of: bob.id) == .ended)
        #expect(try store.state(ofSession: one.id, epoch: 1, of: ada.id) == .ended)
        #expect(try store.state(ofSession: SessionID(), epoch: 0, of: ada.id) == .ended)
        #expect(throws: StoreError.notFound(.session)) { try store.endSession(one.id, of: bob.id) }
        try store.endSession(one.id, of: ada.id)
        #expect(try store.state(ofSession: one.id, epoch: 0, of: ada.id) == .ended && store.sessions(of: ada.id) == [two])
        #expect(throws: StoreError.notFound(.session)) { try store.endSession(one.id, of: ada.id) }
    }

    @Test(arguments: Backend.allCases) func `the last use of a session is stored at most once a minute`(_ backend: Backend) throws {
        let db = try TestDatabase(backend), store = try db.store(), ada = try store.addUser("ada", passwordHash: "hash")
        let session = try start(store, ada)
        func lastUse() throws -> Timestamp? {
            #expect(try store.state(ofSession: session.id, epoch: 0, of: ada.id) == .active)
            return try store.sessions(of: ada.id).first?.lastUsedAt
        }
        db.advanceClock(by: .seconds(60))
        #expect(try lastUse() == session.createdAt)
        db.advanceClock(by: .milliseconds(1))
        #expect(try lastUse() == session.createdAt.advanced(by: .milliseconds(60_001)))
    }

    @Test(arguments: Backend.allCases) func `a new password ends all sessions`(_ backend: Backend) throws {
        let store = try TestDatabase(backend).store(), ada = try store.addUser("ada", passwordHash: "old")
        let session = try start(store, ada)
        let changed = try #require(try store.changePassword(of: ada, to: "new"))
        #expect(try changed.passwordHash == "new" && changed.tokenEpoch == 1 && store.user(ada.id) == changed)
        #expect(try store.state(ofSession: session.id, epoch: 0, of: ada.id) == .ended && store.sessions(of: ada.id).isEmpty)
        // A request that checked the old password is too late, for a session and for another password.
        #expect(try store.startSession(of: ada, from: "", userAgent: "", lifetime: .seconds(60)) == nil)
        #expect(try store.changePassword(of: ada, to: "other") == nil && store.user(ada.id)?.passwordHash == "new")
        // The transaction may run again after a lost connection.
        #expect(try store.changePassword(of: ada, to: "new") == changed)
    }

    @Test(arguments: Backend.allCases) func `all sessions of a user can be ended at once`(_ backend: Backend) throws {
        let store = try TestDatabase(backend).store()
        let ada = try store.addUser("ada", passwordHash: "hash"), bob = try store.addUser("bob", passwordHash: "hash")
        let one = try start(store, ada), other = try start(store, bob)
        try store.endAllSessions(of: ada.id)
        #expect(try store.state(ofSession: one.id, epoch: 0, of: ada.id) == .ended && store.sessions(of: ada.id).isEmpty)
        #expect(try store.state(ofSession: other.id, epoch: 0, of: bob.id) == .active)
        let again = try start(store, try #require(try store.user(ada.id)))
        #expect(try store.state(ofSession: again.id, epoch: 1, of: ada.id) == .active)
        #expect(throws: StoreError.notFound(.user)) { try store.endAllSessions(of: UserID()) }
    }

    @Test(arguments: Backend.allCases) func `a user has at most a hundred sessions`(_ backend: Backend) throws {
        let db = try TestDatabase(backend), store = try db.store(), ada = try store.addUser("ada", passwordHash: "hash")
        var all: [SessionID] = []
        for _ in 0..<Store.maxSessions + 3 {
            all.append(try start(store, ada).id)
            db.advanceClock(by: .milliseconds(1))
        }
        #expect(try store.sessions(of: ada.id).map(\.id) == all.suffix(Store.maxSessions).reversed())
    }

    @Test(arguments: Backend.allCases) func `expired sessions are not listed, and purged`(_ backend: Backend) throws {
        let db = try TestDatabase(backend), store = try db.store(), ada = try store.addUser("ada", passwordHash: "hash")
        _ = try start(store, ada, lifetime: .seconds(60))
        let long = try start(store, ada)
        db.advanceClock(by: .seconds(60))
        #expect(try store.sessions(of: ada.id).map(\.id) == [long.id])
        try store.purge()
        #expect(try store.sql("SELECT id FROM sessions") == [[long.id.sql]])
    }

    @Test(arguments: Backend.allCases) func `a deleted user leaves nothing but token counts`(_ backend: Backend) throws {
        let store = try TestDatabase(backend).store()
        let ada = try store.addUser("ada", passwordHash: "hash"), bob = try store.addUser("bob", passwordHash: "hash")
        let generation = Generation(model: "tiny", promptTokens: 2, answerTokens: 3, seconds: 1, reason: "stop")
        for user in [ada, bob] {
            let chat = try store.createConversation("Rain", for: user.id, question: NewMessage(.user, "Why?"))
            try store.append(NewMessage(.assistant, "Clouds."), to: chat.id, of: user.id, generation: generation)
            _ = try store.addAPIKey("laptop", hash: user.username, for: user.id)
            _ = try start(store, user)
        }
        try store.deleteUser(ada.id)
        #expect(try store.user(ada.id) == nil)
        #expect(try store.apiKey(withHash: "ada")?.owner == nil && store.apiKey(withHash: "bob")?.owner == bob.id)
        for (table, count) in [("users", 1), ("conversations", 1), ("messages", 2), ("api_keys", 1), ("sessions", 1), ("generations", 2)] {
            #expect(try store.sql("SELECT count(*) FROM \(table)") == [[count.sql]], "\(table)")
        }
        // An answer that was running meanwhile is counted, without the user.
        try store.record(generation, of: ada.id, in: ConversationID())
        #expect(try store.admin.totals().answerTokens == 9)
        #expect(throws: StoreError.notFound(.user)) { try store.deleteUser(ada.id) }
        #expect(try store.addUser("ada", passwordHash: "hash").id != ada.id)
    }
}
