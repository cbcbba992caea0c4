import Foundation
import Store
import TestSupport
import Testing

@Suite struct MigrationTests {
    /// The tables as an older version left them, with something in each (Schemas/).
    private func old(_ backend: Backend, version: Int) throws -> Place {
        let place = try Place(backend), database = try place.database()
        let folder = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "Schemas")
        for name in ["\(backend)-\(version)".lowercased(), "rows-\(version)"] {
            let text = try String(contentsOf: folder.appending(path: name + ".sql"), encoding: .utf8)
            try database.transaction(.write) { connection throws(StoreError) in
                for statement in text.split(separator: ";\n") { try connection.rows(String(statement), []) }
            }
        }
        return place
    }

    @Test(arguments: Backend.allCases) func `what an older version stored is there, and counted`(_ backend: Backend) throws {
        let store = try old(backend, version: 1).store(), ada = try #require(try store.user(named: "ADA"))
        let list = try store.conversations(of: ada.id).conversations
        #expect(list.map(\.title) == ["Rain", "Empty"] && list.map(\.messageCount) == [2, 0])
        let (chat, messages) = try store.conversation(list[0].id, of: ada.id)
        #expect(chat == list[0] && messages.map(\.content) == ["why?", "clouds."] && messages.map(\.role) == [.user, .assistant])
        #expect(try store.setting("secret") == "s3cret" && store.administration.totals().answerTokens == 4)
        #expect(try store.append(Draft(.user, "why?", key: "m"), to: chat.id, of: ada.id) == messages[0])
        try store.append(Draft(.user, "really?"), to: chat.id, of: ada.id, replacingFrom: messages[0].id)
        #expect(try store.contents(of: chat.id, ada.id) == ["really?"])
        _ = try store.addAPIKey("key", hash: "hash", for: ada.id)
        #expect(try store.sql("SELECT version FROM slm_schema ORDER BY version") == [[.integer(1)], [.integer(2)]])
    }

    /// So that nobody alters a step that databases have already gone through.
    @Test(arguments: Backend.allCases) func `the steps make the tables that they made`(_ backend: Backend) throws {
        let old = try old(backend, version: 1).store(), new = try Place(backend).store()
        #expect(try tables(old, backend) == tables(new, backend))
    }

    private func tables(_ store: Store, _ backend: Backend) throws -> [[Value]] {
        switch backend {
        case .sqlite: try store.sql("SELECT name, sql FROM sqlite_master ORDER BY name").map { $0.map { value in
            guard case .text(let sql) = value else { return value }
            return .text(sql.split { $0.isWhitespace }.joined(separator: " "))
        } }
        case .postgresql: try store.sql("""
            SELECT table_name, column_name, data_type, is_nullable, collation_name FROM information_schema.columns WHERE table_schema = current_schema()
            UNION ALL SELECT tablename, indexname, regexp_replace(indexdef, ' t[0-9]+\\.|ON t[0-9]+\\.', ' ', 'g'), NULL, NULL
                FROM pg_indexes WHERE schemaname = current_schema()
            UNION ALL SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid), NULL, NULL
                FROM pg_constraint WHERE connamespace = current_schema()::regnamespace
            ORDER BY 1, 2, 3
            """)
        }
    }

    @Test(arguments: Backend.allCases) func `many servers that start at once make one set of tables`(_ backend: Backend) throws {
        for place in [try Place(backend), try old(backend, version: 1)] {
            try inThreads(8) { _ in _ = try place.store { $0.patience = .seconds(30) } }
            #expect(try place.store().sql("SELECT version FROM slm_schema ORDER BY version") == [[.integer(1)], [.integer(2)]])
        }
    }

    @Test(arguments: Backend.allCases) func `tables of a later version are refused`(_ backend: Backend) throws {
        let place = try Place(backend)
        _ = try place.store().sql("INSERT INTO slm_schema (version, applied_at) VALUES (7, 0)")
        let error = #expect(throws: StoreError.self) { try place.store() }
        guard case .newer(_, 7, 2)? = error else { Issue.record("\(String(describing: error))"); return }
        #expect(error?.description.contains("is of version 7, and this slm knows up to version 2. Use the slm that wrote it, or a later one.") == true)
    }

    @Test(arguments: Backend.allCases) func `tables of another program are left alone`(_ backend: Backend) throws {
        let place = try Place(backend), database = try place.database()
        try database.transaction(.write) { connection throws(StoreError) in _ = try connection.rows("CREATE TABLE users (name TEXT)", []) }
        let error = #expect(throws: StoreError.self) { try place.store() }
        guard case .foreign? = error else { Issue.record("\(String(describing: error))"); return }
        let columns = try database.transaction(.read) { connection throws(StoreError) in try connection.rows("SELECT * FROM users", []) }
        #expect(columns.isEmpty)
    }
}
