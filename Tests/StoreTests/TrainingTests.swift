import Store
import Testing

/// Consent, and what may be used for training.
@Suite struct TrainingTests {
    private func chat(_ store: Store, _ owner: UserID, _ question: String = "2 + 2?") throws -> ConversationID {
        let id = try store.createConversation("chat", for: owner, question: NewMessage(.user, question)).id
        let generation = Generation(model: "tiny", promptTokens: 1, answerTokens: 1, seconds: 1, reason: "stop")
        try store.append(NewMessage(.assistant, "5"), to: id, of: owner, generation: generation)
        return id
    }

    private func ids(_ store: Store) throws -> Set<ConversationID> {
        Set(try store.trainingConversations().conversations.map(\.conversation.id))
    }

    @Test(arguments: Backend.allCases) func `only chats with the notice are used, if not left out`(_ backend: Backend) throws {
        let db = try TestDatabase(backend), silent = try db.store(), store = try db.store { $0.showsTrainingNotice = true }
        let ada = try store.addTestUser("ada"), bob = try store.addTestUser("bob")
        let before = try chat(silent, ada), first = try chat(store, ada), second = try chat(store, ada), bobs = try chat(store, bob)
        _ = try store.createConversation("empty", for: ada)
        #expect(try ids(store) == [first, second, bobs])
        // Continuing an earlier chat does not add its messages of the time before.
        try store.append(NewMessage(.user, "And now?"), to: before, of: ada)
        #expect(try ids(store) == [first, second, bobs])
        let changed = try store.update(first, of: ada) { $0.isExcludedFromTraining = true }
        #expect(changed.1.isExcludedFromTraining && changed.0.title == "chat")
        #expect(try ids(store) == [second, bobs] && store.openConversation(first, of: ada).settings.isExcludedFromTraining)
        try store.setExcludedFromTraining(bob, to: true)
        #expect(try ids(store) == [second] && store.isExcludedFromTraining(bob) && !store.isExcludedFromTraining(ada))
        try store.delete(second, of: ada)
        #expect(try ids(store).isEmpty)
        try store.restore(second, of: ada)
        try store.setExcludedFromTraining(bob, to: false)
        _ = try store.update(first, of: ada) { $0.isExcludedFromTraining = false }
        #expect(try ids(store) == [first, second, bobs])
        try store.deleteUser(ada)
        #expect(try ids(store) == [bobs])
        #expect(throws: StoreError.notFound(.user)) { try store.setExcludedFromTraining(ada, to: true) }
        #expect(throws: StoreError.notFound(.user)) { try store.isExcludedFromTraining(ada) }
    }

    @Test(arguments: Backend.allCases) func `a conversation has all its branches with feedback`(_ backend: Backend) throws {
        let db = try TestDatabase(backend), store = try db.store { $0.showsTrainingNotice = true }, ada = try store.addTestUser("ada")
        let id = try chat(store, ada), messages = try store.conversation(id, of: ada).1
        _ = try store.update(id, of: ada, title: "sum") { $0.systemPrompt = "Be exact."; $0.model = "tiny:exact" }
        let better = try store.append(
            NewMessage(.assistant, "4"), to: id, of: ada, replacingFrom: messages[1].id, answering: messages[0].id)
        try store.append(NewMessage(.user, "Thanks"), to: id, of: ada)
        try store.rate(messages[1].id, in: id, of: ada, Rating(.bad, .incorrect, comment: "no"))
        try store.correct(messages[1].id, in: id, of: ada, to: "four")
        let found = try #require(try store.trainingConversations().conversations.first)
        #expect(found.conversation.title == "sum" && found.owner == ada)
        #expect(found.settings == ConversationSettings(systemPrompt: "Be exact.", model: "tiny:exact"))
        #expect(found.messages.map(\.message.content) == ["2 + 2?", "5", "4", "Thanks"])
        #expect(found.messages.map(\.isActive) == [true, false, true, true])
        #expect(found.messages.map(\.previous) == [nil, messages[0].id, messages[0].id, better.id])
        let details = MessageDetails(
            alternatives: [messages[1].id, better.id], rating: Rating(.bad, .incorrect, comment: "no"), correction: "four", model: "tiny")
        #expect(found.messages[1].details == details && found.messages[0].details == MessageDetails())
        let preference = try #require(found.preferences.first)
        #expect(preference.chosen == better.id && preference.rejected == [messages[1].id] && preference.question == messages[0].id)
        #expect(try store.messagesWithAlternatives(of: id, of: ada).messages == found.messages)
        let eve = try store.addTestUser("eve")
        #expect(throws: StoreError.notFound(.conversation)) { try store.messagesWithAlternatives(of: id, of: eve) }
    }

