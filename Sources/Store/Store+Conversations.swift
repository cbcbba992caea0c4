/// A piece of the list of somebody's conversations.
package struct ConversationPage: Sendable, Equatable {
    package let conversations: [Conversation]
    /// Where the next piece begins, if there is one.
    package let next: ConversationCursor?
}

/// A place in a list: behind the conversation that was changed then. Whatever happens to the list, those behind it are found.
package struct ConversationCursor: Sendable, Equatable, LosslessStringConvertible {
    let updatedAt: Moment
    let id: String

    package var description: String { "\(updatedAt.milliseconds).\(id)" }

    package init?(_ text: String) {
        let parts = text.split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count == 2, let time = Int64(parts[0]), let id = ConversationID(String(parts[1])) else { return nil }
        self.init(Moment(milliseconds: time), id.description)
    }

    init(_ updatedAt: Moment, _ id: String) { (self.updatedAt, self.id) = (updatedAt, id) }

    static let start = ConversationCursor(Moment(milliseconds: .max), "")
}

extension Store {
    /// - Parameter key: What the sender calls it: under the same key the same user gets the same conversation again.
    /// - Parameter question: A first message, which is stored with it or not at all.
    package func createConversation(_ title: String, for owner: UserID, key: String? = nil, question: Draft? = nil) throws(StoreError) -> (Conversation, Message?) {
        let id = ConversationID(), now = options.now(), message = MessageID()
        let question = question.map { Draft($0.role, $0.content, key: $0.key ?? key) }
        try key?.checkLength(of: "a key")
        try question?.key?.checkLength(of: "a key")
        return try database.transaction(.write) { connection throws(StoreError) in
            guard try connection.firstRow("SELECT id FROM users WHERE id = $1", [.text(owner)]) != nil else { throw .notFound(.user) }
            try connection.rows("""
                INSERT INTO conversations (id, owner_id, title, creation_key, created_at, updated_at) VALUES ($1, $2, $3, $4, $5, $5)
                ON CONFLICT (owner_id, creation_key) DO NOTHING
                """, [.text(id), .text(owner), .text(title), .text(key ?? id.description), .integer(now)])
            let found = try connection.firstRow("SELECT id FROM conversations WHERE owner_id = $1 AND creation_key = $2 AND deleted_at IS NULL",
                                                [.text(owner), .text(key ?? id.description)])
            guard let found else { throw .notFound(.conversation) }                 // deleted, and asked for again
            let conversation: ConversationID = try found.id(0)
            let stored = try question.map { draft throws(StoreError) in
                try Self.append(draft, id: message, to: conversation, of: owner, at: now, on: connection, database.dialect)
            }
            return (try Self.conversation(conversation, of: owner, on: connection), stored)
        }
    }

    /// The newest first, at most `limit` of them, and at most 1,000.
    ///
    /// - Parameter text: Only those that have it in their title or in a message, in small or capital letters.
    package func conversations(
        of owner: UserID, containing text: String? = nil, after cursor: ConversationCursor? = nil, limit: Int = 50
    ) throws(StoreError) -> ConversationPage {
        let start = cursor ?? .start, limit = min(max(limit, 1), 1_000)
        let sql = text == nil ? Self.list : Self.search(database.dialect)
        var values: [Value] = [.text(owner), .integer(start.updatedAt), .text(start.id), .integer(limit + 1)]
        if let text { values.append(.text(text)) }
        let found = try database.transaction(.read) { connection throws(StoreError) in
            try connection.rows(sql, values).map { row throws(StoreError) in try Conversation(row) }
        }
        let page = Array(found.prefix(limit))
        return ConversationPage(conversations: page, next: found.count > limit ? page.last.map { ConversationCursor($0.updatedAt, $0.id.description) } : nil)
    }

    package func conversation(_ id: ConversationID, of owner: UserID) throws(StoreError) -> (Conversation, [Message]) {
        try database.transaction(.read) { connection throws(StoreError) in
            (try Self.conversation(id, of: owner, on: connection), try Self.messages(of: id, on: connection))
        }
    }

    /// Throws unless there is such a conversation, and it is theirs.
    package func check(_ id: ConversationID, of owner: UserID) throws(StoreError) {
        _ = try database.transaction(.read) { connection throws(StoreError) in try Self.conversation(id, of: owner, on: connection) }
    }

    @discardableResult
    package func rename(_ id: ConversationID, of owner: UserID, to title: String) throws(StoreError) -> Conversation {
        try database.transaction(.write) { connection throws(StoreError) in
            try connection.rows("UPDATE conversations SET title = $3 WHERE id = $1 AND owner_id = $2 AND deleted_at IS NULL",
                                [.text(id), .text(owner), .text(title)])
            return try Self.conversation(id, of: owner, on: connection)
        }
    }

    /// It is not found any more, but can be had back for some time.
    package func delete(_ id: ConversationID, of owner: UserID) throws(StoreError) {
        let now = options.now()
        try change(id, of: owner, "SET deleted_at = $3", where: "deleted_at IS NULL OR deleted_at = $3", now)         // the same moment: this call, once more
    }

    /// Takes back `delete`. Of a conversation that is there nothing changes.
    package func restore(_ id: ConversationID, of owner: UserID) throws(StoreError) {
        let end = options.now().advanced(by: .zero - options.undoWindow)
        try change(id, of: owner, "SET deleted_at = NULL", where: "deleted_at IS NULL OR deleted_at > $3", end)
    }

    private func change(_ id: ConversationID, of owner: UserID, _ change: StaticString, where condition: StaticString, _ moment: Moment) throws(StoreError) {
        let sql = "UPDATE conversations \(change) WHERE id = $1 AND owner_id = $2 AND (\(condition)) RETURNING id"
        let isFound = try database.transaction(.write) { connection throws(StoreError) in
            try connection.firstRow(sql, [.text(id), .text(owner), .integer(moment)]) != nil
        }
        guard isFound else { throw .notFound(.conversation) }
    }
}

extension Store {
    package static let columns = "id, title, created_at, updated_at, message_count"

    /// Read along the index `conversations_newest`, from the cursor on.
    package static let list = """
        SELECT \(columns) FROM conversations
        WHERE owner_id = $1 AND deleted_at IS NULL AND (updated_at, id) < ($2, $3) ORDER BY updated_at DESC, id DESC LIMIT $4
        """

    /// The same, looking into each on the way until there are enough. (Of EXISTS, PostgreSQL might make one search through the messages of all users.)
    package static func search(_ dialect: Dialect) -> String {
        """
        SELECT \(columns) FROM conversations
        WHERE owner_id = $1 AND deleted_at IS NULL AND (updated_at, id) < ($2, $3)
        AND (\(dialect.contains("title", "$5")) OR 1 = (
            SELECT 1 FROM messages WHERE conversation_id = conversations.id AND position >= 0 AND \(dialect.contains("content", "$5")) LIMIT 1))
        ORDER BY updated_at DESC, id DESC LIMIT $4
        """
    }

    static func conversation(_ id: ConversationID, of owner: UserID, on connection: any Connection) throws(StoreError) -> Conversation {
        let row = try connection.firstRow("SELECT \(columns) FROM conversations WHERE id = $1 AND owner_id = $2 AND deleted_at IS NULL", [.text(id), .text(owner)])
        guard let row else { throw .notFound(.conversation) }
        return try Conversation(row)
    }
}

extension Conversation {
    init(_ row: Row) throws(StoreError) {
        self.init(id: try row.id(0), title: try row.text(1), createdAt: try row.moment(2), updatedAt: try row.moment(3), messageCount: try row.integer(4))
    }
}
