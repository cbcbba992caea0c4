import Foundation
import Glibc
import Secrets
import Store
import Synchronization
import TestSupport
import Testing

/// A source and a target.
struct BackendPair: CustomTestStringConvertible, Sendable {
    let from, to: Backend

    static let all = Backend.allCases.flatMap { from in Backend.allCases.map { BackendPair(from: from, to: $0) } }
    var testDescription: String { "\(from.rawValue) to \(to.rawValue)" }
}

@Suite struct BackupTests {
    let folder = TemporaryFolder(in: TemporaryFolder.inMemory)
    var path: String { folder("backup.tar") }

    private func options(_ change: (inout Backup.RestoreOptions) -> Void = { _ in }) -> Backup.RestoreOptions {
        var options = Backup.RestoreOptions()
        change(&options)
        return options
    }

    @Test(arguments: BackendPair.all) func `every row comes back`(_ pair: BackendPair) throws {
        let source = try TestDatabase(pair.from), target = try TestDatabase(pair.to)
        let store = try source.store()
        try store.addRowsToAllTables()
        let rows = try store.rowsOfAllTables()
        #expect(rows.values.allSatisfy { !$0.isEmpty })
        let written = try Backup.write(DatabaseURL(source.url), to: path, by: "test")
        #expect(written.manifest.rows == rows.values.reduce(0) { $0 + $1.count })
        #expect(written.manifest.schemaVersion == Store.schemaVersion && written.manifest.createdBy == "test")
        #expect(try Backup.verify(path) == written)
        #expect(try Backup.restore(path, into: DatabaseURL(target.url)) == written)
        let restored = try target.store()
        let found = try restored.rowsOfAllTables()
        for (table, expected) in rows { #expect(found[table] == expected, "\(table)") }

        // The database continues where the source was: numbers, search, triggers.
        try restored.admin.recordConversationsRead(of: nil, by: AdminRequest(actor: "admin", address: ""))
        #expect(try restored.sql("SELECT max(number) FROM audit_log") == [[.integer(7)]])
        let ada = try #require(try restored.user(named: "ada")).id
        let chat = try #require(try restored.conversations(of: ada, containing: "DROP TABLE").conversations.first)
        try restored.append(NewMessage(.user, "after the restore"), to: chat.id, of: ada)
        #expect(try restored.conversations(of: ada, containing: "the restore").conversations.map(\.id) == [chat.id])
        try restored.admin.deleteUser(ada, by: AdminRequest(actor: "admin", address: ""))
        #expect(try restored.sql("SELECT count(*) FROM messages WHERE conversation_id = '\(chat.id)'") == [[.integer(0)]])
    }

    @Test(arguments: BackendPair.all) func `a backup under load is the state of one moment`(_ pair: BackendPair) throws {
        let source = try TestDatabase(pair.from), target = try TestDatabase(pair.to)
        let store = try source.store()
        let users = try (0..<3).map { try store.addTestUser("user \($0)") }
        let written = Atomic(0), isDone = Atomic(false)
        let counts = Mutex((before: 0, after: 0))
        let path = path
        try inThreads(4) { thread in
            if thread == 3 {
                defer { isDone.store(true, ordering: .relaxed) }
                func wait(for count: Int) throws {
                    let deadline = ContinuousClock.now + .seconds(120)
                    while written.load(ordering: .relaxed) < count {
                        try #require(ContinuousClock.now < deadline, "the writers have stopped")
                        usleep(1_000)
                    }
                }
                try wait(for: 300)
                let before = written.load(ordering: .relaxed)
                try Backup.write(DatabaseURL(source.url), to: path, by: "test")
                counts.withLock { $0 = (before, written.load(ordering: .relaxed)) }
                // What is written from now on is not part of it.
                return try wait(for: before + 350)
            }
            let chat = try store.createConversation("chat", for: users[thread]).id
            for i in 0... {
                if isDone.load(ordering: .relaxed) { break }
                let generation = Generation(model: "m", promptTokens: i, answerTokens: 1, seconds: 1, reason: "stop")
                let isQuestion = i % 2 == 0
                try store.append(
                    NewMessage(isQuestion ? .user : .assistant, "\(i)"), to: chat, of: users[thread],
                    generation: isQuestion ? nil : generation)
                written.add(1, ordering: .relaxed)
            }
        }
        try Backup.restore(path, into: DatabaseURL(target.url))
        let restored = try target.store()
        let total = try #require(restored.sql("SELECT count(*) FROM messages").first?.first)
        let (before, after) = counts.withLock { $0 }
        guard case .integer(let count) = total else { Issue.record("\(total)"); return }
        // Each of the three writers may have stored a message that it had not counted yet.
        #expect((before...after + 3).contains(Int(count)))
        #expect(try restored.sql("""
            SELECT count(*) FROM conversations WHERE
                message_count <> (SELECT count(*) FROM messages WHERE conversation_id = conversations.id)
                OR message_count <> (SELECT coalesce(max(position), -1) + 1 FROM messages WHERE conversation_id = conversations.id)
                OR characters <> (SELECT coalesce(sum(length(content)), 0) FROM messages WHERE conversation_id = conversations.id)
            """) == [[.integer(0)]])
        #expect(try restored.sql("""
            SELECT count(*) FROM messages WHERE role = 'assistant' AND id NOT IN (SELECT message_id FROM generations)
            """) == [[.integer(0)]])

        try Backup.write(DatabaseURL(source.url), to: path, by: "test")
        try Backup.restore(path, into: DatabaseURL(target.url), options { $0.replaces = true })
        #expect(try target.store().rowsOfAllTables() == store.rowsOfAllTables())
        #expect(try target.store().userCounts == store.userCounts)
    }

    @Test(arguments: BackendPair.all) func `a backup of an earlier version is migrated`(_ pair: BackendPair) throws {
        var later = StoreOptions()
        later.migrations = Migration.later
        let source = try TestDatabase(pair.from), target = try TestDatabase(pair.to), ada = try source.store().addTestUser("ada")
        _ = try source.store().createConversation("Rain", for: ada, question: NewMessage(.user, "clouds?"))
        for _ in 0..<2 {                                           // the backup does not migrate the source
            let written = try Backup.write(DatabaseURL(source.url), to: path, by: "test", later)
            #expect(written.manifest.schemaVersion == 1)
        }
        func titles(_ store: Store) throws -> [String] {
            #expect(try store.userCounts == store.countedUsers)
            return try store.conversations(of: ada, containing: "louds").conversations.map(\.title)
        }
        try Backup.restore(path, into: DatabaseURL(target.url), options(), later)
        #expect(try titles(target.store { $0.migrations = Migration.later }) == ["RAIN"])
        // For an earlier program, also into a database that a later one has migrated.
        try Backup.restore(path, into: DatabaseURL(target.url), options { $0.replaces = true; $0.migrates = false }, later)
        #expect(try SchemaState(of: DatabaseURL(target.url), later).version == 1)
        #expect(try titles(target.store()) == ["Rain"])
    }

    @Test(arguments: Backend.allCases) func `a newer schema and a newer format are refused`(_ backend: Backend) throws {
        let db = try TestDatabase(backend)
        let store = try db.store()
        _ = try store.addTestUser("ada")
        try Backup.write(DatabaseURL(db.url), to: path, by: "test")
        let rows = try store.rowsOfAllTables()
        for (key, name) in [("schema_version", "schema version"), ("format_version", "format version")] {
            let known = key == "schema_version" ? Store.schemaVersion : BackupManifest.formatVersion
            let changed = try BackupFile(path).changingManifest { $0.replacing("\"\(key)\": \(known)", with: "\"\(key)\": \(known + 1)") }
            folder.write(changed, to: "newer.tar")
            let error = #expect(throws: StoreError.self) {
                try Backup.restore(folder("newer.tar"), into: DatabaseURL(db.url), options { $0.replaces = true })
            }
            #expect(error?.description == "the backup \(folder("newer.tar")) has \(name) \(known + 1); this slm supports versions up to "
                + "\(known). Use the slm that wrote it, or a later one.")
        }
        #expect(try store.rowsOfAllTables() == rows)
    }

    @Test(arguments: Backend.allCases) func `a database with rows is kept unless it is replaced`(_ backend: Backend) throws {
        let source = try TestDatabase(backend), target = try TestDatabase(backend)
        _ = try source.store().addTestUser("ada")
        try Backup.write(DatabaseURL(source.url), to: path, by: "test")
        let store = try target.store(), bob = try store.addTestUser("bob")
        _ = try store.createConversation("Rain", for: bob, question: NewMessage(.user, "why?"))
        let rows = try store.rowsOfAllTables()
        let error = #expect(throws: StoreError.self) { try Backup.restore(path, into: DatabaseURL(target.url)) }
        #expect(error?.description.hasSuffix("is not empty: it has 1 row in users, 1 in conversations, 1 in messages. Restore into another "
            + "database, or replace its contents with --replace.") == true, "\(String(describing: error))")
        try Backup.restore(path, into: DatabaseURL(target.url), options { $0.replaces = true; $0.isDryRun = true })
        #expect(try store.rowsOfAllTables() == rows)
        try Backup.restore(path, into: DatabaseURL(target.url), options { $0.replaces = true })
        // Also for the connections that were open.
        #expect(try store.sql("SELECT username FROM users") == [[.text("ada")]])
        _ = try store.createConversation("Snow", for: try #require(try store.user(named: "ada")).id)
    }

    @Test func `a dry run does not create a database`() throws {
        let db = try TestDatabase(.sqlite)
        _ = try db.store()
        try Backup.write(DatabaseURL(db.url), to: path, by: "test")
        try Backup.restore(path, into: DatabaseURL("sqlite:" + folder("new.db")), options { $0.isDryRun = true })
        #expect(folder.names == ["backup.tar"])
        let error = #expect(throws: StoreError.self) { try Backup.write(DatabaseURL("sqlite:" + folder("x.db")), to: path, by: "test") }
        #expect(error?.description == "\(folder("x.db")) cannot be used: there is no such file.")
        #expect(folder.names == ["backup.tar"])
    }

    @Test(arguments: Backend.allCases) func `passwords, sessions and keys work after a restore`(_ backend: Backend) throws {
        let source = try TestDatabase(backend), target = try TestDatabase(backend)
        let store = try source.store(), passwords = PasswordHasher(cost: 4)
        let ada = try store.addUser("ada", passwordHash: passwords.hash("correct horse battery"))
        let session = try #require(try store.startSession(of: ada, from: "::1", userAgent: "", lifetime: .seconds(600)))
        _ = try store.addAPIKey("laptop", hash: "digest", for: ada.id)
        try Backup.write(DatabaseURL(source.url), to: path, by: "test")
        let bytes = try Data(contentsOf: URL(filePath: path))
        #expect(bytes.range(of: Data("correct horse".utf8)) == nil)
        try Backup.restore(path, into: DatabaseURL(target.url))
        let restored = try target.store(), user = try #require(try restored.user(named: "ada"))
        #expect(passwords.verify("correct horse battery", against: user.passwordHash))
        #expect(!passwords.verify("correct horse batterx", against: user.passwordHash))
        #expect(try restored.state(ofSession: session.id, epoch: ada.tokenEpoch, of: ada.id) == .active)
        #expect(try restored.sessions(of: ada.id).map(\.id) == [session.id])
        #expect(try restored.apiKey(withHash: "digest")?.owner == ada.id)
        try Backup.restore(path, into: DatabaseURL(target.url), options { $0.replaces = true; $0.endsSessions = true })
        #expect(try restored.state(ofSession: session.id, epoch: ada.tokenEpoch, of: ada.id) == .ended)
        #expect(try restored.sessions(of: ada.id).isEmpty)
    }

    /// A new table has to be added to one of the lists.
    @Test(arguments: Backend.allCases) func `every table is in a backup or left out on purpose`(_ backend: Backend) throws {
        let sql = backend == .sqlite
            ? "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' AND name NOT LIKE 'message_search_%'"
            : "SELECT tablename FROM pg_tables WHERE schemaname = current_schema()"
        let found = try TestDatabase(backend).store().sql(sql).compactMap { row -> String? in
            guard case .text(let name)? = row.first else { return nil }
            return name
        }
        let known = Set(BackupTables.all + BackupTables.omitted)
        #expect(Set(found).subtracting(known).isEmpty, "add it to BackupTables")
        #expect(Set(BackupTables.all).subtracting(found).isEmpty)
    }
}
