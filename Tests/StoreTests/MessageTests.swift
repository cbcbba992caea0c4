import Store
import Synchronization
import Testing

@Suite struct MessageTests {
    @Test(arguments: Backend.allCases) func `messages are returned unchanged and in order`(_ backend: Backend) throws {
        let db = try TestDatabase(backend), store = try db.store { $0.maxCharacters = 4_000_000 }, ada = try store.addTestUser("ada")
        let texts = ["", " ", "a\nb\r\n\tc", "'\"\\;--", "$1 ?1 :x %s", "🧑‍🚀 é e\u{301} שלום", "<script>", "\u{FFFD}",
                     String(repeating: "x", count: 3_000_000)]
        let chat = try store.createConversation(texts[3], for: ada)
        var expected = [try store.append(NewMessage(.system, "be kind"), to: chat.id, of: ada)]
        for (i, text) in texts.enumerated() {
            expected.append(try store.append(NewMessage(i % 2 == 0 ? .user : .assistant, text), to: chat.id, of: ada))
        }
        let (read, messages) = try db.store().conversation(chat.id, of: ada)
        let isSame = messages == expected
        #expect(isSame && read.messageCount == texts.count + 1 && read.title == texts[3] && messages[0].role == .system)
        try store.append(NewMessage(.user, "a\0b"), to: chat.id, of: ada)
        #expect(try store.contents(of: chat.id, ada).last == "a\u{FFFD}b")
    }

    @Test(arguments: Backend.allCases) func `a message that is appended twice with the same id is stored once`(_ backend: Backend) throws {
        let db = try TestDatabase(backend), store = try db.store(), ada = try store.addTestUser("ada")
        let chat = try store.createConversation("chat", for: ada).id, id = MessageID()
        let message = try store.append(NewMessage(.user, "hello\0"), as: id, to: chat, of: ada)
        db.advanceClock(by: .seconds(9))
        #expect(try store.append(NewMessage(.user, "hello\0"), as: id, to: chat, of: ada) == message)
        #expect(try store.conversation(chat, of: ada).1 == [message] && store.admin.totals().messages == 1)
        try store.append(NewMessage(.user, "twice"), to: chat, of: ada)
        try store.append(NewMessage(.user, "twice"), to: chat, of: ada)
        #expect(try store.contents(of: chat, ada) == ["hello\u{FFFD}", "twice", "twice"])
    }

    @Test(arguments: Backend.allCases)
    func `a conversation that is created twice with the same id is stored once`(_ backend: Backend) throws {
        let store = try TestDatabase(backend).store(), ada = try store.addTestUser("ada"), bob = try store.addTestUser("bob")
        let id = ConversationID()
        let first = try store.createConversation("rain", as: id, for: ada)
        #expect(try store.createConversation("rain", as: id, for: ada) == first && first.id == id)
        #expect(throws: StoreError.notFound(.conversation)) { try store.createConversation("rain", as: id, for: bob) }
        #expect(try store.admin.totals().conversations == 1)
    }

