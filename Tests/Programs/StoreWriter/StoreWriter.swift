import Glibc
import Store
import Synchronization
import Threads

/// Writes into a store for tests that need a program of its own for it.
///
///     StoreWriter append ADDRESS FIRST         messages FIRST, FIRST + 1, … from four threads, each printed once it is acknowledged, until it is killed
///     StoreWriter limited ADDRESS BYTES        messages until no file may grow beyond so many bytes; then what is read, and what is written, once there is room
///     StoreWriter nobody ADDRESS               opens it as a user who owns nothing
///     StoreWriter hold ADDRESS                 keeps others from writing until its input ends
///     StoreWriter fill ADDRESS COUNT           so many conversations of one user, and how long a list and a search take
@main
struct StoreWriter {
    static func main() {
        let arguments = CommandLine.arguments
        guard arguments.count >= 3 else { return say("usage: see StoreWriter.swift") }
        do throws(StoreError) {
            let number = arguments.count > 3 ? Int(arguments[3]) ?? 0 : 0
            switch arguments[1] {
            case "append":
                var options = StoreOptions()
                options.patience = .seconds(30)                 // for machines that are busy with other things, too
                try append(to: Store(arguments[2], options), from: number)
            case "limited": try fillUp(Store(arguments[2]), upTo: number)
            case "nobody":
                if getuid() == 0 { setuid(65_534) }
                say(try Store(arguments[2]).administration.totals().users)
            case "hold": try hold(Store(arguments[2]))
            default: try measure(Store(arguments[2]), count: number)
            }
        } catch {
            say("\(error)")
            exit(1)
        }
    }

    /// Message i goes under the key "i" into one of eight conversations. One in four is an answer, with what it took.
    private static func append(to store: Store, from first: Int) throws(StoreError) {
        let user = try writer(in: store), next = Counter(first)
        let chats = try (0..<8).map { i throws(StoreError) in try store.createConversation("chat \(i)", for: user, key: "\(i)").0.id }
        let write = { @Sendable in
            while true {
                let i = next.value.add(1, ordering: .relaxed).oldValue, isAnswer = i % 4 == 0
                let draft = Draft(isAnswer ? .assistant : .user, "message \(i)", key: "\(i)")
                let took = Generation(model: "m", promptTokens: i, answerTokens: 1, seconds: 1, reason: "stop")
                do throws(StoreError) {
                    try store.append(draft, to: chats[i % 8], of: user, generation: isAnswer ? took : nil)
                    say(i)
                } catch {
                    say("failed \(i): \(error)")
                    usleep(20_000)
                }
            }
        }
        for _ in 0..<3 { try? BackgroundThread.run(write) }
        write()
    }

    private static func writer(in store: Store) throws(StoreError) -> UserID {
        do { return try store.addUser("writer", passwordHash: "x").id } catch .taken {
            guard let user = try store.user(named: "writer") else { throw .notFound(.user) }
            return user.id
        }
    }

    private static func fillUp(_ store: Store, upTo bytes: Int) throws(StoreError) {
        let user = try writer(in: store), chat = try store.createConversation("chat", for: user).0.id
        limitFiles(to: bytes)
        var written = 0
        do {
            while true {
                try store.append(Draft(.user, String(repeating: "\(written % 10)", count: 5_000)), to: chat, of: user)
                written += 1
            }
        } catch { say("\(error)") }
        say("written \(written), read \(try store.conversation(chat, of: user).1.count), listed \(try store.conversations(of: user).conversations.count)")
        limitFiles(to: 1 << 30)
        try store.append(Draft(.user, "there is room"), to: chat, of: user)
        say("written \(written + 1), read \(try store.conversation(chat, of: user).1.count)")
    }

    private static func limitFiles(to bytes: Int) {
        var limit = rlimit(rlim_cur: UInt(bytes), rlim_max: 1 << 30)
        setrlimit(__rlimit_resource_t(RLIMIT_FSIZE.rawValue), &limit)
    }

    private static func hold(_ store: Store) throws(StoreError) {
        try store.database.transaction(.write) { connection throws(StoreError) in
            say("held")
            while getchar() != EOF {}
        }
    }

    private static func measure(_ store: Store, count: Int) throws(StoreError) {
        let user = try writer(in: store), text = "Every second word of this is rain, and the rest of it is snow that fell in winter. "
        for i in 0..<count {
            let chat = try store.createConversation("chat \(i)", for: user, key: "\(i)", question: Draft(.user, text + "\(i)")).0.id
            for j in 0..<3 { try store.append(Draft(j % 2 == 0 ? .assistant : .user, "\(text)\(text) \(j)", key: "m\(j)"), to: chat, of: user) }
        }
        var page = try store.conversations(of: user)
        try time("list, the first page") { () throws(StoreError) in page = try store.conversations(of: user) }
        try time("list, the next page") { () throws(StoreError) in _ = try store.conversations(of: user, after: page.next) }
        try time("read one") { () throws(StoreError) in _ = try store.conversation(page.conversations[0].id, of: user) }
        try time("search, in all") { () throws(StoreError) in _ = try store.conversations(of: user, containing: "snow") }
        try time("search, in none", rounds: 20) { () throws(StoreError) in _ = try store.conversations(of: user, containing: "desert") }
        try time("users", rounds: 20) { () throws(StoreError) in _ = try store.administration.users(sortedBy: .messages) }
        try time("append") { () throws(StoreError) in try store.append(Draft(.user, text), to: page.conversations[0].id, of: user) }
    }

    private static func time(_ what: String, rounds: Int = 200, _ body: () throws(StoreError) -> Void) throws(StoreError) {
        var spent: [Duration] = []
        for _ in 0..<rounds {
            let start = ContinuousClock.now
            try body()
            spent.append(ContinuousClock.now - start)
        }
        spent.sort()
        say("\(what): median \(spent[rounds / 2]), 99th percentile \(spent[rounds * 99 / 100])")
    }

    /// A line, at once: whoever reads it knows what was done until we are killed.
    private static func say(_ text: some CustomStringConvertible) {
        let line = Array("\(text)\n".utf8)
        write(1, line, line.count)
    }

    private final class Counter: Sendable {
        let value: Atomic<Int>
        init(_ first: Int) { value = Atomic(first) }
    }
}
