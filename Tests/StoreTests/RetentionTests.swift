import Store
import Testing

@Suite struct RetentionTests {
    private static let day = Duration.seconds(86_400)

    @Test(arguments: Backend.allCases) func `conversations without new messages are deleted after their time`(_ backend: Backend) throws {
        let db = try TestDatabase(backend)
        let store = try db.store { $0.conversationRetention = .seconds(30 * 86_400) }, ada = try store.addTestUser("ada")
        let old = try store.createConversation("old", for: ada, question: NewMessage(.user, "why?")).id
        let used = try store.createConversation("used", for: ada, question: NewMessage(.user, "why?")).id
        db.advanceClock(by: Self.day * 29)
        try store.purge()
        try store.append(NewMessage(.user, "and now?"), to: used, of: ada)
        #expect(try store.contents(of: old, ada) == ["why?"])
        db.advanceClock(by: Self.day)
        try store.purge()
        #expect(throws: StoreError.notFound(.conversation)) { try store.conversation(old, of: ada) }
        #expect(try store.sql("SELECT count(*) FROM messages") == [[.integer(2)]])
        #expect(try store.contents(of: used, ada) == ["why?", "and now?"])
        db.advanceClock(by: Self.day * 30)
        try store.purge()
        #expect(try store.sql("SELECT count(*) FROM messages") == [[.integer(0)]])
    }

    @Test(arguments: Backend.allCases) func `old lines of the audit log are deleted after their time`(_ backend: Backend) throws {
        let db = try TestDatabase(backend)
        let store = try db.store { $0.auditRetention = .seconds(365 * 86_400) }
        let request = AdminRequest(actor: "admin", address: "::1")
        for _ in 0..<3 {
            try store.admin.recordConversationsRead(of: nil, by: request)
            db.advanceClock(by: Self.day * 200)
        }
        try store.purge()
        #expect(try store.admin.auditLog().items.count == 1)
        try store.admin.recordConversationsRead(of: nil, by: request)
        #expect(try store.sql("SELECT max(number) FROM audit_log") == [[.integer(4)]])
    }

    @Test(arguments: Backend.allCases) func `revoked API keys are deleted after their time`(_ backend: Backend) throws {
        let db = try TestDatabase(backend)
        let store = try db.store { $0.revokedKeyRetention = .seconds(30 * 86_400) }, ada = try store.addTestUser("ada")
        let key = try store.addAPIKey("old", hash: "old", for: ada).id
        _ = try store.addAPIKey("valid", hash: "valid", for: ada)
        try store.revokeAPIKey(key, of: ada)
        db.advanceClock(by: Self.day * 29)
        try store.purge()
        #expect(try store.apiKeys(of: ada).count == 2)
        db.advanceClock(by: Self.day * 2)
        try store.purge()
        #expect(try store.apiKeys(of: ada).map(\.name) == ["valid"])
    }

    @Test(arguments: Backend.allCases) func `an unused account is deleted after a warning in the audit log`(_ backend: Backend) throws {
        let db = try TestDatabase(backend)
        let store = try db.store {
            $0.unusedAccountRetention = .seconds(100 * 86_400)
            $0.unusedAccountWarning = .seconds(30 * 86_400)
        }
        func users() throws -> [String] { try store.admin.users(sortedBy: .username).items.map(\.username) }
        func log() throws -> [String] {
            try store.admin.auditLog(limit: 200).items.reversed().map { "\($0.action.rawValue) \($0.targetName ?? "") by \($0.actor)" }
        }
        var all: [String: UserID] = [:]
        for name in ["back", "browser", "disabled", "gone", "program"] { all[name] = try store.addTestUser(name) }
        let ids = all
        func id(_ name: String) throws -> UserID {
            let known = ids[name]
            return try #require(known)
        }
        _ = try store.createConversation("Rain", for: id("gone"), question: NewMessage(.user, "why?"))
        _ = try store.admin.setDisabled(true, user: id("disabled"), by: AdminRequest(actor: "admin", address: "::1"))
        let browser = try #require(try store.user(id("browser")))
        let session = try #require(
            try store.startSession(of: browser, from: "::1", userAgent: "", lifetime: .seconds(1_000 * 86_400)))
        _ = try store.addAPIKey("k", hash: "program", for: id("program"))
        func use() throws {
            _ = try store.state(ofSession: session.id, epoch: 0, of: id("browser"))
            _ = try store.apiKey(withHash: "program")
        }
        db.advanceClock(by: Self.day * 69)
        try use()
        try store.purge()
        #expect(try log() == ["user.disable disabled by admin"])
        db.advanceClock(by: Self.day * 2)
        for _ in 0..<2 {
            try store.purge()
            db.advanceClock(by: .seconds(3_700))
            #expect(try Set(log().dropFirst()) == ["user.warn_unused back by retention", "user.warn_unused gone by retention"])
            #expect(try log().count == 3)
        }
        // One of them signs in again.
        try store.signIn(id("back"))
        db.advanceClock(by: Self.day * 28)
        try use()
        try store.purge()
        #expect(try users().count == 5)
        db.advanceClock(by: Self.day * 2)
        try store.purge()
        #expect(try users() == ["back", "browser", "disabled", "program"])
        #expect(try log().last == "user.delete_unused gone by retention" && log().count == 4)
        #expect(try store.sql("SELECT count(*) FROM messages") == [[.integer(0)]])
        // Its time begins again, with another warning.
        db.advanceClock(by: Self.day * 41)
        try use()
        try store.purge()
        #expect(try log().last == "user.warn_unused back by retention" && users().count == 4)
    }

    /// The warning comes first, however long an account was not used when the retention time was set.
    @Test(arguments: Backend.allCases) func `many unused accounts are warned before they are deleted`(_ backend: Backend) throws {
        let db = try TestDatabase(backend), plain = try db.store()
        for number in 0..<45 { _ = try plain.addTestUser("user \(number)") }
        db.advanceClock(by: Self.day * 1_000)
        for (days, users, lines) in [(0, 45, 45), (29, 45, 45), (31, 0, 90)] {
            db.advanceClock(by: Self.day * (days > 29 ? 2 : days))
            let store = try db.store { $0.unusedAccountRetention = .seconds(100 * 86_400) }
            try store.purge()
            #expect(try store.admin.totals().users == users && store.admin.auditLog().total == lines, "after \(days) days")
        }
    }

    @Test(arguments: Backend.allCases) func `without a time everything stays`(_ backend: Backend) throws {
        let db = try TestDatabase(backend), store = try db.store(), ada = try store.addTestUser("ada")
        _ = try store.createConversation("old", for: ada)
        try store.revokeAPIKey(store.addAPIKey("k", hash: "k", for: ada).id, of: ada)
        try store.admin.recordConversationsRead(of: ada, by: AdminRequest(actor: "admin", address: "::1"))
        db.advanceClock(by: Self.day * 10_000)
        try store.purge()
        #expect(try store.conversations(of: ada).conversations.count == 1 && store.admin.auditLog().items.count == 1)
        #expect(try store.apiKeys(of: ada).count == 1)
    }
}
