import Store
import TestSupport
import Testing

/// Near-duplicates, held-out chats and imports.
@Suite struct TrainingGroupTests {
    private func imported(_ question: String, _ answer: String) -> ImportedChat {
        ImportedChat([CopiedMessage(.user, question), CopiedMessage(.assistant, answer)])
    }

    private let answer = "Because the air scatters blue light more than red light, so that blue comes from all directions of the sky."

    @Test(arguments: Backend.allCases) func `near-duplicates are found and are on one side of the split`(_ backend: Backend) throws {
        let db = try TestDatabase(backend), store = try db.store(), owner = TrainingChatTests.owner
        var random = TestRandom(11)
        for i in 0..<40 {
            let words = (0..<30).map { _ in "word\(random.below(400))" }.joined(separator: " ")
            let copies = (0...i % 3).map { imported("question number \(i)", words + ($0 == 0 ? "" : " end \($0)")) }
            #expect(try store.importTrainingChats(copies, by: owner).added == copies.count)
            db.advanceClock(by: .seconds(1))
        }
        let all = try store.trainingChats(sortedBy: .oldest, limit: 200).chats
        #expect(all.count == 79)
        var groups: [TrainingChatID: [TrainingChat]] = [:]
        for chat in all { groups[chat.duplicateOf ?? chat.id, default: []].append(chat) }
        #expect(groups.count == 40 && groups.values.allSatisfy { group in group.allSatisfy { $0.duplicates == group.count - 1 } })
        #expect(groups.values.allSatisfy { Set($0.map(\.isHeldOut)).count == 1 })
        var filter = TrainingFilter()
        filter.flag = .duplicate
        #expect(try store.trainingChats(filter).total == all.count { $0.duplicates > 0 })
        // What is held out stays so, whatever comes later.
        var review = Store.Review()
        review.state = .included
        #expect(try store.review(.filter(TrainingFilter()), review, by: owner) == 79)
        let heldOut = Set(all.filter(\.isHeldOut).map(\.id))
        try store.importTrainingChats([imported("new", answer)], by: owner)
        let later = try store.trainingChats(limit: 200).chats.filter(\.isHeldOut).map(\.id)
        #expect(heldOut.isSubset(of: later))
        let counts = try store.trainingSetCounts()
        #expect(counts.heldOut == heldOut.count && counts.chats == 79 - heldOut.count && counts.characters > 0)
    }

    @Test(arguments: Backend.allCases) func `a chat that is near two groups makes them one`(_ backend: Backend) throws {
        let store = try TestDatabase(backend).store(), owner = TrainingChatTests.owner
        func groups() throws -> Int {
            Set(try store.sql("SELECT DISTINCT group_id FROM training_chats").map { "\($0)" }).count
        }
        // The first two share less than 80 % of their shingles with each other, and more with the third.
        for (end, count) in [(" kqvxz wjpfy bmhdt", 1), (" 58274 91630 46385", 2), ("", 1)] {
            try store.importTrainingChats([imported("why", answer + end)], by: owner)
            _ = try store.trainingChats()
            #expect(try groups() == count, "\(end)")
        }
        #expect(try store.trainingChats().chats.map(\.duplicates) == [2, 2, 2])
    }

    @Test func `about a tenth of the groups is held out`() throws {
        let store = try TestDatabase(.sqlite).store()
        var random = TestRandom(5)
        let chats = (0..<600).map { i in
            imported("q\(i) \(random.below(1_000_000))", "a\(random.below(1_000_000)) \(random.below(1_000_000))")
        }
        try store.importTrainingChats(chats, by: TrainingChatTests.owner)
        var review = Store.Review()
        review.state = .included
        try store.review(.filter(TrainingFilter()), review, by: TrainingChatTests.owner)
        let counts = try store.trainingSetCounts()
        // Six standard deviations of a binomial distribution.
        #expect(abs(counts.heldOut - 60) < 44 && counts.heldOut + counts.chats == 600)
    }

