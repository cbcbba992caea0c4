import Foundation
import Glibc
import Store
import Synchronization
import TestSupport
import Testing

/// The messages that several threads have stored.
private final class Progress: Sendable {
    let messages = Mutex<[String]>([])
    let isFinished = Atomic(false)
}

private func sample(_ url: String, timeout: Duration = .seconds(5)) throws -> (Store, UserID, ConversationID) {
    var options = StoreOptions()
    options.timeout = timeout
    let store = try Store(url, options), ada = try store.addTestUser("ada")
    return (store, ada, try store.createConversation("chat", for: ada).id)
}

/// Kills and restarts the server three times, each after 40 more messages.
private func killThrice(_ server: PostgresServer, _ progress: Progress) throws {
    defer { progress.isFinished.store(true, ordering: .relaxed) }
    for _ in 0..<3 {
        let before = progress.messages.withLock { $0.count }
        let deadline = ContinuousClock.now + .seconds(60)
        while progress.messages.withLock({ $0.count }) < before + 40 {
            try #require(ContinuousClock.now < deadline, "no message was stored for a minute")
            usleep(1_000)
        }
        try server.send("kill")
        try server.send("start")
    }
}

/// Tests that kill their server. It is not shared with other suites.
@Suite(.serialized) struct LostServerTests {
    private static let server = Result { try PostgresServer() }

    @Test func `a killed server loses no message, and calls succeed if it restarts within the timeout`() throws {
        let server = try Self.server.get(), other = server.freshSchemaURL()
        let (store, ada, chat) = try sample(server.freshSchemaURL(), timeout: .seconds(30))
        let progress = Progress()
        try inThreads(5) { thread in
            if thread == 4 { return try killThrice(server, progress) }
            for i in 0... {
                if progress.isFinished.load(ordering: .relaxed) { break }
                try store.append(NewMessage(.user, "\(thread) \(i)"), to: chat, of: ada)
                progress.messages.withLock { $0.append("\(thread) \(i)") }
            }
        }
        let found = try store.contents(of: chat, ada).sorted()
        let expected = progress.messages.withLock { $0.sorted() }
        let isSame = found == expected
        #expect(isSame, "\(found.count) messages of \(expected.count)")

        try server.send("kill")
        var options = StoreOptions()
        options.timeout = .zero
        let error = #expect(throws: StoreError.self) { try Store(other, options) }
        guard case .unavailable(let name, _)? = error else { Issue.record("\(String(describing: error))"); return }
        #expect(name.hasPrefix("PostgreSQL at /tmp/slm-postgres-") && name.hasSuffix(", database slm"))
        try server.send("start")
        #expect(try store.contents(of: chat, ada).count == expected.count)
    }

    @Test func `a call to an unresponsive server times out`() throws {
        let server = try Self.server.get(), (store, ada, chat) = try sample(server.freshSchemaURL(), timeout: .seconds(1))
        try server.send("stop")
        let error = #expect(throws: StoreError.self) { try store.append(NewMessage(.user, "hello"), to: chat, of: ada) }
        guard case .unavailable? = error else { Issue.record("\(String(describing: error))"); return }
        try server.send("continue")
        let deadline = ContinuousClock.now + .seconds(30)
        while (try? store.conversation(chat, of: ada)) == nil, ContinuousClock.now < deadline { usleep(50_000) }
        try store.append(NewMessage(.user, "hello again"), to: chat, of: ada)
        #expect(try store.contents(of: chat, ada).last == "hello again")
    }
}

@Suite struct PostgresFaultTests {
    @Test func `terminated connections are replaced without an error`() throws {
        let url = try PostgresServer.shared.get().freshSchemaURL() + "&application_name=cut", (store, ada, chat) = try sample(url)
        for i in 0..<3 {
            try store.append(NewMessage(.user, "\(i)"), to: chat, of: ada)
            let sql = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'cut'"
            try PostgresServer.shared.get().send("sql \(sql)")
        }
        #expect(try store.contents(of: chat, ada) == ["0", "1", "2"])
    }

