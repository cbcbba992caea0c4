import Store
import Synchronization
import TestSupport
import Testing
import Threads

/// The two databases that all tests are for.
enum Backend: String, CaseIterable, CustomTestStringConvertible, Sendable {
    case sqlite = "SQLite", postgresql = "PostgreSQL"

    var testDescription: String { rawValue }
}

/// An empty database, which is gone with the test, and a clock that only tests move.
final class Place: Sendable {
    let address: String
    private let folder: TemporaryFolderHolder?
    private let milliseconds = Atomic<Int64>(1_700_000_000_000)

    init(_ backend: Backend) throws {
        switch backend {
        case .sqlite:
            let folder = TemporaryFolder(in: TemporaryFolder.inMemory)
            (address, self.folder) = ("sqlite:" + folder("chat.db"), TemporaryFolderHolder(folder))
        case .postgresql: (address, self.folder) = (try PostgresServer.shared.get().freshAddress(), nil)
        }
    }

    /// Opens it, a second time too.
    func store(_ change: (inout StoreOptions) -> Void = { _ in }) throws(StoreError) -> Store {
        var options = StoreOptions()
        options.now = { [self] in Moment(milliseconds: milliseconds.load(ordering: .relaxed)) }
        change(&options)
        return try Store(address, options)
    }

    /// What is there as it is, whoever made it.
    func database() throws(StoreError) -> any Database { try StoreAddress(address).database(StoreOptions()) }

    func wait(_ duration: Duration) {
        let (seconds, attoseconds) = duration.components
        milliseconds.add(seconds * 1_000 + attoseconds / 1_000_000_000_000_000, ordering: .relaxed)
    }

    var path: String { String(address.dropFirst("sqlite:".count)) }
}

/// A folder that only its end is wanted of, from whatever thread.
private final class TemporaryFolderHolder: @unchecked Sendable {
    private let folder: TemporaryFolder               // nobody reads it again
    init(_ folder: TemporaryFolder) { self.folder = folder }
}

extension Store {
    func somebody(_ name: String) throws(StoreError) -> UserID { try addUser(name, passwordHash: "$2b$12$hash").id }

    func sql(_ sql: String, _ values: [Value] = []) throws(StoreError) -> [[Value]] {
        try database.transaction(.write) { connection throws(StoreError) in try connection.rows(sql, values).map(\.values) }
    }

    func contents(of id: ConversationID, _ owner: UserID) throws(StoreError) -> [String] { try conversation(id, of: owner).1.map(\.content) }
}

/// Does something in as many threads at the same time, and waits for all. (Tasks would wait for each other: there are no more of them than cores.)
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
