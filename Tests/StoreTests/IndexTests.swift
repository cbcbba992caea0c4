import Store
import Testing

/// Frequent queries and queries over many rows use an index.
@Suite struct IndexTests {
    private func plan(_ store: Store, _ sql: String, _ values: [SQLValue], _ settings: String? = nil) throws -> String {
        let prefix = store.database.dialect == .sqlite ? "EXPLAIN QUERY PLAN " : "EXPLAIN "
        let rows = try store.database.transaction(.write) { connection throws(StoreError) in
            if let settings { try connection.execute(settings, []) }
            return try connection.execute(prefix + sql, values).map(\.values)
        }
        let lines = rows.flatMap { $0 }.compactMap { if case .text(let line) = $0 { line } else { nil } }
        return lines.joined(separator: "\n")
    }

    @Test(arguments: Backend.allCases) func `lists and conversations are read and sorted by an index`(_ backend: Backend) throws {
        let store = try TestDatabase(backend).store(), ada = try store.addTestUser("ada")
        try fill(store, ada)
        for hasStatistics in [false, true] {
            if hasStatistics { _ = try store.sql("ANALYZE") }
            let page: [SQLValue] = [.text(ada), .integer(Int64.max), .text(""), .integer(51)]
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
        _ = try store.sql("ANALYZE")
        let pattern = backend == .sqlite ? "\"rar\" AND \"are\"" : "%rare%"
        let values: [SQLValue] = [.text(ada), .integer(Int64.max), .text(""), .integer(51), .text("rare"), .text(pattern)]
        // Without this setting, PostgreSQL reads a table of this size as a whole.
        let settings = backend == .sqlite ? nil : "SELECT set_config('enable_seqscan', 'off', true)"
        let plan = try plan(store, Store.indexedSearchSQL(store.database.dialect), values, settings)
        #expect(plan.contains(backend == .sqlite ? "VIRTUAL TABLE INDEX 0:M1><" : "Bitmap Index Scan on messages_search"), "\(plan)")
        if backend == .sqlite { #expect(plan.contains("messages_by_search_id (search_id=?)"), "\(plan)") }
    }

    /// Adds 3,000 conversations of three messages, enough for PostgreSQL to prefer an index.
    private func fill(_ store: Store, _ owner: UserID) throws {
        func numbers(_ last: Int) -> String { "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < \(last - 1))" }
        _ = try store.sql("""
            INSERT INTO conversations (id, owner_id, title, creation_key, created_at, updated_at)
            \(numbers(3_000)) SELECT 'c' || i, $1, 'title', 'k' || i, i, i FROM n
            """, [.text(owner)])
        _ = try store.sql("""
            INSERT INTO messages (id, conversation_id, position, role, content, write_key, created_at)
            \(numbers(9_000)) SELECT 'm' || i, 'c' || (i / 3), i % 3, 'user', 'hello', 'k' || (i % 3), i FROM n
            """)
    }
}
