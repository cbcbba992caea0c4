import Foundation
import Store
import TestSupport
import Testing
import Threads

@Suite struct SearchTests {
    /// Searches with the index from the second conversation on, and compares with a plain comparison of all texts.
    @Test(arguments: Backend.allCases) func `the index finds what a comparison of all texts finds`(_ backend: Backend) throws {
        let db = try TestDatabase(backend), store = try db.store { $0.conversationsReadFirst = 1 }
        let ada = try store.addTestUser("ada"), bob = try store.addTestUser("bob")
        let parts = [
            "rain", "Rain ", "snow", "\"quo", "te\"", "100%", "_x_", "a\\b", "Ü", "ber", "日本語", "本の", "👩‍🚀", "ЖУК ", "'", " ",
            "OR", "*", "\n",
        ]
        var random = TestRandom(31), chats: [(id: ConversationID, texts: [String])] = []
        func text() -> String { (0...random.below(5)).map { _ in parts[random.below(parts.count)] }.joined() }
        for i in 0..<60 {
            let title = text(), messages = (0..<random.below(4)).map { _ in text() }
            let id = try store.createConversation(title, for: i % 4 == 0 ? bob : ada).id
            for message in messages { try store.append(NewMessage(.assistant, message), to: id, of: i % 4 == 0 ? bob : ada) }
            if i % 4 != 0 { chats.append((id, [title] + messages)) }
            db.advanceClock(by: .milliseconds(1))
        }
        var hits = 0
        for _ in 0..<150 {
            let part = text()
            let expected = chats.reversed().filter { $0.texts.contains { $0.lowercased().contains(part.lowercased()) } }.map(\.id)
            var found: [ConversationID] = [], cursor: ConversationCursor?
            repeat {
                let page = try store.conversations(of: ada, containing: part, after: cursor, limit: 7)
                found += page.conversations.map(\.id)
                cursor = page.next
            } while cursor != nil
            #expect(found == expected, "\(part)")
            hits += found.count
        }
        #expect(hits > 200)
    }

    @Test(arguments: Backend.allCases) func `replaced, deleted and restored messages are searched like others`(_ backend: Backend) throws {
        let db = try TestDatabase(backend), store = try db.store { $0.conversationsReadFirst = 1 }, ada = try store.addTestUser("ada")
        let chat = try store.createConversation("first", for: ada).id
        let question = try store.append(NewMessage(.user, "umbrella"), to: chat, of: ada)
        db.advanceClock(by: .seconds(1))
        _ = try store.createConversation("newer, so that the index is used", for: ada)
        func found(_ text: String) throws -> Int { try store.conversations(of: ada, containing: text).conversations.count }
        #expect(try found("mbrell") == 1)
        try store.append(NewMessage(.user, "raincoat"), to: chat, of: ada, replacingFrom: question.id)
        _ = try store.sql("UPDATE conversations SET updated_at = 1 WHERE id = $1", chat)
        #expect(try found("mbrell") == 0 && found("aincoa") == 1)
        try store.delete(chat, of: ada)
        #expect(try found("aincoa") == 0)
        try store.restore(chat, of: ada)
        #expect(try found("aincoa") == 1)
        // Changes by another program are in the index after the next write.
        _ = try store.sql("UPDATE messages SET content = 'galoshes' WHERE content = 'raincoat'")
        try store.purge()
        #expect(try found("aincoa") == 0 && found("alosh") == 1)
    }

    /// The trigram is the first entry of the index, so a page contains it whole.
    @Test func `the index of SQLite keeps nothing of a deleted message`() throws {
        let folder = TemporaryFolder(in: TemporaryFolder.inMemory)
        let store = try Store("sqlite:" + folder("chat.db"))
        let ada = try store.addTestUser("ada"), bob = try store.addTestUser("bob")
        let chat = try store.createConversation("title", for: ada, question: NewMessage(.user, "\u{1}#\u{1}")).id
        _ = try store.createConversation("title", for: bob, question: NewMessage(.user, "\u{1}$\u{1}"))
        func isInFiles(_ text: String) throws -> Bool {
            store.close()
            return try folder.names.contains { try Data(contentsOf: URL(filePath: folder($0))).range(of: Data(text.utf8)) != nil }
        }
        #expect(try isInFiles("\u{1}#\u{1}") && isInFiles("\u{1}$\u{1}"))
        _ = try store.sql("UPDATE conversations SET deleted_at = 0 WHERE id = $1", chat)
        try store.deleteUser(bob)
        #expect(try store.purge() == 1)
        #expect(try store.sql("SELECT count(*) FROM search_changes") == [[.integer(0)]])
        #expect(try !isInFiles("\u{1}#\u{1}") && !isInFiles("\u{1}$\u{1}"))
    }

