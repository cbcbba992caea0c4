extension Migration {
    /// Version 10: alternatives of messages, ratings, corrections, preferences, what a conversation sets for its answers, and consent to
    /// training. All changes are additive.
    ///
    /// The messages of a conversation are a tree. `position` is the place of a message on the active path, and NULL off it, so statements
    /// of earlier versions see the active path only. `previous_id` is the message before; it is NULL for the first message, and for
    /// messages on the active path that an earlier version stored: `linkActivePath` sets it before the path changes. `next_id` is the
    /// message that followed when the message left the path. `ordinal` orders messages of the same time.
    @Sendable static func branches(_ d: Dialect) -> [String] {
        let binary = d.binaryText
        func perMessage(_ table: String, _ columns: String) -> String {
            """
            CREATE TABLE \(table) (
                message_id \(binary) PRIMARY KEY NOT NULL REFERENCES messages (id) ON DELETE CASCADE,
                user_id \(binary) NOT NULL REFERENCES users (id) ON DELETE CASCADE, \(columns)
            ) \(d.tableOptions)
            """
        }
        return [
            "ALTER TABLE messages ADD COLUMN previous_id \(binary)",
            "ALTER TABLE messages ADD COLUMN next_id \(binary)",
            "ALTER TABLE messages ADD COLUMN ordinal \(d.integer)",
            "ALTER TABLE messages ADD COLUMN model TEXT",
            // 1 if the page said that chats may be used for training when the message was stored.
            "ALTER TABLE messages ADD COLUMN training_notice \(d.integer)",
            "CREATE INDEX messages_off_path ON messages (conversation_id, previous_id) WHERE position IS NULL",
            "ALTER TABLE conversations ADD COLUMN system_prompt TEXT",
            "ALTER TABLE conversations ADD COLUMN model TEXT",
            "ALTER TABLE conversations ADD COLUMN training_excluded_at \(d.integer)",
            "CREATE INDEX conversations_excluded ON conversations (id) WHERE training_excluded_at IS NOT NULL",
            "ALTER TABLE users ADD COLUMN training_excluded_at \(d.integer)",
            "CREATE INDEX users_excluded ON users (id) WHERE training_excluded_at IS NOT NULL",
            "ALTER TABLE collected_chats ADD COLUMN conversation_id \(binary) REFERENCES conversations (id) ON DELETE CASCADE",
            "CREATE INDEX collected_chats_of_conversations ON collected_chats (conversation_id)",
            perMessage("ratings", """
                rating \(binary) NOT NULL CHECK (rating IN ('good', 'bad')), reason \(binary), comment TEXT, rated_at \(d.integer) NOT NULL
                """),
            "CREATE INDEX ratings_of_users ON ratings (user_id)",
            perMessage("corrections", "content TEXT NOT NULL, corrected_at \(d.integer) NOT NULL"),
            "CREATE INDEX corrections_of_users ON corrections (user_id)",
            // The chosen answer to a question. Its other answers that are not later than `chosen_at` were rejected.
            """
            CREATE TABLE preferences (
                question_id \(binary) PRIMARY KEY NOT NULL REFERENCES messages (id) ON DELETE CASCADE,
                chosen_id \(binary) NOT NULL REFERENCES messages (id) ON DELETE CASCADE,
                user_id \(binary) NOT NULL REFERENCES users (id) ON DELETE CASCADE, chosen_at \(d.integer) NOT NULL
            ) \(d.tableOptions)
            """,
            "CREATE INDEX preferences_of_answers ON preferences (chosen_id)",
            "CREATE INDEX preferences_of_users ON preferences (user_id)",
        ]
    }
}
