import Foundation
import Secrets
import Serve
import Store
import TestSupport
import Testing

@Suite struct SigningKeyTests {
    private let folder = TemporaryFolder(in: TemporaryFolder.inMemory)
    private var path: String { folder("chat.secret") }

    private func values(of store: Store) throws -> [String] {
        try store.database.read("SELECT value FROM settings").map { row throws(StoreError) in try row["value"] }
    }

    @Test func `the key of PostgreSQL lies in a file that only its owner can read, not in the database`() throws {
        let store = try Store(try PostgresServer.shared.get().freshSchemaURL())
        var notes: [String] = []
        let key = try SigningKey(in: path, environment: nil, store) { notes.append($0) }
        let text = try String(contentsOfFile: path, encoding: .utf8).trimmingCharacters(in: .newlines)
        var status = stat()
        #expect(stat(path, &status) == 0 && status.st_mode & 0o777 == 0o600 && notes.isEmpty)
        #expect(try values(of: store).allSatisfy { !$0.contains(text) && !text.contains($0) })
        let again = try SigningKey(in: path, environment: nil, store) { notes.append($0) }
        #expect(again.digest == key.digest && notes.isEmpty)
    }

    @Test func `a key in the environment takes precedence`() throws {
        let store = try Store("sqlite:" + folder("chat.db")), text = SigningKey.generate()
        var notes: [String] = []
        let key = try SigningKey(in: path, environment: text, store) { notes.append($0) }
        #expect(try key.digest == SigningKey(validating: text, source: "a test").digest)
        #expect(!folder.names.contains("chat.secret") && notes.isEmpty)
        #expect(throws: SigningKeyError.self) { try SigningKey(in: path, environment: "short", store) { _ in } }
    }

    @Test func `the operator is warned when servers of one database use different keys`() throws {
        let store = try Store("sqlite:" + folder("chat.db"))
        var notes: [String] = []
        _ = try SigningKey(in: folder("a"), environment: nil, store) { notes.append($0) }
        #expect(notes.isEmpty)
        _ = try SigningKey(in: folder("b"), environment: nil, store) { notes.append($0) }
        #expect(notes.count == 1 && notes[0].hasPrefix("the key that signs session tokens has changed"))
    }
}
