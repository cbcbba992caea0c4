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

/// Chats that servers collect (`--collect`). They are deleted with the account of the user.
extension Store {
    /// - Parameter user: nil for a guest.
    package func collect(_ chat: CollectedChat, of user: UserID?) throws(StoreError) { try collect([chat], of: user) }

    package func collect(_ chats: [CollectedChat], of user: UserID?) throws(StoreError) {
        let ids = chats.map { _ in MessageID() }
        try database.transaction(.write) { connection throws(StoreError) in
            // The user may have deleted the account in the meantime. Then the chat is not kept.
            let owner = try user.map { user throws(StoreError) in
                try connection.firstRow("SELECT id FROM users WHERE id = $1", [.text(user)])?.text(0)
            }
            if case .some(.none) = owner { return }
            for (id, chat) in zip(ids, chats) {
                try connection.execute("""
                    INSERT INTO collected_chats (id, user_id, created_at, history, question, answer) VALUES ($1, $2, $3, $4, $5, $6)
                    ON CONFLICT (id) DO NOTHING
                    """, [
                        .text(id), user.map { .text($0) } ?? .null, .integer(chat.time), .text(chat.history), .text(chat.question),
                        .text(chat.answer),
                    ])
            }
        }
    }

    package func collectedChatCount() throws(StoreError) -> Int {
        try database.transaction(.read) { connection throws(StoreError) in
            try connection.firstRow("SELECT count(*) FROM collected_chats", [])?.integer(0) ?? 0
        }
    }

    /// Returns collected chats in the order in which they were stored.
    ///
    /// - Parameters:
    ///   - number: The `last` of the previous page; 0 for the first one.
    ///   - limit: The page size.
    /// - Returns: `last` is nil at the end.
    package func collectedChats(
        after number: Int = 0, limit: Int = 500
    ) throws(StoreError) -> (chats: [CollectedChat], last: Int?) {
        try database.transaction(.read) { connection throws(StoreError) in
            let rows = try connection.execute("""
                SELECT number, created_at, history, question, answer FROM collected_chats WHERE number > $1 ORDER BY number LIMIT $2
                """, [.integer(number), .integer(limit)])
            let chats = try rows.map { row throws(StoreError) in
                CollectedChat(at: try row.timestamp(1), history: try row.text(2), question: try row.text(3), answer: try row.text(4))
            }
            return (chats, rows.count == limit ? try rows.last?.integer(0) : nil)
        }
    }
}