    /// A chat that becomes similar to a held-out one is in neither part of the training set.
    @Test(arguments: Backend.allCases) func `a chat that comes near a held-out one is not trained on`(_ backend: Backend) throws {
        let store = try TestDatabase(backend).store { $0.showsTrainingNotice = true }, ada = try store.addTestUser("ada")
        func chat(_ texts: [String]) throws -> TrainingChatID {
            let id = try store.createConversation("c", for: ada).id
            for (i, text) in texts.enumerated() { try store.append(NewMessage(i % 2 == 0 ? .user : .assistant, text), to: id, of: ada) }
            return try #require(TrainingChatID(id.description))
        }
        let first = try chat(["Why is the sky blue?", answer]), second = try chat(["Why?", "No idea."])
        var review = Store.Review()
        review.state = .included
        _ = try store.review(.chats([first, second]), review, by: TrainingChatTests.owner)
        _ = try store.sql("UPDATE training_chats SET held_out = CASE WHEN id = '\(first)' THEN 1 ELSE 0 END")
        let conversation = try #require(ConversationID(second.description))
        let messages = try store.conversation(conversation, of: ada).1
        try store.append(NewMessage(.user, "Why is the sky blue?"), to: conversation, of: ada, replacingFrom: messages[0].id)
        try store.append(NewMessage(.assistant, answer), to: conversation, of: ada)
        #expect(try store.trainingChats().counts.new == 1)
        _ = try store.review(.chats([second]), review, by: TrainingChatTests.owner)
        let found = try store.trainingChat(second).chat
        #expect(found.duplicates == 1 && found.state == .included && !found.isHeldOut)
        #expect(try store.trainingSet(heldOut: false).chats.isEmpty && store.trainingSet(heldOut: true).chats.map(\.id) == [first])
    }

