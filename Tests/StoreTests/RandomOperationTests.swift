import Store
import TestSupport
import Testing

/// The part of a conversation that the reference model predicts.
private struct Summary: Equatable {
    let id: ConversationID
    let title: String
    let createdAt, updatedAt: Timestamp
    let count: Int
}

extension StoredConversation {
    fileprivate var summary: Summary {
        Summary(id: id, title: title, createdAt: createdAt, updatedAt: updatedAt, count: messageCount)
    }
}

/// A reference implementation of the store in memory.
private struct ReferenceStore {
    struct Entry {
        let message: Message
        let previous: MessageID?
        /// The message that followed when this one left the active path.
        var next: MessageID?
    }

    struct ReferenceConversation {
        let id: ConversationID
        let owner: Int
        var title: String
        let createdAt: Timestamp
        var updatedAt: Timestamp
        var deletedAt: Timestamp?
        var entries: [Entry] = []
        /// Indices of `entries`.
        var path: [Int] = []

        var visible: [Message] { path.map { entries[$0].message } }

        mutating func leavePath(from position: Int) {
            for i in position..<path.count {
                entries[path[i]].next = i + 1 < path.count ? entries[path[i + 1]].message.id : nil
            }
            path.removeSubrange(position...)
        }

        /// Makes a message active, with those that followed it.
        mutating func activate(_ id: MessageID) {
            func index(_ id: MessageID) -> Int { entries.firstIndex { $0.message.id == id } ?? -1 }
            var new = [index(id)]
            while let previous = entries[new[0]].previous { new.insert(index(previous), at: 0) }
            while true {
                let last = entries[new[new.count - 1]], children = entries.indices.filter { entries[$0].previous == last.message.id }
                let next = children.first { path.contains($0) } ?? children.first { entries[$0].message.id == last.next }
                guard let next = next ?? children.max(by: { isEarlier($0, $1) }) else { break }
                new.append(next)
            }
            leavePath(from: zip(new, path).prefix { $0 == $1 }.count)
            path = new
        }

        private func isEarlier(_ a: Int, _ b: Int) -> Bool { (entries[a].message.createdAt, a) < (entries[b].message.createdAt, b) }
        var summary: Summary {
            Summary(id: id, title: title, createdAt: createdAt, updatedAt: updatedAt, count: visible.count)
        }
    }

    var chats: [ReferenceConversation] = []
    var users = 0
    var answers = 0

    /// The index of a conversation that the user can see.
    func index(_ id: ConversationID, _ owner: Int) throws(StoreError) -> Int {
        let index = chats.firstIndex { $0.id == id && $0.owner == owner && $0.deletedAt == nil }
        guard let index else { throw .notFound(.conversation) }
        return index
    }

    func list(_ owner: Int, containing text: String?) -> [Summary] {
        chats.filter { chat in
            guard chat.owner == owner && chat.deletedAt == nil else { return false }
            guard let text else { return true }
            return ([chat.title] + chat.visible.map(\.content)).contains { $0.lowercased().contains(text.lowercased()) }
        }.map(\.summary).sorted { ($0.updatedAt, $0.id.description) > ($1.updatedAt, $1.id.description) }
    }

    mutating func purge(_ end: Timestamp) -> Int {
        let before = chats.count
        chats.removeAll { $0.deletedAt.map { $0 <= end } ?? false }
        return before - chats.count
    }
}

/// Applies the same random operations to a store and to the reference model and compares their results.
private struct RandomRun {
    let db: TestDatabase
    let store: Store
    let window = Duration.seconds(20)
    var model = ReferenceStore()
    var users: [UserID] = []
    var random: TestRandom
    var now = Timestamp(milliseconds: 1_700_000_000_000)
    var counts: [String: Int] = [:]

    init(_ backend: Backend, seed: UInt64) throws {
        let window = window
        db = try TestDatabase(backend)
        random = TestRandom(seed)
        store = try db.store { $0.deletedRetention = window; $0.conversationsReadFirst = 3 }
        for i in 0..<3 { users.append(try store.addTestUser("user \(i)")) }
        model.users = 3
    }

