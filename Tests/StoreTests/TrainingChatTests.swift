import ChatAnalysis
import Store
import Testing

/// The chats that an owner reviews, and what is trained on.
@Suite struct TrainingChatTests {
    static let owner = AdminRequest(actor: "olga", address: "127.0.0.1")

    private func opened(_ backend: Backend) throws -> Store { try TestDatabase(backend).store { $0.showsTrainingNotice = true } }

    @discardableResult
    private func chat(_ store: Store, _ owner: UserID, _ texts: String...) throws -> TrainingChatID {
        let id = try store.createConversation("chat", for: owner).id
        for (i, text) in texts.enumerated() {
            let generation = i % 2 == 0 ? nil : Generation(model: "tiny", promptTokens: 1, answerTokens: 1, seconds: 1, reason: "stop")
            try store.append(NewMessage(i % 2 == 0 ? .user : .assistant, text), to: id, of: owner, generation: generation)
        }
        return try #require(TrainingChatID(id.description))
    }

    private func include(_ store: Store, _ chats: [TrainingChatID]) throws {
        var review = Store.Review()
        review.state = .included
        try store.review(.chats(chats), review, by: Self.owner)
    }

    /// Both parts of the training set.
    private func set(_ store: Store, _ filter: TrainingFilter = TrainingFilter()) throws -> Set<TrainingChatID> {
        var found: Set<TrainingChatID> = []
        for heldOut in [false, true] {
            var after: TrainingChatID?
            repeat {
                let page = try store.trainingSet(filter, heldOut: heldOut, after: after, limit: 2)
                found.formUnion(page.chats.map(\.id))
                after = page.next
            } while after != nil
        }
        let counts = try store.trainingSetCounts(filter)
        #expect(counts.chats + counts.heldOut == found.count)
        return found
    }

    @Test(arguments: Backend.allCases) func `only included chats whose consent holds are trained on`(_ backend: Backend) throws {
        let store = try opened(backend), ada = try store.addTestUser("ada"), bob = try store.addTestUser("bob")
        let first = try chat(store, ada, "Why is the sky blue?", "Light scatters.")
        let second = try chat(store, ada, "And the sea?", "It reflects.")
        let bobs = try chat(store, bob, "Name a river that flows north.", "The Nile.")
        _ = try chat(store, ada, "no answer yet")
        #expect(try set(store).isEmpty && store.trainingChats().total == 3)
        try include(store, [first, second, bobs])
        #expect(try set(store) == [first, second, bobs])
        #expect(try store.trainingChats().counts.included == 3)
        let conversation = try #require(ConversationID(first.description))
        _ = try store.update(conversation, of: ada) { $0.isExcludedFromTraining = true }
        #expect(try set(store) == [second, bobs] && store.trainingChats().total == 2)
        _ = try store.update(conversation, of: ada) { $0.isExcludedFromTraining = false }
        #expect(try set(store) == [first, second, bobs])
        try store.setExcludedFromTraining(bob, to: true)
        #expect(try set(store) == [first, second] && store.trainingChats().total == 2)
        try store.delete(conversation, of: ada)
        #expect(try set(store) == [second])
        try store.setExcludedFromTraining(bob, to: false)
        try store.restore(conversation, of: ada)
        #expect(try set(store) == [first, second, bobs])
        try store.deleteUser(ada)
        #expect(try set(store) == [bobs] && store.sql("SELECT count(*) FROM training_chats") == [[.integer(1)]])
        #expect(throws: StoreError.notFound(.chat)) { try store.trainingChat(first) }
    }

    /// Another user must not be able to add to a chat that the owner has read.
    @Test(arguments: Backend.allCases) func `a chat that changes after its inclusion is new again`(_ backend: Backend) throws {
        let store = try opened(backend), ada = try store.addTestUser("ada")
        let id = try chat(store, ada, "2 + 2?", "4"), conversation = try #require(ConversationID(id.description))
        try include(store, [id])
        try store.append(NewMessage(.user, "3 + 3?"), to: conversation, of: ada)
        #expect(try set(store).isEmpty)
        let changed = try store.trainingChat(id).chat
        #expect(changed.state == .new && changed.reviewedBy == "olga")
        try include(store, [id])
        let answer = try store.conversation(conversation, of: ada).1[1].id
        for change in [
            { try store.rate(answer, in: conversation, of: ada, Rating(.good)) },
            { try store.correct(answer, in: conversation, of: ada, to: "four") },
            { try store.append(NewMessage(.assistant, "5"), to: conversation, of: ada, replacingFrom: answer) },
            { try store.activate(answer, in: conversation, of: ada) },
            { _ = try store.update(conversation, of: ada) { $0.systemPrompt = "Lie." } },
        ] {
            #expect(try set(store) == [id])
            try change()
            #expect(try set(store).isEmpty && store.trainingChat(id).chat.state == .new)
            try include(store, [id])
        }
        _ = try store.update(conversation, of: ada, title: "sums") { _ in }
        #expect(try set(store) == [id] && store.trainingChat(id).chat.title == "sums")
    }

