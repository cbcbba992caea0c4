/// One page of a user's conversation list.
package struct ConversationPage: Sendable, Equatable {
    package let conversations: [StoredConversation]
    /// The cursor of the next page; nil on the last one.
    package let next: ConversationCursor?
}

/// A position in the conversation list: after the conversation with this time and id. It stays valid when the list changes.
package struct ConversationCursor: Sendable, Equatable, LosslessStringConvertible {
    let updatedAt: Timestamp
    let id: String

    package var description: String { "\(updatedAt.milliseconds).\(id)" }

    package init?(_ text: String) {
        let parts = text.split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count == 2, let time = Int64(parts[0]), let id = ConversationID(String(parts[1])) else { return nil }
        self.init(Timestamp(milliseconds: time), id.description)
    }

    init(_ updatedAt: Timestamp, _ id: String) {
        self.updatedAt = updatedAt
        self.id = id
    }

    static let start = ConversationCursor(Timestamp(milliseconds: .max), "")
}

extension Store {
    /// Creates a conversation, once however often it is called with the same `id`.
    package func createConversation(
        _ title: String, as id: ConversationID = ConversationID(), for owner: UserID
    ) throws(StoreError) -> StoredConversation {
        let now = options.now()
        return try database.transaction(.write) { connection throws(StoreError) in
            try Self.insertConversation(id, title, for: owner, options, at: now, on: connection)
            return try Self.conversation(id, of: owner, on: connection)
        }
    }

    static func insertConversation(
        _ id: ConversationID, _ title: String, for owner: UserID, _ options: StoreOptions, at now: Timestamp,
        on connection: any Connection
    ) throws(StoreError) {
        // Locks the account, so that its quotas are exact however many servers add to them.
        try recordActivity(of: owner, at: now, on: connection)
        if options.maxConversations > 0, try connection.firstRow("SELECT id FROM conversations WHERE id = $1", id) == nil {
            let sql = "SELECT count(*) FROM conversations WHERE owner_id = $1 AND deleted_at IS NULL"
            let count = try connection.value(sql, owner) ?? 0
            if count >= options.maxConversations { throw .quotaExceeded(.conversations, limit: options.maxConversations) }
        }
        try connection.find(.user, "SELECT id FROM users WHERE id = $1", owner)
        try connection.execute("""
            INSERT INTO conversations (id, owner_id, title, created_at, updated_at) VALUES ($1, $2, $3, $4, $4)
            ON CONFLICT (id) DO NOTHING
            """, id, owner, title, now)
    }

    /// Lists a user's conversations, most recently updated first.
    ///
    /// - Parameters:
    ///   - text: If set, only conversations whose title or messages contain it, ignoring case. A search has its own connections and ends
    ///     with `StoreError.queryTimeout` after `StoreOptions.searchTimeout`.
    ///   - limit: The page size, 1 to 1,000.
    package func conversations(
        of owner: UserID, containing text: String? = nil, after cursor: ConversationCursor? = nil, limit: Int = 50
    ) throws(StoreError) -> ConversationPage {
        let start = cursor ?? .start
        let limit = min(max(limit, 1), 1_000)
        let found = if let text {
            try search(for: text, of: owner, after: start, limit: limit + 1)
        } else {
            try database.read(Self.listSQL, owner, start.updatedAt, start.id, limit + 1).map(StoredConversation.init)
        }
        let page = Array(found.prefix(limit))
        let next = found.count > limit ? page.last.map { ConversationCursor($0.updatedAt, $0.id.description) } : nil
        return ConversationPage(conversations: page, next: next)
    }

    package func conversation(_ id: ConversationID, of owner: UserID) throws(StoreError) -> (StoredConversation, [Message]) {
        try database.transaction(.read) { connection throws(StoreError) in
            (try Self.conversation(id, of: owner, on: connection), try Self.messages(of: id, on: connection))
        }
    }

    /// Hides a conversation. `restore` undoes this within `StoreOptions.deletedRetention`; later, `purge` deletes it permanently.
    package func delete(_ id: ConversationID, of owner: UserID) throws(StoreError) {
        let now = options.now()
        // `deleted_at = $3` makes the statement idempotent if the transaction runs again after a lost connection.
        try update(id, of: owner, "SET deleted_at = $3", where: "deleted_at IS NULL OR deleted_at = $3", now, stopsAnswers: true)
    }

    /// Undoes `delete`. Has no effect on a conversation that is not deleted.
    package func restore(_ id: ConversationID, of owner: UserID) throws(StoreError) {
        let end = options.now().advanced(by: .zero - options.deletedRetention)
        try update(id, of: owner, "SET deleted_at = NULL", where: "deleted_at IS NULL OR deleted_at > $3", end)
    }

    private func update(
        _ id: ConversationID, of owner: UserID, _ change: StaticString, where condition: StaticString, _ time: Timestamp,
        stopsAnswers: Bool = false
    ) throws(StoreError) {
        let sql = "UPDATE conversations \(change) WHERE id = $1 AND owner_id = $2 AND (\(condition)) RETURNING id"
        let isFound = try database.transaction(.write) { connection throws(StoreError) in
            // The lease before the conversation, in the same order as in `beginAnswer`.
            if stopsAnswers { _ = try requestStop(in: id, of: owner, on: connection) }
            return try connection.firstRow(sql, id, owner, time) != nil
        }
        guard isFound else { throw .notFound(.conversation) }
    }
}

extension Store {
    static let columns = "id, title, created_at, updated_at, message_count"

    /// Reads the index `conversations_newest` from the cursor on.
    package static let listSQL = """
        SELECT \(columns) FROM conversations
        WHERE owner_id = $1 AND deleted_at IS NULL AND (updated_at, id) < ($2, $3) ORDER BY updated_at DESC, id DESC LIMIT $4
        """

    static func conversation(
        _ id: ConversationID, of owner: UserID, on connection: any Connection
    ) throws(StoreError) -> StoredConversation {
        let sql = "SELECT \(columns) FROM conversations WHERE id = $1 AND owner_id = $2 AND deleted_at IS NULL"
        guard let row = try connection.firstRow(sql, id, owner) else { throw .notFound(.conversation) }
        return try StoredConversation(row)
    }
}

extension StoredConversation {
    init(_ row: Row) throws(StoreError) {
        try self.init(
            id: row["id"], title: row["title"], createdAt: row["created_at"], updatedAt: row["updated_at"],
            messageCount: row["message_count"])
    }
}