    mutating func step() throws {
        if random.below(3) == 0 { advanceClock(.milliseconds(random.below(4) == 0 ? 9_000 : random.below(3))) }
        let name: String
        switch random.below(22) {
        case 0, 1:
            name = "create"
            try create()
        case 2...8:
            name = "append"
            try append()
        case 9:
            name = "rename"
            try rename()
        case 10:
            name = "delete"
            try delete()
        case 11:
            name = "restore"
            try restore()
        case 12:
            name = "purge"
            try purge()
        case 13...15:
            name = "list"
            try list()
        case 16, 17:
            name = "read"
            try read()
        case 18:
            name = "totals"
            try totals()
        case 19, 20:
            name = "switch"
            try switchBranch()
        default:
            name = "search"
            try search()
        }
        counts[name, default: 0] += 1
    }

    private mutating func advanceClock(_ duration: Duration) {
        db.advanceClock(by: duration)
        now = now.advanced(by: duration)
    }

    /// Picks a user and a conversation, which is usually theirs.
    private mutating func choose() -> (Int, ConversationID) {
        let chat = random.below(12) == 0 ? nil : model.chats.randomElement(using: &random)
        let owner = random.below(8) == 0 ? random.below(users.count) : chat?.owner ?? 0
        return (owner, chat?.id ?? ConversationID())
    }

    private mutating func randomText() -> String {
        (0...random.below(4)).map { _ in ["Rain", "rain", "snow", "Ωmega", "100%", "", "'"][random.below(7)] }.joined(separator: " ")
    }

    private mutating func create() throws {
        let owner = random.below(users.count)
        let title = randomText()
        let sameID = random.below(6) == 0 ? model.chats.randomElement(using: &random)?.id : nil
        let found = model.chats.first { $0.id == sameID }
        let result = outcome { () throws(StoreError) in
            try store.createConversation(title, as: sameID ?? ConversationID(), for: users[owner]).summary
        }
        if let found {
            let isVisible = found.owner == owner && found.deletedAt == nil
            #expect(result == (isVisible ? .success(found.summary) : .failure(.notFound(.conversation))))
        } else {
            let created = try result.get()
            #expect(created.title == title && created.createdAt == now && created.updatedAt == now && created.count == 0)
            model.chats.append(.init(id: created.id, owner: owner, title: title, createdAt: now, updatedAt: now))
        }
    }

    private mutating func append() throws {
        let (owner, id) = choose(), role = Message.Role.allCases[random.below(3)]
        let new = NewMessage(role, randomText())
        let generation = random.below(4) == 0 ? Generation(model: "m", promptTokens: 1, answerTokens: 1, seconds: 1, reason: "stop") : nil
        let first = random.below(4) == 0 ? model.chats.first { $0.id == id }?.entries.randomElement(using: &random)?.message.id : nil
        let sameID = random.below(8) == 0 ? model.chats.first { $0.id == id }?.entries.randomElement(using: &random)?.message.id : nil
        let result = outcome { () throws(StoreError) in
            try store.append(new, as: sameID ?? MessageID(), to: id, of: users[owner], replacingFrom: first, generation: generation)
        }
        let i: Int
        do throws(StoreError) { i = try model.index(id, owner) } catch {
            #expect(result == .failure(error))
            return
        }
        if let stored = model.chats[i].entries.first(where: { $0.message.id == sameID })?.message {
            #expect(result == .success(stored))
            return
        }
        if let first {
            guard let start = model.chats[i].visible.firstIndex(where: { $0.id == first && $0.role == role }) else {
                #expect(result == .failure(.notFound(.message)))
                return
            }
            model.chats[i].leavePath(from: start)
        }
        let message = try result.get(), previous = model.chats[i].visible.last?.id
        #expect(message.role == role && message.content == new.content && message.createdAt == now)
        model.chats[i].path.append(model.chats[i].entries.count)
        model.chats[i].entries.append(.init(message: message, previous: previous))
        model.chats[i].updatedAt = now
        model.answers += generation == nil ? 0 : 1
    }

