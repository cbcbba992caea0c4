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
        return try database.value("SELECT count(*) FROM training_chat_changes") ?? 0
    }

    /// - Returns: The number of the last change that was read; nil if there was none.
    private func refreshBatch(after last: Int) throws(StoreError) -> Int? {
        let sql = "SELECT number, chat_id FROM training_chat_changes WHERE number > $1 ORDER BY number LIMIT \(Self.batch)"
        if try database.read(sql, last).isEmpty { return nil }
        let now = options.now()
        return try database.transaction(.write) { connection throws(StoreError) in
            // Servers take turns, so that near-duplicates are found.
            if database.dialect == .postgresql { try connection.execute("SELECT pg_advisory_xact_lock(7564398)") }
            let changes = try connection.execute(sql, last).map { row throws(StoreError) in
                (number: try row["number"] as Int, chat: try row["chat_id"] as String)
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
            let numbers = changes.filter { conversations[$0.chat] != .busy }.map(\.number.sql)
            let padding = [SQLValue](repeating: (-1).sql, count: Self.batch - numbers.count)
            try connection.execute("DELETE FROM training_chat_changes WHERE number IN (\(Self.parameters))", values: numbers + padding)
            try Self.updateSearchIndex(on: connection, minimum: 50)
            return end
        }
    }

    private static let parameters = (1...batch).map { "$\($0)" }.joined(separator: ", ")

    private enum Lock { case locked, busy }

    /// Locks the conversations among the chats against deletion. One that a transaction is writing is left for the next time: waiting
    /// for it could be a deadlock.
    private func lockedConversations(_ chats: [String], on connection: any Connection) throws(StoreError) -> [String: Lock] {
        let values = chats.map(\.sql) + [SQLValue](repeating: "".sql, count: Self.batch - chats.count)
        let sql = "SELECT id FROM conversations WHERE id IN (\(Self.parameters))"
        var result: [String: Lock] = [:]
        if database.dialect == .postgresql {
            for row in try connection.execute(sql, values: values) { result[try row["id"]] = .busy }
        }
        let lock = database.dialect == .postgresql ? " FOR KEY SHARE SKIP LOCKED" : ""
        for row in try connection.execute(sql + lock, values: values) { result[try row["id"]] = .locked }
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
            """, conversation)
        guard let row, try row["announced"] > 0 else {
            try connection.execute("DELETE FROM training_chats WHERE id = $1", chat)
            return
        }
        let owner: UserID = try row["owner_id"]
        let (messages, preferences) = try Self.trainingMessages(of: conversation, on: connection)
        var content = TrainingContent(systemPrompt: try row["system_prompt"], messages, preferences)
        content.mayBeUsed = try (row["is_allowed"], row["unannounced"]) == (true, 0)
        try store(
            content,
            as: TrainingChatRow(
                id: chat, source: .account, conversation: conversation, user: owner, title: row["title"],
                person: people.hash(of: owner), createdAt: row["created_at"], updatedAt: row["updated_at"]),
            on: connection)
    }

    // MARK: Rows

    /// Inserts or updates the row of a chat. Its fingerprint and what is found in its texts are made only if they have changed.
    func store(_ content: TrainingContent, as chat: TrainingChatRow, on connection: any Connection) throws(StoreError) {
        let digest = content.digest
        let known = try connection.firstRow("SELECT digest, state FROM training_chats WHERE id = $1 \(database.dialect.rowLock)", chat.id)
        let usable = content.mayBeUsed && content.turns > 0
        if let known, try known["digest"] == digest {
            try connection.execute(
                "UPDATE training_chats SET title = $2, updated_at = $3, usable = $4, person = $5 WHERE id = $1",
                chat.id, chat.title, chat.updatedAt, usable, chat.person)
            return
        }
        let columns: KeyValuePairs<String, any ColumnValue> = [
            "id": chat.id, "source": chat.source, "conversation_id": chat.conversation, "user_id": chat.user, "title": chat.title,
            "system_prompt": content.systemPrompt, "person": chat.person, "model": content.model, "created_at": chat.createdAt,
            "updated_at": chat.updatedAt, "turns": content.turns, "characters": content.characters, "good": content.count(of: .good),
            "bad": content.count(of: .bad), "corrections": content.corrections, "preferences": content.preferences.count,
            "personal": PersonalData.Kind.bits(of: content.personalKinds), "usable": usable, "digest": digest, "tail": chat.tail,
        ]
        let values = columns.map(\.value.sql)
        if let known {
            let changes = columns.indices.dropFirst().map { "\(columns[$0].key) = $\($0 + 1)" }.joined(separator: ", ")
            // A chat that has changed since it was included has to be reviewed again.
            let reset = try known["state"] == TrainingChat.State.included ? ", state = 'new'" : ""
            try connection.execute("UPDATE training_chats SET \(changes)\(reset) WHERE id = $1", values: values)
        } else {
            let names = columns.map(\.key).joined(separator: ", ")
            let parameters = columns.indices.map { "$\($0 + 1)" }.joined(separator: ", ")
            try connection.execute("INSERT INTO training_chats (\(names), group_id) VALUES (\(parameters), $1)", values: values)
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
            "INSERT INTO settings (name, value) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING", trainingKeyName, MessageID().description)
        return try setting(trainingKeyName, on: connection) ?? ""
    }
}