    @Test(arguments: Backend.allCases) func `a chat has what lists filter by`(_ backend: Backend) throws {
        let store = try opened(backend), ada = try store.addTestUser("ada")
        let id = try chat(store, ada, "My address is ada@example.org", "Noted.", "Thanks", "Any time")
        let other = try chat(store, ada, "Hi", "Ho")
        let conversation = try #require(ConversationID(id.description)), messages = try store.conversation(conversation, of: ada).1
        try store.rate(messages[1].id, in: conversation, of: ada, Rating(.good))
        try store.rate(messages[3].id, in: conversation, of: ada, Rating(.bad))
        try store.correct(messages[3].id, in: conversation, of: ada, to: "You are welcome.")
        var review = Store.Review()
        review.addedTags = ["colors", "b"]
        #expect(try store.review(.chats([id]), review, by: Self.owner) == 1 && store.review(.chats([id]), review, by: Self.owner) == 0)
        let found = try store.trainingChat(id).chat
        #expect(found.turns == 2 && found.good == 1 && found.bad == 1 && found.corrections == 1 && found.model == "tiny")
        #expect(found.tags == ["b", "colors"] && found.personal == [.email] && found.source == .account && found.person?.count == 6)
        #expect(found.characters == messages.reduce(0) { $0 + $1.content.count })
        var filters = (0..<14).map { _ in TrainingFilter() }
        filters[0].rating = .good
        filters[1].rating = .bad
        filters[2].rating = .corrected
        filters[3].tag = "colors"
        filters[4].flag = .personal
        filters[5].minTurns = 2
        filters[6].text = "WELCOM"
        filters[6].text = "example.org"
        filters[7].text = "no"
        filters[8].rating = TrainingFilter.Rating.none
        filters[9].maxTurns = 1
        filters[10].text = "ho"
        filters[11].text = "100%"
        filters[12].maxCharacters = 4
        filters[13].minCharacters = found.characters
        let expected = Array(repeating: [id], count: 8) + [[other], [other], [other], [], [other], [id]]
        for (filter, expected) in zip(filters, expected) {
            for key in TrainingFilter.SortKey.allCases {
                let page = try store.trainingChats(filter, sortedBy: key)
                #expect(page.chats.map(\.id) == expected && page.total == expected.count, "\(filter)")
            }
        }
        filters[13].maxCharacters = found.characters - 1
        #expect(try store.trainingChats(filters[13]).total == 0)
        filters[0].model = "tiny"
        filters[0].source = .account
        filters[0].person = found.person
        filters[0].state = .new
        #expect(try store.trainingChats(filters[0]).total == 1)
        filters[0].state = .included
        let page = try store.trainingChats(filters[0])
        #expect(page.total == 0 && page.counts.new == 1 && page.counts.included == 0)
        #expect(try store.trainingTags().map(\.tag) == ["b", "colors"])
        review.addedTags = []
        review.tags = ["x"]
        review.removedTags = ["y"]
        try store.review(.filter(TrainingFilter()), review, by: Self.owner)
        #expect(try store.trainingTags().map(\.chats) == [2])
        #expect(try store.admin.auditLog().items.map(\.targetName) == ["2 chats set tags: x; untagged: y", "1 chat tagged: colors, b"])
        review = Store.Review()
        review.state = .excluded
        try store.review(.filter(TrainingFilter()), review, by: Self.owner)
        for (state, text) in [(TrainingChat.State.new, "2 chats marked as new"), (.excluded, "2 chats excluded")] {
            review.state = state
            #expect(try store.review(.filter(TrainingFilter()), review, by: Self.owner) == 2)
            #expect(try store.admin.auditLog().items.first?.targetName == text)
        }
    }

