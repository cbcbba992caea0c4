import Glibc
import Store
import Synchronization
import Threads

/// Writes to a store from a separate process, for tests and benchmarks.
///
///     StoreWriter append URL FIRST       Append messages FIRST, FIRST + 1, … from four threads until killed; print each stored number.
///     StoreWriter limited URL BYTES      Append messages until a file exceeds BYTES, then raise the limit and append another.
///     StoreWriter unprivileged URL       Open the database as a user without access to its files.
///     StoreWriter hold URL               Hold the write lock until the end of standard input.
///     StoreWriter backup-limited URL FILE     Write a backup while no file can exceed 200,000 bytes, and print the error.
///     StoreWriter restore URL FILE       Restore a backup, but wait for the end of standard input in the middle.
///     StoreWriter restore-limited URL FILE    Restore a backup while no file can exceed 200,000 bytes, and print the error.
///     StoreWriter fill URL COUNT         Add COUNT conversations of one user and time lists and searches.
///     StoreWriter search URL COUNT       Add COUNT conversations of one user and as many of others, and time searches.
@main
struct StoreWriter {
    static func main() {
        let arguments = CommandLine.arguments
        guard arguments.count >= 3 else { return report("usage: see StoreWriter.swift") }
        do throws(StoreError) {
            let number = arguments.count > 3 ? Int(arguments[3]) ?? 0 : 0
            switch arguments[1] {
            case "append":
                var options = StoreOptions()
                options.timeout = .seconds(30)                 // enough for a busy machine
                try append(to: Store(arguments[2], options), from: number)
            case "limited": try fillUp(Store(arguments[2]), upTo: number)
            case "unprivileged":
                if getuid() == 0 { setuid(65_534) }
                report(try Store(arguments[2]).admin.totals().users)
            case "hold": try hold(Store(arguments[2]))
            case "backup-limited":
                limitFiles(to: 200_000)
                try Backup.write(DatabaseURL(arguments[2]), to: arguments[3], by: "test")
            case "restore", "restore-limited": try restore(arguments[3], DatabaseURL(arguments[2]), isLimited: arguments[1] != "restore")
            case "search": try SearchBenchmark(url: arguments[2], conversations: number).run { report($0) }
            default:
                var options = StoreOptions()
                options.maxConversations = 0
                options.maxStoredCharacters = 0
                options.searchTimeout = .seconds(60)
                try measure(Store(arguments[2], options), count: number)
            }
        } catch {
            report("\(error)")
            exit(1)
        }
    }

    /// Message i has an id made of i, so a second run does not store it again, and goes into one of eight conversations. Every fourth is an
    /// answer with its token counts.
    private static func append(to store: Store, from first: Int) throws(StoreError) {
        let user = try writer(in: store), next = Counter(first)
        let chats = try (0..<8).map { i throws(StoreError) in try store.createConversation("chat \(i)", as: id(i), for: user).id }
        let write = { @Sendable in
            while true {
                let i = next.value.add(1, ordering: .relaxed).oldValue
                let isAnswer = i % 4 == 0
                let message = NewMessage(isAnswer ? .assistant : .user, "message \(i)")
                let generation = Generation(model: "m", promptTokens: i, answerTokens: 1, seconds: 1, reason: "stop")
                do throws(StoreError) {
                    try store.append(message, as: id(i), to: chats[i % 8], of: user, generation: isAnswer ? generation : nil)
                    report(i)
                } catch {
                    report("failed \(i): \(error)")
                    usleep(20_000)
                }
            }
        }
        for _ in 0..<3 { try? BackgroundThread.run(write) }
        write()
    }

    /// Pads a number to the 26 digits of an identifier.
    private static func id<Kind>(_ number: Int) -> Identifier<Kind> {
        let digits = String(number), zeros = String(repeating: "0", count: 26 - digits.count)
        guard let id = Identifier<Kind>(zeros + digits) else { preconditionFailure("expected digits, found \(number)") }
        return id
    }

