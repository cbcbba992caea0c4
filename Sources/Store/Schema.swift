extension Migration {
    static let all = [Migration(version: 1, statements: initialTables), Migration(version: 2, statements: apiKeysAndMessageCounts)]

    /// Version 1: users, conversations, messages, generations, settings.
    ///
    /// Times are milliseconds since 1970. The position of a replaced message is NULL. `creation_key` and `write_key` repeat the id:
    /// an earlier version stored idempotency keys in them. `write_key` is the first column of its index so that PostgreSQL reads a
    /// conversation along the index on (conversation_id, position), which needs no sort.
    @Sendable private static func initialTables(_ d: Dialect) -> [String] {
        let binary = d.binaryText
        return ["""
        CREATE TABLE users (
            id \(binary) PRIMARY KEY NOT NULL, username \(binary) NOT NULL, username_key \(binary) NOT NULL UNIQUE, email \(binary),
            password_hash \(binary) NOT NULL, created_at \(d.integer) NOT NULL, last_active_at \(d.integer) NOT NULL
        ) \(d.tableOptions)
        """, """
        CREATE TABLE conversations (
            id \(binary) PRIMARY KEY NOT NULL, owner_id \(binary) NOT NULL REFERENCES users (id) ON DELETE CASCADE, title TEXT NOT NULL,
            creation_key \(binary) NOT NULL, created_at \(d.integer) NOT NULL, updated_at \(d.integer) NOT NULL, deleted_at \(d.integer),
            UNIQUE (owner_id, creation_key)
        ) \(d.tableOptions)
        """,
        "CREATE INDEX conversations_newest ON conversations (owner_id, updated_at DESC, id DESC) WHERE deleted_at IS NULL",
        "CREATE INDEX conversations_deleted ON conversations (deleted_at) WHERE deleted_at IS NOT NULL",
        """
        CREATE TABLE messages (
            id \(binary) PRIMARY KEY NOT NULL, conversation_id \(binary) NOT NULL REFERENCES conversations (id) ON DELETE CASCADE,
            position \(d.integer), role \(binary) NOT NULL CHECK (role IN ('system', 'user', 'assistant')), content TEXT NOT NULL,
            write_key \(binary) NOT NULL, created_at \(d.integer) NOT NULL, replaced_at \(d.integer),
            UNIQUE (conversation_id, position), UNIQUE (write_key, conversation_id)
        ) \(d.tableOptions)
        """,
        "CREATE INDEX messages_replaced ON messages (replaced_at) WHERE replaced_at IS NOT NULL",
        """
        CREATE TABLE generations (
            id \(binary) PRIMARY KEY NOT NULL, user_id \(binary) REFERENCES users (id) ON DELETE SET NULL,
            conversation_id \(binary) REFERENCES conversations (id) ON DELETE SET NULL,
            message_id \(binary) REFERENCES messages (id) ON DELETE SET NULL,
            model TEXT NOT NULL, prompt_tokens \(d.integer) NOT NULL, answer_tokens \(d.integer) NOT NULL, seconds \(d.real) NOT NULL,
            reason TEXT NOT NULL, created_at \(d.integer) NOT NULL
        ) \(d.tableOptions)
        """,
        "CREATE INDEX generations_of_users ON generations (user_id)",
        "CREATE INDEX generations_of_conversations ON generations (conversation_id)",
        "CREATE INDEX generations_of_messages ON generations (message_id)",
        "CREATE TABLE settings (name \(binary) PRIMARY KEY NOT NULL, value TEXT NOT NULL) \(d.tableOptions)"]
    }

    /// Version 2: API keys, and `message_count`, so that lists and totals need not count messages.
    @Sendable private static func apiKeysAndMessageCounts(_ d: Dialect) -> [String] {
        let binary = d.binaryText
        return ["ALTER TABLE conversations ADD COLUMN message_count \(d.integer) NOT NULL DEFAULT 0",
         """
         UPDATE conversations SET message_count =
             (SELECT count(*) FROM messages WHERE messages.conversation_id = conversations.id AND messages.position IS NOT NULL)
         """, """
         CREATE TABLE api_keys (
             id \(binary) PRIMARY KEY NOT NULL, owner_id \(binary) NOT NULL REFERENCES users (id) ON DELETE CASCADE, name TEXT NOT NULL,
             hash \(binary) NOT NULL UNIQUE, created_at \(d.integer) NOT NULL, last_used_at \(d.integer), revoked_at \(d.integer)
         ) \(d.tableOptions)
         """,
         "CREATE INDEX api_keys_of_owners ON api_keys (owner_id)"]
    }
}
