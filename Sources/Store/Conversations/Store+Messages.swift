extension Store {
    /// Stores a message at the end of a conversation, once however often it is called with the same `id`.
    ///
    /// - Parameters:
    ///   - id: The id of the message, where a client already knows it.
    ///   - first: Takes the place of this message, which has the same role, on the active path: an edited user message, a regenerated
    ///     answer. This message and all that follow stay as an alternative.
    ///   - question: The user's message that an answer belongs to; nil for the last one.
    ///   - generation: The token counts and the time of the answer, if the message is one.
    ///   - lease: The lease of the answer, which ends. Throws `leaseLost` if another server has taken it.
    @discardableResult
    package func append(
        _ message: NewMessage, as id: MessageID = MessageID(), to conversation: ConversationID, of owner: UserID,
        replacingFrom first: MessageID? = nil, answering question: MessageID? = nil, generation: Generation? = nil,
        ending lease: AnswerLease? = nil
    ) throws(StoreError) -> Message {
        let now = options.now()
        return try database.transaction(.write) { connection throws(StoreError) in
            // Before the conversation is locked, in the same order as in `beginAnswer`.
            let holds = try lease.map { lease throws(StoreError) in try Self.end(lease, in: conversation, on: connection) } ?? true
            if !holds {
                // A transaction whose connection broke during COMMIT runs again.
                _ = try Self.conversation(conversation, of: owner, on: connection)       // deleted with its leases: notFound
                let stored = try Self.storedMessage(id, in: conversation, on: connection)
                guard let stored, stored.content == message.content else { throw .leaseLost }
                return stored
            }
            return try Self.append(
                message, id: id, to: conversation, of: owner, replacingFrom: first, answering: question, generation: generation,
                options, at: now, on: connection)
        }
    }

    @discardableResult
    static func append(
        _ message: NewMessage, id: MessageID, to conversation: ConversationID, of owner: UserID,
        replacingFrom first: MessageID? = nil, answering question: MessageID? = nil, generation: Generation? = nil,
        _ options: StoreOptions, at now: Timestamp, on connection: any Connection
    ) throws(StoreError) -> Message {
        let count = try lock(conversation, of: owner, on: connection)
        // A transaction whose connection broke during COMMIT runs again.
        if let stored = try storedMessage(id, in: conversation, on: connection) { return stored }
        var position: Int? = count
        if let first {
            position = try replace(from: first, message.role, in: conversation, on: connection)
            // The user may have switched to another question while no server held the lease of the answer. Then the answer is stored off
            // the active path.
            if position == nil, question == nil { throw .notFound(.message) }
        }
        // Also locks the account, so that its quotas are exact however many servers add to them.
        try recordActivity(of: owner, at: now, on: connection)
        let (characters, ordinal) = try size(of: conversation, on: connection)
        let newCharacters = message.content.unicodeScalars.count + (message.sources?.unicodeScalars.count ?? 0)
        if message.role == .user {
            try checkSize(characters + newCharacters, of: conversation, of: owner, options, on: connection)
        }
        var parent = message.role == .assistant ? question : nil
        if message.role == .assistant, parent == nil {
            parent = try self.question(before: position ?? count, in: conversation, on: connection)
        }
        var previous = question
        if let position { previous = try self.message(at: position - 1, in: conversation, on: connection) }
        try connection.execute("""
            INSERT INTO messages
                (id, conversation_id, position, role, content, created_at, reason, answer_tokens, seconds, first_token_seconds, parent_id,
                previous_id, ordinal, model, training_notice, sources)
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)
            """, id, conversation, position, message.role, message.content, now, generation?.reason, generation?.answerTokens,
                generation?.seconds, generation?.firstTokenSeconds, parent, previous, ordinal, generation?.model,
                options.showsTrainingNotice ? true : nil, message.sources)
        // Going on from an answer chooses it over its alternatives.
        if message.role == .user, let previous { try prefer(previous, by: owner, at: now, on: connection) }
        // `updated_at` never decreases, so setting the system clock back does not reorder the conversation list.
        try connection.execute("""
            UPDATE conversations
            SET message_count = $2, characters = $4, updated_at = CASE WHEN updated_at < $3 THEN $3 ELSE updated_at END WHERE id = $1
            """, conversation, position.map { $0 + 1 } ?? count, now, characters + newCharacters)
        if message.role == .assistant { try deleteUnfinished(id, on: connection) }
        try updateSearchIndex(on: connection, minimum: 50)
        if let generation { try insert(generation, id: id, of: owner, conversation, message: id, at: now, on: connection) }
        let figures = generation.map {
            AnswerFigures(reason: $0.reason, tokens: $0.answerTokens, seconds: $0.seconds, firstTokenSeconds: $0.firstTokenSeconds)
        }
        return Message(id: id, role: message.role, content: message.content, createdAt: now, figures: figures, parent: parent)
    }

    private static func question(
        before position: Int, in conversation: ConversationID, on connection: any Connection
    ) throws(StoreError) -> MessageID? {
        try connection.value("""
            SELECT id FROM messages WHERE conversation_id = $1 AND position < $2 AND role = 'user' ORDER BY position DESC LIMIT 1
            """, conversation, position)
    }

    private static func message(
        at position: Int, in conversation: ConversationID, on connection: any Connection
    ) throws(StoreError) -> MessageID? {
        try connection.value("SELECT id FROM messages WHERE conversation_id = $1 AND position = $2", conversation, position)
    }

    /// The size of a conversation in Unicode scalars, with alternatives, corrections and sources, and the number of its messages.
    static func size(
        of conversation: ConversationID, on connection: any Connection
    ) throws(StoreError) -> (characters: Int, messages: Int) {
        let row = try connection.firstRow("""
            SELECT CAST(COALESCE(SUM(LENGTH(messages.content) + COALESCE(LENGTH(corrections.content), 0)
                + COALESCE(LENGTH(sources), 0)), 0) AS BIGINT) AS characters,
                COUNT(*) AS messages
            FROM messages LEFT JOIN corrections ON message_id = messages.id WHERE conversation_id = $1
            """, conversation)
        return (try row?["characters"] ?? 0, try row?["messages"] ?? 0)
    }

    /// Limits the text of a conversation, and that of an account. Answers are not limited: the limit of the next message counts them.
    ///
    /// - Parameter characters: What the conversation would have.
    static func checkSize(
        _ characters: Int, of conversation: ConversationID, of owner: UserID, _ options: StoreOptions, on connection: any Connection
    ) throws(StoreError) {
        if characters > options.maxCharacters { throw .conversationFull(limit: options.maxCharacters) }
        guard options.maxStoredCharacters > 0 else { return }
        let others: Int = try connection.value("""
            SELECT CAST(COALESCE(SUM(characters), 0) AS BIGINT) FROM conversations WHERE owner_id = $1 AND deleted_at IS NULL AND id <> $2
            """, owner, conversation) ?? 0
        if others + characters > options.maxStoredCharacters {
            throw .quotaExceeded(.storedCharacters, limit: options.maxStoredCharacters)
        }
    }

    /// Records the token counts and time of an answer that is not stored: of a guest or an API client, or one without text.
    ///
    /// - Parameter lease: The lease of the answer in the conversation, which ends.
    package func record(
        _ generation: Generation, of user: UserID? = nil, in conversation: ConversationID? = nil, ending lease: AnswerLease? = nil
    ) throws(StoreError) {
        let id = MessageID()
        let now = options.now()
        try database.transaction(.write) { connection throws(StoreError) in
            if let lease, let conversation { _ = try Self.end(lease, in: conversation, on: connection) }
            try Self.insert(generation, id: id, of: user, conversation, message: nil, at: now, on: connection)
        }
    }

    static func messages(of conversation: ConversationID, on connection: any Connection) throws(StoreError) -> [Message] {
        try connection.execute(messagesSQL, conversation).map(Message.init)
    }

    package static let messagesSQL =
        "SELECT \(Message.columns) FROM messages WHERE conversation_id = $1 AND position >= 0 ORDER BY position"

    private static func storedMessage(
        _ id: MessageID, in conversation: ConversationID, on connection: any Connection
    ) throws(StoreError) -> Message? {
        try connection.firstRow(
            "SELECT \(Message.columns) FROM messages WHERE id = $1 AND conversation_id = $2", id, conversation).map(Message.init)
    }

    /// Takes a message and all that follow off the active path.
    ///
    /// - Returns: The position of the first of them, which is free again; nil if it is not on the active path, or has another role.
    private static func replace(
        from first: MessageID, _ role: Message.Role, in conversation: ConversationID, on connection: any Connection
    ) throws(StoreError) -> Int? {
        let position: Int? = try connection.value(
            "SELECT position FROM messages WHERE id = $1 AND conversation_id = $2 AND role = $3 AND position IS NOT NULL",
            first, conversation, role)
        guard let position else { return nil }
        try leaveActivePath(from: position, in: conversation, on: connection)
        return position
    }

    /// Inserts NULL for a user or a conversation that was deleted while the answer was generated.
    private static func insert(
        _ generation: Generation, id: MessageID, of user: UserID?, _ conversation: ConversationID?, message: MessageID?,
        at now: Timestamp, on connection: any Connection
    ) throws(StoreError) {
        try connection.execute("""
            INSERT INTO generations
                (id, user_id, conversation_id, message_id, model, prompt_tokens, answer_tokens, seconds, reason, created_at)
            VALUES ($1, (SELECT id FROM users WHERE id = $2), (SELECT id FROM conversations WHERE id = $3), $4, $5, $6, $7, $8, $9, $10)
            ON CONFLICT (id) DO NOTHING
            """, id, user, conversation, message, generation.model, generation.promptTokens, generation.answerTokens, generation.seconds,
                generation.reason, now)
    }
}

extension Message {
    static let columns = "id, role, content, created_at, reason, answer_tokens, seconds, first_token_seconds, parent_id"

    /// - Parameter row: The values of `columns`.
    init(_ row: Row) throws(StoreError) {
        let reason: String? = try row["reason"]
        let figures = try reason.map { reason throws(StoreError) in
            AnswerFigures(
                reason: reason, tokens: try row["answer_tokens"], seconds: try row["seconds"],
                firstTokenSeconds: try row["first_token_seconds"])
        }
        try self.init(
            id: row["id"], role: row["role"], content: row["content"], createdAt: row["created_at"], figures: figures,
            parent: row["parent_id"])
    }
}
