import Foundation
import Glibc
import Store
import TestSupport
import Testing

@Suite struct BackupFaultTests {
    let folder = TemporaryFolder()

    /// Several times larger than the limit of StoreWriter, also when it is compressed.
    private func largeBackup() throws -> TestDatabase {
        let db = try TestDatabase(.sqlite), store = try db.store(), ada = try store.addTestUser("ada")
        let chat = try store.createConversation("noise", for: ada).id
        var random = TestRandom(1)
        for _ in 0..<200 {
            let text = (0..<1_000).map { _ in String(random.next(), radix: 16).prefix(8) }.joined()
            try store.append(NewMessage(.user, text), to: chat, of: ada)
        }
        try Backup.write(DatabaseURL(db.url), to: folder("large.tar"), by: "test")
        return db
    }

    private func target(_ backend: Backend) throws -> (TestDatabase, rows: [String: [[String]]]) {
        let db = try TestDatabase(backend), store = try db.store(), bob = try store.addTestUser("bob")
        _ = try store.createConversation("Rain", for: bob, question: NewMessage(.user, "why?"))
        let rows = try store.rowsOfAllTables()
        store.close()
        return (db, rows)
    }

    @Test func `a backup on a full disk leaves the previous one`() throws {
        let db = try TestDatabase(.sqlite), store = try db.store()
        try store.addRowsToAllTables()
        let ada = try #require(try store.user(named: "ada")).id, chat = try store.createConversation("noise", for: ada).id
        var random = TestRandom(1)
        for _ in 0..<80 {
            try store.append(
                NewMessage(.user, (0..<500).map { _ in String(random.next(), radix: 36) }.joined()), to: chat, of: ada)
        }
        folder.write("the previous backup", to: "chat.tar")
        let output = try outputOfStoreWriter("backup-limited", db.url, file: folder("chat.tar"))
        #expect(output.hasPrefix("no space left for \(folder("chat.tar")): File too large after "), "\(output)")
        #expect(folder.names == ["chat.tar"])
        #expect(try String(contentsOfFile: folder("chat.tar"), encoding: .utf8) == "the previous backup")
    }

    /// Tests/Peers/check_backup.py does the same with PostgreSQL and a file system that is full.
    @Test func `a restore on a full disk leaves the database as it was, and can be repeated`() throws {
        let source = try largeBackup()
        let (db, rows) = try target(.sqlite)
        let output = try outputOfStoreWriter("restore-limited", db.url, file: folder("large.tar"))
        #expect(output.hasPrefix("no space left for "), "\(output)")
        #expect(try db.store().rowsOfAllTables() == rows)
        var options = Backup.RestoreOptions()
        options.replaces = true
        try Backup.restore(folder("large.tar"), into: DatabaseURL(db.url), options)
        #expect(try db.store().rowsOfAllTables() == source.store().rowsOfAllTables())
    }

    @Test(arguments: Backend.allCases) func `a restore that is killed leaves the database as it was`(_ backend: Backend) throws {
        let source = try largeBackup(), (db, rows) = try target(backend)
        let (process, input, output) = try storeWriter("restore", db.url, folder("large.tar"))
        #expect(String(decoding: output.availableData, as: UTF8.self) == "in the middle\n")
        kill(process.processIdentifier, SIGKILL)
        process.waitUntilExit()
        try? input.fileHandleForWriting.close()
        let store = try db.store()
        #expect(try store.rowsOfAllTables() == rows)
        var options = Backup.RestoreOptions()
        options.replaces = true
        try Backup.restore(folder("large.tar"), into: DatabaseURL(db.url), options)
        #expect(try store.rowsOfAllTables() == source.store().rowsOfAllTables())
    }
}
