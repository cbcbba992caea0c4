import ChatAnalysis
import JSON
import Secrets

/// Keeping `training_chats` up to date with conversations and collected chats.
///
/// Triggers list what has changed. The list of chats, a training set and `purge` make the rows of these chats again before they read:
/// so they are right with several servers and with statements of older ones, and people who chat do not wait for it.
extension Store {
    /// So few that writers of the conversations, which wait meanwhile, do not notice it.
    private static let batch = 32

    /// Makes the rows of chats that have changed.
    ///
    /// - Parameter time: When it takes longer, the rest is left for the next call.
    /// - Returns: The number of changes that are left.
    @discardableResult
    package func refreshTrainingChats(within time: Duration? = nil) throws(StoreError) -> Int {
        let end = time.map { ContinuousClock.now + $0 }
        var last = 0
        while let next = try refreshBatch(after: last) {
            last = next
            if let end, ContinuousClock.now >= end { break }
        }
        return try database.transaction(.read) { connection throws(StoreError) in
            try connection.firstRow("SELECT count(*) FROM training_chat_changes", [])?.integer(0) ?? 0
        }
    }

    /// - Returns: The number of the last change that was read; nil if there was none.
    private func refreshBatch(after last: Int) throws(StoreError) -> Int? {
        let sql = "SELECT number, chat_id FROM training_chat_changes WHERE number > $1 ORDER BY number LIMIT \(Self.batch)"
        let isEmpty = try database.transaction(.read) { connection throws(StoreError) in
            try connection.firstRow(sql, [.integer(last)]) == nil
        }
        if isEmpty { return nil }
        let now = options.now()
        return try database.transaction(.write) { connection throws(StoreError) in
            // Servers take turns, so that near-duplicates are found.
            if database.dialect == .postgresql { try connection.execute("SELECT pg_advisory_xact_lock(7564398)", []) }
            let changes = try connection.execute(sql, [.integer(last)]).map { row throws(StoreError) in
                (number: try row.integer("number"), chat: try row.text("chat_id"))
            }
            guard let end = changes.last?.number else { return nil }
            var chats: [String] = []
            for change in changes where !chats.contains(change.chat) { chats.append(change.chat) }
            let conversations = try lockedConversations(chats, on: connection)
            let people = try PersonHash(on: connection)
            for chat in chats {
                switch conversations[chat] {
                case .locked?: try refresh(conversation: chat, people, on: connection)
                case .busy?: continue
                case nil: try refreshCopied(chat, people, at: now, on: connection)
                }
            }
            let numbers = changes.filter { conversations[$0.chat] != .busy }.map { SQLValue.integer($0.number) }
            let padding = [SQLValue](repeating: .integer(-1), count: Self.batch - numbers.count)
            try connection.execute("DELETE FROM training_chat_changes WHERE number IN (\(Self.parameters))", numbers + padding)
            try Self.updateSearchIndex(on: connection, database.dialect, minimum: 50)
            return end
        }
    }

    private static let parameters = (1...batch).map { "$\($0)" }.joined(separator: ", ")

    private enum Lock { case locked, busy }

    /// Locks the conversations among the chats against deletion. One that a transaction is writing is left for the next time: waiting
    /// for it could be a deadlock.
    private func lockedConversations(_ chats: [String], on connection: any Connection) throws(StoreError) -> [String: Lock] {
        let values = chats.map { SQLValue.text($0) } + [SQLValue](repeating: .text(""), count: Self.batch - chats.count)
        let sql = "SELECT id FROM conversations WHERE id IN (\(Self.parameters))"
        var result: [String: Lock] = [:]
        if database.dialect == .postgresql {
            for row in try connection.execute(sql, values) { result[try row.text(0)] = .busy }
        }
        let lock = database.dialect == .postgresql ? " FOR KEY SHARE SKIP LOCKED" : ""
        for row in try connection.execute(sql + lock, values) { result[try row.text(0)] = .locked }
        return result
    }

