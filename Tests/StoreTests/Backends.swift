import Foundation
import Store
import Synchronization
import TestSupport
import Testing
import Threads

/// The databases that most tests run against.
enum Backend: String, CaseIterable, CustomTestStringConvertible, Sendable {
    case sqlite = "SQLite", postgresql = "PostgreSQL"

    var testDescription: String { rawValue }
}

/// An empty database that is deleted after the test, and a clock that only `advanceClock` changes.
final class TestDatabase: Sendable {
    let url: String
    private let folder: TemporaryFolderHolder?
    private let milliseconds = Atomic<Int64>(1_700_000_000_000)

    init(_ backend: Backend) throws {
        switch backend {
        case .sqlite:
            let folder = TemporaryFolder(in: TemporaryFolder.inMemory)
            url = "sqlite:" + folder("chat.db")
            self.folder = TemporaryFolderHolder(folder)
        case .postgresql:
            url = try PostgresServer.shared.get().freshSchemaURL()
            folder = nil
        }
    }

    /// Opens a store. May be called several times. Its time limits are enough for a machine that runs other tests beside this one.
    func store(_ change: (inout StoreOptions) -> Void = { _ in }) throws(StoreError) -> Store {
        var options = StoreOptions()
        options.timeout = .seconds(60)
        options.searchTimeout = .seconds(60)
        options.now = { [self] in Timestamp(milliseconds: milliseconds.load(ordering: .relaxed)) }
        change(&options)
        return try Store(url, options)
    }

    /// Opens the database without migrating its schema.
    func database() throws(StoreError) -> any Database { try DatabaseURL(url).database(StoreOptions()) }

    func advanceClock(by duration: Duration) {
        let (seconds, attoseconds) = duration.components
        milliseconds.add(seconds * 1_000 + attoseconds / 1_000_000_000_000_000, ordering: .relaxed)
    }
}

/// Schemas of later programs: 2 adds a column, which servers of version 1 need not know, 3 changes what titles are.
extension Migration {
    static let later = all + [
        Migration(version: 2, isAdditive: true) { _ in ["ALTER TABLE users ADD COLUMN language TEXT"] },
        Migration(version: 3) { _ in ["UPDATE conversations SET title = upper(title)"] },
    ]
}

/// Keeps a folder alive; its deinit deletes the folder. Sendable, because the folder is never read.
private final class TemporaryFolderHolder: @unchecked Sendable {
    private let folder: TemporaryFolder
    init(_ folder: TemporaryFolder) { self.folder = folder }
}

extension Store {
    func addTestUser(_ name: String) throws(StoreError) -> UserID { try addUser(name, passwordHash: "$2b$12$hash").id }

    /// Creates a conversation with a first message.
    func createConversation(_ title: String, for owner: UserID, question: NewMessage) throws(StoreError) -> StoredConversation {
        let chat = try createConversation(title, for: owner)
        try append(question, to: chat.id, of: owner)
        return chat
    }

    /// Starts a session for a moment.
    func signIn(_ user: UserID) throws {
        _ = try startSession(of: #require(try self.user(user)), from: "::1", userAgent: "", lifetime: .seconds(1))
    }

    /// The rows of `user_counts`.
    var userCounts: [[SQLValue]] {
        get throws(StoreError) {
            try sql("SELECT user_id, conversations, messages, generations, prompt_tokens, answer_tokens FROM user_counts ORDER BY user_id")
        }
    }

    /// What `userCounts` must be.
    var countedUsers: [[SQLValue]] {
        get throws(StoreError) {
            let chats = "FROM conversations WHERE owner_id = users.id AND deleted_at IS NULL"
            let work = "FROM generations WHERE user_id = users.id"
            func bounded(_ column: String) -> String { "CASE WHEN \(column) > 1000000000 THEN 1000000000 ELSE \(column) END" }
            return try sql("""
                SELECT id, (SELECT count(*) \(chats)), (SELECT CAST(coalesce(sum(message_count), 0) AS BIGINT) \(chats)),
                    (SELECT count(*) \(work)), (SELECT CAST(coalesce(sum(\(bounded("prompt_tokens"))), 0) AS BIGINT) \(work)),
                    (SELECT CAST(coalesce(sum(\(bounded("answer_tokens"))), 0) AS BIGINT) \(work))
                FROM users ORDER BY id
                """)
        }
    }

    func sql(_ sql: String, _ values: any ColumnValue...) throws(StoreError) -> [[SQLValue]] {
        try database.write(sql, values: values.map(\.sql)).map(\.values)
    }

    func contents(of id: ConversationID, _ owner: UserID) throws(StoreError) -> [String] {
        try conversation(id, of: owner).1.map(\.content)
    }

    /// Stores the message of a user for an answer, and returns the conversation with all its messages.
    func appendAndRead(
        _ message: NewMessage, to conversation: ConversationID, of owner: UserID, creating title: String? = nil,
        replacingFrom first: MessageID? = nil, taking lease: AnswerLease? = nil
    ) throws(StoreError) -> (StoredConversation, [Message]) {
        let start = try beginAnswer(
            to: .newMessage(message, replacing: first), in: conversation, of: owner, creating: title.map { NewConversation(title: $0) },
            taking: lease)
        return (start.conversation, start.messages)
    }
}

/// Runs `body` in `count` threads at the same time and waits for all of them. Tasks would not do: no more of them run than there are cores.
func inThreads(_ count: Int, _ body: @escaping @Sendable (Int) throws -> Void) throws {
    let ends = Mailbox<(any Error)?>()
    for i in 0..<count {
        try BackgroundThread.run {
            do {
                try body(i)
                ends.put(nil)
            } catch { ends.put(error) }
        }
    }
    let failures = (0..<count).compactMap { _ in ends.take() }
    if let first = failures.first { throw first }
}
