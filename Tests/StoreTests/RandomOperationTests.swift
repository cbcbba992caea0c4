import Store
import TestSupport
import Testing

/// A conversation as the model makes one.
private struct Seen: Equatable {
    let id: ConversationID
    let title: String
    let createdAt, updatedAt: Moment
    let count: Int
}

extension Conversation {
    fileprivate var seen: Seen { Seen(id: id, title: title, createdAt: createdAt, updatedAt: updatedAt, count: messageCount) }
}

/// The store as it would be written if there were no disk.
private struct Model {
    struct Line {
        let message: Message
        let key: String?
        var replacedAt: Moment?
    }

    struct Chat {
        let id: ConversationID
        let owner: Int
        var title: String
        let key: String?
        let createdAt: Moment
        var updatedAt: Moment
        var deletedAt: Moment?
        var lines: [Line] = []

        var visible: [Message] { lines.filter { $0.replacedAt == nil }.map(\.message) }
        var conversation: Seen { Seen(id: id, title: title, createdAt: createdAt, updatedAt: updatedAt, count: visible.count) }
    }

    var chats: [Chat] = []
    var users = 0
    var answers = 0

    /// The place of a conversation that this user sees.
    func place(_ id: ConversationID, _ owner: Int) throws(StoreError) -> Int {
        guard let place = chats.firstIndex(where: { $0.id == id && $0.owner == owner && $0.deletedAt == nil }) else { throw .notFound(.conversation) }
        return place
    }

    func list(_ owner: Int, containing text: String?) -> [Seen] {
        chats.filter { chat in
            chat.owner == owner && chat.deletedAt == nil
                && (text.map { text in ([chat.title] + chat.visible.map(\.content)).contains { $0.lowercased().contains(text.lowercased()) } } ?? true)
        }.map(\.conversation).sorted { ($0.updatedAt, $0.id.description) > ($1.updatedAt, $1.id.description) }
    }

    mutating func purge(_ end: Moment) -> Int {
        for i in chats.indices { chats[i].lines.removeAll { $0.replacedAt.map { $0 <= end } ?? false } }
        let before = chats.count
        chats.removeAll { $0.deletedAt.map { $0 <= end } ?? false }
        return before - chats.count
    }
}

/// The same operations on a store and on the model; whatever one says, the other has to.
private struct Run {
    let place: Place, store: Store
    let window = Duration.seconds(20)
    var model = Model()
    var users: [UserID] = []
    var random: Noise
    var now = Moment(milliseconds: 1_700_000_000_000)
    var counts: [String: Int] = [:]

    init(_ backend: Backend, seed: UInt64) throws {
        let window = window
        (place, random) = (try Place(backend), Noise(seed))
        store = try place.store { $0.undoWindow = window }
        for i in 0..<3 { users.append(try store.somebody("user \(i)")) }
        model.users = 3
    }

    mutating func step() throws {
        if random.below(3) == 0 { wait(.milliseconds(random.below(4) == 0 ? 9_000 : random.below(3))) }
        let name: String
        switch random.below(20) {
        case 0, 1: (name, _) = ("create", try create())
        case 2...8: (name, _) = ("append", try append())
        case 9: (name, _) = ("rename", try rename())
        case 10: (name, _) = ("delete", try delete())
        case 11: (name, _) = ("restore", try restore())
        case 12: (name, _) = ("purge", try purge())
        case 13...15: (name, _) = ("list", try list())
        case 16, 17: (name, _) = ("read", try read())
        case 18: (name, _) = ("totals", try totals())
        default: (name, _) = ("search", try search())
        }
        counts[name, default: 0] += 1
    }

    private mutating func wait(_ duration: Duration) {
        place.wait(duration)
        now = now.advanced(by: duration)
    }

    /// Somebody, and a conversation that is probably theirs.
    private mutating func choose() -> (Int, ConversationID) {
        let chat = random.below(12) == 0 ? nil : model.chats.randomElement(using: &random)
        let owner = random.below(8) == 0 ? random.below(users.count) : chat?.owner ?? 0
        return (owner, chat?.id ?? ConversationID())
    }

    private mutating func words() -> String {
        (0...random.below(4)).map { _ in ["Rain", "rain", "snow", "Ωmega", "100%", "", "'"][random.below(7)] }.joined(separator: " ")
    }

    private mutating func create() throws {
        let owner = random.below(users.count), title = words(), key = random.below(3) == 0 ? "key \(random.below(6))" : nil
        let found = model.chats.first { $0.owner == owner && $0.key != nil && $0.key == key }
        let result = outcome { () throws(StoreError) in try store.createConversation(title, for: users[owner], key: key).0.seen }
        if let found {
            #expect(result == (found.deletedAt == nil ? .success(found.conversation) : .failure(.notFound(.conversation))))
        } else {
            let made = try result.get()
            #expect(made.title == title && made.createdAt == now && made.updatedAt == now && made.count == 0)
            model.chats.append(.init(id: made.id, owner: owner, title: title, key: key, createdAt: now, updatedAt: now))
        }
    }

