extension Store {
    /// Stores a message at the end of a conversation. When this returns, it is there and stays, and there once, however often it is sent under its key.
    ///
    /// - Parameter first: Not at the end, but in place of this message, which is of the same role, and all that follow: a question that was edited, an answer that was made again.
    /// - Parameter id: What it is to be called, where somebody was told already.
    /// - Parameter generation: What the answer took, if the message is one.
    @discardableResult
    package func append(
        _ draft: Draft, as id: MessageID = MessageID(), to conversation: ConversationID, of owner: UserID, replacingFrom first: MessageID? = nil, generation: Generation? = nil
    ) throws(StoreError) -> Message {
        let now = options.now()
        try draft.key?.checkLength(of: "a key")
        return try database.transaction(.write) { connection throws(StoreError) in
            try Self.append(draft, id: id, to: conversation, of: owner, replacingFrom: first, generation: generation,
                            mostLetters: options.mostLetters, at: now, on: connection, database.dialect)
        }
    }

    static func append(
        _ draft: Draft, id: MessageID, to conversation: ConversationID, of owner: UserID, replacingFrom first: MessageID? = nil, generation: Generation? = nil,
        mostLetters: Int = .max, at now: Moment, on connection: any Connection, _ dialect: Dialect
    ) throws(StoreError) -> Message {
        // Whoever writes into the same conversation waits here.
        let head = try connection.firstRow(
            "SELECT message_count FROM conversations WHERE id = $1 AND owner_id = $2 AND deleted_at IS NULL \(dialect.locking)", [.text(conversation), .text(owner)])
        guard let head else { throw .notFound(.conversation) }
        let key = draft.key ?? id.description
        if let stored = try message(under: key, in: conversation, on: connection) {
            guard stored.role == draft.role, stored.content == draft.content else { throw .keyReused }
            return stored
        }
        var position = try head.integer(0)
        if let first { position = try replace(from: first, draft.role, in: conversation, at: now, on: connection) }
        if draft.role == .user { try checkRoom(in: conversation, for: draft.content, most: mostLetters, on: connection) }
        try connection.rows("""
            INSERT INTO messages (id, conversation_id, position, role, content, write_key, created_at) VALUES ($1, $2, $3, $4, $5, $6, $7)
            """, [.text(id), .text(conversation), .integer(position), .text(draft.role.rawValue), .text(draft.content), .text(key), .integer(now)])
        // A clock that was set back does not move a conversation down the list.
        try connection.rows("UPDATE conversations SET message_count = $2, updated_at = CASE WHEN updated_at < $3 THEN $3 ELSE updated_at END WHERE id = $1",
                            [.text(conversation), .integer(position + 1), .integer(now)])
        if let generation { try record(generation, id: id, of: owner, conversation, message: id, at: now, on: connection) }
        try noteActivity(of: owner, at: now, on: connection)
        return Message(id: id, role: draft.role, content: draft.content, createdAt: now)
    }

    /// So that nobody makes a conversation that reading takes all memory for. An answer always has room.
    private static func checkRoom(in conversation: ConversationID, for text: String, most: Int, on connection: any Connection) throws(StoreError) {
        let row = try connection.firstRow("SELECT COALESCE(SUM(LENGTH(content)), 0) FROM messages WHERE conversation_id = $1 AND position >= 0", [.text(conversation)])
        let there = try row?.integer(0) ?? 0
        if there + text.unicodeScalars.count > most { throw .full(limit: most) }
    }

    /// What an answer took that is not kept: a guest's, a program's, one that came to nothing.
    package func record(_ generation: Generation, of user: UserID? = nil, in conversation: ConversationID? = nil) throws(StoreError) {
        let id = MessageID(), now = options.now()
        try database.transaction(.write) { connection throws(StoreError) in
            try Self.record(generation, id: id, of: user, conversation, message: nil, at: now, on: connection)
        }
    }

    static func messages(of conversation: ConversationID, on connection: any Connection) throws(StoreError) -> [Message] {
        try connection.rows(thread, [.text(conversation)]).map { row throws(StoreError) in try Message(row) }
    }

    package static let thread = "SELECT id, role, content, created_at FROM messages WHERE conversation_id = $1 AND position >= 0 ORDER BY position"

    private static func message(under key: String, in conversation: ConversationID, on connection: any Connection) throws(StoreError) -> Message? {
        let row = try connection.firstRow("SELECT id, role, content, created_at FROM messages WHERE conversation_id = $1 AND write_key = $2",
                                          [.text(conversation), .text(key)])
        return try row.map { row throws(StoreError) in try Message(row) }
    }

    /// - Returns: The position that is free now.
    private static func replace(from first: MessageID, _ role: Message.Role, in conversation: ConversationID, at now: Moment, on connection: any Connection) throws(StoreError) -> Int {
        let row = try connection.firstRow("SELECT position FROM messages WHERE id = $1 AND conversation_id = $2 AND role = $3 AND position IS NOT NULL",
                                          [.text(first), .text(conversation), .text(role.rawValue)])
        guard let position = try row?.integer(0) else { throw .notFound(.message) }
        try connection.rows("UPDATE messages SET replaced_at = $3, position = NULL WHERE conversation_id = $1 AND position >= $2",
                            [.text(conversation), .integer(position), .integer(now)])
        return position
    }

    private static func record(
        _ generation: Generation, id: MessageID, of user: UserID?, _ conversation: ConversationID?, message: MessageID?,
        at now: Moment, on connection: any Connection
    ) throws(StoreError) {
        try connection.rows("""
            INSERT INTO generations (id, user_id, conversation_id, message_id, model, prompt_tokens, answer_tokens, seconds, reason, created_at)
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) ON CONFLICT (id) DO NOTHING
            """, [.text(id), user.map { .text($0) } ?? .null, conversation.map { .text($0) } ?? .null, message.map { .text($0) } ?? .null, .text(generation.model),
                  .integer(generation.promptTokens), .integer(generation.answerTokens), .real(generation.seconds), .text(generation.reason), .integer(now)])
    }
}

extension Message {
    init(_ row: Row) throws(StoreError) {
        guard let role = Role(rawValue: try row.text(1)) else { throw row.unexpected(1, "a role") }
        self.init(id: try row.id(0), role: role, content: try row.text(2), createdAt: try row.moment(3))
    }
}
