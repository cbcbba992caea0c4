/// What the one who runs the server may see: everybody's conversations, but no password's hash.
///
///     let busiest = try store.administration.users(sortedBy: .messages, descending: true, limit: 10).items
package struct Administration: Sendable {
    let database: any Database
    let now: @Sendable () -> Moment

    package struct Totals: Sendable, Equatable {
        package let users, activeLastDay, conversations, messages, generations, promptTokens, answerTokens, apiKeys: Int
    }

    package struct UserActivity: Sendable, Equatable {
        package let id: UserID
        package let username: String
        package let email: String?
        package let joined, lastActive: Moment
        package let conversations, messages, generations, answerTokens: Int
    }

    package struct OwnedConversation: Sendable, Equatable {
        package let conversation: Conversation
        package let owner: UserID
        package let username: String
    }

    /// A piece of a list, and how long the list is.
    package struct Listing<Item: Sendable & Equatable>: Sendable, Equatable {
        package let items: [Item]
        package let total: Int
    }

    /// What users can be sorted by. The names are those of the answer's fields.
    package enum UserColumn: String, Sendable, CaseIterable {
        case username, joined, lastActive = "last_active", conversations, messages, generations, tokens

        fileprivate var sql: String {
            switch self {
            case .username: "username_key"
            case .joined: "created_at"
            case .lastActive: "last_active_at"
            case .conversations, .messages, .generations, .tokens: rawValue
            }
        }
    }

    package enum ConversationColumn: String, Sendable, CaseIterable {
        case username, title, createdAt = "created_at", updatedAt = "updated_at", messages

        fileprivate var sql: String {
            switch self {
            case .username: "username_key"
            case .title: "lower(title)"
            case .createdAt, .updatedAt: "c." + rawValue
            case .messages: "message_count"
            }
        }
    }
}

extension Store {
    package var administration: Administration { Administration(database: database, now: options.now) }
}

/// Deleted conversations, and messages that were replaced, count nowhere. What answers took counts for ever.
extension Administration {
    package func totals() throws(StoreError) -> Totals {
        let dayAgo = now().advanced(by: .seconds(-86_400))
        return try database.transaction(.read) { connection throws(StoreError) in
            func numbers(_ sql: String, _ values: [Value] = []) throws(StoreError) -> [Int] {
                guard let row = try connection.firstRow(sql, values) else { return [] }
                return try row.values.indices.map { column throws(StoreError) in try row.integer(column) }
            }
            let users = try numbers("SELECT count(*), coalesce(sum(CASE WHEN last_active_at > $1 THEN 1 ELSE 0 END), 0) FROM users", [.integer(dayAgo)])
            let chats = try numbers("SELECT count(*), CAST(coalesce(sum(message_count), 0) AS BIGINT) FROM conversations WHERE deleted_at IS NULL")
            let work = try numbers("""
                SELECT count(*), CAST(coalesce(sum(prompt_tokens), 0) AS BIGINT), CAST(coalesce(sum(answer_tokens), 0) AS BIGINT) FROM generations
                """)
            let keys = try numbers("SELECT count(*) FROM api_keys WHERE revoked_at IS NULL")
            return Totals(users: users[0], activeLastDay: users[1], conversations: chats[0], messages: chats[1],
                          generations: work[0], promptTokens: work[1], answerTokens: work[2], apiKeys: keys[0])
        }
    }

    package func users(sortedBy column: UserColumn, descending: Bool = false, limit: Int = 50, offset: Int = 0) throws(StoreError) -> Listing<UserActivity> {
        try database.transaction(.read) { connection throws(StoreError) in
            let rows = try connection.rows("""
                SELECT id, username, email, created_at, last_active_at,
                    coalesce(conversations, 0) AS conversations, coalesce(messages, 0) AS messages, coalesce(generations, 0) AS generations, coalesce(tokens, 0) AS tokens
                FROM users
                LEFT JOIN (SELECT owner_id, count(*) AS conversations, CAST(sum(message_count) AS BIGINT) AS messages
                    FROM conversations WHERE deleted_at IS NULL GROUP BY owner_id) AS chats ON chats.owner_id = users.id
                LEFT JOIN (SELECT user_id, count(*) AS generations, CAST(sum(answer_tokens) AS BIGINT) AS tokens FROM generations GROUP BY user_id) AS work ON work.user_id = users.id
                ORDER BY \(column.sql) \(descending ? "DESC" : "ASC"), id LIMIT $1 OFFSET $2
                """, [.integer(limit), .integer(offset)])
            let items = try rows.map { row throws(StoreError) in
                UserActivity(id: try row.id(0), username: try row.text(1), email: try row.optionalText(2), joined: try row.moment(3), lastActive: try row.moment(4),
                             conversations: try row.integer(5), messages: try row.integer(6), generations: try row.integer(7), answerTokens: try row.integer(8))
            }
            return Listing(items: items, total: try connection.firstRow("SELECT count(*) FROM users", [])?.integer(0) ?? 0)
        }
    }

    /// Of one user, or of all.
    package func conversations(
        of user: UserID? = nil, sortedBy column: ConversationColumn = .updatedAt, descending: Bool = true, limit: Int = 50, offset: Int = 0
    ) throws(StoreError) -> Listing<OwnedConversation> {
        let choice = user == nil ? "" : "AND owner_id = $1", chosen = user.map { [Value.text($0)] } ?? [], next = chosen.count + 1
        return try database.transaction(.read) { connection throws(StoreError) in
            if let user, try connection.firstRow("SELECT id FROM users WHERE id = $1", [.text(user)]) == nil { throw .notFound(.user) }
            let rows = try connection.rows("""
                SELECT c.id, title, c.created_at, updated_at, message_count, owner_id, username FROM conversations AS c JOIN users ON users.id = owner_id
                WHERE deleted_at IS NULL \(choice) ORDER BY \(column.sql) \(descending ? "DESC" : "ASC"), c.id LIMIT $\(next) OFFSET $\(next + 1)
                """, chosen + [.integer(limit), .integer(offset)])
            let items = try rows.map { row throws(StoreError) in
                OwnedConversation(conversation: try Conversation(row), owner: try row.id(5), username: try row.text(6))
            }
            let total = try connection.firstRow("SELECT count(*) FROM conversations WHERE deleted_at IS NULL \(choice)", chosen)?.integer(0) ?? 0
            return Listing(items: items, total: total)
        }
    }

    package func messages(of conversation: ConversationID) throws(StoreError) -> [Message] {
        try database.transaction(.read) { connection throws(StoreError) in
            guard try connection.firstRow("SELECT id FROM conversations WHERE id = $1 AND deleted_at IS NULL", [.text(conversation)]) != nil else {
                throw .notFound(.conversation)
            }
            return try Store.messages(of: conversation, on: connection)
        }
    }
}
