import Store
import Testing

@Suite struct FeedbackTests {
    /// A question and its answer.
    private func chat(_ store: Store, _ owner: UserID) throws -> (id: ConversationID, question: MessageID, answer: MessageID) {
        let id = try store.createConversation("chat", for: owner).id
        let question = try store.append(NewMessage(.user, "2 + 2?"), to: id, of: owner)
        return (id, question.id, try store.append(NewMessage(.assistant, "5"), to: id, of: owner).id)
    }

    @Test(arguments: Backend.allCases) func `a rating can be changed and removed`(_ backend: Backend) throws {
        let store = try TestDatabase(backend).store(), ada = try store.addTestUser("ada"), chat = try chat(store, ada)
        func rating() throws -> Rating? { try store.openConversation(chat.id, of: ada).details[chat.answer]?.rating }
        #expect(try rating() == nil)
        for rated in [
            Rating(.bad), Rating(.bad, .incorrect, comment: "It is 4.\0"), Rating(.good, .accurate), Rating(.good, nil, comment: "'\";--"),
            nil, nil,
        ] {
            try store.rate(chat.answer, in: chat.id, of: ada, rated)
            #expect(try rating() == rated)
        }
        #expect(Rating(.bad, .incorrect, comment: "\0").comment == "\u{FFFD}")
    }

    @Test(arguments: Backend.allCases) func `a correction is stored beside the answer`(_ backend: Backend) throws {
        let store = try TestDatabase(backend).store(), ada = try store.addTestUser("ada"), chat = try chat(store, ada)
        func correction() throws -> String? { try store.openConversation(chat.id, of: ada).details[chat.answer]?.correction }
        for text in ["4", "It is four.\0", nil, "4"] {
            try store.correct(chat.answer, in: chat.id, of: ada, to: text)
            #expect(try correction() == text?.replacing("\0", with: "\u{FFFD}"))
            #expect(try store.contents(of: chat.id, ada) == ["2 + 2?", "5"])
        }
        // It counts towards the size, and the next prompt has it.
        #expect(try store.sql("SELECT characters FROM conversations") == [[.integer(8)]])
        let start = try store.beginAnswer(to: .newMessage(NewMessage(.user, "And 3 + 3?")), in: chat.id, of: ada)
        #expect(start.corrections == [chat.answer: "4"] && start.messages.map(\.content) == ["2 + 2?", "5", "And 3 + 3?"])
        // The original text is no correction.
        try store.correct(chat.answer, in: chat.id, of: ada, to: "5")
        #expect(try correction() == nil)
    }

