import Store
import Testing

@Suite struct QuotaTests {
    @Test(arguments: Backend.allCases) func `an account stores a limited number of conversations`(_ backend: Backend) throws {
        let store = try TestDatabase(backend).store { $0.maxConversations = 2 }
        let ada = try store.addTestUser("ada"), bob = try store.addTestUser("bob")
        let first = try store.createConversation("1", for: ada).id, again = ConversationID()
        _ = try store.appendAndRead(NewMessage(.user, "x"), to: again, of: ada, creating: "2")
        let error = StoreError.quotaExceeded(.conversations, limit: 2)
        #expect(throws: error) { try store.createConversation("3", for: ada) }
        #expect(throws: error) { try store.appendAndRead(NewMessage(.user, "x"), to: ConversationID(), of: ada, creating: "3") }
        #expect(try store.createConversation("2", as: again, for: ada).title == "2")                   // exists
        _ = try store.createConversation("1", for: bob)
        try store.delete(first, of: ada)
        _ = try store.createConversation("3", for: ada)
    }

    @Test(arguments: Backend.allCases) func `an account stores a limited number of characters`(_ backend: Backend) throws {
        let store = try TestDatabase(backend).store { $0.maxStoredCharacters = 20 }
        let ada = try store.addTestUser("ada"), bob = try store.addTestUser("bob")
        let first = try store.createConversation("first", for: ada).id, second = try store.createConversation("second", for: ada).id
        try store.append(NewMessage(.user, "ü234567890"), to: first, of: ada)
        let long = try store.append(NewMessage(.user, "1234567"), to: second, of: ada)
        let error = StoreError.quotaExceeded(.storedCharacters, limit: 20)
        #expect(throws: error) { try store.append(NewMessage(.user, "1234"), to: second, of: ada) }
        try store.append(NewMessage(.user, "123"), to: second, of: ada)
        #expect(throws: error) { try store.append(NewMessage(.user, "x"), to: first, of: ada) }
        try store.append(NewMessage(.assistant, "An answer is not limited."), to: first, of: ada)
        _ = try store.createConversation("other account", for: bob, question: NewMessage(.user, "12345678901234567890"))
        try store.delete(first, of: ada)
        // The ten characters of both messages still count: they stay as an alternative.
        #expect(throws: error) { try store.append(NewMessage(.user, "12345678901"), to: second, of: ada, replacingFrom: long.id) }
        try store.append(NewMessage(.user, "1234567890"), to: second, of: ada, replacingFrom: long.id)
        #expect(throws: error) { try store.append(NewMessage(.user, "x"), to: second, of: ada) }
    }

    @Test(arguments: Backend.allCases) func `an account has a limited number of API keys`(_ backend: Backend) throws {
        let store = try TestDatabase(backend).store { $0.maxAPIKeys = 2 }
        let ada = try store.addTestUser("ada"), bob = try store.addTestUser("bob")
        let first = try store.addAPIKey("1", hash: "1", for: ada)
        _ = try store.addAPIKey("2", hash: "2", for: ada)
        #expect(throws: StoreError.quotaExceeded(.apiKeys, limit: 2)) { try store.addAPIKey("3", hash: "3", for: ada) }
        _ = try store.addAPIKey("1", hash: "4", for: bob)
        try store.revokeAPIKey(first.id, of: ada)
        _ = try store.addAPIKey("3", hash: "3", for: ada)
    }

    @Test(arguments: Backend.allCases) func `an account stores a limited number of bytes in files`(_ backend: Backend) throws {
        let store = try TestDatabase(backend).store { $0.maxUploadedBytes = 10; $0.maxLibraries = 1 }
        let ada = try store.addTestUser("ada"), bob = try store.addTestUser("bob")
        let library = try store.createLibrary("a", for: ada)
        #expect(throws: StoreError.quotaExceeded(.libraries, limit: 1)) { try store.createLibrary("b", for: ada) }
        _ = try store.createLibrary("b", for: bob)
        let first = try store.addUpload("a", [UInt8](repeating: 1, count: 6), of: ada, to: library.id)
        #expect(throws: StoreError.quotaExceeded(.uploadedBytes, limit: 10)) {
            try store.addUpload("b", [UInt8](repeating: 1, count: 5), of: ada)
        }
        _ = try store.addUpload("b", [UInt8](repeating: 1, count: 10), of: bob)
        // A file that is replaced does not count, and stays if the new one is too large.
        #expect(throws: StoreError.quotaExceeded(.uploadedBytes, limit: 10)) {
            try store.addUpload("a", [UInt8](repeating: 1, count: 11), of: ada, to: library.id)
        }
        #expect(try store.contents(of: first.id).count == 6)
        _ = try store.addUpload("a", [UInt8](repeating: 1, count: 10), of: ada, to: library.id)
        #expect(try store.uploadedBytes(of: ada) == 10)
    }

    @Test(arguments: Backend.allCases) func `0 is no limit`(_ backend: Backend) throws {
        let store = try TestDatabase(backend).store { $0.maxConversations = 0; $0.maxStoredCharacters = 0; $0.maxAPIKeys = 0 }
        let ada = try store.addTestUser("ada")
        let chat = try store.createConversation("1", for: ada).id
        try store.append(NewMessage(.user, "x"), to: chat, of: ada)
        _ = try store.addAPIKey("1", hash: "1", for: ada)
    }

    @Test(arguments: Backend.allCases) func `token counts are deleted after the retention period`(_ backend: Backend) throws {
        let db = try TestDatabase(backend), store = try db.store { $0.generationRetention = .seconds(90) }
        let generation = Generation(model: "m", promptTokens: 1, answerTokens: 1, seconds: 1, reason: "stop")
        try store.record(generation)
        // More than one batch of `purge`.
        _ = try store.sql("""
            INSERT INTO generations (id, model, prompt_tokens, answer_tokens, seconds, reason, created_at)
            WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2500)
            SELECT 'g' || i, 'm', 1, 1, 1.0, 'stop', created_at FROM n, (SELECT created_at FROM generations) AS first
            """)
        db.advanceClock(by: .seconds(80))
        try store.record(generation)
        try store.purge()
        #expect(try store.admin.totals().generations == 2_502)
        db.advanceClock(by: .seconds(10))
        try db.store { $0.generationRetention = nil }.purge()
        #expect(try store.admin.totals().generations == 2_502)
        try store.purge()
        #expect(try store.admin.totals().generations == 1)
    }
}
