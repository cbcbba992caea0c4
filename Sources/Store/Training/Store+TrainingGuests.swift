import JSON
import Secrets

/// Chats whose texts `training_messages` has: of guests, and imported ones.
extension Store {
    /// So many messages must be the same for an exchange to continue a chat.
    private static let tailLength = 6

    /// Brings up to date what is neither a conversation nor the chat of one: a collected chat, or a copied one whose consent may have
    /// changed.
    func refreshCopied(_ text: String, _ people: PersonHash, at now: Timestamp, on connection: any Connection) throws(StoreError) {
        guard let id = TrainingChatID(text) else { return }
        if let known = try connection.firstRow("SELECT conversation_id FROM training_chats WHERE id = $1", id) {
            // The conversation was deleted, and its row with it, or will be.
            if try !known.isNull("conversation_id") { return }
            try connection.execute("""
                UPDATE training_chats SET usable = CASE WHEN turns > 0 AND NOT EXISTS (
                    SELECT 1 FROM users WHERE id = user_id AND training_excluded_at IS NOT NULL) THEN 1 ELSE 0 END
                WHERE id = $1
                """, id)
            return
        }
        let row = try connection.firstRow("""
            SELECT collected_chats.created_at, history, question, answer, user_id, users.training_excluded_at
            FROM collected_chats LEFT JOIN users ON users.id = user_id WHERE collected_chats.id = $1 AND conversation_id IS NULL
            """, id)
        guard let row else { return }
        let chat = try CollectedChat(
            at: row["created_at"], history: row["history"], question: row["question"], answer: row["answer"])
        try collect(chat, as: id, of: try row["user_id"], isLeftOut: try !row.isNull("training_excluded_at"), people, on: connection)
    }

    /// Adds an exchange to the chat that it continues, or makes a chat of it.
    private func collect(
        _ chat: CollectedChat, as id: TrainingChatID, of user: UserID?, isLeftOut: Bool, _ people: PersonHash, on connection: any Connection
    ) throws(StoreError) {
        let history = Self.messages(ofHistory: chat.history)
        let exchange = [CopiedMessage(.user, chat.question), CopiedMessage(.assistant, chat.answer)]
        let person = user.map { people.hash(of: $0) }
        let known = history.isEmpty ? nil : try continued(by: history, of: person, on: connection)
        let title = (history + exchange).first { $0.role == .user }?.content ?? chat.question
        var row = TrainingChatRow(
            id: known ?? id, source: user == nil ? .guest : .account, user: user, title: Self.title(of: title), person: person,
            createdAt: chat.time, updatedAt: chat.time)
        row.tail = Self.tail(of: history + exchange)
        if let known {
            let stored = try Self.copiedMessages(of: known, on: connection).messages
            row.createdAt = stored.first?.message.createdAt ?? chat.time
            try Self.insert(exchange, into: known, after: stored, at: chat.time, on: connection)
        } else {
            try Self.insertEmpty(row, on: connection)
            let context = history.map { message in
                var copy = message
                copy.isContext = true
                return copy
            }
            try Self.insert(context + exchange, into: id, after: [], at: chat.time, on: connection)
        }
        let (stored, preferences) = try Self.copiedMessages(of: row.id, on: connection)
        var content = TrainingContent(systemPrompt: nil, stored, preferences)
        content.mayBeUsed = !isLeftOut
        try store(content, as: row, on: connection)
    }

    /// Inserts the row of a chat whose messages are not stored yet.
    static func insertEmpty(_ chat: TrainingChatRow, on connection: any Connection) throws(StoreError) {
        try connection.execute("""
            INSERT INTO training_chats (id, source, title, created_at, updated_at, group_id, digest) VALUES ($1, $2, $3, $4, $5, $1, '')
            """, chat.id, chat.source, chat.title, chat.createdAt, chat.updatedAt)
    }

    /// The latest chat that ends with these messages.
    private func continued(
        by history: [CopiedMessage], of person: String?, on connection: any Connection
    ) throws(StoreError) -> TrainingChatID? {
        try connection.value("""
            SELECT id FROM training_chats WHERE tail = $1 AND coalesce(person, '') = $2 ORDER BY updated_at DESC, id DESC LIMIT 1
            """, Self.tail(of: history), person ?? "")
    }