    private static func writer(in store: Store) throws(StoreError) -> UserID {
        do { return try store.addUser("writer", passwordHash: "x").id } catch .usernameTaken {
            guard let user = try store.user(named: "writer") else { throw .notFound(.user) }
            return user.id
        }
    }

    private static func fillUp(_ store: Store, upTo bytes: Int) throws(StoreError) {
        let user = try writer(in: store), chat = try store.createConversation("chat", for: user).id
        limitFiles(to: bytes)
        var written = 0
        do {
            while true {
                try store.append(NewMessage(.user, String(repeating: "\(written % 10)", count: 5_000)), to: chat, of: user)
                written += 1
            }
        } catch { report("\(error)") }
        let read = try store.conversation(chat, of: user).1.count
        let listed = try store.conversations(of: user).conversations.count
        report("written \(written), read \(read), listed \(listed)")
        limitFiles(to: 1 << 30)
        try store.append(NewMessage(.user, "space is available"), to: chat, of: user)
        report("written \(written + 1), read \(try store.conversation(chat, of: user).1.count)")
    }

    private static func restore(_ path: String, _ url: DatabaseURL, isLimited: Bool) throws(StoreError) {
        var options = Backup.RestoreOptions()
        options.replaces = true
        if isLimited { limitFiles(to: 200_000) }
        var hasStopped = isLimited
        try Backup.restore(path, into: url, options) { stage, fraction in
            guard stage == .restoring, fraction > 0.5, !hasStopped else { return }
            hasStopped = true
            report("in the middle")
            while getchar() != EOF {}
        }
        report("restored")
    }

    private static func limitFiles(to bytes: Int) {
        var limit = rlimit(rlim_cur: UInt(bytes), rlim_max: 1 << 30)
        setrlimit(__rlimit_resource_t(RLIMIT_FSIZE.rawValue), &limit)
    }

    private static func hold(_ store: Store) throws(StoreError) {
        try store.database.transaction(.write) { connection throws(StoreError) in
            report("locked")
            while getchar() != EOF {}
        }
    }

    private static func measure(_ store: Store, count: Int) throws(StoreError) {
        let user = try writer(in: store)
        let text = "Every second word of this is rain, and the rest of it is snow that fell in winter. "
        for i in 0..<count {
            let chat = try store.createConversation("chat \(i)", for: user).id
            try store.append(NewMessage(.user, text + "\(i)"), to: chat, of: user)
            for j in 0..<3 { try store.append(NewMessage(j % 2 == 0 ? .assistant : .user, "\(text)\(text) \(j)"), to: chat, of: user) }
        }
        var page = try store.conversations(of: user)
        try time("list, first page") { () throws(StoreError) in page = try store.conversations(of: user) }
        try time("list, second page") { () throws(StoreError) in _ = try store.conversations(of: user, after: page.next) }
        try time("read one conversation") { () throws(StoreError) in _ = try store.conversation(page.conversations[0].id, of: user) }
        try time("search, all match") { () throws(StoreError) in _ = try store.conversations(of: user, containing: "snow") }
        try time("search, none match", rounds: 20) { () throws(StoreError) in _ = try store.conversations(of: user, containing: "desert") }
        try time("users", rounds: 20) { () throws(StoreError) in _ = try store.admin.users(sortedBy: .messages) }
        try time("append") { () throws(StoreError) in try store.append(NewMessage(.user, text), to: page.conversations[0].id, of: user) }
    }

    private static func time(_ name: String, rounds: Int = 200, _ body: () throws(StoreError) -> Void) throws(StoreError) {
        var durations: [Duration] = []
        for _ in 0..<rounds {
            let start = ContinuousClock.now
            try body()
            durations.append(ContinuousClock.now - start)
        }
        durations.sort()
        report("\(name): median \(durations[rounds / 2]), 99th percentile \(durations[rounds * 99 / 100])")
    }

    /// Writes a line without buffering, so that nothing is lost when the process is killed.
    private static func report(_ text: some CustomStringConvertible) {
        let line = Array("\(text)\n".utf8)
        write(1, line, line.count)
    }

    private final class Counter: Sendable {
        let value: Atomic<Int>
        init(_ first: Int) { value = Atomic(first) }
    }
}
