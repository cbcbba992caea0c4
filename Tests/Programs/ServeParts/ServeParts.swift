import Files
import Glibc
import Infer
import Serve
import Store

/// Runs parts of the server in a process of its own, for tests.
///
///     ServeParts chats FILE FIRST              appends chats FIRST, FIRST + 1, … to a chat log and prints each number, until it is killed
///     ServeParts limited FILE BYTES            appends chats up to a file size limit, prints their number and the error, appends one more
///     ServeParts metrics                       prints metrics with the values that check_metrics.py expects
@main
struct ServeParts {
    static func main() {
        let arguments = CommandLine.arguments
        do throws(FileError) {
            switch arguments.dropFirst().first {
            case "chats" where arguments.count == 4: try appendChats(arguments[2], from: Int(arguments[3]) ?? 0)
            case "limited" where arguments.count == 4: try fillFile(arguments[2], upTo: UInt(arguments[3]) ?? 0)
            case "metrics": printMetrics()
            default: print("usage: ServeParts chats FILE FIRST | limited FILE BYTES | metrics")
            }
        } catch {
            print(error)
            exit(1)
        }
    }

    private static func appendChats(_ path: String, from first: Int) throws(FileError) {
        let log = try ChatLog(path, limit: 20_000)
        for i in first... {
            let answer = String(repeating: "answer \(i)\n", count: i % 40 + 1)
            try log.append(chat("question \(i)", answer))
            print(i)
            fflush(nil)
        }
    }

    private static func fillFile(_ path: String, upTo bytes: UInt) throws(FileError) {
        signal(SIGXFSZ, SIG_IGN)
        let log = try ChatLog(path)
        limitFileSize(to: bytes)
        var count = 0
        do throws(FileError) {
            while true {
                try log.append(chat("question", "an answer of some length"))
                count += 1
            }
        } catch {
            print(count, error)
        }
        limitFileSize(to: .max)
        try log.append(chat("afterwards", "there is room"))
    }

    private static func chat(_ question: String, _ answer: String) -> CollectedChat {
        CollectedChat(at: Timestamp(milliseconds: 1_795_196_160_123), history: "", question: question, answer: answer)
    }

    private static func limitFileSize(to bytes: UInt) {
        var limit = rlimit()
        getrlimit(__rlimit_resource_t(RLIMIT_FSIZE.rawValue), &limit)
        limit.rlim_cur = min(bytes, limit.rlim_max)
        setrlimit(__rlimit_resource_t(RLIMIT_FSIZE.rawValue), &limit)
    }

    private static func printMetrics() {
        let metrics = Metrics(
            routes: ["/api/health", "/api/conversations/{id}"], version: "1.0 \"quoted\"\\\n", slots: 4,
            load: { Metrics.Load(running: 2, waiting: 3) }, checks: { [("model", true), ("database", false)] },
            kvMemory: { KVMemoryUse(used: 4_096, reserved: 12_288, limit: 1 << 31) }, sqliteMemory: { 345_678 })
        for _ in 0..<3 { metrics.requests.count(route: 0, method: "GET", status: 200, seconds: 0.0004) }
        metrics.requests.count(route: 1, method: "PATCH", status: 404, seconds: 0.02)
        metrics.requests.count(route: nil, method: "BREW", status: 418, seconds: 1_000)
        metrics.tokensGenerated.add(12)
        metrics.promptTokens.add(345)
        for seconds in [0.01, 0.02, 0.4] { metrics.firstTokenSeconds.observe(seconds) }
        metrics.answerSeconds.observe(1.5)
        print(metrics.text, terminator: "")
    }
}