    @Test(arguments: Backend.allCases) func `the sources of an answer are stored with it, and count towards the size`(
        _ backend: Backend
    ) throws {
        let store = try TestDatabase(backend).store(), ada = try store.addTestUser("ada"), id = ConversationID()
        let created = NewConversation(title: "chat", settings: ConversationSettings(documents: ["notes", "the manual"]))
        let lease = AnswerLease(answer: MessageID(), server: ServerID())
        let start = try store.beginAnswer(to: .newMessage(NewMessage(.user, "Why?")), in: id, of: ada, creating: created, taking: lease)
        #expect(try store.openConversation(id, of: ada).settings.documents == ["notes", "the manual"])
        // Also those of an answer whose server was killed.
        let unfinished = UnfinishedAnswer(
            id: lease.answer, to: start.question.id, content: "Bec", sources: #"{"a":"日"}"#, model: "m", tokens: 1, seconds: 1)
        try store.save(unfinished, in: id, of: ada)
        #expect(try store.openConversation(id, of: ada).details[lease.answer]?.sources == #"{"a":"日"}"#)
        #expect(try store.sql("SELECT characters FROM conversations") == [[.integer(4 + 3 + 9)]])
        let other = try store.append(
            NewMessage(.assistant, "So", sources: "{}"), to: id, of: ada, replacingFrom: lease.answer, answering: start.question.id)
        let all = try store.messagesWithAlternatives(of: id, of: ada).messages
        #expect(all.map(\.details.sources) == [nil, #"{"a":"日"}"#, "{}"] && all.last?.message.id == other.id)
        #expect(try store.sql("SELECT characters FROM conversations") == [[.integer(4 + 3 + 9 + 2 + 2)]])
        _ = try store.update(id, of: ada) { $0.documents = [] }
        #expect(try store.settings(of: id, of: ada).documents == [])
    }

    @Test(arguments: Backend.allCases) func `only answers of one's own conversations are rated and corrected`(_ backend: Backend) throws {
        let store = try TestDatabase(backend).store(), ada = try store.addTestUser("ada"), eve = try store.addTestUser("eve")
        let chat = try chat(store, ada), other = try self.chat(store, ada)
        func check(_ message: MessageID, _ conversation: ConversationID, _ user: UserID, _ error: StoreError) {
            #expect(throws: error) { try store.rate(message, in: conversation, of: user, Rating(.good)) }
            #expect(throws: error) { try store.correct(message, in: conversation, of: user, to: "x") }
        }
        check(chat.answer, chat.id, eve, .notFound(.conversation))
        check(chat.answer, other.id, ada, .notFound(.message))
        check(chat.question, chat.id, ada, .notFound(.message))
        check(MessageID(), chat.id, ada, .notFound(.message))
        // Also when it is an alternative at the moment.
        try store.append(NewMessage(.user, "edited"), to: chat.id, of: ada, replacingFrom: chat.question)
        try store.rate(chat.answer, in: chat.id, of: ada, Rating(.bad))
        #expect(try store.sql("SELECT count(*) FROM ratings") == [[.integer(1)]])
        try store.delete(chat.id, of: ada)
        check(chat.answer, chat.id, ada, .notFound(.conversation))
    }

    @Test(arguments: Backend.allCases) func `corrections are limited like other text`(_ backend: Backend) throws {
        let db = try TestDatabase(backend), store = try db.store { $0.maxCharacters = 20; $0.maxStoredCharacters = 30 }
        let ada = try store.addTestUser("ada"), chat = try chat(store, ada), other = try self.chat(store, ada)
        try store.correct(chat.answer, in: chat.id, of: ada, to: String(repeating: "4", count: 13))
        #expect(throws: StoreError.conversationFull(limit: 20)) {
            try store.correct(chat.answer, in: chat.id, of: ada, to: String(repeating: "4", count: 14))
        }
        #expect(throws: StoreError.quotaExceeded(.storedCharacters, limit: 30)) {
            try store.correct(other.answer, in: other.id, of: ada, to: "four")
        }
        #expect(try store.openConversation(chat.id, of: ada).details[chat.answer]?.correction?.count == 13)
        try store.correct(chat.answer, in: chat.id, of: ada, to: nil)
        try store.correct(other.answer, in: other.id, of: ada, to: "four")
    }

    @Test(arguments: Backend.allCases) func `feedback is deleted with the conversation and with the account`(_ backend: Backend) throws {
        let db = try TestDatabase(backend), store = try db.store(), ada = try store.addTestUser("ada"), bob = try store.addTestUser("bob")
        for owner in [ada, ada, bob] {
            let chat = try chat(store, owner)
            try store.rate(chat.answer, in: chat.id, of: owner, Rating(.bad))
            try store.correct(chat.answer, in: chat.id, of: owner, to: "4")
            try store.append(NewMessage(.assistant, "4"), to: chat.id, of: owner, replacingFrom: chat.answer, answering: chat.question)
            try store.activate(chat.answer, in: chat.id, of: owner)
        }
        func counts() throws -> [[[SQLValue]]] {
            try ["ratings", "corrections", "preferences"].map { try store.sql("SELECT count(*) FROM \($0)") }
        }
        func all(_ count: Int) -> [[[SQLValue]]] { Array(repeating: [[count.sql]], count: 3) }
        #expect(try counts() == all(3))
        try store.delete(try #require(try store.conversations(of: ada).conversations.first).id, of: ada)
        db.advanceClock(by: .seconds(1_000))
        try store.purge()
        #expect(try counts() == all(2))
        try store.deleteUser(ada)
        #expect(try counts() == all(1))
    }
}
