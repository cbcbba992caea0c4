import Store
import Testing

@Suite struct ConversationTests {
    @Test(arguments: Backend.allCases)
    func `pages list conversations newest first, even if others are added meanwhile`(_ backend: Backend) throws {
        let db = try TestDatabase(backend), store = try db.store(), ada = try store.addTestUser("ada"), bob = try store.addTestUser("bob")
        var made: [ConversationID] = []
        for i in 0..<23 {
            made.append(try store.createConversation("chat \(i)", for: ada).id)
            _ = try store.createConversation("not hers", for: bob)
            if i % 3 == 0 { db.advanceClock(by: .milliseconds(1)) }                     // most share their time with another
        }
        let all = try store.conversations(of: ada, limit: 100).conversations
        #expect(Set(all.map(\.id)) == Set(made))
        let sorted = all.sorted { ($0.updatedAt, $0.id.description) > ($1.updatedAt, $1.id.description) }
        #expect(all == sorted)
        var found: [StoredConversation] = [], cursor: ConversationCursor?
        repeat {
            let page = try store.conversations(of: ada, after: cursor, limit: 5)
            found += page.conversations
            db.advanceClock(by: .milliseconds(1))
            _ = try store.createConversation("late", for: ada)
            cursor = page.next.flatMap { ConversationCursor($0.description) }
            #expect((cursor == nil) == (found.count == 23))
        } while cursor != nil
        #expect(found == all)
    }

    @Test func `malformed cursors are rejected`() {
        let id = ConversationID()
        for text in ["", ".", "1", "1.", ".x", "1.abc", "x.\(id)", "1.\(id).2", "1.\(id)' OR 1=1", "9999999999999999999999.\(id)"] {
            #expect(ConversationCursor(text) == nil, "\(text)")
        }
        #expect(ConversationCursor("17.\(id)")?.description == "17.\(id)")
    }

    @Test(arguments: Backend.allCases) func `a message moves its conversation to the top, renaming does not`(_ backend: Backend) throws {
        let db = try TestDatabase(backend), store = try db.store(), ada = try store.addTestUser("ada")
        let first = try store.createConversation("first", for: ada).id
        db.advanceClock(by: .seconds(1))
        let second = try store.createConversation("second", for: ada).id
        db.advanceClock(by: .seconds(1))
        #expect(try store.update(first, of: ada, title: "renamed") { _ in }.0.title == "renamed")
        #expect(try store.conversations(of: ada).conversations.map(\.id) == [second, first])
        try store.append(NewMessage(.user, "x"), to: first, of: ada)
        #expect(try store.conversations(of: ada).conversations.map(\.title) == ["renamed", "second"])
        db.advanceClock(by: .seconds(-100))                                             // set the clock back
        try store.append(NewMessage(.assistant, "y"), to: first, of: ada)
        #expect(try store.conversations(of: ada).conversations.map(\.messageCount) == [2, 0])
    }

    @Test(arguments: Backend.allCases) func `search covers titles and messages, ignoring case`(_ backend: Backend) throws {
        let store = try TestDatabase(backend).store(), ada = try store.addTestUser("ada"), bob = try store.addTestUser("bob")
        let rain = try store.createConversation("Über den Regen", for: ada).id
        let night = try store.createConversation("night", for: ada).id
        let bobs = try store.createConversation("Regen", for: bob).id
        let question = try store.append(NewMessage(.user, "100% of ЖУРАВЛЬ_x?"), to: night, of: ada)
        func found(_ text: String) throws -> Set<ConversationID> {
            Set(try store.conversations(of: ada, containing: text).conversations.map(\.id))
        }
        #expect(try found("über") == [rain] && found("REGEN") == [rain] && found("журавль_X") == [night])
        #expect(try found("0% o") == [night] && found("%") == [night] && found("_") == [night])
        #expect(try found("0_ o").isEmpty && found("\\").isEmpty)
        #expect(try found("") == [rain, night] && found("n") == [rain, night])
        try store.append(NewMessage(.user, "something else"), to: night, of: ada, replacingFrom: question.id)
        #expect(try found("журавль").isEmpty && found("SOMETHING") == [night])
        try store.delete(night, of: ada)
        #expect(try found("something").isEmpty && store.conversations(of: bob, containing: "regen").conversations.map(\.id) == [bobs])
    }

    @Test(arguments: Backend.allCases) func `a deleted conversation can be restored until the undo window ends`(_ backend: Backend) throws {
        let db = try TestDatabase(backend), store = try db.store { $0.deletedRetention = .seconds(60) }, ada = try store.addTestUser("ada")
        let chat = try store.createConversation("chat", for: ada, question: NewMessage(.user, "hello")).id
        let other = try store.createConversation("other", for: ada).id
        try store.delete(chat, of: ada)
        #expect(throws: StoreError.notFound(.conversation)) { try store.conversation(chat, of: ada) }
        #expect(throws: StoreError.notFound(.conversation)) { try store.append(NewMessage(.user, "x"), to: chat, of: ada) }
        #expect(throws: StoreError.notFound(.conversation)) { try store.update(chat, of: ada, title: "x") { _ in } }
        #expect(try store.conversations(of: ada).conversations.map(\.id) == [other])
        db.advanceClock(by: .seconds(59))
        #expect(throws: StoreError.notFound(.conversation)) { try store.delete(chat, of: ada) }
        #expect(try store.purge() == 0)
        try store.restore(chat, of: ada)
        try store.restore(chat, of: ada)
        #expect(try store.contents(of: chat, ada) == ["hello"])
        try store.delete(chat, of: ada)
        db.advanceClock(by: .seconds(60))
        #expect(throws: StoreError.notFound(.conversation)) { try store.restore(chat, of: ada) }
        #expect(try store.purge() == 1 && store.purge() == 0)
        #expect(try store.sql("SELECT count(*) FROM messages") == [[.integer(0)]])
        #expect(try store.conversations(of: ada).conversations.map(\.id) == [other])
    }

    @Test(arguments: Backend.allCases) func `a conversation of another user is not found`(_ backend: Backend) throws {
        let store = try TestDatabase(backend).store(), ada = try store.addTestUser("ada"), eve = try store.addTestUser("eve")
        let chat = try store.createConversation("chat", for: ada)
        let message = try store.append(NewMessage(.user, "secret"), to: chat.id, of: ada)
        let hers = try store.createConversation("hers", for: eve), notFound = StoreError.notFound(.conversation)
        for (id, user) in [(chat.id, eve), (chat.id, UserID()), (ConversationID(), ada)] {
            #expect(throws: notFound) { try store.conversation(id, of: user) }
            #expect(throws: notFound) { try store.update(id, of: user, title: "x") { _ in } }
            #expect(throws: notFound) { try store.delete(id, of: user) }
            #expect(throws: notFound) { try store.restore(id, of: user) }
            #expect(throws: notFound) { try store.append(NewMessage(.user, "x"), to: id, of: user) }
        }
        #expect(throws: StoreError.notFound(.message)) {
            try store.append(NewMessage(.user, "x"), to: hers.id, of: eve, replacingFrom: message.id)
        }
        try store.delete(chat.id, of: ada)
        #expect(throws: notFound) { try store.restore(chat.id, of: eve) }
        try store.restore(chat.id, of: ada)
        #expect(try store.contents(of: chat.id, ada) == ["secret"] && store.conversation(hers.id, of: eve).0 == hers)
        #expect(throws: StoreError.notFound(.user)) { try store.createConversation("x", for: UserID()) }
    }
}
