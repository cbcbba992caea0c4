import Files
import Glibc
import Serve

/// Parts of the server, for tests that need a program of their own.
///
///     ServeParts chats FILE FIRST              collects chats FIRST, FIRST + 1, …, each printed once it is there, until it is killed
///     ServeParts limited FILE BYTES            collects chats until no file may grow beyond so many bytes; says why, then collects one more where there is room
///     ServeParts metrics                       prints the figures that check_metrics.py knows
@main
struct ServeParts {
    static func main() {
        let arguments = CommandLine.arguments
        do throws(FileError) {
            switch arguments.dropFirst().first {
            case "chats" where arguments.count == 4: try collect(arguments[2], from: Int(arguments[3]) ?? 0)
            case "limited" where arguments.count == 4: try fillUp(arguments[2], upTo: UInt(arguments[3]) ?? 0)
            case "metrics": metrics()
            default: print("usage: see ServeParts.swift")
            }
        } catch {
            print(error)
            exit(1)
        }
    }

    private static func collect(_ path: String, from first: Int) throws(FileError) {
        let log = try ChatLog(path, limit: 20_000)
        for i in first... {
            try log.append(
                user: "question \(i)", assistant: String(repeating: "answer \(i)\n", count: i % 40 + 1), at: "2026-11-20T17:36:00.123Z")
            print(i)
            fflush(nil)
        }
    }

    private static func fillUp(_ path: String, upTo bytes: UInt) throws(FileError) {
        signal(SIGXFSZ, SIG_IGN)
        let log = try ChatLog(path)
        limitFiles(to: bytes)
        do throws(FileError) {
            while true { try log.append(user: "question", assistant: "an answer of some length", at: "2026-11-20T17:36:00.123Z") }
        } catch { print(log.count, error) }
        limitFiles(to: .max)
        print(try log.append(user: "afterwards", assistant: "there is room", at: "2026-11-20T17:36:00.123Z"))
    }

    private static func limitFiles(to bytes: UInt) {
        var limit = rlimit()
        getrlimit(__rlimit_resource_t(RLIMIT_FSIZE.rawValue), &limit)
        limit.rlim_cur = min(bytes, limit.rlim_max)
        setrlimit(__rlimit_resource_t(RLIMIT_FSIZE.rawValue), &limit)
    }

    private static func metrics() {
        let metrics = Metrics(routes: ["/api/health", "/api/conversations/{id}"], version: "1.0 \"quoted\"\\\n") {
            FairQueue.Status(running: 2, waiting: 3)
        }
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
