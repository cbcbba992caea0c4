import Store
import Testing

@Suite struct ConversationTests {
    @Test(arguments: Backend.allCases) func `the list comes page by page, the newest first, whatever is added meanwhile`(_ backend: Backend) throws {
        let place = try Place(backend), store = try place.store(), ada = try store.somebody("ada"), bob = try store.somebody("bob")
        var made: [ConversationID] = []
        for i in 0..<23 {
            made.append(try store.createConversation("chat \(i)", for: ada).0.id)
            _ = try store.createConversation("not hers", for: bob)
            if i % 3 == 0 { place.wait(.milliseconds(1)) }                     // most have the same time as another
        }
        let all = try store.conversations(of: ada, limit: 100).conversations
        #expect(Set(all.map(\.id)) == Set(made))
        let sorted = all.sorted { ($0.updatedAt, $0.id.description) > ($1.updatedAt, $1.id.description) }
        #expect(all == sorted)
        var found: [Conversation] = [], cursor: ConversationCursor?
        repeat {
            let page = try store.conversations(of: ada, after: cursor, limit: 5)
            found += page.conversations
            place.wait(.milliseconds(1))
            _ = try store.createConversation("late", for: ada)
            cursor = page.next.flatMap { ConversationCursor($0.description) }
            #expect((cursor == nil) == (found.count == 23))
        } while cursor != nil
        #expect(found == all)
    }

    @Test func `a cursor is what was given out, and nothing else`() {
        let id = ConversationID()
        for text in ["", ".", "1", "1.", ".x", "1.abc", "x.\(id)", "1.\(id).2", "1.\(id)' OR 1=1", "9999999999999999999999.\(id)"] {
            #expect(ConversationCursor(text) == nil, "\(text)")
        }
        #expect(ConversationCursor("17.\(id)")?.description == "17.\(id)")
    }

    @Test(arguments: Backend.allCases) func `a message moves its conversation up, a new title does not`(_ backend: Backend) throws {
        let place = try Place(backend), store = try place.store(), ada = try store.somebody("ada")
        let first = try store.createConversation("first", for: ada).0.id
        place.wait(.seconds(1))
        let second = try store.createConversation("second", for: ada).0.id
        place.wait(.seconds(1))
        #expect(try store.rename(first, of: ada, to: "renamed").title == "renamed")
        #expect(try store.conversations(of: ada).conversations.map(\.id) == [second, first])
        try store.append(Draft(.user, "x"), to: first, of: ada)
        #expect(try store.conversations(of: ada).conversations.map(\.title) == ["renamed", "second"])
        place.wait(.seconds(-100))                                             // the clock is set back
        try store.append(Draft(.assistant, "y"), to: first, of: ada)
        #expect(try store.conversations(of: ada).conversations.map(\.messageCount) == [2, 0])
    }

    @Test(arguments: Backend.allCases) func `search looks into titles and messages, in any letters`(_ backend: Backend) throws {
        let store = try Place(backend).store(), ada = try store.somebody("ada"), bob = try store.somebody("bob")
        let rain = try store.createConversation("Über den Regen", for: ada).0.id
        let night = try store.createConversation("night", for: ada).0.id
        let bobs = try store.createConversation("Regen", for: bob).0.id
        let question = try store.append(Draft(.user, "100% of ЖУРАВЛЬ_x?"), to: night, of: ada)
        func found(_ text: String) throws -> Set<ConversationID> { Set(try store.conversations(of: ada, containing: text).conversations.map(\.id)) }
        #expect(try found("über") == [rain] && found("REGEN") == [rain] && found("журавль_X") == [night])
        #expect(try found("0% o") == [night] && found("%") == [night] && found("_") == [night] && found("0_ o").isEmpty && found("\\").isEmpty)
        #expect(try found("") == [rain, night] && found("n") == [rain, night])
        try store.append(Draft(.user, "something else"), to: night, of: ada, replacingFrom: question.id)
        #expect(try found("журавль").isEmpty && found("SOMETHING") == [night])
        try store.delete(night, of: ada)
        #expect(try found("something").isEmpty && store.conversations(of: bob, containing: "regen").conversations.map(\.id) == [bobs])
    }

    @Test(arguments: Backend.allCases) func `what was deleted can be had back for a while, and is gone then`(_ backend: Backend) throws {
        let place = try Place(backend), store = try place.store { $0.undoWindow = .seconds(60) }, ada = try store.somebody("ada")
        let chat = try store.createConversation("chat", for: ada, question: Draft(.user, "hello")).0.id
        let other = try store.createConversation("other", for: ada).0.id
        try store.delete(chat, of: ada)
        #expect(throws: StoreError.notFound(.conversation)) { try store.conversation(chat, of: ada) }
        #expect(throws: StoreError.notFound(.conversation)) { try store.append(Draft(.user, "x"), to: chat, of: ada) }
        #expect(throws: StoreError.notFound(.conversation)) { try store.rename(chat, of: ada, to: "x") }
        #expect(try store.conversations(of: ada).conversations.map(\.id) == [other])
        place.wait(.seconds(59))
        #expect(throws: StoreError.notFound(.conversation)) { try store.delete(chat, of: ada) }
        #expect(try store.purge() == 0)
        try store.restore(chat, of: ada)
        try store.restore(chat, of: ada)
        #expect(try store.contents(of: chat, ada) == ["hello"])
        try store.delete(chat, of: ada)
        place.wait(.seconds(60))
        #expect(throws: StoreError.notFound(.conversation)) { try store.restore(chat, of: ada) }
        #expect(try store.purge() == 1 && store.purge() == 0)
        #expect(try store.sql("SELECT count(*) FROM messages") == [[.integer(0)]])
        #expect(try store.conversations(of: ada).conversations.map(\.id) == [other])
    }

    @Test(arguments: Backend.allCases) func `somebody else's conversation is not found`(_ backend: Backend) throws {
        let store = try Place(backend).store(), ada = try store.somebody("ada"), eve = try store.somebody("eve")
        let (chat, message) = try store.createConversation("chat", for: ada, question: Draft(.user, "secret"))
        let hers = try store.createConversation("hers", for: eve).0, none = StoreError.notFound(.conversation)
        for (id, user) in [(chat.id, eve), (chat.id, UserID()), (ConversationID(), ada)] {
            #expect(throws: none) { try store.conversation(id, of: user) }
            #expect(throws: none) { try store.rename(id, of: user, to: "x") }
            #expect(throws: none) { try store.delete(id, of: user) }
            #expect(throws: none) { try store.restore(id, of: user) }
            #expect(throws: none) { try store.append(Draft(.user, "x"), to: id, of: user) }
        }
        #expect(throws: StoreError.notFound(.message)) { try store.append(Draft(.user, "x"), to: hers.id, of: eve, replacingFrom: message?.id) }
        try store.delete(chat.id, of: ada)
        #expect(throws: none) { try store.restore(chat.id, of: eve) }
        try store.restore(chat.id, of: ada)
        #expect(try store.contents(of: chat.id, ada) == ["secret"] && store.conversation(hers.id, of: eve).0 == hers)
        #expect(throws: StoreError.notFound(.user)) { try store.createConversation("x", for: UserID()) }
    }
}
