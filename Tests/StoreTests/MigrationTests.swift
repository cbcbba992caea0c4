import Foundation
import Store
import TestSupport
import Testing

@Suite struct MigrationTests {
    /// A database created by an older version, with rows in each table (Schemas/).
    private func old(_ backend: Backend, version: Int) throws -> TestDatabase {
        let db = try TestDatabase(backend), database = try db.database()
        let folder = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "Schemas")
        for name in ["\(backend)-\(version)".lowercased(), "rows-\(version)"] {
            let text = try String(contentsOf: folder.appending(path: name + ".sql"), encoding: .utf8)
            try database.transaction(.write) { connection throws(StoreError) in
                for statement in text.split(separator: ";\n") { try connection.execute(String(statement), []) }
            }
        }
        return db
    }

    @Test(arguments: Backend.allCases) func `a migration preserves rows and counts messages`(_ backend: Backend) throws {
        let store = try old(backend, version: 1).store(), ada = try #require(try store.user(named: "ADA"))
        let list = try store.conversations(of: ada.id).conversations
        #expect(list.map(\.title) == ["Rain", "Empty"] && list.map(\.messageCount) == [2, 0])
        let (chat, messages) = try store.conversation(list[0].id, of: ada.id)
        #expect(chat == list[0] && messages.map(\.content) == ["why?", "clouds."] && messages.map(\.role) == [.user, .assistant])
        let figures = try #require(messages[1].figures)
        #expect(figures.reason == "stop" && figures.tokens == 4 && figures.seconds == 0.5 && figures.firstTokenSeconds == nil)
        #expect(messages[0].figures == nil)
        #expect(try store.sql("SELECT characters FROM conversations ORDER BY id") == [[.integer(11)], [.integer(0)]])
        let indexed = backend == .sqlite
            ? "SELECT count(*) FROM message_search WHERE message_search MATCH '\"lou\"'"
            : "SELECT count(*) FROM messages WHERE owner_id = '\(ada.id)' AND lower(content) LIKE '%lou%'"
        #expect(try store.sql(indexed) == [[.integer(1)]])
        #expect(try store.setting("secret") == "s3cret" && store.admin.totals().answerTokens == 4)
        #expect(try store.append(NewMessage(.user, "why?"), as: messages[0].id, to: chat.id, of: ada.id) == messages[0])
        try store.append(NewMessage(.user, "really?"), to: chat.id, of: ada.id, replacingFrom: messages[0].id)
        #expect(try store.contents(of: chat.id, ada.id) == ["really?"])
        _ = try store.addAPIKey("key", hash: "hash", for: ada.id)
        #expect(try ada.tokenEpoch == 0 && ada.disabledAt == nil && store.sessions(of: ada.id).isEmpty)
        #expect(try store.sql("SELECT version FROM slm_schema ORDER BY version") == versions)
    }

    /// The rows of `slm_schema` after all migrations.
    private var versions: [[SQLValue]] { (1...Store.schemaVersion).map { [.integer($0)] } }

    /// A released migration must not change.
    @Test(arguments: Backend.allCases) func `the migrations create the same schema as before`(_ backend: Backend) throws {
        let old = try old(backend, version: 1).store(), new = try TestDatabase(backend).store()
        #expect(try tables(old, backend) == tables(new, backend))
    }

    private func tables(_ store: Store, _ backend: Backend) throws -> [[SQLValue]] {
        switch backend {
        case .sqlite: try store.sql("SELECT name, sql FROM sqlite_master ORDER BY name").map { $0.map { value in
            guard case .text(let sql) = value else { return value }
            return .text(sql.split { $0.isWhitespace }.joined(separator: " "))
        } }
        case .postgresql: try store.sql("""
            SELECT table_name, column_name, data_type, is_nullable, collation_name
                FROM information_schema.columns WHERE table_schema = current_schema()
            UNION ALL SELECT tablename, indexname, regexp_replace(indexdef, ' t[0-9]+\\.|ON t[0-9]+\\.', ' ', 'g'), NULL, NULL
                FROM pg_indexes WHERE schemaname = current_schema()
            UNION ALL SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid), NULL, NULL
                FROM pg_constraint WHERE connamespace = current_schema()::regnamespace
            ORDER BY 1, 2, 3
            """)
        }
    }

    @Test(arguments: Backend.allCases) func `several servers that start at once migrate once`(_ backend: Backend) throws {
        for db in [try TestDatabase(backend), try old(backend, version: 1)] {
            try inThreads(8) { _ in _ = try db.store { $0.timeout = .seconds(30) } }
            #expect(try db.store().sql("SELECT version FROM slm_schema ORDER BY version") == versions)
        }
    }

    @Test(arguments: Backend.allCases) func `a newer schema is rejected`(_ backend: Backend) throws {
        let db = try TestDatabase(backend)
        let known = Store.schemaVersion
        _ = try db.store().sql("INSERT INTO slm_schema (version, applied_at) VALUES (\(known + 5), 0)")
        let error = #expect(throws: StoreError.self) { try db.store() }
        guard case .newerSchema(_, known + 5, known)? = error else { Issue.record("\(String(describing: error))"); return }
        let sentence = "has schema version \(known + 5); this slm supports versions up to \(known). "
            + "Use the slm that wrote it, or a later one."
        #expect(error?.description.contains(sentence) == true)
    }

    @Test(arguments: Backend.allCases) func `tables of another program are not changed`(_ backend: Backend) throws {
        let db = try TestDatabase(backend), database = try db.database()
        try database.transaction(.write) { connection throws(StoreError) in
            _ = try connection.execute("CREATE TABLE users (name TEXT)", [])
        }
        let error = #expect(throws: StoreError.self) { try db.store() }
        guard case .foreignDatabase? = error else { Issue.record("\(String(describing: error))"); return }
        let rows = try database.transaction(.read) { connection throws(StoreError) in try connection.execute("SELECT * FROM users", []) }
        #expect(rows.isEmpty)
    }
}
