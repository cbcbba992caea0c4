extension Migration {
    static let all = [Migration(version: 1, statements: chats), Migration(version: 2, statements: keysAndCounts)]

    /// Accounts and what was said.
    ///
    /// All times are milliseconds since 1970. `creation_key` and `write_key` are what the writer called the row: none is stored twice under the same.
    /// A message that was replaced has no position. (`write_key` comes first in its index so that nobody sorts a conversation who could read it along the other.)
    @Sendable private static func chats(_ d: Dialect) -> [String] {
        ["""
        CREATE TABLE users (
            id \(d.name) PRIMARY KEY NOT NULL, username \(d.name) NOT NULL, username_key \(d.name) NOT NULL UNIQUE, email \(d.name),
            password_hash \(d.name) NOT NULL, created_at \(d.integer) NOT NULL, last_active_at \(d.integer) NOT NULL
        ) \(d.tableEnd)
        """, """
        CREATE TABLE conversations (
            id \(d.name) PRIMARY KEY NOT NULL, owner_id \(d.name) NOT NULL REFERENCES users (id) ON DELETE CASCADE, title TEXT NOT NULL,
            creation_key \(d.name) NOT NULL, created_at \(d.integer) NOT NULL, updated_at \(d.integer) NOT NULL, deleted_at \(d.integer),
            UNIQUE (owner_id, creation_key)
        ) \(d.tableEnd)
        """,
        "CREATE INDEX conversations_newest ON conversations (owner_id, updated_at DESC, id DESC) WHERE deleted_at IS NULL",
        "CREATE INDEX conversations_deleted ON conversations (deleted_at) WHERE deleted_at IS NOT NULL",
        """
        CREATE TABLE messages (
            id \(d.name) PRIMARY KEY NOT NULL, conversation_id \(d.name) NOT NULL REFERENCES conversations (id) ON DELETE CASCADE,
            position \(d.integer), role \(d.name) NOT NULL CHECK (role IN ('system', 'user', 'assistant')), content TEXT NOT NULL,
            write_key \(d.name) NOT NULL, created_at \(d.integer) NOT NULL, replaced_at \(d.integer),
            UNIQUE (conversation_id, position), UNIQUE (write_key, conversation_id)
        ) \(d.tableEnd)
        """,
        "CREATE INDEX messages_replaced ON messages (replaced_at) WHERE replaced_at IS NOT NULL",
        """
        CREATE TABLE generations (
            id \(d.name) PRIMARY KEY NOT NULL, user_id \(d.name) REFERENCES users (id) ON DELETE SET NULL,
            conversation_id \(d.name) REFERENCES conversations (id) ON DELETE SET NULL, message_id \(d.name) REFERENCES messages (id) ON DELETE SET NULL,
            model TEXT NOT NULL, prompt_tokens \(d.integer) NOT NULL, answer_tokens \(d.integer) NOT NULL, seconds \(d.real) NOT NULL,
            reason TEXT NOT NULL, created_at \(d.integer) NOT NULL
        ) \(d.tableEnd)
        """,
        "CREATE INDEX generations_of_users ON generations (user_id)",
        "CREATE INDEX generations_of_conversations ON generations (conversation_id)",
        "CREATE INDEX generations_of_messages ON generations (message_id)",
        "CREATE TABLE settings (name \(d.name) PRIMARY KEY NOT NULL, value TEXT NOT NULL) \(d.tableEnd)"]
    }

    /// Keys for programs. How many messages a conversation has is kept with it: lists and totals need not count.
    @Sendable private static func keysAndCounts(_ d: Dialect) -> [String] {
        ["ALTER TABLE conversations ADD COLUMN message_count \(d.integer) NOT NULL DEFAULT 0",
         """
         UPDATE conversations SET message_count =
             (SELECT count(*) FROM messages WHERE messages.conversation_id = conversations.id AND messages.position IS NOT NULL)
         """, """
         CREATE TABLE api_keys (
             id \(d.name) PRIMARY KEY NOT NULL, owner_id \(d.name) NOT NULL REFERENCES users (id) ON DELETE CASCADE, name TEXT NOT NULL,
             hash \(d.name) NOT NULL UNIQUE, created_at \(d.integer) NOT NULL, last_used_at \(d.integer), revoked_at \(d.integer)
         ) \(d.tableEnd)
         """,
         "CREATE INDEX api_keys_of_owners ON api_keys (owner_id)"]
    }
}
