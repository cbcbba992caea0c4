import Store
import Synchronization
import Testing

@Suite struct MessageTests {
    @Test(arguments: Backend.allCases) func `messages come back in their order, word for word`(_ backend: Backend) throws {
        let place = try Place(backend), store = try place.store { $0.mostLetters = 4_000_000 }, ada = try store.somebody("ada")
        let texts = ["", " ", "a\nb\r\n\tc", "'\"\\;--", "$1 ?1 :x %s", "🧑‍🚀 é e\u{301} שלום", "<script>", "\u{FFFD}",
                     String(repeating: "x", count: 3_000_000)]
        let (chat, first) = try store.createConversation(texts[3], for: ada, question: Draft(.system, "be kind"))
        var wanted = [first]
        for (i, text) in texts.enumerated() { wanted.append(try store.append(Draft(i % 2 == 0 ? .user : .assistant, text), to: chat.id, of: ada)) }
        let (read, messages) = try place.store().conversation(chat.id, of: ada)
        let isSame = messages == wanted
        #expect(isSame && read.messageCount == texts.count + 1 && read.title == texts[3] && messages[0].role == .system)
        try store.append(Draft(.user, "a\0b"), to: chat.id, of: ada)
        #expect(try store.contents(of: chat.id, ada).last == "a\u{FFFD}b")
    }