    private static func tail(of messages: [CopiedMessage]) -> String {
        var writer = JSONWriter()
        writer.array { list in
            for message in messages.suffix(tailLength) {
                list.string(message.role.rawValue)
                list.string(message.content)
            }
        }
        return SHA256.hex(of: writer.bytes)
    }

    private static func messages(ofHistory json: String) -> [CopiedMessage] {
        if json.isEmpty { return [] }
        guard let list = try? JSONElement(parsing: Array(json.utf8)).elements else { return [] }
        return list.compactMap { element in
            guard let role = element["role"]?.string.flatMap({ Message.Role(rawValue: $0) }), let text = element["content"]?.string else {
                return nil
            }
            return CopiedMessage(role, text)
        }
    }

    /// The beginning of a text on one line.
    static func title(of text: String) -> String {
        let line = text.split(whereSeparator: \.isWhitespace).prefix(20).joined(separator: " ")
        return line.count <= 60 ? line : line.prefix(59) + "…"
    }
}

/// A message to copy into `training_messages`.
package struct CopiedMessage: Sendable, Hashable {
    package let role: Message.Role
    package let content: String
    /// Whether it is on the active path. Consecutive messages that are not follow the active one before them, as an alternative to the
    /// active ones after them.
    package var isActive = true
    /// Whether an answer is only the context of later ones.
    package var isContext = false
    /// Whether it was preferred to the alternatives.
    package var isChosen = false
    package var rating: Rating.Value?

    package init(_ role: Message.Role, _ content: String) {
        self.role = role
        self.content = content.storable
    }
}

extension Store {
    /// Adds messages to the end of a chat.
    static func insert(
        _ messages: [CopiedMessage], into chat: TrainingChatID, after stored: [TrainingMessage], at time: Timestamp,
        on connection: any Connection
    ) throws(StoreError) {
        var previous = stored.last { $0.isActive }?.message.id
        var position = stored.count { $0.isActive }
        var branch: MessageID?
        for (i, message) in messages.enumerated() {
            let id = MessageID()
            let before = message.isActive ? previous : branch ?? previous
            try connection.execute("""
                INSERT INTO training_messages
                    (id, chat_id, position, previous_id, ordinal, role, content, rating, is_chosen, is_context, created_at)
                VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
                """, id, chat, message.isActive ? position : nil, before, stored.count + i, message.role, message.content,
                    message.rating, message.isChosen, message.isContext, time)
            if message.isActive {
                previous = id
                branch = nil
                position += 1
            } else {
                branch = id
            }
        }
    }

    /// The messages of a copied chat, each after the one that it follows, and what is preferred.
    static func copiedMessages(
        of chat: TrainingChatID, on connection: any Connection
    ) throws(StoreError) -> (messages: [TrainingMessage], preferences: [AnswerPreference]) {
        let rows = try connection.execute("""
            SELECT id, role, m.content, created_at, position, previous_id, ordinal, rating, is_chosen, is_context,
                c.content AS correction
            FROM training_messages AS m LEFT JOIN owner_corrections AS c ON c.message_id = m.id WHERE m.chat_id = $1 ORDER BY ordinal
            """, chat)
        let tree = MessageTree(try rows.map { row throws(StoreError) in
            MessageTree.Node(
                id: try row["id"], position: try row["position"], previous: try row["previous_id"], next: nil,
                createdAt: try row["created_at"], ordinal: try row["ordinal"])
        })
        var messages: [MessageID: TrainingMessage] = [:]
        var preferences: [AnswerPreference] = []
        for row in rows {
            let id: MessageID = try row["id"], time: Timestamp = try row["created_at"], alternatives = tree.alternatives(of: id)
            let previous = tree.nodes[id]?.previous
            let rating: Rating.Value? = try row["rating"]
            messages[id] = try TrainingMessage(
                message: Message(id: id, role: row["role"], content: row["content"], createdAt: time, figures: nil),
                previous: previous, isActive: !row.isNull("position"),
                details: MessageDetails(
                    alternatives: alternatives.count > 1 ? alternatives : [], rating: rating.map { Rating($0) },
                    ownerCorrection: row["correction"]),
                isContext: row["is_context"])
            let rejected = alternatives.filter { $0 != id }
            if try row["is_chosen"], let previous, !rejected.isEmpty {
                preferences.append(AnswerPreference(question: previous, chosen: id, rejected: rejected, user: nil, chosenAt: time))
            }
        }
        return (tree.all.compactMap { messages[$0] }, preferences)
    }
}