    @Test(arguments: Backend.allCases) func `pages have each conversation once`(_ backend: Backend) throws {
        let store = try TestDatabase(backend).store { $0.showsTrainingNotice = true }, ada = try store.addTestUser("ada")
        let all = try (0..<7).map { try chat(store, ada, "\($0)") }
        var found: [ConversationID] = [], next: ConversationID?
        repeat {
            let page = try store.trainingConversations(after: next, limit: 3)
            found += page.conversations.map(\.conversation.id)
            next = page.next
        } while next != nil
        #expect(found.count == 7 && Set(found) == Set(all))
    }

    @Test(arguments: Backend.allCases) func `chats that are left out or deleted are not exported`(_ backend: Backend) throws {
        let db = try TestDatabase(backend), store = try db.store(), ada = try store.addTestUser("ada"), bob = try store.addTestUser("bob")
        let first = try chat(store, ada), second = try chat(store, ada), bobs = try chat(store, bob)
        func line(_ text: String) -> CollectedChat {
            CollectedChat(at: Timestamp(milliseconds: 0), history: "", question: text, answer: "a")
        }
        func exported() throws -> [String] {
            var questions: [String] = [], last: Int? = 0
            while let number = last {
                let page = try store.collectedChats(after: number, limit: 2)
                questions += page.chats.map(\.question)
                last = page.last
            }
            #expect(try store.collectedChatCount() == questions.count && store.collectedChats().last == nil)
            return questions
        }
        #expect(try store.collect(line("guest"), of: nil) && store.collect(line("1"), of: ada, in: first))
        #expect(try store.collect(line("2"), of: ada, in: second) && store.collect(line("bob"), of: bob, in: bobs))
        #expect(try store.collect(line("earlier version"), of: ada))
        _ = try store.update(first, of: ada) { $0.isExcludedFromTraining = true }
        #expect(try !store.collect(line("1b"), of: ada, in: first) && exported() == ["guest", "2", "bob", "earlier version"])
        try store.setExcludedFromTraining(bob, to: true)
        #expect(try !store.collect(line("bob 2"), of: bob, in: bobs) && exported() == ["guest", "2", "earlier version"])
        try store.delete(second, of: ada)
        #expect(try !store.collect(line("2b"), of: ada, in: second) && exported() == ["guest", "earlier version"])
        try store.setExcludedFromTraining(bob, to: false)
        #expect(try exported() == ["guest", "bob", "earlier version"])
        db.advanceClock(by: .seconds(1_000))
        try store.purge()
        #expect(try store.sql("SELECT count(*) FROM collected_chats WHERE question = '2'") == [[.integer(0)]])
        try store.deleteUser(ada)
        #expect(try exported() == ["guest", "bob"])
    }

    @Test(arguments: Backend.allCases) func `a conversation is created with its settings`(_ backend: Backend) throws {
        let store = try TestDatabase(backend).store(), ada = try store.addTestUser("ada"), eve = try store.addTestUser("eve")
        let id = ConversationID(), settings = ConversationSettings(systemPrompt: "Rhyme.", model: "m", isExcludedFromTraining: true)
        let start = try store.beginAnswer(
            to: .newMessage(NewMessage(.user, "Hi")), in: id, of: ada, creating: NewConversation(title: "t", settings: settings))
        #expect(try store.settings(of: id, of: ada) == settings && start.conversation.title == "t")
        _ = try store.beginAnswer(to: .newMessage(NewMessage(.user, "Ho")), in: id, of: ada, model: "n")
        let changed = try store.settings(of: id, of: ada)
        #expect(changed.model == "n" && changed.systemPrompt == "Rhyme.")
        #expect(throws: StoreError.notFound(.conversation)) { try store.update(id, of: eve) { $0.systemPrompt = "x" } }
        #expect(throws: StoreError.notFound(.conversation)) { try store.settings(of: id, of: eve) }
        #expect(throws: StoreError.notFound(.conversation)) {
            try store.beginAnswer(to: .newMessage(NewMessage(.user, "Hi")), in: id, of: eve, model: "x")
        }
        #expect(try store.settings(of: id, of: ada) == changed)
    }
}
