import Store
import Testing

@Suite struct RetentionTests {
    private static let day = Duration.seconds(86_400)

    @Test(arguments: Backend.allCases) func `conversations without new messages are deleted after their time`(_ backend: Backend) throws {
        let db = try TestDatabase(backend)
        let store = try db.store { $0.conversationRetention = .seconds(30 * 86_400) }, ada = try store.addTestUser("ada")
        let old = try store.createConversation("old", for: ada, question: NewMessage(.user, "why?")).0.id
        let used = try store.createConversation("used", for: ada, question: NewMessage(.user, "why?")).0.id
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

    @Test(arguments: Backend.allCases) func `without a time everything stays`(_ backend: Backend) throws {
        let db = try TestDatabase(backend), store = try db.store(), ada = try store.addTestUser("ada")
        _ = try store.createConversation("old", for: ada)
        try store.admin.recordConversationsRead(of: ada, by: AdminRequest(actor: "admin", address: "::1"))
        db.advanceClock(by: Self.day * 10_000)
        try store.purge()
        #expect(try store.conversations(of: ada).conversations.count == 1 && store.admin.auditLog().items.count == 1)
    }
}