    @Test(arguments: Backend.allCases) func `a message that is sent twice under a key is stored once`(_ backend: Backend) throws {
        let place = try Place(backend), store = try place.store(), ada = try store.somebody("ada")
        let chat = try store.createConversation("chat", for: ada).0.id, other = try store.createConversation("other", for: ada).0.id
        let message = try store.append(Draft(.user, "hello\0", key: "k"), to: chat, of: ada)
        place.wait(.seconds(9))
        #expect(try store.append(Draft(.user, "hello\0", key: "k"), to: chat, of: ada) == message)
        #expect(try store.append(Draft(.user, "hello\0", key: "k"), to: other, of: ada) != message)
        #expect(throws: StoreError.keyReused) { try store.append(Draft(.user, "good-bye", key: "k"), to: chat, of: ada) }
        #expect(throws: StoreError.keyReused) { try store.append(Draft(.assistant, "hello\0", key: "k"), to: chat, of: ada) }
        #expect(throws: StoreError.tooLong(what: "a key", limit: 255)) {
            try store.append(Draft(.user, "x", key: String(repeating: "k", count: 256)), to: chat, of: ada)
        }
        #expect(try store.conversation(chat, of: ada).1 == [message] && store.administration.totals().messages == 2)
        try store.append(Draft(.user, "twice"), to: chat, of: ada)
        try store.append(Draft(.user, "twice"), to: chat, of: ada)
        #expect(try store.contents(of: chat, ada) == ["hello\u{FFFD}", "twice", "twice"])
    }

    @Test(arguments: Backend.allCases) func `a conversation that is asked for twice under a key is made once, with its question`(_ backend: Backend) throws {
        let store = try Place(backend).store(), ada = try store.somebody("ada"), bob = try store.somebody("bob")
        let first = try store.createConversation("rain", for: ada, key: "k", question: Draft(.user, "why?"))
        let again = try store.createConversation("rain", for: ada, key: "k", question: Draft(.user, "why?"))
        #expect(first == again && first.1?.content == "why?" && first.0.messageCount == 1)
        #expect(throws: StoreError.keyReused) { try store.createConversation("rain", for: ada, key: "k", question: Draft(.user, "how?")) }
        #expect(try store.createConversation("rain", for: bob, key: "k", question: Draft(.user, "why?")).0.id != first.0.id)
        #expect(try store.administration.totals().conversations == 2 && store.administration.totals().messages == 2)
    }

    @Test(arguments: Backend.allCases) func `a conversation has room for so many letters, and always for the answer`(_ backend: Backend) throws {
        let store = try Place(backend).store { $0.mostLetters = 10 }, ada = try store.somebody("ada")
        let chat = try store.createConversation("chat", for: ada, question: Draft(.user, "äöüßé")).0.id
        try store.append(Draft(.user, "12345"), to: chat, of: ada)
        #expect(throws: StoreError.full(limit: 10)) { try store.append(Draft(.user, "6"), to: chat, of: ada) }
        let answer = try store.append(Draft(.assistant, String(repeating: "a", count: 100)), to: chat, of: ada)
        #expect(throws: StoreError.full(limit: 10)) { try store.append(Draft(.user, ""), to: chat, of: ada) }
        #expect(try store.conversation(chat, of: ada).1.last == answer && store.conversation(chat, of: ada).0.messageCount == 3)
    }

    @Test(arguments: Backend.allCases) func `a question that is edited takes the place of what followed`(_ backend: Backend) throws {
        let place = try Place(backend), store = try place.store { $0.undoWindow = .seconds(60) }, ada = try store.somebody("ada")
        let chat = try store.createConversation("chat", for: ada).0.id
        let messages = try ["q1", "a1", "q2", "a2"].enumerated().map { try store.append(Draft($0 % 2 == 0 ? .user : .assistant, $1, key: $1), to: chat, of: ada) }
        let edited = try store.append(Draft(.user, "q2'", key: "edit"), to: chat, of: ada, replacingFrom: messages[2].id)
        #expect(try store.contents(of: chat, ada) == ["q1", "a1", "q2'"])
        #expect(try store.append(Draft(.user, "q2'", key: "edit"), to: chat, of: ada, replacingFrom: messages[2].id) == edited)
        #expect(throws: StoreError.notFound(.message)) { try store.append(Draft(.user, "late"), to: chat, of: ada, replacingFrom: messages[2].id) }
        #expect(throws: StoreError.notFound(.message)) { try store.append(Draft(.user, "no question"), to: chat, of: ada, replacingFrom: messages[1].id) }
        // A question sent again after it was replaced is the old one, and stays where it is.
        #expect(try store.append(Draft(.user, "q2", key: "q2"), to: chat, of: ada) == messages[2])
        try store.append(Draft(.assistant, "a2'"), to: chat, of: ada)
        #expect(try store.contents(of: chat, ada) == ["q1", "a1", "q2'", "a2'"] && store.conversation(chat, of: ada).0.messageCount == 4)
        #expect(try store.sql("SELECT count(*) FROM messages") == [[.integer(6)]])
        place.wait(.seconds(60))
        try store.purge()
        #expect(try store.sql("SELECT count(*) FROM messages") == [[.integer(4)]])
        #expect(try store.contents(of: chat, ada) == ["q1", "a1", "q2'", "a2'"])
    }

    @Test(arguments: Backend.allCases) func `what an answer took is counted for ever`(_ backend: Backend) throws {
        let place = try Place(backend), store = try place.store(), ada = try store.somebody("ada")
        let chat = try store.createConversation("chat", for: ada, question: Draft(.user, "q")).0.id
        let took = Generation(model: "tiny", promptTokens: 12, answerTokens: 30, seconds: 0.125, reason: "stop")
        for _ in 0..<2 { try store.append(Draft(.assistant, "a", key: "a"), to: chat, of: ada, generation: took) }
        try store.record(Generation(model: "tiny", promptTokens: 5, answerTokens: 0, seconds: 1e-9, reason: "stopped"))
        #expect(try store.sql("SELECT model, prompt_tokens, answer_tokens, seconds, reason FROM generations ORDER BY prompt_tokens DESC") == [
            [.text("tiny"), .integer(12), .integer(30), .real(0.125), .text("stop")], [.text("tiny"), .integer(5), .integer(0), .real(1e-9), .text("stopped")]])
        try store.delete(chat, of: ada)
        place.wait(.seconds(10_000))
        try store.purge()
        let totals = try store.administration.totals()
        #expect(totals.generations == 2 && totals.promptTokens == 17 && totals.answerTokens == 30 && totals.messages == 0)
    }

    @Test(arguments: Backend.allCases) func `messages from many threads are all there, once, one after the other`(_ backend: Backend) throws {
        let store = try Place(backend).store { $0.patience = .seconds(30) }, ada = try store.somebody("ada")
        let chats = try (0..<3).map { try store.createConversation("chat \($0)", for: ada).0.id }
        try inThreads(12) { thread in
            for i in 0..<20 {
                // Four threads send the same message under the same key.
                let key = "\(thread / 4) \(i)"
                try store.append(Draft(.user, key, key: key), to: chats[i % 3], of: ada)
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
            #expect(try store.sql("SELECT count(DISTINCT position), max(position) FROM messages WHERE conversation_id = $1", [.text(chat)])
                == [[.integer(messages.count), .integer(messages.count - 1)]])
        }
    }

    @Test(arguments: Backend.allCases) func `of many who want a name, one gets it`(_ backend: Backend) throws {
        let store = try Place(backend).store { $0.patience = .seconds(30) }
        let winners = Winners()
        try inThreads(16) { i in
            do throws(StoreError) {
                _ = try store.somebody(i % 2 == 0 ? "Ada" : "ADA")
                winners.count.add(1, ordering: .relaxed)
            } catch .taken {}
        }
        #expect(winners.count.load(ordering: .relaxed) == 1)
    }
}

private final class Winners: Sendable {
    let count = Atomic(0)
}
