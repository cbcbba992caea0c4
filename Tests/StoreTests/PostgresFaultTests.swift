import Foundation
import Glibc
import Store
import Synchronization
import TestSupport
import Testing

/// What several threads were told is stored.
private final class Done: Sendable {
    let messages = Mutex<[String]>([])
    let isOver = Atomic(false)
}

private func sample(_ address: String, patience: Duration = .seconds(5)) throws -> (Store, UserID, ConversationID) {
    var options = StoreOptions()
    options.patience = patience
    let store = try Store(address, options), ada = try store.somebody("ada")
    return (store, ada, try store.createConversation("chat", for: ada).0.id)
}

/// Whenever some more messages are stored.
private func killThrice(_ server: PostgresServer, _ done: Done) throws {
    defer { done.isOver.store(true, ordering: .relaxed) }
    for _ in 0..<3 {
        let before = done.messages.withLock { $0.count }
        let deadline = ContinuousClock.now + .seconds(60)
        while done.messages.withLock({ $0.count }) < before + 40 {
            try #require(ContinuousClock.now < deadline, "nothing is stored any more")
            usleep(1_000)
        }
        try server.tell("kill")
        try server.tell("start")
    }
}

/// On a server of their own.
@Suite(.serialized) struct LostServerTests {
    private static let server = Result { try PostgresServer() }

    @Test func `a server that is killed and comes back loses nothing, and costs nobody an error that it comes back in time for`() throws {
        let server = try Self.server.get(), (store, ada, chat) = try sample(server.freshAddress(), patience: .seconds(30)), other = server.freshAddress()
        let done = Done()
        try inThreads(5) { thread in
            if thread == 4 { return try killThrice(server, done) }
            for i in 0... {
                if done.isOver.load(ordering: .relaxed) { break }
                try store.append(Draft(.user, "\(thread) \(i)"), to: chat, of: ada)
                done.messages.withLock { $0.append("\(thread) \(i)") }
            }
        }
        let (found, wanted) = (try store.contents(of: chat, ada).sorted(), done.messages.withLock { $0.sorted() })
        let isSame = found == wanted
        #expect(isSame, "\(found.count) messages of \(wanted.count)")

        try server.tell("kill")
        var options = StoreOptions()
        options.patience = .zero
        let error = #expect(throws: StoreError.self) { try Store(other, options) }
        guard case .unavailable(let name, _)? = error else { Issue.record("\(String(describing: error))"); return }
        #expect(name.hasPrefix("PostgreSQL at /tmp/slm-postgres-") && name.hasSuffix(", database slm"))
        try server.tell("start")
        #expect(try store.contents(of: chat, ada).count == wanted.count)
    }

    @Test func `a server that says nothing is not waited for any longer than was said`() throws {
        let server = try Self.server.get(), (store, ada, chat) = try sample(server.freshAddress(), patience: .milliseconds(200))
        try server.tell("stop")
        let error = #expect(throws: StoreError.self) { try store.append(Draft(.user, "hello"), to: chat, of: ada) }
        guard case .unavailable? = error else { Issue.record("\(String(describing: error))"); return }
        try server.tell("continue")
        let deadline = ContinuousClock.now + .seconds(30)
        while (try? store.conversation(chat, of: ada)) == nil, ContinuousClock.now < deadline { usleep(50_000) }
        try store.append(Draft(.user, "hello again"), to: chat, of: ada)
        #expect(try store.contents(of: chat, ada).last == "hello again")
    }
}

@Suite struct PostgresFaultTests {
    @Test func `connections that were cut are replaced without a word`() throws {
        let address = try PostgresServer.shared.get().freshAddress() + "&application_name=cut", (store, ada, chat) = try sample(address)
        for i in 0..<3 {
            try store.append(Draft(.user, "\(i)"), to: chat, of: ada)
            try PostgresServer.shared.get().tell("sql SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'cut'")
        }
        #expect(try store.contents(of: chat, ada) == ["0", "1", "2"])
    }

    /// The server's own words for a full disk, said by a trigger.
    @Test func `a full disk is told from other errors, and reading goes on`() throws {
        let (store, ada, chat) = try sample(PostgresServer.shared.get().freshAddress())
        try store.append(Draft(.user, "before"), to: chat, of: ada)
        _ = try store.sql("""
            CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS
                $$ BEGIN RAISE EXCEPTION USING ERRCODE = '53100', MESSAGE = 'could not extend file'; END $$
            """)
        _ = try store.sql("CREATE TRIGGER full_disk BEFORE UPDATE ON conversations FOR EACH ROW EXECUTE FUNCTION full_disk()")
        let error = #expect(throws: StoreError.self) { try store.append(Draft(.user, "lost", key: "k"), to: chat, of: ada) }
        guard case .noRoom(_, "could not extend file")? = error else { Issue.record("\(String(describing: error))"); return }
        #expect(try store.contents(of: chat, ada) == ["before"])
        _ = try store.sql("DROP TRIGGER full_disk ON conversations")
        try store.append(Draft(.user, "lost", key: "k"), to: chat, of: ada)
        #expect(try store.contents(of: chat, ada) == ["before", "lost"])
    }

    @Test func `what the server takes back because of others is done again`() throws {
        let (store, ada, chat) = try sample(PostgresServer.shared.get().freshAddress())
        _ = try store.sql("CREATE SEQUENCE tries")
        _ = try store.sql("""
            CREATE FUNCTION clash() RETURNS trigger LANGUAGE plpgsql AS
                $$ BEGIN IF nextval('tries') < 4 THEN RAISE EXCEPTION USING ERRCODE = '40001'; END IF; RETURN NEW; END $$
            """)
        _ = try store.sql("CREATE TRIGGER clash BEFORE INSERT ON messages FOR EACH ROW EXECUTE FUNCTION clash()")
        try store.append(Draft(.user, "hello"), to: chat, of: ada)
        #expect(try store.contents(of: chat, ada) == ["hello"] && store.sql("SELECT last_value FROM tries") == [[.integer(4)]])
    }

    @Test func `a commit is on the disk, whatever the server's setting`() throws {
        let address = try PostgresServer.shared.get().freshAddress() + "%20-csynchronous_commit%3Doff", (store, _, _) = try sample(address)
        #expect(try store.sql("SELECT current_setting('synchronous_commit')") == [[.text("on")]])
    }

    @Test func `a database without UTF-8, without a schema or that is not there is refused`() throws {
        let server = try PostgresServer.shared.get(), address = server.freshAddress()
        try server.tell("sql CREATE DATABASE latin ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0")
        for (other, reason) in [(address.replacing("/slm?", with: "/latin?"), "it keeps no UTF-8"),
                                (address.replacing("/slm?", with: "/nothing?"), #"database "nothing" does not exist"#),
                                (address + "_", "no schema has been selected")] {
            let error = #expect(throws: StoreError.self) { try Store(other) }
            guard case .refused(_, let said)? = error else { Issue.record("\(String(describing: error))"); continue }
            #expect(said.contains(reason))
        }
    }
}
