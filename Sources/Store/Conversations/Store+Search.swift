import Synchronization

/// Searching conversations.
///
/// A search first reads the newest conversations themselves, since a common text fills a page from them. Only then it asks the index, which
/// yields the conversations whose messages contain all trigrams of the text.
extension Store {
    func search(
        for text: String, of owner: UserID, after start: ConversationCursor, limit: Int
    ) throws(StoreError) -> [StoredConversation] {
        let text = text.storable
        return try database.transaction(.search) { connection throws(StoreError) in
            guard try canUseIndex(for: text, on: connection) else {
                return try Self.rows(Self.searchSQL(database.dialect), owner, start, limit, text, on: connection)
            }
            let window = options.conversationsReadFirst
            let recent = try Self.rows(
                Self.recentSearchSQL(database.dialect), owner, start, limit, text, window, on: connection)
            if recent.count == limit { return recent }
            let last = try connection.firstRow(Self.windowEndSQL, owner, start.updatedAt, start.id, window - 1)
            guard let last else { return recent }
            let end = try ConversationCursor(last["updated_at"], last["id"])
            let pattern = database.dialect == .sqlite ? Self.trigramQuery(text) : Self.likePattern(text)
            return recent + (try Self.rows(
                Self.indexedSearchSQL(database.dialect), owner, end, limit - recent.count, text, pattern, on: connection))
        }
    }

    private static func rows(
        _ sql: String, _ owner: UserID, _ start: ConversationCursor, _ limit: Int, _ values: any ColumnValue...,
        on connection: any Connection
    ) throws(StoreError) -> [StoredConversation] {
        let page = [owner.sql, start.updatedAt.sql, start.id.sql, limit.sql]
        return try connection.execute(sql, values: page + values.map(\.sql)).map(StoredConversation.init)
    }

    /// Whether the text has a trigram and the database has the index.
    func canUseIndex(
        for text: String, named index: String = "messages_search", on connection: any Connection
    ) throws(StoreError) -> Bool {
        guard text.unicodeScalars.count >= 3 else { return false }
        guard database.dialect == .postgresql else { return true }
        return try connection.value(
            "SELECT count(*) FROM pg_indexes WHERE schemaname = current_schema() AND indexname = $1", index) == 1
    }

    /// An FTS5 expression for the messages that contain the trigrams of a text, at most 16 of them: the text itself is compared later.
    static func trigramQuery(_ text: String) -> String {
        let scalars = Array(text.unicodeScalars)
        let starts = 0...(scalars.count - 3)
        let used = starts.count <= 16 ? Array(starts) : (0..<16).map { $0 * (starts.count - 1) / 15 }
        return used.map { start in
            let trigram = String(String.UnicodeScalarView(scalars[start..<start + 3]))
            return "\"\(trigram.replacing("\"", with: "\"\""))\""
        }.joined(separator: " AND ")
    }

    /// A pattern of LIKE for the texts that contain `text`.
    static func likePattern(_ text: String) -> String {
        "%" + text.replacing("\\", with: "\\\\").replacing("%", with: "\\%").replacing("_", with: "\\_") + "%"
    }
}

extension Store {
    private static let after = "owner_id = $1 AND deleted_at IS NULL AND (updated_at, id) < ($2, $3)"

    private static func contains(_ dialect: Dialect, _ conversation: String = "conversations") -> String {
        "(\(dialect.contains("title", "$5")) OR \(hasMessage(dialect, conversation)))"
    }

    private static func hasMessage(_ dialect: Dialect, _ conversation: String = "conversations") -> String {
        """
        1 = (
            SELECT 1 FROM messages
            WHERE conversation_id = \(conversation).id AND position >= 0 AND \(dialect.contains("content", "$5")) LIMIT 1)
        """
    }

    /// Reads the conversations, newest first, until $4 of them contain the text. EXISTS instead of `1 = (SELECT 1 …)` would let PostgreSQL
    /// search the messages of all users first.
    package static func searchSQL(_ dialect: Dialect) -> String {
        """
        SELECT \(columns) FROM conversations
        WHERE \(after) AND \(contains(dialect)) ORDER BY updated_at DESC, id DESC LIMIT $4
        """
    }

    /// Reads the $6 newest conversations.
    package static func recentSearchSQL(_ dialect: Dialect) -> String {
        """
        SELECT \(columns) FROM (
            SELECT \(columns) FROM conversations WHERE \(after) ORDER BY updated_at DESC, id DESC LIMIT $6
        ) AS recent WHERE \(contains(dialect, "recent")) ORDER BY updated_at DESC, id DESC LIMIT $4
        """
    }

