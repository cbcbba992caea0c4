/// Queries of the admin API. They cover all users; no result contains a password hash.
///
///     let busiest = try store.admin.users(sortedBy: .messages, descending: true, limit: 10).items
package struct AdminQueries: Sendable {
    let database: any Database
    let now: @Sendable () -> Timestamp

    package struct Totals: Sendable, Equatable {
        package let users: Int
        package let activeLastDay: Int
        package let conversations: Int
        package let messages: Int
        package let generations: Int
        package let promptTokens: Int
        package let answerTokens: Int
        /// Tokens of the answers that ended in the last minute.
        package let answerTokensLastMinute: Int
        package let apiKeys: Int
    }

    package struct UserActivity: Sendable, Equatable {
        package let id: UserID
        package let username: String
        package let email: String?
        package let joined, lastActive: Timestamp
        package let conversations, messages, generations, answerTokens: Int
        package let isDisabled: Bool
    }

    package struct UserDetails: Sendable, Equatable {
        package let activity: UserActivity
        /// Sessions that have not ended, and API keys that are not revoked.
        package let sessions, apiKeys: Int
    }

    package struct OwnedConversation: Sendable, Equatable {
        package let conversation: StoredConversation
        package let owner: UserID
        package let username: String
    }

    /// One page of a list and the length of the whole list.
    package struct Page<Item: Sendable & Equatable>: Sendable, Equatable {
        package let items: [Item]
        package let total: Int
    }

    /// The sort keys of `users`. Raw values are the values of the query parameter `sort`.
    package enum UserSortKey: String, Sendable, CaseIterable {
        case username, joined, lastActive = "last_active", conversations, messages, generations, tokens

        fileprivate var sql: String {
            switch self {
            case .username: "username_key"
            case .joined: "created_at"
            case .lastActive: "last_active_at"
            case .conversations, .messages, .generations, .tokens: rawValue
            }
        }

        /// Whether it is a count of other tables' rows.
        fileprivate var isCount: Bool {
            switch self {
            case .username, .joined, .lastActive: false
            case .conversations, .messages, .generations, .tokens: true
            }
        }
    }

    /// The sort keys of `conversations`. Raw values are the values of the query parameter `sort`.
    package enum ConversationSortKey: String, Sendable, CaseIterable {
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
    package var admin: AdminQueries { AdminQueries(database: database, now: options.now) }
}

/// Counts exclude deleted conversations and replaced messages. Counts of generations and tokens include them.
extension AdminQueries {
    package func totals() throws(StoreError) -> Totals {
        let now = now()
        let dayAgo = now.advanced(by: .seconds(-86_400))
        let minuteAgo = now.advanced(by: .seconds(-60))
        return try database.transaction(.read) { connection throws(StoreError) in
            func numbers(_ sql: String, _ values: [SQLValue] = []) throws(StoreError) -> [Int] {
                guard let row = try connection.firstRow(sql, values) else { return [] }
                return try row.values.indices.map { column throws(StoreError) in try row.integer(column) }
            }
            let users = try numbers(
                "SELECT count(*), coalesce(sum(CASE WHEN last_active_at > $1 THEN 1 ELSE 0 END), 0) FROM users", [.integer(dayAgo)])
            let chats = try numbers(
                "SELECT count(*), CAST(coalesce(sum(message_count), 0) AS BIGINT) FROM conversations WHERE deleted_at IS NULL")
            let work = try numbers("""
                SELECT count(*), CAST(coalesce(sum(prompt_tokens), 0) AS BIGINT), CAST(coalesce(sum(answer_tokens), 0) AS BIGINT),
                    CAST(coalesce(sum(CASE WHEN created_at > $1 THEN answer_tokens ELSE 0 END), 0) AS BIGINT)
                FROM generations
                """, [.integer(minuteAgo)])
            let keys = try numbers("SELECT count(*) FROM api_keys WHERE revoked_at IS NULL")
            return Totals(
                users: users[0], activeLastDay: users[1], conversations: chats[0], messages: chats[1],
                generations: work[0], promptTokens: work[1], answerTokens: work[2], answerTokensLastMinute: work[3],
                apiKeys: keys[0])
        }
    }

    /// Lists users.
    ///
    /// - Parameter text: Only users whose username or email address contains it, ignoring case.
    package func users(
        sortedBy key: UserSortKey, descending: Bool = false, matching text: String? = nil, limit: Int = 50, offset: Int = 0
    ) throws(StoreError) -> Page<UserActivity> {
        let filter = text.map { _ in
            "WHERE \(database.dialect.contains("username", "$3")) OR \(database.dialect.contains("coalesce(email, '')", "$3"))"
        } ?? ""
        let filterValues = text.map { [SQLValue.text($0.storable)] } ?? []
        let order = "\(key.sql) \(descending ? "DESC" : "ASC"), id LIMIT $1 OFFSET $2"
        return try database.transaction(.read) { connection throws(StoreError) in
            // A page sorted by a column of its own needs the counts of its users only.
            let sql = key.isCount
                ? "SELECT \(Self.activityColumns) FROM users \(Self.activityJoins) \(filter) ORDER BY \(order)"
                : """
                SELECT \(Self.activityOfEachUser) FROM (SELECT * FROM users \(filter) ORDER BY \(order)) AS page
                ORDER BY \(key.sql) \(descending ? "DESC" : "ASC"), id
                """
            let items = try connection.execute(sql, [.integer(limit), .integer(offset)] + filterValues).map(Self.activity)
            let countFilter = filter.replacing("$3", with: "$1")
            let total = try connection.firstRow("SELECT count(*) FROM users \(countFilter)", filterValues)?.integer(0) ?? 0
            return Page(items: items, total: total)
        }
    }

    package func user(_ id: UserID) throws(StoreError) -> UserDetails {
        let now = now()
        return try database.transaction(.read) { connection throws(StoreError) in
            let row = try connection.firstRow("SELECT \(Self.activityOfEachUser) FROM users AS page WHERE id = $1", [.text(id)])
            guard let row else { throw .notFound(.user) }
            func count(_ sql: String, _ values: [SQLValue]) throws(StoreError) -> Int {
                try connection.firstRow(sql, values)?.integer(0) ?? 0
            }
            return UserDetails(
                activity: try Self.activity(row),
                sessions: try count(
                    "SELECT count(*) FROM sessions WHERE user_id = $1 AND expires_at > $2", [.text(id), .integer(now)]),
                apiKeys: try count("SELECT count(*) FROM api_keys WHERE owner_id = $1 AND revoked_at IS NULL", [.text(id)]))
        }
    }

    private static let ownColumns = "id, username, email, created_at, last_active_at"

    private static let activityColumns = """
        \(ownColumns), coalesce(conversations, 0) AS conversations, coalesce(messages, 0) AS messages,
        coalesce(generations, 0) AS generations, coalesce(tokens, 0) AS tokens, disabled_at
        """

    private static let activityJoins = """
        LEFT JOIN (SELECT owner_id, count(*) AS conversations, CAST(sum(message_count) AS BIGINT) AS messages
            FROM conversations WHERE deleted_at IS NULL GROUP BY owner_id) AS chats ON chats.owner_id = users.id
        LEFT JOIN (SELECT user_id, count(*) AS generations, CAST(sum(answer_tokens) AS BIGINT) AS tokens
            FROM generations GROUP BY user_id) AS work ON work.user_id = users.id
        """

    /// The same columns for the rows of `page`.
    private static let activityOfEachUser = """
        \(ownColumns),
        (SELECT count(*) FROM conversations WHERE owner_id = page.id AND deleted_at IS NULL),
        (SELECT CAST(coalesce(sum(message_count), 0) AS BIGINT) FROM conversations WHERE owner_id = page.id AND deleted_at IS NULL),
        (SELECT count(*) FROM generations WHERE user_id = page.id),
        (SELECT CAST(coalesce(sum(answer_tokens), 0) AS BIGINT) FROM generations WHERE user_id = page.id), disabled_at
        """

    private static func activity(_ row: Row) throws(StoreError) -> UserActivity {
        UserActivity(
            id: try row.id(0), username: try row.text(1), email: try row.optionalText(2),
            joined: try row.timestamp(3), lastActive: try row.timestamp(4),
            conversations: try row.integer(5), messages: try row.integer(6),
            generations: try row.integer(7), answerTokens: try row.integer(8), isDisabled: try row.optionalTimestamp(9) != nil)
    }

    /// Lists the conversations of one user, or of all users if `user` is nil.
    ///
    /// - Parameter text: Only conversations whose title or owner's name contains it, ignoring case.
    package func conversations(
        of user: UserID? = nil, sortedBy key: ConversationSortKey = .updatedAt, descending: Bool = true, matching text: String? = nil,
        limit: Int = 50, offset: Int = 0
    ) throws(StoreError) -> Page<OwnedConversation> {
        var filter = ""
        var filterValues: [SQLValue] = []
        if let user {
            filterValues.append(.text(user))
            filter += " AND owner_id = $1"
        }
        if let text {
            filterValues.append(.text(text.storable))
            let part = "$\(filterValues.count)"
            filter += " AND (\(database.dialect.contains("title", part)) OR \(database.dialect.contains("username", part)))"
        }
        let next = filterValues.count + 1
        let tables = "conversations AS c JOIN users ON users.id = owner_id WHERE deleted_at IS NULL\(filter)"
        return try database.transaction(.read) { connection throws(StoreError) in
            if let user, try connection.firstRow("SELECT id FROM users WHERE id = $1", [.text(user)]) == nil { throw .notFound(.user) }
            let rows = try connection.execute("""
                SELECT c.id, title, c.created_at, updated_at, message_count, owner_id, username
                FROM \(tables) ORDER BY \(key.sql) \(descending ? "DESC" : "ASC"), c.id LIMIT $\(next) OFFSET $\(next + 1)
                """, filterValues + [.integer(limit), .integer(offset)])
            let items = try rows.map { row throws(StoreError) in
                OwnedConversation(conversation: try StoredConversation(row), owner: try row.id(5), username: try row.text(6))
            }
            let total = try connection.firstRow("SELECT count(*) FROM \(tables)", filterValues)?.integer(0) ?? 0
            return Page(items: items, total: total)
        }
    }

    package func messages(of conversation: ConversationID) throws(StoreError) -> [Message] {
        try database.transaction(.read) { connection throws(StoreError) in
            let found = try connection.firstRow("SELECT id FROM conversations WHERE id = $1 AND deleted_at IS NULL", [.text(conversation)])
            guard found != nil else { throw .notFound(.conversation) }
            return try Store.messages(of: conversation, on: connection)
        }
    }
}
