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
        package let role: Role
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

        /// The column, and whether it is one of `user_counts`.
        fileprivate var column: (name: String, isCount: Bool) {
            switch self {
            case .username: ("username_key", false)
            case .joined: ("created_at", false)
            case .lastActive: ("last_active_at", false)
            case .conversations, .messages, .generations: (rawValue, true)
            case .tokens: ("answer_tokens", true)
            }
        }
    }

    /// The sort keys of `conversations`. Raw values are the values of the query parameter `sort`.
    package enum ConversationSortKey: String, Sendable, CaseIterable {
        case username, title, createdAt = "created_at", updatedAt = "updated_at", messages

        fileprivate var sql: String {
            switch self {
            case .username: "username_key"
            case .title: Schema.titleKey
            case .createdAt: "c.created_at"
            case .updatedAt: Schema.updateKey
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
            func numbers(_ sql: String, _ values: any ColumnValue...) throws(StoreError) -> [Int] {
                guard let row = try connection.execute(sql, values: values.map(\.sql)).first else { return [] }
                return try row.values.indices.map { column throws(StoreError) in try row.value(at: column) }
            }
            func sum(_ column: String) -> String { "CAST(coalesce(sum(\(column)), 0) AS BIGINT)" }
            let (prompts, answers) = (database.dialect.bounded("prompt_tokens"), database.dialect.bounded("answer_tokens"))
            let users = try numbers(
                "SELECT (SELECT count(*) FROM users), (SELECT count(*) FROM users WHERE last_active_at > $1)", dayAgo)
            let counts = try numbers("""
                SELECT \(sum("conversations")), \(sum("messages")), \(sum("generations")), \(sum("prompt_tokens")), \(sum("answer_tokens"))
                FROM user_counts
                """)
            // Events of deleted users.
            let others = try numbers(
                "SELECT count(*), \(sum(prompts)), \(sum(answers)) FROM generations WHERE user_id IS NULL")
            let recent = try numbers("SELECT \(sum(answers)) FROM generations WHERE created_at > $1", minuteAgo)
            let keys = try numbers("SELECT count(*) FROM api_keys WHERE revoked_at IS NULL")
            return Totals(
                users: users[0], activeLastDay: users[1], conversations: counts[0], messages: counts[1],
                generations: counts[2] + others[0], promptTokens: counts[3] + others[1], answerTokens: counts[4] + others[2],
                answerTokensLastMinute: recent[0], apiKeys: keys[0])
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
        let filterValues = text.map { [$0.sql] } ?? []
        let page = Self.pageOfUsers(sortedBy: key, descending: descending, filter)
        return try database.transaction(.read) { connection throws(StoreError) in
            let items = try connection.execute(page, values: [limit.sql, offset.sql] + filterValues).map(Self.activity)
            let countFilter = filter.replacing("$3", with: "$1")
            let counted = try connection.execute("SELECT count(*) AS total FROM users \(countFilter)", values: filterValues)
            return Page(items: items, total: try counted[0]["total"])
        }
    }

    /// The rows of a page are chosen by one index, or in `user_counts`, which is small. Then the other columns are read.
    ///
    /// - Parameter filter: A condition on `users`, or empty.
    package static func pageOfUsers(sortedBy key: UserSortKey, descending: Bool, _ filter: String = "") -> String {
        let (column, isCount) = key.column
        // The ids in the same direction, so that an index can be read backwards.
        func order(_ id: String) -> String {
            let direction = descending ? "DESC" : "ASC"
            return "ORDER BY \(column) \(direction), \(id) \(direction)"
        }
        let tables = !isCount ? "users" : filter.isEmpty ? "user_counts" : "users JOIN user_counts ON user_id = id"
        let id = isCount ? "user_id" : "id"
        return """
            SELECT \(activityColumns) FROM (SELECT \(id) AS page_id FROM \(tables) \(filter) \(order(id)) LIMIT $1 OFFSET $2) AS page
            JOIN users ON id = page_id JOIN user_counts ON user_id = page_id \(order("id"))
            """
    }

    package func user(_ id: UserID) throws(StoreError) -> UserDetails {
        let now = now()
        return try database.transaction(.read) { connection throws(StoreError) in
            let row = try connection.find(
                .user, "SELECT \(Self.activityColumns) FROM users JOIN user_counts ON user_id = id WHERE id = $1", id)
            return UserDetails(
                activity: try Self.activity(row),
                sessions: try connection.value("SELECT count(*) FROM sessions WHERE user_id = $1 AND expires_at > $2", id, now) ?? 0,
                apiKeys: try connection.value("SELECT count(*) FROM api_keys WHERE owner_id = $1 AND revoked_at IS NULL", id) ?? 0)
        }
    }

    private static let activityColumns =
        "id, username, email, created_at, last_active_at, conversations, messages, generations, answer_tokens, disabled_at, role"

    private static func activity(_ row: Row) throws(StoreError) -> UserActivity {
        try UserActivity(
            id: row["id"], username: row["username"], email: row["email"], joined: row["created_at"], lastActive: row["last_active_at"],
            conversations: row["conversations"], messages: row["messages"], generations: row["generations"],
            answerTokens: row["answer_tokens"],
            isDisabled: !row.isNull("disabled_at"), role: Role(stored: row["role"]))
    }

    /// Lists the conversations of one user, or of all users if `user` is nil.
    ///
    /// - Parameter text: Only conversations whose title or owner's name contains it, ignoring case.
    package func conversations(
        of user: UserID? = nil, sortedBy key: ConversationSortKey = .updatedAt, descending: Bool = true, matching text: String? = nil,
        limit: Int = 50, offset: Int = 0
    ) throws(StoreError) -> Page<OwnedConversation> {
        let (sql, values) = pageOfConversations(of: user, sortedBy: key, descending: descending, matching: text)
        return try database.transaction(.read) { connection throws(StoreError) in
            if let user { try connection.find(.user, "SELECT id FROM users WHERE id = $1", user) }
            let rows = try connection.execute(sql, values: [limit.sql, offset.sql] + values)
            let items = try rows.map { row throws(StoreError) in
                try OwnedConversation(conversation: StoredConversation(row), owner: row["owner_id"], username: row["username"])
            }
            if text != nil, let first = rows.first { return Page(items: items, total: try first["matches"]) }
            // After the last page of a search, the first one has the number.
            if text != nil, offset > 0 {
                let first = try connection.execute(sql, values: [1.sql, 0.sql] + values).first
                return Page(items: items, total: try first?["matches"] ?? 0)
            }
            if text != nil { return Page(items: items, total: 0) }
            let counted = try connection.execute(
                "SELECT CAST(coalesce(sum(conversations), 0) AS BIGINT) AS total FROM user_counts"
                    + (user == nil ? "" : " WHERE user_id = $1"), values: values)
            return Page(items: items, total: try counted[0]["total"])
        }
    }

    /// Returns a query with the parameters $1, the limit, and $2, the offset, and its other parameters. Without a search, a page is read
    /// along one index: of conversations, or of users and then of the conversations of each. A search reads all conversations once; its
    /// rows end with the number of all matches.
    package func pageOfConversations(
        of user: UserID?, sortedBy key: ConversationSortKey, descending: Bool, matching text: String?
    ) -> (sql: String, values: [SQLValue]) {
        let columns = "c.id, title, c.created_at, updated_at, message_count, owner_id, username"
        // The ids in the same direction, so that an index can be read backwards.
        let direction = descending ? "DESC" : "ASC"
        let order = "ORDER BY \(key.sql) \(direction), c.id \(direction)"
        let page = "LIMIT $1 OFFSET $2"
        let owner = user == nil ? "" : " AND owner_id = $3"
        let values = user.map { [$0.sql] } ?? []
        guard let text else {
            if user == nil, key == .username {
                // With CROSS JOIN, SQLite reads the users first.
                let tables = "users CROSS JOIN conversations AS c WHERE owner_id = users.id AND deleted_at IS NULL"
                return ("SELECT \(columns) FROM \(tables) \(order) \(page)", values)
            }
            // All conversations of one user have the same name.
            let orderOfRows = key == .username ? "ORDER BY c.id \(direction)" : order
            let rows = "SELECT * FROM conversations AS c WHERE deleted_at IS NULL\(owner) \(orderOfRows) \(page)"
            return ("SELECT \(columns) FROM (\(rows)) AS c JOIN users ON users.id = owner_id \(order)", values)
        }
        func contains(_ column: String) -> String { database.dialect.contains(column, "$\(values.count + 3)") }
        let users = key == .username ? "JOIN users ON users.id = owner_id" : ""
        // With the plus sign, SQLite does not read the rows in the order of an index, which takes ten times as long.
        let isVisible = user == nil ? "+deleted_at IS NULL" : "deleted_at IS NULL"
        return ("""
            WITH found AS MATERIALIZED (
                SELECT c.id AS found_id, \(key.sql) AS sort_key FROM conversations AS c \(users) WHERE \(isVisible)\(owner)
                AND (\(contains("title")) OR owner_id IN (SELECT id FROM users WHERE \(contains("username"))))
            )
            SELECT \(columns), (SELECT count(*) FROM found) AS matches
            FROM (SELECT * FROM found ORDER BY sort_key \(direction), found_id \(direction) \(page)) AS page
            JOIN conversations AS c ON c.id = found_id JOIN users ON users.id = owner_id
            ORDER BY sort_key \(direction), found_id \(direction)
            """, values + [text.sql])
    }

    package func messages(of conversation: ConversationID) throws(StoreError) -> [Message] {
        try database.transaction(.read) { connection throws(StoreError) in
            try connection.find(.conversation, "SELECT id FROM conversations WHERE id = $1 AND deleted_at IS NULL", conversation)
            return try Store.messages(of: conversation, on: connection)
        }
    }
}
