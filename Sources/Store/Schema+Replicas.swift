extension Migration {
    /// Version 8: several servers on one database. All changes are additive, so that servers of version 7 keep working: new tables, and
    /// columns that may be NULL. `messages.parent_id` is filled for old rows by `Store.purge`, because one UPDATE of all messages would
    /// lock the table for its duration.
    @Sendable static func replicas(_ d: Dialect) -> [String] {
        let binary = d.binaryText
        return ["""
        CREATE TABLE servers (
            id \(binary) PRIMARY KEY NOT NULL, name TEXT NOT NULL, version TEXT NOT NULL, key_digest \(binary) NOT NULL,
            started_at \(d.integer) NOT NULL, heartbeat_at \(d.integer) NOT NULL, model TEXT, slots \(d.integer) NOT NULL DEFAULT 0,
            running \(d.integer) NOT NULL DEFAULT 0, waiting \(d.integer) NOT NULL DEFAULT 0,
            answer_tokens \(d.integer) NOT NULL DEFAULT 0, memory_bytes \(d.integer) NOT NULL DEFAULT 0, clients TEXT NOT NULL DEFAULT ''
        ) \(d.tableOptions)
        """, """
        CREATE TABLE answer_leases (
            conversation_id \(binary) PRIMARY KEY NOT NULL REFERENCES conversations (id) ON DELETE CASCADE,
            answer_id \(binary) NOT NULL, server_id \(binary) NOT NULL, taken_at \(d.integer) NOT NULL, stop_requested_at \(d.integer)
        ) \(d.tableOptions)
        """,
        "CREATE INDEX answer_leases_of_servers ON answer_leases (server_id)",
        // Counters may be lost in a crash of PostgreSQL, so they need no log.
        """
        CREATE \(d.unlogged) TABLE rate_limits (name \(binary) PRIMARY KEY NOT NULL, full_at \(d.integer) NOT NULL) \(d.tableOptions)
        """,
        "CREATE INDEX rate_limits_by_time ON rate_limits (full_at)",
        """
        CREATE TABLE collected_chats (
            number \(d.increasingKey), id \(binary) NOT NULL UNIQUE, user_id \(binary) REFERENCES users (id) ON DELETE CASCADE,
            created_at \(d.integer) NOT NULL, history TEXT NOT NULL, question TEXT NOT NULL, answer TEXT NOT NULL
        ) \(d.tableOptions)
        """,
        "CREATE INDEX collected_chats_of_users ON collected_chats (user_id)",
        "ALTER TABLE messages ADD COLUMN parent_id \(binary)",
        "ALTER TABLE unfinished_answers ADD COLUMN question_id \(binary)"]
    }
}