    @Test func `the index of SQLite is rewritten at most once a day`() throws {
        let db = try TestDatabase(.sqlite), store = try db.store { $0.deletedRetention = .zero }, ada = try store.addTestUser("ada")
        func deleteChat() throws {
            let chat = try store.createConversation("Rain", for: ada, question: NewMessage(.user, "umbrella")).id
            try store.purge()                                    // adds it to the index
            try store.delete(chat, of: ada)
            db.advanceClock(by: .seconds(1))
            #expect(try store.purge() == 1)
        }
        func isWaiting() throws -> Bool { try store.setting("search_index_deletions") != nil }
        try deleteChat()
        #expect(try !isWaiting())
        try deleteChat()
        #expect(try isWaiting())
        db.advanceClock(by: .seconds(86_400))
        try store.purge()
        #expect(try !isWaiting())
    }

    @Test(arguments: Backend.allCases) func `a search that takes too long is canceled`(_ backend: Backend) throws {
        let db = try TestDatabase(backend), ada = try db.store().addTestUser("ada")
        let store = try db.store { $0.searchTimeout = .milliseconds(5) }
        let chat = try store.createConversation("long", for: ada).id
        // Two letters have no trigram, so all the texts are read.
        _ = try store.sql("""
            INSERT INTO messages (id, conversation_id, position, role, content, created_at, ordinal)
            WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000)
            SELECT 'm' || i, $1, i, 'user', $2, i, i FROM n
            """, chat, String(repeating: "rain ", count: 100))
        for _ in 0..<3 {
            let error = #expect(throws: StoreError.self) { try store.conversations(of: ada, containing: "zz") }
            guard case .queryTimeout? = error else { Issue.record("\(String(describing: error))"); return }
            #expect(try store.conversations(of: ada).conversations.map(\.id) == [chat])
        }
        #expect(try db.store { $0.searchTimeout = .seconds(60) }.conversations(of: ada, containing: "zz").conversations.isEmpty)
    }

    @Test(arguments: Backend.allCases) func `searches that hang do not delay other calls`(_ backend: Backend) throws {
        let store = try TestDatabase(backend).store { $0.connections = 1; $0.timeout = .seconds(2) }
        let ada = try store.addTestUser("ada"), began = Mailbox<Void>(), end = Mailbox<Void>(), ended = Mailbox<Bool>()
        for _ in 0..<2 {
            try BackgroundThread.run {
                let result: Result<Void, StoreError> = Result { () throws(StoreError) in
                    try store.database.transaction(.search) { _ throws(StoreError) in
                        began.put(())
                        end.take()
                    }
                }
                if case .success = result { ended.put(true) } else { ended.put(false) }
            }
        }
        for _ in 0..<2 { began.take() }
        let chat = try store.createConversation("rain", for: ada).id
        #expect(try store.conversations(of: ada).conversations.map(\.id) == [chat])
        let error = #expect(throws: StoreError.self) { try store.conversations(of: ada, containing: "rain") }
        guard case .busy? = error else { Issue.record("\(String(describing: error))"); return }
        for _ in 0..<2 { end.put(()) }
        for _ in 0..<2 { #expect(ended.take(within: .seconds(10)) == true) }
        #expect(try store.conversations(of: ada, containing: "rain").conversations.map(\.id) == [chat])
    }

    /// A role without the right to create extensions.
    @Test func `without the index, PostgreSQL reads the conversations`() throws {
        let db = try TestDatabase(.postgresql), store = try db.store { $0.conversationsReadFirst = 1 }, ada = try store.addTestUser("ada")
        for i in 0..<3 { _ = try store.createConversation("\(i)", for: ada, question: NewMessage(.user, "umbrella \(i)")) }
        _ = try store.sql("DROP INDEX messages_search")
        #expect(try store.conversations(of: ada, containing: "BRELLA 1").conversations.map(\.title) == ["1"])
    }
}