    private mutating func append() throws {
        let (owner, id) = choose(), role = Message.Role.allCases[random.below(3)], key = random.below(2) == 0 ? "key \(random.below(9))" : nil
        let draft = Draft(role, words(), key: key)
        let took = random.below(4) == 0 ? Generation(model: "m", promptTokens: 1, answerTokens: 1, seconds: 1, reason: "stop") : nil
        let first = random.below(4) == 0 ? model.chats.first { $0.id == id }?.lines.randomElement(using: &random)?.message.id : nil
        let result = outcome { () throws(StoreError) in try store.append(draft, to: id, of: users[owner], replacingFrom: first, generation: took) }
        let place: Int
        do throws(StoreError) { place = try model.place(id, owner) } catch {
            #expect(result == .failure(error))
            return
        }
        if let stored = model.chats[place].lines.first(where: { $0.key != nil && $0.key == key })?.message {
            let isSame = stored.role == role && stored.content == draft.content
            #expect(result == (isSame ? .success(stored) : .failure(.keyReused)))
            return
        }
        if let first {
            guard let line = model.chats[place].lines.firstIndex(where: { $0.message.id == first && $0.message.role == role && $0.replacedAt == nil }) else {
                #expect(result == .failure(.notFound(.message)))
                return
            }
            for i in line..<model.chats[place].lines.count where model.chats[place].lines[i].replacedAt == nil { model.chats[place].lines[i].replacedAt = now }
        }
        let message = try result.get()
        #expect(message.role == role && message.content == draft.content && message.createdAt == now)
        model.chats[place].lines.append(.init(message: message, key: key))
        model.chats[place].updatedAt = now
        model.answers += took == nil ? 0 : 1
    }

    private mutating func rename() throws {
        let (owner, id) = choose(), title = words()
        let result = outcome { () throws(StoreError) in try store.rename(id, of: users[owner], to: title).seen }
        #expect(result == outcome { () throws(StoreError) in
            let place = try model.place(id, owner)
            model.chats[place].title = title
            return model.chats[place].conversation
        })
    }

    private mutating func delete() throws {
        let (owner, id) = choose()
        let result = outcome { () throws(StoreError) in try store.delete(id, of: users[owner]) }
        // In the very moment in which it was deleted it can be deleted again.
        let place = model.chats.firstIndex { $0.id == id && $0.owner == owner && ($0.deletedAt == nil || $0.deletedAt == now) }
        if let place { model.chats[place].deletedAt = now }
        #expect(failure(of: result) == (place == nil ? .notFound(.conversation) : nil))
    }

    private mutating func restore() throws {
        let (owner, id) = choose(), end = now.advanced(by: .zero - window)
        let result = outcome { () throws(StoreError) in try store.restore(id, of: users[owner]) }
        let place = model.chats.firstIndex { $0.id == id && $0.owner == owner && ($0.deletedAt.map { $0 > end } ?? true) }
        if let place { model.chats[place].deletedAt = nil }
        #expect(failure(of: result) == (place == nil ? .notFound(.conversation) : nil))
    }

    private mutating func purge() throws { #expect(try store.purge() == model.purge(now.advanced(by: .zero - window))) }

    private mutating func list() throws {
        let owner = random.below(users.count), limit = 1 + random.below(9)
        var found: [Seen] = [], cursor: ConversationCursor?
        repeat {
            let page = try store.conversations(of: users[owner], after: cursor, limit: limit)
            (found, cursor) = (found + page.conversations.map(\.seen), page.next)
        } while cursor != nil
        #expect(found == model.list(owner, containing: nil))
    }

    private mutating func search() throws {
        let owner = random.below(users.count), text = words()
        #expect(try store.conversations(of: users[owner], containing: text, limit: 1_000).conversations.map(\.seen) == model.list(owner, containing: text))
    }

    private mutating func read() throws {
        let (owner, id) = choose()
        let result = outcome { () throws(StoreError) in try store.conversation(id, of: users[owner]) }
        do throws(StoreError) {
            let chat = model.chats[try model.place(id, owner)], (conversation, messages) = try result.get()
            #expect(conversation.seen == chat.conversation && messages == chat.visible)
        } catch { #expect(failure(of: result) == error) }
    }

    private mutating func totals() throws {
        let totals = try store.administration.totals(), visible = model.chats.filter { $0.deletedAt == nil }
        #expect(totals.users == model.users && totals.conversations == visible.count && totals.generations == model.answers)
        #expect(totals.messages == visible.reduce(0) { $0 + $1.visible.count })
    }
}

private func outcome<Value>(_ body: () throws(StoreError) -> Value) -> Result<Value, StoreError> { Result(catching: body) }

private func failure<Value>(of result: Result<Value, StoreError>) -> StoreError? {
    if case .failure(let error) = result { error } else { nil }
}

@Suite struct RandomOperationTests {
    @Test(arguments: Backend.allCases, [1, 2, 3] as [UInt64])
    func `thousands of random operations leave what they would leave in memory`(_ backend: Backend, _ seed: UInt64) throws {
        var run = try Run(backend, seed: seed)
        for _ in 0..<1_000 { try run.step() }
        #expect(run.counts.count == 10 && run.counts.values.allSatisfy { $0 > 10 })
    }
}
