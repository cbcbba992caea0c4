import Store
import Testing

/// Frequent queries and queries over many rows use an index.
@Suite struct IndexTests {
    private func plan(_ store: Store, _ sql: String, _ values: [SQLValue], _ settings: String? = nil) throws -> String {
        let prefix = store.database.dialect == .sqlite ? "EXPLAIN QUERY PLAN " : "EXPLAIN "
        let rows = try store.database.transaction(.write) { connection throws(StoreError) in
            if let settings { try connection.execute(settings) }
            return try connection.execute(prefix + sql, values: values).map(\.values)
        }
        let lines = rows.flatMap { $0 }.compactMap { if case .text(let line) = $0 { line } else { nil } }
        return lines.joined(separator: "\n")
    }

    @Test(arguments: Backend.allCases) func `lists and conversations are read and sorted by an index`(_ backend: Backend) throws {
        let store = try TestDatabase(backend).store(), ada = try store.addTestUser("ada")
        try fill(store, ada)
        for hasStatistics in [false, true] {
            if hasStatistics { try analyze(store, backend) }
            let page: [SQLValue] = [ada.sql, .integer(.max), .text(""), .integer(51)]
            let search = Store.searchSQL(store.database.dialect)
            let byPosition = backend == .sqlite ? "sqlite_autoindex_messages_2" : "messages_conversation_id_position_key"
            for (sql, values, index) in [
                (Store.listSQL, page, "conversations_newest"), (search, page + [.text("x")], "conversations_newest"),
                (Store.messagesSQL, [.text("c7")], byPosition),
            ] {
                let plan = try plan(store, sql, values)
                #expect(plan.contains(index), "\(plan)")
                for word in ["SCAN conversations", "SCAN messages", "Seq Scan"] { #expect(!plan.contains(word), "\(plan)") }
                if index == "conversations_newest" { #expect(!plan.contains("TEMP B-TREE") && !plan.contains("Sort"), "\(plan)") }
            }
        }
    }

    /// The index of the owner and the trigram, not the messages themselves.
    @Test(arguments: Backend.allCases) func `a search for a rare text uses the full-text index`(_ backend: Backend) throws {
        let store = try TestDatabase(backend).store(), ada = try store.addTestUser("ada")
        try fill(store, ada)
        try analyze(store, backend)
        let pattern = backend == .sqlite ? "\"rar\" AND \"are\"" : "%rare%"
        let values: [SQLValue] = [ada.sql, .integer(.max), .text(""), .integer(51), .text("rare"), .text(pattern)]
        // Without this setting, PostgreSQL reads a table of this size as a whole.
        let settings = backend == .sqlite ? nil : "SELECT set_config('enable_seqscan', 'off', true)"
        let plan = try plan(store, Store.indexedSearchSQL(store.database.dialect), values, settings)
        #expect(plan.contains(backend == .sqlite ? "VIRTUAL TABLE INDEX 0:M1><" : "Bitmap Index Scan on messages_search"), "\(plan)")
        if backend == .sqlite { #expect(plan.contains("messages_by_search_id (search_id=?)"), "\(plan)") }
    }

    @Test(arguments: Backend.allCases) func `pages of all users and conversations are read by an index`(_ backend: Backend) throws {
        let store = try TestDatabase(backend).store(), ada = try store.addTestUser("ada")
        try fill(store, ada)
        try analyze(store, backend)
        let values: [SQLValue] = [.integer(20), .integer(0)]
        // Without this setting, PostgreSQL reads a table of a few rows as a whole.
        let settings = backend == .sqlite ? nil : "SELECT set_config('enable_seqscan', 'off', true)"
        for descending in [false, true] {
            let names = backend == .sqlite ? "sqlite_autoindex_users_2" : "users_username_key_key"
            for (key, index) in [
                (AdminQueries.UserSortKey.username, names), (.joined, "users_by_creation"), (.lastActive, "users_by_activity"),
            ] {
                let plan = try plan(store, AdminQueries.pageOfUsers(sortedBy: key, descending: descending), values, settings)
                #expect(plan.contains(index), "\(plan)")
            }
            for key in AdminQueries.ConversationSortKey.allCases {
                let index = switch key {
                case .username: names
                case .title: "conversations_by_title"
                case .createdAt: "conversations_by_creation"
                case .updatedAt: "conversations_by_update"
                case .messages: "conversations_by_messages"
                }
                let (sql, _) = store.admin.pageOfConversations(of: nil, sortedBy: key, descending: descending, matching: nil)
                let plan = try plan(store, sql, values, settings)
                #expect(plan.contains(index), "\(plan)")
            }
        }
        // The counts of users are not made from the rows that they count.
        let sorted = try plan(store, AdminQueries.pageOfUsers(sortedBy: .messages, descending: true), values)
        #expect(!sorted.contains("conversations") && !sorted.contains("generations"), "\(sorted)")
    }

    /// Neither reads the rows of chats that do not match.
    @Test(arguments: Backend.allCases) func `lists of chats for training are read and counted in indexes`(_ backend: Backend) throws {
        let store = try TestDatabase(backend).store(), dialect = store.database.dialect
        // Without these settings, PostgreSQL reads a table of no rows as a whole.
        let off = ["enable_seqscan", "enable_bitmapscan", "enable_sort"].map { "set_config('\($0)', 'off', true)" }
        let settings = backend == .sqlite ? nil : "SELECT " + off.joined(separator: ", ")
        var filter = TrainingFilter()
        for rating in [nil, TrainingFilter.Rating.good] {
            filter.rating = rating
            (filter.source, filter.minTurns) = rating == nil ? (nil, nil) : (.guest, 3)
            for key in TrainingFilter.SortKey.allCases {
                let list = TrainingChatList(filter, sortedBy: key, dialect)
                let (sql, values) = list.pageQuery(after: nil, limit: 51)
                let page = try plan(store, sql, values, settings), isByTime = key == .newest || key == .oldest
                #expect(page.contains(isByTime ? "training_chats_by_time" : "training_chats_by_length"), "\(page)")
                if backend == .sqlite { #expect(!page.contains("c USING INDEX training_chats_by"), "\(page)") }
            }
            let (sql, values) = TrainingChatList(filter, dialect).countQuery(), counts = try plan(store, sql, values, settings)
            // In an empty table, all indexes with these columns are as small for PostgreSQL.
            #expect(counts.contains(backend == .sqlite ? "training_chats_filtered" : "Index Only Scan"), "\(counts)")
        }
        // Chats of some lengths are looked for in the index that has lengths, whatever the order.
        filter = TrainingFilter()
        filter.minCharacters = 100
        filter.rating = .good
        for key in TrainingFilter.SortKey.allCases {
            let (sql, values) = TrainingChatList(filter, sortedBy: key, dialect).pageQuery(after: nil, limit: 51)
            let page = try plan(store, sql, values, nil)
            if backend == .sqlite { #expect(page.contains("c USING COVERING INDEX training_chats_by_length"), "\(page)") }
        }
        let lengths = TrainingChatList(filter, dialect).countQuery()
        let counted = try plan(store, lengths.sql, lengths.values, settings)
        #expect(counted.contains(backend == .sqlite ? "training_chats_by_length" : "Index"), "\(counted)")
        filter = TrainingFilter()
        filter.text = "rare"
        let text = TrainingChatList(filter, dialect).pageQuery(after: nil, limit: 51)
        let bitmaps = backend == .sqlite ? nil : "SELECT set_config('enable_seqscan', 'off', true)"
        let search = try plan(store, text.sql, text.values, bitmaps)
        let indexes = backend == .sqlite ? ["VIRTUAL TABLE INDEX 0:M1", "training_messages_by_search_id (search_id=?)"]
            : ["training_messages_search", "training_chats_search", "messages_search"]
        for index in indexes { #expect(search.contains(index), "\(search)") }
    }

    /// Adds 3,000 conversations of three messages, enough for PostgreSQL to prefer an index.
    /// In PostgreSQL, only of tables of this test: without a list, it waits for the migrations of all other tests.
    private func analyze(_ store: Store, _ backend: Backend) throws {
        _ = try store.sql(backend == .sqlite ? "ANALYZE" : "ANALYZE users, conversations, messages")
    }

    private func fill(_ store: Store, _ owner: UserID) throws {
        func numbers(_ last: Int) -> String { "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < \(last - 1))" }
        _ = try store.sql("""
            INSERT INTO conversations (id, owner_id, title, created_at, updated_at)
            \(numbers(3_000)) SELECT 'c' || i, $1, 'title', i, i FROM n
            """, owner)
        _ = try store.sql("""
            INSERT INTO messages (id, conversation_id, position, role, content, created_at, ordinal)
            \(numbers(9_000)) SELECT 'm' || i, 'c' || (i / 3), i % 3, 'user', 'hello', i, i % 3 FROM n
            """)
    }
}
