import Foundation
import Glibc
import Store
import TestSupport
import Testing

/// Runs StoreWriter, which lies beside the tests.
func storeWriter(_ arguments: String...) throws -> (process: Process, input: Pipe, output: FileHandle) {
    let process = Process(), (input, output) = (Pipe(), Pipe())
    process.executableURL = URL(filePath: CommandLine.arguments[0]).deletingLastPathComponent().appending(path: "StoreWriter")
    process.arguments = arguments
    (process.standardInput, process.standardOutput) = (input, output)
    try process.run()
    return (process, input, output.fileHandleForReading)
}

func outputOfStoreWriter(_ mode: String, _ address: String, _ number: Int = 0) throws -> String {
    let (process, _, output) = try storeWriter(mode, address, "\(number)")
    let text = String(decoding: output.readDataToEndOfFile(), as: UTF8.self)
    process.waitUntilExit()
    return text
}

@Suite struct SQLiteFaultTests {
    let folder = TemporaryFolder()

    private func failure(of name: String) -> StoreError? {
        do throws(StoreError) { _ = try Store("sqlite:" + folder(name)) } catch { return error }
        return nil
    }

    private func fill(_ name: String) throws {
        let store = try Store("sqlite:" + folder(name)), ada = try store.somebody("ada")
        for i in 0..<30 {
            let chat = try store.createConversation("chat \(i)", for: ada).0.id
            for j in 0..<4 { try store.append(Draft(.user, "message \(j) of \(i)"), to: chat, of: ada) }
        }
    }