    // MARK: Conversations of accounts

    private func refresh(conversation text: String, _ people: PersonHash, on connection: any Connection) throws(StoreError) {
        guard let conversation = ConversationID(text), let chat = TrainingChatID(text) else { return }
        let row = try connection.firstRow("""
            SELECT title, conversations.created_at, updated_at, owner_id, system_prompt, model,
                CASE WHEN deleted_at IS NULL AND conversations.training_excluded_at IS NULL AND users.training_excluded_at IS NULL
                    THEN 1 ELSE 0 END AS is_allowed,
                (SELECT count(*) FROM messages WHERE conversation_id = $1 AND training_notice IS NOT NULL) AS announced,
                (SELECT count(*) FROM messages WHERE conversation_id = $1 AND training_notice IS NULL) AS unannounced
            FROM conversations JOIN users ON users.id = owner_id WHERE conversations.id = $1
            """, [.text(conversation)])
        guard let row, try row.integer("announced") > 0 else {
            try connection.execute("DELETE FROM training_chats WHERE id = $1", [.text(chat)])
            return
        }
        let owner: UserID = try row.id("owner_id")
        let (messages, preferences) = try Self.trainingMessages(of: conversation, on: connection)
        var content = TrainingContent(systemPrompt: try row.optionalText("system_prompt"), messages, preferences)
        let (isAllowed, unannounced) = (try row.integer("is_allowed") == 1, try row.integer("unannounced"))
        content.mayBeUsed = isAllowed && unannounced == 0
        try store(
            content,
            as: TrainingChatRow(
                id: chat, source: .account, conversation: conversation, user: owner, title: row.text("title"),
                person: people.hash(of: owner), createdAt: row.timestamp("created_at"), updatedAt: row.timestamp("updated_at")),
            on: connection)
    }

    // MARK: Rows

    /// Inserts or updates the row of a chat. Its fingerprint and what is found in its texts are made only if they have changed.
    func store(_ content: TrainingContent, as chat: TrainingChatRow, on connection: any Connection) throws(StoreError) {
        let digest = content.digest
        let known = try connection.firstRow(
            "SELECT digest, state FROM training_chats WHERE id = $1 \(database.dialect.rowLock)", [.text(chat.id)])
        let usable: SQLValue = .integer(content.mayBeUsed && content.turns > 0 ? 1 : 0)
        let knownDigest = try known.map { row throws(StoreError) in try row.text("digest") }
        if knownDigest == digest {
            try connection.execute(
                "UPDATE training_chats SET title = $2, updated_at = $3, usable = $4, person = $5 WHERE id = $1",
                [.text(chat.id), .text(chat.title), .integer(chat.updatedAt), usable, .text(chat.person)])
            return
        }
        // A chat that has changed since it was included has to be reviewed again.
        let state = try known.map { row throws(StoreError) in try row.text("state") }
        let isIncluded = state == TrainingChat.State.included.rawValue
        let values: [SQLValue] = [
            .text(chat.id), .text(chat.source.rawValue), .text(chat.conversation),
            .text(chat.user), .text(chat.title), .text(content.systemPrompt), .text(chat.person),
            .text(content.model), .integer(chat.createdAt), .integer(chat.updatedAt), .integer(content.turns),
            .integer(content.characters), .integer(content.count(of: .good)), .integer(content.count(of: .bad)),
            .integer(content.corrections), .integer(content.preferences.count),
            .integer(PersonalData.Kind.bits(of: content.personalKinds)), usable, .text(digest), .text(chat.tail),
        ]
        let names = [
            "id", "source", "conversation_id", "user_id", "title", "system_prompt", "person", "model", "created_at", "updated_at", "turns",
            "characters", "good", "bad", "corrections", "preferences", "personal", "usable", "digest", "tail",
        ]
        if known == nil {
            let parameters = names.indices.map { "$\($0 + 1)" }.joined(separator: ", ")
            try connection.execute(
                "INSERT INTO training_chats (\(names.joined(separator: ", ")), group_id) VALUES (\(parameters), $1)", values)
        } else {
            let changes = names.indices.dropFirst().map { "\(names[$0]) = $\($0 + 1)" }.joined(separator: ", ")
            let reset = isIncluded ? ", state = 'new'" : ""
            try connection.execute("UPDATE training_chats SET \(changes)\(reset) WHERE id = $1", values)
        }
        try group(chat.id, TextSketch(of: content.texts), on: connection)
    }
}