    @Test(arguments: Backend.allCases) func `an owner's correction wins over the user's, and neither replaces the original`(
        _ backend: Backend
    ) throws {
        let store = try opened(backend), ada = try store.addTestUser("ada")
        let id = try chat(store, ada, "I live at 1 High St, ada@example.org", "OK")
        let conversation = try #require(ConversationID(id.description))
        let messages = try store.conversation(conversation, of: ada).1
        try store.correct(messages[1].id, in: conversation, of: ada, to: "Fine.")
        try store.correct(messages[1].id, in: id, to: "Thank you.", by: Self.owner)
        try store.correct(messages[0].id, in: id, to: "I live somewhere.", by: Self.owner)
        try include(store, [id])
        let details = try store.trainingChat(id)
        #expect(details.messages.map(\.message.content) == ["I live at 1 High St, ada@example.org", "OK"])
        #expect(details.messages.map(\.text) == ["I live somewhere.", "Thank you."])
        #expect(details.messages[1].details.correction == "Fine." && details.chat.ownerCorrections == 2 && details.chat.personal.isEmpty)
        let pages = try [false, true].flatMap { try store.trainingSet(heldOut: $0).chats }
        #expect(pages.first?.messages.map(\.text) == ["I live somewhere.", "Thank you."])
        // The user does not see it.
        #expect(try store.openConversation(conversation, of: ada).details[messages[1].id]?.ownerCorrection == nil)
        try store.correct(messages[1].id, in: id, to: nil, by: Self.owner)
        #expect(try store.trainingChat(id).messages.map(\.text) == ["I live somewhere.", "Fine."])
        try store.correct(messages[0].id, in: id, to: messages[0].content, by: Self.owner)
        #expect(try store.trainingChat(id).chat.ownerCorrections == 0 && store.trainingChat(id).chat.personal == [.email])
        #expect(throws: StoreError.notFound(.message)) { try store.correct(MessageID(), in: id, to: "x", by: Self.owner) }
        #expect(try store.admin.auditLog().items.filter { $0.action == .correctChat }.count == 4)
    }

    @Test(arguments: Backend.allCases) func `a guest's exchanges are one chat`(_ backend: Backend) throws {
        let db = try TestDatabase(backend), store = try db.store()
        func collect(_ history: [(String, String)], _ question: String, _ answer: String) throws {
            let turns = history.map { #"{"role":"user","content":"\#($0.0)"},{"role":"assistant","content":"\#($0.1)"}"# }
            let json = history.isEmpty ? "" : "[\(turns.joined(separator: ","))]"
            try store.collect(CollectedChat(at: store.options.now(), history: json, question: question, answer: answer), of: nil)
            db.advanceClock(by: .seconds(1))
        }
        try collect([], "Hi", "Hello!")
        try collect([("Hi", "Hello!")], "Who are you?", "A small model.")
        try collect([], "What is a river?", "Water that flows.")
        try collect([("Hi", "Hello!"), ("Who are you?", "A small model.")], "Bye", "See you")
        // The answer "other" was not collected.
        try collect([("Hi", "other")], "Well", "Yes")
        let chats = try store.trainingChats(sortedBy: .oldest).chats
        #expect(chats.map(\.turns) == [1, 3, 2] && chats.allSatisfy { $0.source == .guest && $0.person == nil && $0.state == .new })
        #expect(chats.map(\.title) == ["What is a river?", "Hi", "Hi"])
        let last = try store.trainingChat(chats[2].id).messages
        #expect(last.map(\.message.content) == ["Hi", "other", "Well", "Yes"] && last.map(\.isContext) == [true, true, false, false])
        #expect(try set(store).isEmpty)
        try include(store, chats.map(\.id))
        #expect(try set(store) == Set(chats.map(\.id)))
        var filter = TrainingFilter()
        filter.text = "small MODEL"
        #expect(try store.trainingChats(filter).chats.map(\.id) == [chats[1].id])
        try collect([("Hi", "Hello!"), ("Who are you?", "A small model."), ("Bye", "See you")], "One more", "Lies")
        #expect(try set(store) == [chats[0].id, chats[2].id] && store.trainingChat(chats[1].id).chat.turns == 4)
    }

    @Test(arguments: Backend.allCases) func `pages have each chat once in every order`(_ backend: Backend) throws {
        let db = try TestDatabase(backend), store = try db.store { $0.showsTrainingNotice = true }, ada = try store.addTestUser("ada")
        for i in 0..<7 {
            try chat(store, ada, "question \(i)", String(repeating: "answer ", count: i % 3 + 1))
            if i % 2 == 0 { db.advanceClock(by: .seconds(1)) }
        }
        for key in TrainingFilter.SortKey.allCases {
            var found: [TrainingChat] = [], next: TrainingChatCursor?
            repeat {
                let page = try store.trainingChats(sortedBy: key, after: next.flatMap { TrainingChatCursor($0.description) }, limit: 3)
                #expect(page.total == 7)
                found += page.chats
                next = page.next
            } while next != nil
            #expect(found.count == 7 && Set(found.map(\.id)).count == 7)
            let values = found.map { key == .newest || key == .oldest ? Int($0.updatedAt.milliseconds) : $0.characters }
            #expect(values == (key == .newest || key == .longest ? values.sorted(by: >) : values.sorted()))
        }
    }
}