    @Test func `every commit waits for the disk, and only its owner reads the file`() throws {
        let store = try Store("sqlite:" + folder("chat.db"))
        for access in [Access.read, .write] {
            try store.database.transaction(access) { connection throws(StoreError) in
                #expect(try connection.rows("PRAGMA synchronous", []).map(\.values) == [[.integer(2)]])           // FULL
                #expect(try connection.rows("PRAGMA journal_mode", []).map(\.values) == [[.text("wal")]])
                #expect(try connection.rows("PRAGMA foreign_keys", []).map(\.values) == [[.integer(1)]])
            }
        }
        _ = try store.somebody("ada")
        for name in folder.names {
            var status = stat()
            #expect(stat(folder(name), &status) == 0 && status.st_mode & 0o777 == 0o600, "\(name)")
        }
        #expect(folder.names == ["chat.db", "chat.db-shm", "chat.db-wal"])
        #expect(throws: StoreError.self) {
            try store.database.transaction(.read) { connection throws(StoreError) in _ = try connection.rows("DELETE FROM users", []) }
        }
    }

    @Test func `a file that is no database is left as it is`() throws {
        folder.write(String(repeating: "These are not the rows that you look for. ", count: 300), to: "text")
        #expect(failure(of: "text") == .foreign(store: folder("text"), found: "file is not a database"))
        #expect(folder.names == ["text"])
        mkdir(folder("folder"), 0o700)
        #expect(failure(of: "folder")?.description.hasPrefix("\(folder("folder")) cannot be used: it cannot be opened: Is a directory") == true)
        #expect(failure(of: "none/chat.db") == .refused(store: folder("none/chat.db"), reason: "it cannot be opened: No such file or directory"))
        mkfifo(folder("pipe"), 0o600)
        #expect(failure(of: "pipe") == .refused(store: folder("pipe"), reason: "it is not a file"))
    }

    @Test func `a folder in which nothing may be written is refused`() throws {
        try fill("chat.db")
        chmod(folder.path, 0o555)
        chmod(folder("chat.db"), 0o444)
        #expect(try outputOfStoreWriter("nobody", "sqlite:" + folder("chat.db")) == "\(folder("chat.db")) cannot be used: it cannot be opened: Permission denied.\n")
        chmod(folder("chat.db"), 0o666)                                      // the file alone is not enough: its log lies beside it
        #expect(try outputOfStoreWriter("nobody", "sqlite:" + folder("chat.db"))
            == "\(folder("chat.db")) cannot be used: its folder may not be written to, and its log lies beside it.\n")
        chmod(folder.path, 0o755)
    }

    @Test func `names that SQLite would take for an address are files`() throws {
        for name in ["file:chat.db", "a?mode=memory", "ü b.db", ":memory:"] {
            try fill(name)
            #expect(try Store("sqlite:" + folder(name)).administration.totals().messages == 120)
        }
    }

    @Test func `while another program writes, reading goes on and writing says who is busy`() throws {
        try fill("chat.db")
        let (process, input, output) = try storeWriter("hold", "sqlite:" + folder("chat.db"))
        var byte: UInt8 = 0
        while byte != 0x0A { guard read(output.fileDescriptor, &byte, 1) == 1 else { break } }
        var options = StoreOptions()
        options.patience = .milliseconds(50)
        let store = try Store("sqlite:" + folder("chat.db"), options)
        #expect(try store.administration.totals().messages == 120)
        #expect(throws: StoreError.busy(store: folder("chat.db"), reason: "database is locked")) { try store.somebody("bob") }
        try input.fileHandleForWriting.close()
        process.waitUntilExit()
        _ = try store.somebody("bob")
    }

    @Test func `a full disk costs what was not acknowledged, and reading goes on`() throws {
        let said = try outputOfStoreWriter("limited", "sqlite:" + folder("chat.db"), 600_000).split(separator: "\n")
        #expect(said.count == 3, "\(said)")
        #expect(said.first?.hasPrefix("no room in \(folder("chat.db")): ") == true, "\(said)")
        let numbers = said[1].split { !$0.isNumber }.compactMap { Int($0) }
        #expect(numbers.count == 3 && numbers[0] > 10 && numbers[1] == numbers[0] && numbers[2] == 1, "\(said)")
        #expect(said[2] == "written \(numbers[0] + 1), read \(numbers[0] + 1)")
        #expect(try Store("sqlite:" + folder("chat.db")).administration.totals().messages == numbers[0] + 1)
    }

    @Test func `a conversation that was purged is not in the file any more`() throws {
        var options = StoreOptions()
        options.undoWindow = .zero
        do {
            let store = try Store("sqlite:" + folder("chat.db"), options), ada = try store.somebody("ada")
            let chat = try store.createConversation("chat", for: ada, question: Draft(.user, "do not remember this")).0.id
            try store.delete(chat, of: ada)
            #expect(try store.purge() == 1)
        }
        let bytes = try Data(contentsOf: URL(filePath: folder("chat.db")))
        #expect(folder.names == ["chat.db"] && bytes.range(of: Data("ada".utf8)) != nil && bytes.range(of: Data("remember".utf8)) == nil)
    }

    @Test func `fuzz: a damaged file is an error of ours, or what it was`() throws {
        try fill("whole.db")
        let whole = try [UInt8](Data(contentsOf: URL(filePath: folder("whole.db"))))
        var noise = Noise(3), refused = 0
        let rounds = fuzzRounds(else: 150)
        for round in 0..<rounds {
            var bytes = whole
            if round % 3 == 0 { bytes.removeLast(1 + noise.below(bytes.count - 1)) }
            let changes = [0, 1 + noise.below(3), 1 + noise.below(300)][round % 3]
            for _ in 0..<changes { bytes[noise.below(bytes.count)] = UInt8(truncatingIfNeeded: noise.next()) }
            for name in folder.names where name != "whole.db" { unlink(folder(name)) }
            folder.write(bytes, to: "chat.db")
            do throws(StoreError) { try readEverything() } catch {
                refused += 1
                switch error {
                case .damaged, .foreign, .failed, .newer, .notFound, .refused, .taken: break
                default: Issue.record("\(error)")
                }
            }
        }
        #expect(refused > rounds / 3)
    }

    private func readEverything() throws(StoreError) {
        let store = try Store("sqlite:" + folder("chat.db"))
        for user in try store.administration.users(sortedBy: .messages).items {
            for chat in try store.conversations(of: user.id).conversations { _ = try store.conversation(chat.id, of: user.id) }
            _ = try store.conversations(of: user.id, containing: "nothing")
        }
        let ada = try store.somebody("bob")
        _ = try store.createConversation("chat", for: ada, question: Draft(.user, "hello"))
    }
}