/// What the row of a chat has besides its content.
struct TrainingChatRow {
    let id: TrainingChatID
    let source: TrainingChat.Source
    var conversation: ConversationID?
    var user: UserID?
    let title: String
    var person: String?
    var createdAt: Timestamp
    let updatedAt: Timestamp
    /// For guests, the digest of the last messages, by which the next exchange of the same chat is recognized.
    var tail: String?
}

/// The messages of a chat, and what is computed from them.
struct TrainingContent {
    let systemPrompt: String?
    let messages: [TrainingMessage]
    let preferences: [AnswerPreference]
    var mayBeUsed = true

    init(systemPrompt: String?, _ messages: [TrainingMessage], _ preferences: [AnswerPreference]) {
        self.systemPrompt = systemPrompt
        self.messages = messages
        self.preferences = preferences
    }

    private var path: [TrainingMessage] { messages.filter(\.isActive) }
    var turns: Int { path.count { $0.message.role == .assistant } }
    var characters: Int { path.reduce(0) { $0 + $1.message.content.unicodeScalars.count } }
    var corrections: Int { messages.count { $0.details.correction != nil } }
    var model: String? { path.last { $0.message.role == .assistant }?.details.model }
    func count(of rating: Rating.Value) -> Int { messages.count { $0.details.rating?.value == rating } }
    /// The texts that are compared with other chats.
    var texts: [String] { path.map { $0.details.correction ?? $0.message.content } }

    var personalKinds: Set<PersonalData.Kind> {
        var kinds = Set(PersonalData.found(in: systemPrompt ?? "").map(\.kind))
        for message in messages {
            // An owner's correction may have removed personal data.
            let texts = message.details.ownerCorrection.map { [$0] } ?? [message.message.content, message.details.correction ?? ""]
            for text in texts { kinds.formUnion(PersonalData.found(in: text).map(\.kind)) }
        }
        return kinds
    }

    /// Changes with everything that people have said: only what the owner has reviewed is trained on.
    var digest: String {
        var writer = JSONWriter()
        writer.array { all in
            all.string(systemPrompt ?? "")
            for message in messages {
                all.string(message.message.id.description)
                all.string(message.previous?.description ?? "")
                all.string(message.message.role.rawValue)
                all.string(message.message.content)
                all.boolean(message.isActive)
                all.string(message.details.rating?.value.rawValue ?? "")
                all.string(message.details.correction ?? "")
                all.boolean(message.details.correction != nil)
            }
            for preference in preferences {
                all.string(preference.chosen.description)
                for id in preference.rejected { all.string(id.description) }
            }
        }
        return SHA256.hex(of: writer.bytes)
    }
}

/// Names people without revealing who they are: a hash of the account with a key of this database.
struct PersonHash {
    private let key: String

    init(on connection: any Connection) throws(StoreError) { key = try Store.trainingKey(on: connection) }

    func hash(of user: UserID) -> String { String(SHA256.hex(of: Array("person \(key) \(user)".utf8)).prefix(6)) }
}

extension Store {
    private static let trainingKeyName = "training_key"

    /// The key of hashes that must not change. It is no secret from those who read the database.
    static func trainingKey(on connection: any Connection) throws(StoreError) -> String {
        if let key = try setting(trainingKeyName, on: connection) { return key }
        try connection.execute(
            "INSERT INTO settings (name, value) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING",
            [.text(trainingKeyName), .text(MessageID().description)])
        return try setting(trainingKeyName, on: connection) ?? ""
    }
}
