extension Migration {
    static let all = [
        Migration(version: 1, statements: initialTables),
        Migration(version: 2, statements: apiKeysAndMessageCounts),
        Migration(version: 3, statements: sessions),
        Migration(version: 4, statements: searchIndex),
        Migration(version: 5, statements: administration),
        Migration(version: 6, statements: answerFigures),
        Migration(version: 7, statements: unfinishedAnswers),
        Migration(version: 8, isAdditive: true, statements: replicas),
        Migration(version: 9, isAdditive: true, statements: userCounts),
        Migration(version: 10, isAdditive: true, statements: branches),
        Migration(version: 11, isAdditive: true, statements: modelRegistry),
        Migration(version: 12, isAdditive: true, statements: trainingRuns),
        Migration(version: 13, isAdditive: true, statements: trainingChats),
        Migration(version: 14, isAdditive: true, statements: comparisons),
        Migration(version: 15, isAdditive: true, statements: trainingImports),
        Migration(version: 16, isAdditive: true, statements: trainingLists),
        Migration(version: 17, isAdditive: true, statements: trainingReasons),
    ]

    /// Version 1: users, conversations, messages, generations, settings.
    ///
    /// Times are milliseconds since 1970. The position of a message off the active path is NULL. `creation_key` and `write_key` repeat the
    /// id: an earlier version stored idempotency keys in them. `write_key` is the first column of its index so that PostgreSQL reads a
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

    /// Version 3: sessions. A session token is valid only if its epoch is `token_epoch`, so increasing that number ends all sessions.
    @Sendable private static func sessions(_ d: Dialect) -> [String] {
        let binary = d.binaryText
        return ["ALTER TABLE users ADD COLUMN token_epoch \(d.integer) NOT NULL DEFAULT 0",
         "ALTER TABLE users ADD COLUMN disabled_at \(d.integer)",
         """
         CREATE TABLE sessions (
             id \(binary) PRIMARY KEY NOT NULL, user_id \(binary) NOT NULL REFERENCES users (id) ON DELETE CASCADE,
             created_at \(d.integer) NOT NULL, last_used_at \(d.integer) NOT NULL, expires_at \(d.integer) NOT NULL,
             address TEXT NOT NULL, user_agent TEXT NOT NULL
         ) \(d.tableOptions)
         """,
         "CREATE INDEX sessions_of_users ON sessions (user_id)",
         "CREATE INDEX sessions_by_expiry ON sessions (expires_at)"]
    }

    /// Version 5: sign-in with an email address, one-time codes, the audit log. Of several accounts with the same address, the oldest one
    /// gets the key.
    @Sendable private static func administration(_ d: Dialect) -> [String] {
        let binary = d.binaryText
        return ["ALTER TABLE users ADD COLUMN email_key \(binary)",
         """
         UPDATE users SET email_key = lower(email) WHERE id IN (
             SELECT id FROM (
                 SELECT id, row_number() OVER (PARTITION BY lower(email) ORDER BY created_at, id) AS number
                 FROM users WHERE email IS NOT NULL AND email <> ''
             ) AS numbered WHERE number = 1)
         """,
         "CREATE UNIQUE INDEX users_by_email ON users (email_key)",
         """
         CREATE TABLE one_time_codes (
             id \(binary) PRIMARY KEY NOT NULL, kind \(binary) NOT NULL CHECK (kind IN ('invitation', 'password_reset')),
             hash \(binary) NOT NULL UNIQUE, user_id \(binary) REFERENCES users (id) ON DELETE CASCADE, email \(binary),
             created_at \(d.integer) NOT NULL, expires_at \(d.integer) NOT NULL, used_at \(d.integer)
         ) \(d.tableOptions)
         """,
         "CREATE INDEX one_time_codes_of_users ON one_time_codes (user_id)",
         "CREATE INDEX one_time_codes_by_expiry ON one_time_codes (expires_at)",
         """
         CREATE TABLE audit_log (
             number \(d.increasingKey), id \(binary) NOT NULL UNIQUE, created_at \(d.integer) NOT NULL,
             actor TEXT NOT NULL, address TEXT NOT NULL, action \(binary) NOT NULL, target \(binary), target_name TEXT
         ) \(d.tableOptions)
         """]
    }

    /// Version 6: the figures that are shown below an answer. They are part of the message, because rows of `generations` are deleted.
    @Sendable private static func answerFigures(_ d: Dialect) -> [String] {
        func copied(_ column: String) -> String {
            "\(column) = (SELECT \(column) FROM generations WHERE message_id = messages.id LIMIT 1)"
        }
        return ["ALTER TABLE messages ADD COLUMN reason TEXT",
         "ALTER TABLE messages ADD COLUMN answer_tokens \(d.integer)",
         "ALTER TABLE messages ADD COLUMN seconds \(d.real)",
         "ALTER TABLE messages ADD COLUMN first_token_seconds \(d.real)",
         """
         UPDATE messages SET \(copied("reason")), \(copied("answer_tokens")), \(copied("seconds"))
         WHERE EXISTS (SELECT 1 FROM generations WHERE message_id = messages.id)
         """]
    }
}
