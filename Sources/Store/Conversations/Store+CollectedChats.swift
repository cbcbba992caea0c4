/// A finished chat that was collected for fine-tuning.
package struct CollectedChat: Sendable, Equatable {
    package let time: Timestamp
    /// The messages before the question, as the JSON array that an exported line has; empty if there are none.
    package let history: String
    package let question, answer: String

    package init(at time: Timestamp, history: String, question: String, answer: String) {
        self.time = time
        self.history = history.storable
        self.question = question.storable
        self.answer = answer.storable
    }
}

/// Chats that servers collect (`--collect`). They are deleted with their conversation and with the account of the user.
extension Store {
    /// - Parameters:
    ///   - user: nil for a guest.
    ///   - conversation: nil for a guest.
    /// - Returns: false if the chat was not stored: the account or the conversation is left out of training, or was deleted meanwhile.
    @discardableResult
    package func collect(
        _ chat: CollectedChat, of user: UserID?, in conversation: ConversationID? = nil
    ) throws(StoreError) -> Bool {
        let id = MessageID()
        return try database.transaction(.write) { connection throws(StoreError) in
            if let user {
                let sql = "SELECT id FROM users WHERE id = $1 AND training_excluded_at IS NULL"
                if try connection.firstRow(sql, user) == nil { return false }
            }
            if let conversation {
                let sql = "SELECT id FROM conversations WHERE id = $1 AND deleted_at IS NULL AND training_excluded_at IS NULL"
                if try connection.firstRow(sql, conversation) == nil { return false }
            }
            try connection.execute("""
                INSERT INTO collected_chats (id, user_id, created_at, history, question, answer, conversation_id)
                VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (id) DO NOTHING
                """, id, user, chat.time, chat.history, chat.question, chat.answer, conversation)
            return true
        }
    }

    /// A condition: the chat was left out of training after it had been collected, or its conversation is deleted and can be restored.
    private static let isLeftOut = """
        (user_id IN (SELECT id FROM users WHERE training_excluded_at IS NOT NULL) OR conversation_id IN (
            SELECT id FROM conversations WHERE training_excluded_at IS NOT NULL UNION ALL
            SELECT id FROM conversations WHERE deleted_at IS NOT NULL))
        """

    /// The number of exchanges that an export has: its lines.
    package func collectedChatCount() throws(StoreError) -> Int {
        try database.transaction(.read) { connection throws(StoreError) in
            let all = try connection.value("SELECT count(*) FROM collected_chats") ?? 0
            let leftOut = try connection.value("SELECT count(*) FROM collected_chats WHERE \(Self.isLeftOut)") ?? 0
            return all - leftOut
        }
    }

    /// The number of conversations whose exchanges an export has. A guest's conversation is counted by its first exchange.
    package func collectedConversationCount() throws(StoreError) -> Int {
        try database.value("""
            SELECT count(DISTINCT conversation_id)
                + coalesce(sum(CASE WHEN conversation_id IS NULL AND history = '' THEN 1 ELSE 0 END), 0)
            FROM collected_chats WHERE (\(Self.isLeftOut)) IS NOT TRUE
            """) ?? 0
    }

    /// Returns collected chats in the order in which they were stored, without those that are left out of training.
    ///
    /// - Parameters:
    ///   - number: The `last` of the previous page; 0 for the first one.
    ///   - limit: The page size.
    /// - Returns: `last` is nil at the end.
    package func collectedChats(
        after number: Int = 0, limit: Int = 500
    ) throws(StoreError) -> (chats: [CollectedChat], last: Int?) {
        let rows = try database.read("""
            SELECT number, created_at, history, question, answer FROM collected_chats
            WHERE number > $1 AND (\(Self.isLeftOut)) IS NOT TRUE ORDER BY number LIMIT $2
            """, number, limit)
        let chats = try rows.map { row throws(StoreError) in
            try CollectedChat(at: row["created_at"], history: row["history"], question: row["question"], answer: row["answer"])
        }
        return (chats, rows.count == limit ? try rows.last?["number"] : nil)
    }
}