    @Test(arguments: Backend.allCases) func `appendAndRead returns the conversation with the new message last`(_ backend: Backend) throws {
        let store = try TestDatabase(backend).store { $0.maxCharacters = 20 }
        let ada = try store.addTestUser("ada"), eve = try store.addTestUser("eve")
        let chat = try store.createConversation("chat", for: ada, question: NewMessage(.user, "q1")).id
        try store.append(NewMessage(.assistant, "a1"), to: chat, of: ada)
        let (conversation, messages) = try store.appendAndRead(NewMessage(.user, "q2\0"), to: chat, of: ada)
        let read = try store.conversation(chat, of: ada)
        #expect(messages.map(\.content) == ["q1", "a1", "q2\u{FFFD}"] && messages == read.1)
        #expect(conversation == read.0 && conversation.messageCount == 3)
        let edited = try store.appendAndRead(NewMessage(.user, "q1'"), to: chat, of: ada, replacingFrom: messages[0].id)
        #expect(edited.1.map(\.content) == ["q1'"] && edited.0.messageCount == 1)
        #expect(throws: StoreError.notFound(.message)) {
            try store.appendAndRead(NewMessage(.user, "x"), to: chat, of: ada, replacingFrom: messages[2].id)
        }
        #expect(throws: StoreError.notFound(.conversation)) { try store.appendAndRead(NewMessage(.user, "x"), to: chat, of: eve) }
        #expect(throws: StoreError.conversationFull(limit: 20)) {
            try store.appendAndRead(NewMessage(.user, String(repeating: "x", count: 18)), to: chat, of: ada)
        }
        #expect(try store.contents(of: chat, ada) == ["q1'"])
    }

    @Test(arguments: Backend.allCases) func `appendAndRead can create the conversation`(_ backend: Backend) throws {
        let store = try TestDatabase(backend).store(), ada = try store.addTestUser("ada"), id = ConversationID()
        let (conversation, messages) = try store.appendAndRead(NewMessage(.user, "why?"), to: id, of: ada, creating: "rain")
        #expect(conversation.id == id && conversation.title == "rain" && messages.map(\.content) == ["why?"])
        #expect(try store.conversation(id, of: ada) == (conversation, messages))
        #expect(throws: StoreError.notFound(.user)) {
            try store.appendAndRead(NewMessage(.user, "why?"), to: ConversationID(), of: UserID(), creating: "rain")
        }
        #expect(try store.admin.totals().conversations == 1)
    }

    @Test(arguments: Backend.allCases) func `an answer belongs to the question that it was generated for`(_ backend: Backend) throws {
        let store = try TestDatabase(backend).store(), ada = try store.addTestUser("ada")
        let chat = try store.createConversation("chat", for: ada).id
        let first = try store.append(NewMessage(.user, "q1"), to: chat, of: ada)
        let second = try store.append(NewMessage(.user, "q2"), to: chat, of: ada)
        #expect(try store.append(NewMessage(.assistant, "a1"), to: chat, of: ada, answering: first.id).parent == first.id)
        #expect(try store.append(NewMessage(.assistant, "a2"), to: chat, of: ada).parent == second.id)
        #expect(try store.conversation(chat, of: ada).1.map(\.parent) == [nil, nil, first.id, second.id])
    }

    @Test(arguments: Backend.allCases)
    func `a full conversation rejects user messages but accepts answers`(_ backend: Backend) throws {
        let store = try TestDatabase(backend).store { $0.maxCharacters = 10 }, ada = try store.addTestUser("ada")
        let chat = try store.createConversation("chat", for: ada, question: NewMessage(.user, "äöüßé")).id
        try store.append(NewMessage(.user, "12345"), to: chat, of: ada)
        #expect(throws: StoreError.conversationFull(limit: 10)) { try store.append(NewMessage(.user, "6"), to: chat, of: ada) }
        let answer = try store.append(NewMessage(.assistant, String(repeating: "a", count: 100)), to: chat, of: ada)
        #expect(throws: StoreError.conversationFull(limit: 10)) { try store.append(NewMessage(.user, ""), to: chat, of: ada) }
        #expect(try store.conversation(chat, of: ada).1.last == answer && store.conversation(chat, of: ada).0.messageCount == 3)
    }

    @Test(arguments: Backend.allCases) func `an edited message takes the place of all later messages, too`(_ backend: Backend) throws {
        let db = try TestDatabase(backend), store = try db.store { $0.deletedRetention = .seconds(60) }, ada = try store.addTestUser("ada")
        let chat = try store.createConversation("chat", for: ada).id
        let messages = try ["q1", "a1", "q2", "a2"].enumerated().map {
            try store.append(NewMessage($0 % 2 == 0 ? .user : .assistant, $1), to: chat, of: ada)
        }
        let edited = try store.append(NewMessage(.user, "q2'"), to: chat, of: ada, replacingFrom: messages[2].id)
        #expect(try store.contents(of: chat, ada) == ["q1", "a1", "q2'"])
        #expect(try store.append(NewMessage(.user, "q2'"), as: edited.id, to: chat, of: ada, replacingFrom: messages[2].id) == edited)
        #expect(throws: StoreError.notFound(.message)) {
            try store.append(NewMessage(.user, "late"), to: chat, of: ada, replacingFrom: messages[2].id)
        }
        #expect(throws: StoreError.notFound(.message)) {
            try store.append(NewMessage(.user, "wrong role"), to: chat, of: ada, replacingFrom: messages[1].id)
        }
        // A message that is appended again stays off the active path.
        #expect(try store.append(NewMessage(.user, "q2"), as: messages[2].id, to: chat, of: ada) == messages[2])
        try store.append(NewMessage(.assistant, "a2'"), to: chat, of: ada)
        #expect(try store.contents(of: chat, ada) == ["q1", "a1", "q2'", "a2'"] && store.conversation(chat, of: ada).0.messageCount == 4)
        #expect(try store.sql("SELECT count(*) FROM messages") == [[.integer(6)]])
        db.advanceClock(by: .seconds(60))
        try store.purge()
        #expect(try store.sql("SELECT count(*) FROM messages") == [[.integer(6)]])
        #expect(try store.contents(of: chat, ada) == ["q1", "a1", "q2'", "a2'"])
    }

    @Test(arguments: Backend.allCases) func `token counts of deleted answers are kept`(_ backend: Backend) throws {
        let db = try TestDatabase(backend), store = try db.store(), ada = try store.addTestUser("ada")
        let chat = try store.createConversation("chat", for: ada, question: NewMessage(.user, "q")).id
        let generation = Generation(model: "tiny", promptTokens: 12, answerTokens: 30, seconds: 0.125, reason: "stop")
        let answer = MessageID()
        for _ in 0..<2 { try store.append(NewMessage(.assistant, "a"), as: answer, to: chat, of: ada, generation: generation) }
        try store.record(Generation(model: "tiny", promptTokens: 5, answerTokens: 0, seconds: 1e-9, reason: "stopped"))
        let rows = try store.sql("SELECT model, prompt_tokens, answer_tokens, seconds, reason FROM generations ORDER BY prompt_tokens DESC")
        #expect(rows == [
            [.text("tiny"), .integer(12), .integer(30), .real(0.125), .text("stop")],
            [.text("tiny"), .integer(5), .integer(0), .real(1e-9), .text("stopped")],
        ])
        try store.delete(chat, of: ada)
        db.advanceClock(by: .seconds(10_000))
        try store.purge()
        let totals = try store.admin.totals()
        #expect(totals.generations == 2 && totals.promptTokens == 17 && totals.answerTokens == 30 && totals.messages == 0)
    }

    @Test(arguments: Backend.allCases)
    func `messages from many threads are stored once each, at distinct positions`(_ backend: Backend) throws {
        let store = try TestDatabase(backend).store(), ada = try store.addTestUser("ada")
        let chats = try (0..<3).map { try store.createConversation("chat \($0)", for: ada).id }
        let ids = (0..<60).map { _ in MessageID() }
        try inThreads(12) { thread in
            for i in 0..<20 {
                // Four threads append the same message with the same id.
                let sender = thread / 4
                try store.append(NewMessage(.user, "\(sender) \(i)"), as: ids[sender * 20 + i], to: chats[i % 3], of: ada)
                _ = try store.conversation(chats[i % 3], of: ada)
            }
        }
        for (i, chat) in chats.enumerated() {
            let messages = try store.contents(of: chat, ada)
            #expect(messages.sorted() == (0..<3).flatMap { thread in (0..<20).filter { $0 % 3 == i }.map { "\(thread) \($0)" } }.sorted())
            for thread in 0..<3 {
                let own = messages.filter { $0.hasPrefix("\(thread) ") }.compactMap { Int($0.split(separator: " ")[1]) }
                #expect(own == own.sorted())
            }
            #expect(try store.sql("SELECT count(DISTINCT position), max(position) FROM messages WHERE conversation_id = $1", chat)
                == [[messages.count.sql, (messages.count - 1).sql]])
        }
    }

    @Test(arguments: Backend.allCases) func `of many simultaneous registrations of a username, one succeeds`(_ backend: Backend) throws {
        let store = try TestDatabase(backend).store()
        let winners = Winners()
        try inThreads(16) { i in
            do throws(StoreError) {
                _ = try store.addTestUser(i % 2 == 0 ? "Ada" : "ADA")
                winners.count.add(1, ordering: .relaxed)
            } catch .usernameTaken {}
        }
        #expect(winners.count.load(ordering: .relaxed) == 1)
    }
}

private final class Winners: Sendable {
    let count = Atomic(0)

    @Test(arguments: Backend.allCases)
    func `an answer has the figures of its generation, also when that is deleted`(_ backend: Backend) throws {
        let store = try TestDatabase(backend).store(), ada = try store.addTestUser("ada")
        let chat = try store.createConversation("Rain", for: ada, question: NewMessage(.user, "Why?")).id
        for (seconds, first) in [(2.0, 0.25), (0.1, nil)] as [(Double, Double?)] {
            let generation = Generation(
                model: "tiny", promptTokens: 2, answerTokens: 3, seconds: seconds, firstTokenSeconds: first, reason: "length")
            let stored = try store.append(NewMessage(.assistant, "Clouds."), to: chat, of: ada, generation: generation)
            _ = try store.sql("DELETE FROM generations")
            let figures = try #require(stored.figures)
            #expect(figures.tokens == 3 && figures.seconds == seconds && figures.firstTokenSeconds == first && figures.reason == "length")
            #expect(try store.conversation(chat, of: ada).1.last == stored)
        }
        #expect(try store.conversation(chat, of: ada).1.first?.figures == nil)
    }
}
