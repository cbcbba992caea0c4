import Store
import TestSupport
import Testing

/// A conversation "q1, a1, q2, a2" and what the tests do with it.
private struct Chat {
    let db: TestDatabase
    let store: Store
    let ada: UserID
    let id: ConversationID
    let messages: [Message]

    init(_ backend: Backend, _ change: (inout StoreOptions) -> Void = { _ in }) throws {
        db = try TestDatabase(backend)
        store = try db.store(change)
        ada = try store.addTestUser("ada")
        id = try store.createConversation("chat", for: ada).id
        messages = try ["q1", "a1", "q2", "a2"].enumerated().map { [store, id, ada] index, text in
            try store.append(NewMessage(index % 2 == 0 ? .user : .assistant, text), to: id, of: ada)
        }
    }

    var contents: [String] { get throws { try store.contents(of: id, ada) } }

    /// Generates another answer to the question of `answer`.
    @discardableResult
    func regenerate(_ answer: Message, _ text: String) throws -> Message {
        db.advanceClock(by: .milliseconds(5))
        let start = try store.beginAnswer(to: .storedMessage(try #require(answer.parent)), in: id, of: ada)
        return try store.append(
            NewMessage(.assistant, text), to: id, of: ada, replacingFrom: start.replacedAnswer, answering: start.messages.last?.id)
    }

    func alternatives(_ message: Message) throws -> [MessageID] {
        try store.openConversation(id, of: ada).details[message.id]?.alternatives ?? []
    }

    func activate(_ message: Message) throws {
        db.advanceClock(by: .milliseconds(5))
        try store.activate(message.id, in: id, of: ada)
    }

    func preferences() throws -> [AnswerPreference] { try store.messagesWithAlternatives(of: id, of: ada).preferences }
}

@Suite struct BranchTests {
    @Test(arguments: Backend.allCases) func `regenerated answers and edited messages stay as alternatives`(_ backend: Backend) throws {
        let chat = try Chat(backend), messages = chat.messages
        let second = try chat.regenerate(messages[3], "a2'"), third = try chat.regenerate(second, "a2''")
        #expect(try chat.contents == ["q1", "a1", "q2", "a2''"])
        #expect(try chat.alternatives(third) == [messages[3].id, second.id, third.id] && chat.alternatives(messages[1]).isEmpty)
        let edited = try chat.store.append(NewMessage(.user, "q1'"), to: chat.id, of: chat.ada, replacingFrom: messages[0].id)
        #expect(try chat.contents == ["q1'"] && chat.alternatives(edited) == [messages[0].id, edited.id])
        #expect(try chat.store.conversation(chat.id, of: chat.ada).0.messageCount == 1)
        // Nothing of it is deleted.
        chat.db.advanceClock(by: .seconds(10_000))
        try chat.store.purge()
        try chat.activate(messages[0])
        #expect(try chat.contents == ["q1", "a1", "q2", "a2''"] && chat.alternatives(third).count == 3)
        #expect(try chat.store.conversation(chat.id, of: chat.ada).0.messageCount == 4)
        #expect(try chat.store.userCounts == chat.store.countedUsers)
    }

    @Test(arguments: Backend.allCases)
    func `a switch activates the messages that followed when the branch was last active`(_ backend: Backend) throws {
        let chat = try Chat(backend), messages = chat.messages
        let other = try chat.regenerate(messages[1], "a1'")
        for (role, text) in [(Message.Role.user, "q3"), (.assistant, "a3")] {
            try chat.store.append(NewMessage(role, text), to: chat.id, of: chat.ada)
        }
        try chat.activate(messages[1])
        #expect(try chat.contents == ["q1", "a1", "q2", "a2"])
        let newest = try chat.regenerate(messages[3], "a2'")
        try chat.activate(messages[3])
        try chat.activate(other)
        #expect(try chat.contents == ["q1", "a1'", "q3", "a3"])
        // Not the newest answer, but the one that was shown.
        try chat.activate(messages[1])
        #expect(try chat.contents == ["q1", "a1", "q2", "a2"])
        // A message further down is reached from any other branch.
        try chat.activate(other)
        try chat.activate(newest)
        #expect(try chat.contents == ["q1", "a1", "q2", "a2'"])
        let before = try chat.store.conversation(chat.id, of: chat.ada)
        try chat.activate(newest)
        #expect(try chat.store.conversation(chat.id, of: chat.ada) == before)
    }

    @Test(arguments: Backend.allCases) func `a switch is refused while an answer is generated`(_ backend: Backend) throws {
        let chat = try Chat(backend) { $0.leaseTime = .seconds(60) }, other = try chat.regenerate(chat.messages[3], "a2'")
        let server = ServerID()
        #expect(try chat.store.register(server, name: "one", version: "1", keyDigest: "k") == [])
        let lease = AnswerLease(answer: MessageID(), server: server)
        let start = try chat.store.beginAnswer(to: .storedMessage(chat.messages[2].id), in: chat.id, of: chat.ada, taking: lease)
        #expect(start.replacedAnswer == other.id && start.messages.map(\.content) == ["q1", "a1", "q2"])
        #expect(throws: StoreError.answering) { try chat.store.activate(chat.messages[3].id, in: chat.id, of: chat.ada) }
        #expect(try chat.contents == ["q1", "a1", "q2", "a2'"])              // until the new answer is stored
        try chat.store.append(
            NewMessage(.assistant, "a2''"), as: lease.answer, to: chat.id, of: chat.ada, replacingFrom: other.id,
            answering: chat.messages[2].id, ending: lease)
        #expect(try chat.contents == ["q1", "a1", "q2", "a2''"])
        try chat.activate(chat.messages[3])
        #expect(try chat.contents == ["q1", "a1", "q2", "a2"])
        // The lease of a server that has died does not prevent it.
        let late = AnswerLease(answer: MessageID(), server: ServerID())
        _ = try chat.store.beginAnswer(to: .storedMessage(chat.messages[2].id), in: chat.id, of: chat.ada, taking: late)
        try chat.activate(other)
        #expect(throws: StoreError.leaseLost) {
            try chat.store.append(
                NewMessage(.assistant, "late"), as: late.answer, to: chat.id, of: chat.ada, replacingFrom: chat.messages[3].id,
                answering: chat.messages[2].id, ending: late)
        }
    }

    @Test(arguments: Backend.allCases)
    func `an answer to a question that is no longer active is stored as an alternative of its branch`(_ backend: Backend) throws {
        let chat = try Chat(backend)
        try chat.store.append(NewMessage(.user, "q1'"), to: chat.id, of: chat.ada, replacingFrom: chat.messages[0].id)
        let late = try chat.store.append(
            NewMessage(.assistant, "late"), to: chat.id, of: chat.ada, replacingFrom: chat.messages[3].id, answering: chat.messages[2].id)
        #expect(try chat.contents == ["q1'"] && chat.store.conversation(chat.id, of: chat.ada).0.messageCount == 1)
        try chat.activate(late)
        #expect(try chat.contents == ["q1", "a1", "q2", "late"] && chat.alternatives(late) == [chat.messages[3].id, late.id])
    }

    @Test(arguments: Backend.allCases) func `text of a regenerated answer is an alternative if its server died`(_ backend: Backend) throws {
        let chat = try Chat(backend), dead = AnswerLease(answer: MessageID(), server: ServerID()), question = chat.messages[2].id
        _ = try chat.store.beginAnswer(to: .storedMessage(question), in: chat.id, of: chat.ada, taking: dead)
        try chat.store.save(
            UnfinishedAnswer(id: dead.answer, to: question, content: "a2 so f", model: "m", tokens: 2, seconds: 1),
            in: chat.id, of: chat.ada)
        let open = try chat.store.openConversation(chat.id, of: chat.ada)
        #expect(open.messages.map(\.content) == ["q1", "a1", "q2", "a2 so f"] && open.messages.last?.id == dead.answer)
        #expect(open.details[dead.answer]?.alternatives.count == 2 && open.messages.last?.figures?.reason == Store.interruptedReason)
        // Not if the user has sent another message.
        let late = AnswerLease(answer: MessageID(), server: ServerID()), first = chat.messages[0].id
        _ = try chat.store.beginAnswer(to: .storedMessage(first), in: chat.id, of: chat.ada, taking: late)
        try chat.store.save(
            UnfinishedAnswer(id: late.answer, to: first, content: "lost", model: "m", tokens: 1, seconds: 1), in: chat.id, of: chat.ada)
        try chat.store.append(NewMessage(.user, "q1'"), to: chat.id, of: chat.ada, replacingFrom: first)
        #expect(try chat.store.openConversation(chat.id, of: chat.ada).messages.map(\.content) == ["q1'"])
        #expect(try chat.store.sql("SELECT count(*) FROM unfinished_answers") == [[.integer(0)]])
    }

    @Test(arguments: Backend.allCases) func `what cannot be answered again or activated is rejected`(_ backend: Backend) throws {
        let chat = try Chat(backend), store = chat.store, eve = try store.addTestUser("eve")
        let edited = try store.append(NewMessage(.user, "q1'"), to: chat.id, of: chat.ada, replacingFrom: chat.messages[0].id)
        for message in [chat.messages[0].id, chat.messages[1].id, MessageID()] {       // off the path, an answer, unknown
            #expect(throws: StoreError.notFound(.message)) {
                try store.beginAnswer(to: .storedMessage(message), in: chat.id, of: chat.ada)
            }
        }
        #expect(throws: StoreError.notFound(.message)) { try store.activate(MessageID(), in: chat.id, of: chat.ada) }
        #expect(throws: StoreError.notFound(.conversation)) { try store.activate(edited.id, in: chat.id, of: eve) }
        #expect(throws: StoreError.notFound(.conversation)) {
            try store.beginAnswer(to: .storedMessage(edited.id), in: chat.id, of: eve)
        }
        let other = try store.createConversation("other", for: chat.ada, question: NewMessage(.user, "x")).id
        #expect(throws: StoreError.notFound(.message)) { try store.activate(edited.id, in: other, of: chat.ada) }
        try store.delete(chat.id, of: chat.ada)
        #expect(throws: StoreError.notFound(.conversation)) { try store.activate(edited.id, in: chat.id, of: chat.ada) }
    }

    @Test(arguments: Backend.allCases) func `alternatives count towards the size of a conversation`(_ backend: Backend) throws {
        let chat = try Chat(backend) { $0.maxCharacters = 14 }
        try chat.regenerate(chat.messages[3], "12345")
        #expect(try chat.store.sql("SELECT characters FROM conversations") == [[.integer(13)]])
        try chat.regenerate(chat.messages[3], "12")
        #expect(throws: StoreError.conversationFull(limit: 14)) { try chat.regenerate(chat.messages[3], "x") }
        #expect(throws: StoreError.conversationFull(limit: 14)) {
            try chat.store.append(NewMessage(.user, "x"), to: chat.id, of: chat.ada, replacingFrom: chat.messages[0].id)
        }
        #expect(try chat.contents == ["q1", "a1", "q2", "12"])
    }

    @Test(arguments: Backend.allCases) func `the chosen answer is stored with those that it was chosen over`(_ backend: Backend) throws {
        let chat = try Chat(backend)
        try chat.activate(chat.messages[3])                                  // the only answer: no choice
        let second = try chat.regenerate(chat.messages[3], "a2'")
        #expect(try chat.preferences().isEmpty)
        try chat.activate(chat.messages[3])
        var preference = try #require(try chat.preferences().first)
        #expect(preference.question == chat.messages[2].id && preference.chosen == chat.messages[3].id && preference.user == chat.ada)
        #expect(preference.rejected == [second.id])
        // A later answer was not rejected, until the user has gone on from another one.
        let third = try chat.regenerate(second, "a2''")
        #expect(try chat.preferences() == [preference])
        chat.db.advanceClock(by: .seconds(1))
        try chat.store.append(NewMessage(.user, "q3"), to: chat.id, of: chat.ada)
        preference = try #require(try chat.preferences().first)
        #expect(preference.chosen == third.id && preference.rejected == [chat.messages[3].id, second.id])
        #expect(try chat.preferences().count == 1)
        // Another question is no answer that could be preferred.
        let edited = try chat.store.append(NewMessage(.user, "q1'"), to: chat.id, of: chat.ada, replacingFrom: chat.messages[0].id)
        try chat.activate(chat.messages[0])
        try chat.activate(edited)
        #expect(try chat.preferences().count == 1)
    }

    @Test(arguments: Backend.allCases) func `two servers that switch and regenerate keep one whole active path`(_ backend: Backend) throws {
        let chat = try Chat(backend)
        let other = try chat.regenerate(chat.messages[1], "a1'")
        let stores = try (0..<2).map { _ in try chat.db.store() }
        try inThreads(4) { thread in
            let store = stores[thread % 2]
            for i in 0..<10 {
                if thread < 2 {
                    try store.activate(i % 2 == thread ? other.id : chat.messages[1].id, in: chat.id, of: chat.ada)
                } else {
                    let start = try store.beginAnswer(to: .storedMessage(chat.messages[0].id), in: chat.id, of: chat.ada)
                    try store.append(
                        NewMessage(.assistant, "a1 \(thread) \(i)"), to: chat.id, of: chat.ada, replacingFrom: start.replacedAnswer,
                        answering: chat.messages[0].id)
                }
            }
        }
        let open = try chat.store.openConversation(chat.id, of: chat.ada)
        #expect(open.messages.count == open.conversation.messageCount && [2, 4].contains(open.messages.count))
        #expect(open.details[open.messages[1].id]?.alternatives.count == 22)
        let positions = try chat.store.sql("SELECT position FROM messages WHERE position IS NOT NULL ORDER BY position")
        #expect(positions == open.messages.indices.map { [$0.sql] })
    }
}