    /// Only one whose connection was lost is.
    @Test(arguments: [1, 100_000]) func `a transaction that reads rows one by one and then fails is not repeated`(rows: Int) throws {
        let (store, ada, chat) = try sample(PostgresServer.shared.get().freshSchemaURL(), timeout: .seconds(30))
        var calls = 0
        let error = #expect(throws: StoreError.self) {
            try store.database.transaction(.read) { connection throws(StoreError) in
                calls += 1
                try connection.forEachRow("SELECT generate_series(1, \(rows))") { _ throws(StoreError) in
                    if rows > 1 { throw .notFound(.conversation) }
                }
                throw StoreError.notFound(.conversation)
            }
        }
        guard case .notFound? = error else { Issue.record("\(String(describing: error))"); return }
        #expect(try calls == 1 && store.contents(of: chat, ada).isEmpty)
    }

    @Test func `a closed store leaves no connections, also none of its searches`() throws {
        let server = try PostgresServer.shared.get(), other = try Store(server.freshSchemaURL())
        let (store, ada, _) = try sample(server.freshSchemaURL() + "&application_name=closing")
        func connections() throws -> [[SQLValue]] {
            try other.sql("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'closing'")
        }
        #expect(try store.conversations(of: ada, containing: "rain").conversations.isEmpty)
        try store.database.transaction(.transient) { connection throws(StoreError) in _ = try connection.execute("SELECT 1") }
        #expect(try connections() != [[.integer(0)]])
        store.close()
        let deadline = ContinuousClock.now + .seconds(30)
        while try connections() != [[.integer(0)]], ContinuousClock.now < deadline { usleep(1_000) }
        #expect(try connections() == [[.integer(0)]])
    }

    /// A trigger raises the server's error for a full disk.
    @Test func `a full disk is reported as such, and reads work`() throws {
        let (store, ada, chat) = try sample(PostgresServer.shared.get().freshSchemaURL())
        try store.append(NewMessage(.user, "before"), to: chat, of: ada)
        _ = try store.sql("""
            CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS
                $$ BEGIN RAISE EXCEPTION USING ERRCODE = '53100', MESSAGE = 'could not extend file'; END $$
            """)
        _ = try store.sql("CREATE TRIGGER full_disk BEFORE UPDATE ON conversations FOR EACH ROW EXECUTE FUNCTION full_disk()")
        let id = MessageID()
        let error = #expect(throws: StoreError.self) { try store.append(NewMessage(.user, "lost"), as: id, to: chat, of: ada) }
        guard case .diskFull(_, "could not extend file")? = error else { Issue.record("\(String(describing: error))"); return }
        #expect(try store.contents(of: chat, ada) == ["before"])
        _ = try store.sql("DROP TRIGGER full_disk ON conversations")
        try store.append(NewMessage(.user, "lost"), as: id, to: chat, of: ada)
        #expect(try store.contents(of: chat, ada) == ["before", "lost"])
    }

    @Test func `a transaction with a serialization failure is retried`() throws {
        let (store, ada, chat) = try sample(PostgresServer.shared.get().freshSchemaURL())
        _ = try store.sql("CREATE SEQUENCE tries")
        _ = try store.sql("""
            CREATE FUNCTION clash() RETURNS trigger LANGUAGE plpgsql AS
                $$ BEGIN IF nextval('tries') < 4 THEN RAISE EXCEPTION USING ERRCODE = '40001'; END IF; RETURN NEW; END $$
            """)
        _ = try store.sql("CREATE TRIGGER clash BEFORE INSERT ON messages FOR EACH ROW EXECUTE FUNCTION clash()")
        try store.append(NewMessage(.user, "hello"), to: chat, of: ada)
        #expect(try store.contents(of: chat, ada) == ["hello"] && store.sql("SELECT last_value FROM tries") == [[.integer(4)]])
        // A transaction that fails six times is given up.
        _ = try store.sql("ALTER SEQUENCE tries RESTART")
        _ = try store.sql("""
            CREATE OR REPLACE FUNCTION clash() RETURNS trigger LANGUAGE plpgsql AS
                $$ BEGIN IF nextval('tries') > 0 THEN RAISE EXCEPTION USING ERRCODE = '40001'; END IF; RETURN NEW; END $$
            """)
        let error = #expect(throws: StoreError.self) { try store.append(NewMessage(.user, "lost"), to: chat, of: ada) }
        guard case .busy? = error else { Issue.record("\(String(describing: error))"); return }
        #expect(try store.contents(of: chat, ada) == ["hello"] && store.sql("SELECT last_value FROM tries") == [[.integer(6)]])
    }

    /// Longer than what the system buffers of a connection.
    @Test func `a message of megabytes comes back`() throws {
        let (store, ada, chat) = try sample(PostgresServer.shared.get().freshSchemaURL(), timeout: .seconds(60))
        let text = (0..<150_000).map { "ü \($0) " }.joined().prefix(1_000_000)
        try store.append(NewMessage(.user, String(text)), to: chat, of: ada)
        #expect(try store.contents(of: chat, ada) == [String(text)])
    }

    @Test func `synchronous_commit is on, whatever the server's default`() throws {
        let url = try PostgresServer.shared.get().freshSchemaURL() + "%20-csynchronous_commit%3Doff", (store, _, _) = try sample(url)
        #expect(try store.sql("SELECT current_setting('synchronous_commit')") == [[.text("on")]])
    }

    @Test func `locks are waited for half of the time limit, and transactions that wait for a client end after a minute`() throws {
        let (store, _, _) = try sample(PostgresServer.shared.get().freshSchemaURL(), timeout: .milliseconds(5_500))
        let settings = ["lock_timeout", "idle_in_transaction_session_timeout", "jit"].map { "current_setting('\($0)', true)" }
        let found = try store.sql("SELECT " + settings.joined(separator: ", "))
        #expect(found.first?.prefix(2) == [.text("2750ms"), .text("1min")] && found.first?.last != .text("on"))
    }

    @Test func `a database that is missing or has no UTF-8 or no schema is rejected`() throws {
        let server = try PostgresServer.shared.get(), url = server.freshSchemaURL()
        try server.send("sql CREATE DATABASE latin ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0")
        for (other, reason) in [(url.replacing("/slm?", with: "/latin?"), "its encoding is not UTF-8"),
                                (url.replacing("/slm?", with: "/nothing?"), #"database "nothing" does not exist"#),
                                (url + "_", "no schema has been selected")] {
            let error = #expect(throws: StoreError.self) { try Store(other) }
            guard case .unusable(_, let found)? = error else { Issue.record("\(String(describing: error))"); continue }
            #expect(found.contains(reason))
        }
    }
}