    private mutating func switchBranch() throws {
        let (owner, id) = choose(), chat = model.chats.firstIndex { $0.id == id }
        let message = chat.flatMap { model.chats[$0].entries.randomElement(using: &random)?.message.id }
        let result = outcome { () throws(StoreError) in try store.activate(message ?? MessageID(), in: id, of: users[owner]) }
        do throws(StoreError) {
            let i = try model.index(id, owner)
            if let message { model.chats[i].activate(message) }
            #expect(failure(of: result) == (message == nil ? .notFound(.message) : nil))
        } catch { #expect(failure(of: result) == error) }
    }

    private mutating func rename() throws {
        let (owner, id) = choose(), title = randomText()
        let result = outcome { () throws(StoreError) in try store.update(id, of: users[owner], title: title) { _ in }.0.summary }
        #expect(result == outcome { () throws(StoreError) in
            let i = try model.index(id, owner)
            model.chats[i].title = title
            return model.chats[i].summary
        })
    }

    private mutating func delete() throws {
        let (owner, id) = choose()
        let result = outcome { () throws(StoreError) in try store.delete(id, of: users[owner]) }
        // A second deletion at the same time is idempotent.
        let i = model.chats.firstIndex { $0.id == id && $0.owner == owner && ($0.deletedAt == nil || $0.deletedAt == now) }
        if let i { model.chats[i].deletedAt = now }
        #expect(failure(of: result) == (i == nil ? .notFound(.conversation) : nil))
    }

    private mutating func restore() throws {
        let (owner, id) = choose(), end = now.advanced(by: .zero - window)
        let result = outcome { () throws(StoreError) in try store.restore(id, of: users[owner]) }
        let i = model.chats.firstIndex { $0.id == id && $0.owner == owner && ($0.deletedAt.map { $0 > end } ?? true) }
        if let i { model.chats[i].deletedAt = nil }
        #expect(failure(of: result) == (i == nil ? .notFound(.conversation) : nil))
    }

    private mutating func purge() throws { #expect(try store.purge() == model.purge(now.advanced(by: .zero - window))) }

    private mutating func list() throws {
        let owner = random.below(users.count), limit = 1 + random.below(9)
        var found: [Summary] = [], cursor: ConversationCursor?
        repeat {
            let page = try store.conversations(of: users[owner], after: cursor, limit: limit)
            found += page.conversations.map(\.summary)
            cursor = page.next
        } while cursor != nil
        #expect(found == model.list(owner, containing: nil))
    }

    private mutating func search() throws {
        let owner = random.below(users.count), text = randomText()
        let page = try store.conversations(of: users[owner], containing: text, limit: 1_000)
        #expect(page.conversations.map(\.summary) == model.list(owner, containing: text))
    }

    private mutating func read() throws {
        let (owner, id) = choose()
        let result = outcome { () throws(StoreError) in try store.conversation(id, of: users[owner]) }
        do throws(StoreError) {
            let chat = model.chats[try model.index(id, owner)], (conversation, messages) = try result.get()
            #expect(conversation.summary == chat.summary && messages == chat.visible)
        } catch { #expect(failure(of: result) == error) }
    }

    private mutating func totals() throws {
        let totals = try store.admin.totals(), visible = model.chats.filter { $0.deletedAt == nil }
        #expect(totals.users == model.users && totals.conversations == visible.count && totals.generations == model.answers)
        #expect(totals.messages == visible.reduce(0) { $0 + $1.visible.count })
        #expect(try store.userCounts == store.countedUsers)
    }
}

private func outcome<Success>(_ body: () throws(StoreError) -> Success) -> Result<Success, StoreError> { Result(catching: body) }

private func failure<Success>(of result: Result<Success, StoreError>) -> StoreError? {
    if case .failure(let error) = result { error } else { nil }
}

@Suite struct RandomOperationTests {
    @Test(arguments: Backend.allCases, [1, 2, 3] as [UInt64])
    func `random operations have the same results as a reference implementation`(_ backend: Backend, _ seed: UInt64) throws {
        var run = try RandomRun(backend, seed: seed)
        for _ in 0..<1_000 { try run.step() }
        #expect(run.counts.count == 11 && run.counts.values.allSatisfy { $0 > 10 })
    }
}
