import Store
import TestSupport
import Testing

@Suite struct MigrationTests {
    /// Opens a database with the migrations up to a version.
    private func store(_ db: TestDatabase, version: Int) throws -> Store {
        try db.store { $0.migrations = Array(Migration.later.prefix(version)) }
    }

    /// The schema versions that programs must know, and those that they need not know.
    private func versions(_ store: Store) throws -> [[[SQLValue]]] {
        try ["slm_schema", "slm_additions"].map { try store.sql("SELECT version FROM \($0) ORDER BY version") }
    }

    @Test(arguments: Backend.allCases) func `a migration preserves rows`(_ backend: Backend) throws {
        let db = try TestDatabase(backend), old = try store(db, version: 1), ada = try old.addTestUser("ada")
        let chat = try old.createConversation("Rain", for: ada, question: NewMessage(.user, "why?")).id
        #expect(old.migratedFrom == nil)
        let new = try store(db, version: 3)
        #expect(try new.conversation(chat, of: ada).0.title == "RAIN" && new.contents(of: chat, ada) == ["why?"])
        #expect(try new.sql("SELECT language FROM users") == [[.null]] && new.migratedFrom == 1)
        #expect(try versions(new) == [[[.integer(1)], [.integer(3)]], [[.integer(2)]]])
        #expect(try store(db, version: 3).migratedFrom == nil)
    }

    /// Servers can be upgraded one after the other, and a failed upgrade can be undone.
    @Test(arguments: Backend.allCases) func `a server of an earlier version shares the database after an additive migration`(
        _ backend: Backend
    ) throws {
        let db = try TestDatabase(backend), old = try store(db, version: 1), new = try store(db, version: 2)
        let ada = try old.addTestUser("ada"), eve = try store(db, version: 1).addTestUser("eve")
        #expect(try new.sql("SELECT count(language), count(*) FROM users") == [[.integer(0), .integer(2)]])
        #expect(try new.user(named: "eve")?.id == eve && old.user(named: "ada")?.id == ada)
        #expect(try SchemaState(of: DatabaseURL(db.url)).pendingMigrations == 0)
    }

    @Test(arguments: Backend.allCases) func `several servers that start at once migrate once`(_ backend: Backend) throws {
        for first in [0, 1] {
            let db = try TestDatabase(backend)
            if first > 0 { _ = try store(db, version: first) }
            try inThreads(8) { _ in _ = try store(db, version: 3) }
            #expect(try versions(store(db, version: 3)) == [[[.integer(1)], [.integer(3)]], [[.integer(2)]]])
        }
    }

    @Test(arguments: Backend.allCases) func `a failing migration changes nothing`(_ backend: Backend) throws {
        let db = try TestDatabase(backend)
        _ = try store(db, version: 1).addTestUser("ada")
        let failing = Migration.later.prefix(2) + [Migration(version: 3) { _ in ["DROP TABLE settings", "DROP TABLE nothing"] }]
        #expect(throws: StoreError.self) { try db.store { $0.migrations = Array(failing) } }
        #expect(try versions(db.store()) == [[[.integer(1)]], []] && db.store().setting("s") == nil)
        #expect(throws: StoreError.self) { try db.store().sql("SELECT language FROM users") }
    }

    @Test(arguments: Backend.allCases) func `a newer schema is rejected`(_ backend: Backend) throws {
        let db = try TestDatabase(backend)
        _ = try store(db, version: 3)
        let error = #expect(throws: StoreError.self) { try store(db, version: 2) }
        guard case .newerSchema(_, 3, 2)? = error else { Issue.record("\(String(describing: error))"); return }
        let sentence = "has schema version 3; this slm supports versions up to 2. Use the slm that wrote it, or a later one."
        #expect(error?.description.contains(sentence) == true)
    }

    @Test(arguments: Backend.allCases) func `tables of another program are not changed`(_ backend: Backend) throws {
        let db = try TestDatabase(backend), database = try db.database()
        try database.write("CREATE TABLE users (name TEXT)")
        let error = #expect(throws: StoreError.self) { try db.store() }
        guard case .foreignDatabase? = error else { Issue.record("\(String(describing: error))"); return }
        let rows = try database.read("SELECT * FROM users")
        #expect(rows.isEmpty)
    }
}
