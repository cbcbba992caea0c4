import Foundation
import Glibc
import Store
import TestSupport
import Testing

func storeWriter(_ arguments: String...) throws -> (process: Process, input: Pipe, output: FileHandle) {
    try startProgram(builtProgram("StoreWriter"), arguments)
}

func outputOfStoreWriter(_ mode: String, _ url: String, _ number: Int = 0) throws -> String {
    try outputOfStoreWriter(mode, url, file: "\(number)")
}

func outputOfStoreWriter(_ mode: String, _ url: String, file: String) throws -> String {
    try runProgram(builtProgram("StoreWriter"), [mode, url, file]).output
}

@Suite struct SQLiteFaultTests {
    let folder = TemporaryFolder()

    private func failure(of name: String) -> StoreError? {
        do throws(StoreError) { _ = try Store("sqlite:" + folder(name)) } catch { return error }
        return nil
    }

    private func fill(_ name: String) throws {
        let store = try Store("sqlite:" + folder(name)), ada = try store.addTestUser("ada")
        for i in 0..<30 {
            let chat = try store.createConversation("chat \(i)", for: ada).id
            for j in 0..<4 { try store.append(NewMessage(.user, "message \(j) of \(i)"), to: chat, of: ada) }
        }
    }

    @Test func `every commit waits for the disk, and only the owner can read the files`() throws {
        let store = try Store("sqlite:" + folder("chat.db"))
        for access in [Access.read, .write] {
            try store.database.transaction(access) { connection throws(StoreError) in
                #expect(try connection.execute("PRAGMA synchronous").map(\.values) == [[.integer(2)]])           // FULL
                #expect(try connection.execute("PRAGMA journal_mode").map(\.values) == [[.text("wal")]])
                #expect(try connection.execute("PRAGMA foreign_keys").map(\.values) == [[.integer(1)]])
                #expect(try connection.execute("PRAGMA secure_delete").map(\.values) == [[.integer(1)]])
                #expect(try connection.execute("PRAGMA trusted_schema").map(\.values) == [[.integer(0)]])
            }
        }
        // Heartbeats may be lost with the machine, so they do not wait.
        try store.database.transaction(.transient) { connection throws(StoreError) in
            #expect(try connection.execute("PRAGMA synchronous").map(\.values) == [[.integer(1)]])               // NORMAL
        }
        _ = try store.addTestUser("ada")
        for name in folder.names {
            var status = stat()
            #expect(stat(folder(name), &status) == 0 && status.st_mode & 0o777 == 0o600, "\(name)")
        }
        #expect(folder.names == ["chat.db", "chat.db-shm", "chat.db-wal"])
        // SQLite removes both with the last connection.
        try store.database.transaction(.search) { connection throws(StoreError) in _ = try connection.execute("SELECT 1") }
        store.close()
        #expect(folder.names == ["chat.db"])
        #expect(throws: StoreError.self) {
            try store.database.transaction(.read) { connection throws(StoreError) in _ = try connection.execute("DELETE FROM users") }
        }
    }

    @Test func `the permissions of other users are removed`() throws {
        try fill("chat.db")
        let (process, input, _) = try storeWriter("hold", "sqlite:" + folder("chat.db"))                // keeps -wal and -shm
        defer {
            try? input.fileHandleForWriting.close()
            process.waitUntilExit()
        }
        while folder.names.count < 3 { usleep(1_000) }
        for name in folder.names { chmod(folder(name), 0o664) }
        let store = try Store("sqlite:" + folder("chat.db"))
        for name in folder.names {
            var status = stat()
            #expect(stat(folder(name), &status) == 0 && status.st_mode & 0o777 == 0o600, "\(name)")
        }
        store.close()
        chmod(folder("chat.db"), 0o644)
        chmod(folder.path, 0o777)
        if geteuid() == 0 {
            #expect(try outputOfStoreWriter("unprivileged", "sqlite:" + folder("chat.db")).contains("Permission denied"))
            chmod(folder("chat.db"), 0o666)
            let path = folder("chat.db")
            #expect(try outputOfStoreWriter("unprivileged", "sqlite:" + path)
                == "\(path) cannot be used: other users can access it (mode 666) and it belongs to user 0; chmod 600 it.\n")
        }
    }

    @Test func `a file that is not a database is rejected and not changed`() throws {
        folder.write(String(repeating: "This is not a database. ", count: 300), to: "text")
        #expect(failure(of: "text") == .foreignDatabase(store: folder("text"), found: "file is not a database"))
        #expect(folder.names == ["text"])
        mkdir(folder("folder"), 0o700)
        let sentence = "\(folder("folder")) cannot be used: it cannot be opened: Is a directory"
        #expect(failure(of: "folder")?.description.hasPrefix(sentence) == true)
        let missing = StoreError.unusable(store: folder("none/chat.db"), reason: "it cannot be opened: No such file or directory")
        #expect(failure(of: "none/chat.db") == missing)
        mkfifo(folder("pipe"), 0o600)
        #expect(failure(of: "pipe") == .unusable(store: folder("pipe"), reason: "it is not a regular file"))
    }

    @Test func `a folder that is not writable is rejected`() throws {
        try fill("chat.db")
        chmod(folder.path, 0o555)
        chmod(folder("chat.db"), 0o444)
        let url = "sqlite:" + folder("chat.db")
        #expect(try outputOfStoreWriter("unprivileged", url)
            == "\(folder("chat.db")) cannot be used: it cannot be opened: Permission denied.\n")
        chmod(folder("chat.db"), 0o666)                                      // the folder must be writable too, for the log
        #expect(try outputOfStoreWriter("unprivileged", url)
            == "\(folder("chat.db")) cannot be used: its folder is not writable, and SQLite creates a log file in it.\n")
        chmod(folder.path, 0o755)
    }

    /// A system call may have failed without consequence before.
    @Test func `an invalid statement is not explained by an error of the system`() throws {
        let store = try Store("sqlite:" + folder("chat.db"))
        #expect(throws: StoreError.failed(store: folder("chat.db"), reason: "no such table: missing")) {
            try store.database.transaction(.write) { connection throws(StoreError) in
                errno = ENOENT
                _ = try connection.execute("SELECT * FROM missing")
            }
        }
    }

    @Test func `file names that look like URIs are file names`() throws {
        for name in ["file:chat.db", "a?mode=memory", "ü b.db", ":memory:"] {
            try fill(name)
            #expect(try Store("sqlite:" + folder(name)).admin.totals().messages == 120)
        }
    }

    @Test func `while another program writes, reads work and writes report a lock`() throws {
        try fill("chat.db")
        let (process, input, output) = try storeWriter("hold", "sqlite:" + folder("chat.db"))
        var byte: UInt8 = 0
        while byte != 0x0A { guard read(output.fileDescriptor, &byte, 1) == 1 else { break } }
        var options = StoreOptions()
        options.timeout = .milliseconds(50)
        let store = try Store("sqlite:" + folder("chat.db"), options)
        #expect(try store.admin.totals().messages == 120)
        #expect(throws: StoreError.busy(store: folder("chat.db"), reason: "database is locked")) { try store.addTestUser("bob") }
        try input.fileHandleForWriting.close()
        process.waitUntilExit()
        _ = try store.addTestUser("bob")
    }

    @Test func `a full disk loses only unacknowledged messages, and reads work`() throws {
        let lines = try outputOfStoreWriter("limited", "sqlite:" + folder("chat.db"), 1_800_000).split(separator: "\n")
        #expect(lines.count == 3, "\(lines)")
        #expect(lines.first?.hasPrefix("no space left for \(folder("chat.db")): ") == true, "\(lines)")
        let numbers = lines[1].split { !$0.isNumber }.compactMap { Int($0) }
        #expect(numbers.count == 3 && numbers[0] > 10 && numbers[1] == numbers[0] && numbers[2] == 1, "\(lines)")
        #expect(lines[2] == "written \(numbers[0] + 1), read \(numbers[0] + 1)")
        #expect(try Store("sqlite:" + folder("chat.db")).admin.totals().messages == numbers[0] + 1)
    }

    @Test func `a purged conversation is overwritten in the file`() throws {
        var options = StoreOptions()
        options.deletedRetention = .zero
        do {
            let store = try Store("sqlite:" + folder("chat.db"), options), ada = try store.addTestUser("ada")
            let chat = try store.createConversation("chat", for: ada, question: NewMessage(.user, "do not remember this")).id
            try store.delete(chat, of: ada)
            #expect(try store.purge() == 1)
        }
        let bytes = try Data(contentsOf: URL(filePath: folder("chat.db")))
        #expect(folder.names == ["chat.db"] && bytes.range(of: Data("ada".utf8)) != nil && bytes.range(of: Data("remember".utf8)) == nil)
    }

    @Test func `fuzz: a damaged file causes a StoreError or is readable`() throws {
        try fill("whole.db")
        let whole = try [UInt8](Data(contentsOf: URL(filePath: folder("whole.db"))))
        var noise = TestRandom(3), errors = 0
        let rounds = fuzzRounds(default: 150)
        for round in 0..<rounds {
            var bytes = whole
            if round % 3 == 0 { bytes.removeLast(1 + noise.below(bytes.count - 1)) }
            let changes = [0, 1 + noise.below(3), 1 + noise.below(300)][round % 3]
            for _ in 0..<changes { bytes[noise.below(bytes.count)] = UInt8(truncatingIfNeeded: noise.next()) }
            for name in folder.names where name != "whole.db" { unlink(folder(name)) }
            folder.write(bytes, to: "chat.db")
            do throws(StoreError) { try readEverything() } catch {
                errors += 1
                switch error {
                case .damaged, .foreignDatabase, .failed, .newerSchema, .notFound, .unusable, .usernameTaken: break
                default: Issue.record("\(error)")
                }
            }
        }
        #expect(errors > rounds / 3)
    }

    private func readEverything() throws(StoreError) {
        let store = try Store("sqlite:" + folder("chat.db"))
        for user in try store.admin.users(sortedBy: .messages).items {
            for chat in try store.conversations(of: user.id).conversations { _ = try store.conversation(chat.id, of: user.id) }
            _ = try store.conversations(of: user.id, containing: "nothing")
        }
        let ada = try store.addTestUser("bob")
        _ = try store.createConversation("chat", for: ada, question: NewMessage(.user, "hello"))
    }
}
