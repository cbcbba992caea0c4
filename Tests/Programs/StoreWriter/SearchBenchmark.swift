import Glibc
import Store
import Synchronization
import Threads

/// Measures searches in a database of generated conversations: with the index, and without it, as if all conversations were new.
struct SearchBenchmark {
    private let url: String
    private let conversations: Int
    private static let messagesOfConversation = 8
    private static let wordsOfMessage = 60

    init(url: String, conversations: Int) {
        self.url = url
        self.conversations = conversations
    }

    func run(_ report: (String) -> Void) throws(StoreError) {
        let indexed = try store(), scanning = try store { $0.conversationsReadFirst = .max }
        let user = try reader(in: indexed)
        let sql = "SELECT CAST(sum(characters) AS BIGINT) AS size FROM conversations WHERE owner_id = $1"
        let size: Int? = try indexed.database.read(sql, user).first?["size"]
        report("\(conversations) conversations of the user with \((size ?? 0) / 1_000_000) million characters, and as many of others")
        let texts = [
            ("in all", "a"), ("two letters", "ba"), ("a word", "bada"), ("in the oldest", "zebra crossing"), ("in none", "xylophone"),
        ]
        for (name, text) in texts {
            for (kind, store) in [("without index", scanning), ("with index", indexed)] {
                var durations: [Duration] = [], found = 0
                for _ in 0..<(kind == "with index" ? 50 : 5) {
                    let start = ContinuousClock.now
                    found = try store.conversations(of: user, containing: text, limit: 30).conversations.count
                    durations.append(ContinuousClock.now - start)
                }
                report("search, \(name), \(kind): \(found) found, median \(median(durations)), slowest \(durations.max() ?? .zero)")
            }
        }
        report("list, quiet: median \(try median(lists(of: indexed, user)))")
        let isRunning = Atomic(true), ended = Mailbox<Void>()
        for _ in 0..<4 {
            try? BackgroundThread.run {
                while isRunning.load(ordering: .relaxed) { _ = try? scanning.conversations(of: user, containing: "xylophone", limit: 30) }
                ended.put(())
            }
        }
        usleep(200_000)
        let busy = try lists(of: scanning, user)
        report("list, during four slow searches: median \(median(busy)), slowest \(busy.max() ?? .zero)")
        isRunning.store(false, ordering: .relaxed)
        for _ in 0..<4 { ended.take() }
    }

    private func reader(in store: Store) throws(StoreError) -> UserID {
        if let user = try store.user(named: "reader") { return user.id }
        return try fill(store)
    }

    private func lists(of store: Store, _ user: UserID) throws(StoreError) -> [Duration] {
        var durations: [Duration] = []
        for _ in 0..<300 {
            let start = ContinuousClock.now
            _ = try store.conversations(of: user, limit: 30)
            durations.append(ContinuousClock.now - start)
        }
        return durations
    }

    private func median(_ durations: [Duration]) -> Duration { durations.sorted()[durations.count / 2] }

    private func store(_ change: (inout StoreOptions) -> Void = { _ in }) throws(StoreError) -> Store {
        var options = StoreOptions()
        options.maxConversations = 0
        options.maxStoredCharacters = 0
        options.searchTimeout = .seconds(60)
        options.timeout = .seconds(60)
        change(&options)
        return try Store(url, options)
    }

    /// Half of the conversations belong to the reader, the others to ten users.
    private func fill(_ store: Store) throws(StoreError) -> UserID {
        let reader = try store.addUser("reader", passwordHash: "x").id
        var others: [UserID] = []
        for i in 0..<10 { others.append(try store.addUser("other \(i)", passwordHash: "x").id) }
        var state: UInt64 = 1
        func below(_ bound: Int) -> Int {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return Int(state >> 33) % bound
        }
        let consonants = Array("bcdfghjklmnprstvw"), vowels = Array("aeiou")
        let words = (0..<20_000).map { _ in
            (0..<2 + below(3)).map { _ in "\(consonants[below(consonants.count)])\(vowels[below(vowels.count)])" }.joined()
        }
        // The first words are the most frequent ones.
        func word() -> String { words[below(1 + below(1 + below(words.count)))] }
        func text() -> String { (0..<Self.wordsOfMessage).map { _ in word() }.joined(separator: " ") }
        for batch in 0..<(conversations * 2 / 50) {
            try store.database.transaction(.write) { connection throws(StoreError) in
                for i in batch * 50..<(batch + 1) * 50 {
                    let id = ConversationID(), owner = i % 2 == 0 ? reader : others[i / 2 % others.count]
                    try connection.execute("""
                        INSERT INTO conversations (id, owner_id, title, created_at, updated_at, message_count)
                        VALUES ($1, $2, $3, $4, $4, \(Self.messagesOfConversation))
                        """, id, owner, "chat \(i)", i)
                    for position in 0..<Self.messagesOfConversation {
                        let content = i == 0 ? "Zebra Crossing " + text() : text()
                        try connection.execute("""
                            INSERT INTO messages (id, conversation_id, position, ordinal, role, content, created_at)
                            VALUES ($1, $2, $3, $3, 'user', $4, $5)
                            """, MessageID(), id, position, content, i)
                    }
                }
            }
            try store.purge()                                          // indexes the new messages
        }
        try store.database.transaction(.write) { connection throws(StoreError) in
            try connection.execute("""
                UPDATE conversations SET characters = (SELECT sum(length(content)) FROM messages WHERE conversation_id = conversations.id)
                """)
            _ = try connection.execute("ANALYZE")
        }
        return reader
    }
}