    @Test(arguments: Backend.allCases)
    func `imports are listed, and deleted with everything that belongs to their chats`(_ backend: Backend) throws {
        let store = try TestDatabase(backend).store(), owner = TrainingChatTests.owner
        func chats(_ range: Range<Int>) -> [ImportedChat] { range.map { imported("question \($0)", "answer \($0)") } }
        let first = TrainingImportID(), second = TrainingImportID()
        try store.importTrainingChats(chats(0..<600), as: first, by: owner)
        try store.importTrainingChats(chats(500..<700), as: second, by: owner)
        #expect(try Set(store.trainingImports().map { [$0.id.description, "\($0.chats)"] }) == [
            [first.description, "600"], [second.description, "100"],
        ])
        #expect(try store.deleteTrainingImport(first, by: owner) == 600)
        #expect(try store.trainingChats().total == 100)
        for table in ["training_messages", "training_chat_sketches", "training_chat_bands"] {
            #expect(try store.sql("SELECT 1 FROM \(table) WHERE chat_id NOT IN (SELECT id FROM training_chats)").isEmpty, "\(table)")
        }
        #expect(throws: StoreError.notFound(.trainingImport)) { try store.deleteTrainingImport(first, by: owner) }
    }

    @Test(arguments: Backend.allCases)
    func `an import has alternatives, ratings and context, and is not repeated`(_ backend: Backend) throws {
        let store = try TestDatabase(backend).store(), owner = TrainingChatTests.owner
        var rejected = CopiedMessage(.assistant, "worse"), chosen = CopiedMessage(.assistant, "better")
        var rated = CopiedMessage(.assistant, "bad")
        var context = CopiedMessage(.assistant, "before")
        rejected.isActive = false
        chosen.isChosen = true
        rated.rating = .bad
        context.isContext = true
        let chats = [
            ImportedChat([CopiedMessage(.user, "Which?"), rejected, chosen]), ImportedChat([CopiedMessage(.user, "Rate"), rated]),
            ImportedChat([CopiedMessage(.system, "Be kind."), CopiedMessage(.user, "q"), context, CopiedMessage(.user, "r"),
                          CopiedMessage(.assistant, "s")]),
        ]
        #expect(try store.importTrainingChats(chats + [chats[0]], by: owner) == (3, 1))
        #expect(try store.importTrainingChats(chats, by: owner) == (0, 3))
        var filter = TrainingFilter()
        filter.text = "which"
        let pair = try #require(try store.trainingChats(filter).chats.first), details = try store.trainingChat(pair.id)
        #expect(pair.preferences == 1 && pair.turns == 1 && pair.source == .imported && pair.title == "Which?")
        #expect(details.messages.map(\.message.content) == ["Which?", "worse", "better"])
        #expect(details.messages.map(\.isActive) == [true, false, true] && details.messages[2].details.alternatives.count == 2)
        #expect(details.preferences.map(\.chosen) == [details.messages[2].message.id])
        #expect(details.preferences.map(\.rejected) == [[details.messages[1].message.id]])
        filter.text = nil
        filter.rating = .bad
        #expect(try store.trainingChats(filter).chats.map(\.title) == ["Rate"])
        filter.rating = nil
        filter.text = "kind"
        let long = try #require(try store.trainingChats(filter).chats.first)
        #expect(try store.trainingChat(long.id).messages.map(\.isContext) == [false, false, true, false, false] && long.turns == 2)
        #expect(try store.admin.auditLog().items.map(\.targetName) == ["3 chats", "4 chats"])
    }

    @Test func `the title of a chat is one line of at most 60 characters of its first question`() throws {
        let store = try TestDatabase(.sqlite).store()
        let long = String(repeating: "o", count: 60), words = Array(repeating: "a", count: 25)
        for (question, title) in [
            (long, long), (long + "!", String(long.dropLast()) + "…"),
            (words.joined(separator: "\n"), words.prefix(20).joined(separator: " ")),
        ] {
            let chat = ImportedChat([CopiedMessage(.system, "Be kind."), CopiedMessage(.user, question), CopiedMessage(.assistant, "a")])
            try store.importTrainingChats([chat], by: TrainingChatTests.owner)
            #expect(try store.trainingChats().chats.contains { $0.title == title }, "\(title)")
        }
    }

    @Test(arguments: Backend.allCases)
    func `chats that differ only in how a message is marked are imported apart`(_ backend: Backend) throws {
        let store = try TestDatabase(backend).store(), owner = TrainingChatTests.owner
        let marks: [(inout CopiedMessage) -> Void] = [
            { _ in }, { $0.isActive = false }, { $0.isContext = true }, { $0.isChosen = true }, { $0.rating = .good }, { $0.rating = .bad },
        ]
        let chats = marks.map { mark in
            var first = CopiedMessage(.assistant, "first")
            mark(&first)
            return ImportedChat([CopiedMessage(.user, "Which?"), first, CopiedMessage(.assistant, "second")])
        }
        #expect(try store.importTrainingChats(chats, by: owner) == (6, 0))
        #expect(try store.importTrainingChats(chats, by: owner) == (0, 6))
    }

    /// The rows are those that a new database would make, whatever happened before and on which server.
    @Test(arguments: Backend.allCases) func `random changes by two servers leave the rows of a fresh start`(_ backend: Backend) throws {
        let db = try TestDatabase(backend)
        let stores = try [db.store { $0.showsTrainingNotice = true }, db.store { $0.showsTrainingNotice = true }]
        var random = TestRandom(backend == .sqlite ? 1 : 2)
        let users = try ["ada", "bob"].map { try stores[0].addTestUser($0) }
        var chats: [(id: ConversationID, owner: UserID)] = []
        /// What the owner has decided, and the digest of the text then.
        var states: [String: (state: TrainingChat.State, text: String)] = [:]
        func row(_ id: ConversationID, _ store: Store) throws -> (state: TrainingChat.State, text: String)? {
            guard let chat = TrainingChatID(id.description), let found = try? store.trainingChat(chat) else { return nil }
            let texts = found.messages.map {
                "\($0.message.content) \($0.isActive) \($0.details.correction ?? "") \($0.details.rating?.value.rawValue ?? "")"
            } + found.preferences.map { "\($0.chosen) \($0.rejected)" }
            return (found.chat.state, texts.joined(separator: "|") + (found.settings.systemPrompt ?? ""))
        }
        for step in 0..<150 {
            let store = stores[random.below(2)]
            db.advanceClock(by: .milliseconds(10))
            guard let (id, owner) = chats.isEmpty || random.below(6) == 0 ? nil : chats[random.below(chats.count)] else {
                let owner = users[random.below(2)]
                let id = try store.createConversation("chat \(step)", for: owner, question: NewMessage(.user, "q\(step)")).id
                try store.append(NewMessage(.assistant, "a\(random.below(100))"), to: id, of: owner)
                chats.append((id, owner))
                continue
            }
            guard let messages = try? store.conversation(id, of: owner).1 else {
                if random.below(2) == 0 { try store.restore(id, of: owner) }
                continue
            }
            let answers = messages.filter { $0.role == .assistant }
            switch random.below(10) {
            case 0: try store.append(NewMessage(messages.count % 2 == 0 ? .user : .assistant, "m\(step)"), to: id, of: owner)
            case 1:
                let rating = random.below(3) == 0 ? nil : Rating(random.below(2) == 0 ? .good : .bad)
                try store.rate(answers[0].id, in: id, of: owner, rating)
            case 2: try store.correct(answers[0].id, in: id, of: owner, to: random.below(3) == 0 ? nil : "c\(step)")
            case 3: try store.append(NewMessage(.assistant, "alternative \(step)"), to: id, of: owner, replacingFrom: answers[0].id)
            case 4: _ = try store.update(id, of: owner) { $0.isExcludedFromTraining.toggle() }
            case 5: try store.setExcludedFromTraining(owner, to: random.below(3) == 0)
            case 6: try store.delete(id, of: owner)
            case 7: _ = try store.update(id, of: owner) { $0.systemPrompt = "s\(random.below(2))" }
            default:
                guard let found = try row(id, store), let chat = TrainingChatID(id.description) else { continue }
                var review = Store.Review()
                review.state = TrainingChat.State.allCases[random.below(3)]
                try store.review(.chats([chat]), review, by: TrainingChatTests.owner)
                states[id.description] = (review.state ?? .new, found.text)
            }
            // The states are as decided, unless an included chat has changed.
            for (id, _) in chats {
                guard let found = try row(id, stores[random.below(2)]), let (state, text) = states[id.description] else { continue }
                #expect(found.state == (state == .included && found.text != text ? .new : state), "step \(step)")
                if found.state == .new { states[id.description] = (.new, found.text) }
            }
        }
        let columns = "id, title, turns, characters, good, bad, corrections, preferences, usable, digest"
        try stores[0].refreshTrainingChats()
        let before = try stores[0].sql("SELECT \(columns) FROM training_chats ORDER BY id")
        _ = try stores[0].sql("DELETE FROM training_chats")
        _ = try stores[0].sql("INSERT INTO training_chat_changes (chat_id) SELECT id FROM conversations ORDER BY id")
        try stores[1].refreshTrainingChats()
        #expect(try stores[0].sql("SELECT \(columns) FROM training_chats ORDER BY id") == before && !before.isEmpty)
        #expect(try stores[0].sql("SELECT count(*) FROM training_chat_changes") == [[.integer(0)]])
    }

    @Test(arguments: Backend.allCases) func `servers that write and refresh at the same time lose no change`(_ backend: Backend) throws {
        let db = try TestDatabase(backend)
        let stores = try (0..<3).map { _ in try db.store { $0.showsTrainingNotice = true } }
        let ada = try stores[0].addTestUser("ada")
        let chats = try (0..<6).map { try stores[0].createConversation("\($0)", for: ada, question: NewMessage(.user, "q")).id }
        try inThreads(4) { thread in
            let store = stores[thread % 3]
            for i in 0..<20 {
                if thread == 3 { try store.refreshTrainingChats(); continue }
                let chat = chats[(thread * 2 + i) % 6]
                try store.append(NewMessage(.assistant, "a \(thread) \(i)"), to: chat, of: ada)
                if i % 5 == 0 { _ = try store.trainingChats() }
            }
        }
        #expect(try stores[1].trainingChats().chats.map(\.turns).reduce(0, +) == 60)
    }

    /// Statements of another program, which knows none of the tables.
    @Test(arguments: Backend.allCases) func `changes by another program are noticed`(_ backend: Backend) throws {
        let store = try TestDatabase(backend).store { $0.showsTrainingNotice = true }, ada = try store.addTestUser("ada")
        let id = try store.createConversation("c", for: ada, question: NewMessage(.user, "q")).id
        let answer = try store.append(NewMessage(.assistant, "a"), to: id, of: ada)
        #expect(try store.trainingChats().chats.map(\.good) == [0])
        _ = try store.sql("INSERT INTO ratings (message_id, user_id, rating, rated_at) VALUES ('\(answer.id)', '\(ada)', 'good', 0)")
        // Without a look at the list, the rows are made again when the server tidies up.
        func waiting() throws -> [[SQLValue]] { try store.sql("SELECT count(*) FROM training_chat_changes") }
        #expect(try waiting() != [[.integer(0)]])
        try store.purge()
        #expect(try waiting() == [[.integer(0)]])
        #expect(try store.trainingChats().chats.map(\.good) == [1])
        // A review holds for the text that was reviewed.
        var review = Store.Review()
        review.state = .included
        #expect(try store.review(.filter(TrainingFilter()), review, by: TrainingChatTests.owner) == 1)
        #expect(try store.trainingChats().chats.map(\.state) == [.included])
        _ = try store.sql("UPDATE messages SET content = 'another answer' WHERE id = '\(answer.id)'")
        #expect(try store.trainingChats().chats.map(\.state) == [.new])
        let late = MessageID()
        _ = try store.sql("""
            INSERT INTO messages (id, conversation_id, position, role, ordinal, content, created_at, training_notice)
            VALUES ('\(late)', '\(id)', 2, 'user', 2, 'without a notice', 0, NULL)
            """)
        #expect(try store.trainingChats().total == 0)
        _ = try store.sql("DELETE FROM messages WHERE id = '\(late)'")
        _ = try store.sql("UPDATE conversations SET title = 'new' WHERE id = '\(id)'")
        #expect(try store.trainingChats().chats.map(\.title) == ["new"])
        _ = try store.sql("DELETE FROM conversations WHERE id = '\(id)'")
        #expect(try store.trainingChats().total == 0 && store.sql("SELECT count(*) FROM training_chat_bands") == [[.integer(0)]])
    }
}