    private static let windowEndSQL = """
        SELECT updated_at, id FROM conversations WHERE \(after) ORDER BY updated_at DESC, id DESC LIMIT 1 OFFSET $4
        """

    /// Compares the text with all titles, and with the messages of those conversations that the index yields for $6.
    package static func indexedSearchSQL(_ dialect: Dialect) -> String {
        switch dialect {
        case .sqlite:
            """
            SELECT \(columns) FROM conversations
            WHERE \(after) AND (\(dialect.contains("title", "$5")) OR (id IN (
                SELECT conversation_id FROM messages WHERE search_id IN (
                    SELECT rowid FROM message_search WHERE message_search MATCH $6
                    AND rowid >= (SELECT number << 32 FROM search_owners WHERE owner_id = $1)
                    AND rowid < (SELECT (number + 1) << 32 FROM search_owners WHERE owner_id = $1)
                    UNION ALL SELECT search_id FROM search_changes WHERE is_new = 1)
            ) AND \(hasMessage(dialect))))
            ORDER BY updated_at DESC, id DESC LIMIT $4
            """
        case .postgresql:
            """
            WITH found AS MATERIALIZED (
                SELECT DISTINCT conversation_id FROM messages WHERE owner_id = $1 AND lower(content) LIKE lower($6) AND position >= 0
            )
            SELECT \(columns) FROM conversations
            WHERE \(after) AND (\(dialect.contains("title", "$5")) OR id IN (SELECT conversation_id FROM found))
            ORDER BY updated_at DESC, id DESC LIMIT $4
            """
        }
    }
}

/// Keeping the index of SQLite up to date. PostgreSQL does it by itself.
extension Store {
    private static let deletions = "search_index_deletions"

    /// Carries out the changes of messages that were made in this and earlier transactions.
    ///
    /// - Parameter minimum: The number of changes below which they wait: one transaction for many writes much less than one for each.
    ///   Searches compare the texts that wait.
    static func updateSearchIndex(on connection: any Connection, minimum: Int = 1) throws(StoreError) {
        guard connection.dialect == .sqlite else { return }
        let changes = try connection.firstRow("SELECT count(*) AS changes, count(content) AS texts FROM search_changes")
        guard let changes, try changes["changes"] >= minimum else { return }
        if try changes["texts"] > 0 {
            try connection.execute("""
                INSERT INTO message_search (message_search, rowid, content)
                SELECT 'delete', search_id, content FROM search_changes WHERE is_new = 0
                """)
            try connection.execute("INSERT INTO settings (name, value) VALUES ($1, '1') ON CONFLICT (name) DO NOTHING", deletions)
        }
        for (table, text) in [("messages", "content"), ("training_messages", "content"), ("training_chats", "title")] {
            try connection.execute("""
                INSERT INTO message_search (rowid, content)
                SELECT t.search_id, t.\(text) FROM search_changes AS changes CROSS JOIN \(table) AS t ON t.search_id = changes.search_id
                WHERE is_new = 1
                """)
        }
        try connection.execute("DELETE FROM search_changes")
    }

    /// Rewrites the index in small steps if messages were deleted, at most once a day: until then it contains their trigrams.
    func removeDeletedFromSearchIndex() throws(StoreError) {
        guard database.dialect == .sqlite, try setting(Self.deletions) != nil else { return }
        let now = options.now()
        let isDue = lastIndexRewrite.withLock { last in
            if let last, now < last.advanced(by: .seconds(86_400)) { return false }
            last = now
            return true
        }
        guard isDue else { return }
        try database.write("DELETE FROM settings WHERE name = $1", Self.deletions)
        // A negative number of pages starts the merge of all parts of the index into one; positive numbers continue it.
        var pages = -256
        while try mergeSearchIndex(pages) { pages = 256 }
    }

    /// - Returns: Whether there was something to merge: FTS5 then changes more than one row.
    private func mergeSearchIndex(_ pages: Int) throws(StoreError) -> Bool {
        try database.transaction(.write) { connection throws(StoreError) in
            let before: Int = try connection.value("SELECT total_changes()") ?? 0
            try connection.execute("INSERT INTO message_search (message_search, rank) VALUES ('merge', $1)", pages)
            let after: Int = try connection.value("SELECT total_changes()") ?? 0
            return after - before > 1
        }
    }
}
