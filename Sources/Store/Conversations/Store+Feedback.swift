/// Ratings and corrections of answers.
extension Store {
    /// Rates an answer, or removes its rating.
    package func rate(_ message: MessageID, in conversation: ConversationID, of owner: UserID, _ rating: Rating?) throws(StoreError) {
        let now = options.now()
        try database.transaction(.write) { connection throws(StoreError) in
            try Self.checkAnswer(message, in: conversation, of: owner, on: connection)
            guard let rating else {
                try connection.execute("DELETE FROM ratings WHERE message_id = $1", message)
                return
            }
            try connection.execute("""
                INSERT INTO ratings (message_id, user_id, rating, reason, comment, rated_at) VALUES ($1, $2, $3, $4, $5, $6)
                ON CONFLICT (message_id) DO UPDATE SET user_id = excluded.user_id, rating = excluded.rating, reason = excluded.reason,
                    comment = excluded.comment, rated_at = excluded.rated_at
                """, message, owner, rating.value, rating.reason, rating.comment, now)
        }
    }

    /// Stores a corrected text beside an answer, which does not change, or removes it. The text of the answer itself removes it, too.
    package func correct(_ message: MessageID, in conversation: ConversationID, of owner: UserID, to text: String?) throws(StoreError) {
        let now = options.now()
        let text = text?.storable
        try database.transaction(.write) { connection throws(StoreError) in
            _ = try Self.lock(conversation, of: owner, on: connection)
            let original = try Self.checkAnswer(message, in: conversation, of: owner, on: connection)
            // Also locks the account, so that its quotas are exact however many servers add to them.
            try Self.recordActivity(of: owner, at: now, on: connection)
            if let text, text != original {
                try connection.execute("""
                    INSERT INTO corrections (message_id, user_id, content, corrected_at) VALUES ($1, $2, $3, $4)
                    ON CONFLICT (message_id) DO UPDATE
                    SET user_id = excluded.user_id, content = excluded.content, corrected_at = excluded.corrected_at
                    """, message, owner, text, now)
            } else {
                try connection.execute("DELETE FROM corrections WHERE message_id = $1", message)
            }
            let (characters, _) = try Self.size(of: conversation, on: connection)
            if text != nil { try Self.checkSize(characters, of: conversation, of: owner, options, on: connection) }
            try connection.execute("UPDATE conversations SET characters = $2 WHERE id = $1", conversation, characters)
        }
    }

    /// - Returns: The text of the answer.
    @discardableResult
    private static func checkAnswer(
        _ message: MessageID, in conversation: ConversationID, of owner: UserID, on connection: any Connection
    ) throws(StoreError) -> String {
        _ = try Self.conversation(conversation, of: owner, on: connection)
        let row = try connection.find(.message, """
            SELECT content FROM messages WHERE id = $1 AND conversation_id = $2 AND role = 'assistant'
            """, message, conversation)
        return try row["content"]
    }

    /// What is stored beside the messages of the active path. Messages without anything are missing.
    static func details(of conversation: ConversationID, on connection: any Connection) throws(StoreError) -> [MessageID: MessageDetails] {
        let branches = try connection.firstRow(
            "SELECT 1 FROM messages WHERE conversation_id = $1 AND position IS NULL LIMIT 1", conversation)
        let tree = branches == nil ? nil : try tree(of: conversation, on: connection)
        let rows = try connection.execute("""
            SELECT messages.id, messages.model, sources, rating, ratings.reason AS rating_reason, comment,
                corrections.content AS correction
            FROM messages
            LEFT JOIN ratings ON ratings.message_id = messages.id
            LEFT JOIN corrections ON corrections.message_id = messages.id
            WHERE conversation_id = $1 AND position >= 0
            """, conversation)
        var details: [MessageID: MessageDetails] = [:]
        for row in rows {
            let id: MessageID = try row["id"], alternatives = tree?.alternatives(of: id) ?? []
            let found = MessageDetails(
                alternatives: alternatives.count > 1 ? alternatives : [], rating: try Rating(row),
                correction: try row["correction"], model: try row["model"], sources: try row["sources"])
            if found != MessageDetails() { details[id] = found }
        }
        return details
    }
}
