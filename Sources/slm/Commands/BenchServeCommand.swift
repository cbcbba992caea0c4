import HTTPClient
import JSON
import Kernels
import Random
import Synchronization
import Threads

struct BenchServeOptions {
    var url = "http://127.0.0.1:8000"
    var users = 16
    var requests = 3
    var prompt = 16
    var generate = 200
    var pause = 0.0
    var api = ServerAPI.completions
    var model = "default"
    var key: String?
    var json = false
}

/// The endpoint that requests are sent to.
enum ServerAPI: String, CaseIterable, OptionValue {
    case completions, chat, guest

    var path: String {
        switch self {
        case .completions: "/v1/completions"
        case .chat: "/v1/chat/completions"
        case .guest: "/api/chat/guest"
        }
    }
}

extension Command {
    static var benchServe: Command {
        Command(
            "bench serve",
            "Measure a server with many users at once.",
            BenchServeOptions(),
            [
                OptionGroup("Main options", [
                    .option("url", \.url, value: "URL",
                            "Send requests to this server: slm, llama.cpp, or any with an OpenAI-compatible API."),
                    .option("users", \.users, in: 1...4_096, "Send requests from N users at once."),
                    .option("requests", \.requests, in: 1...100_000, "Send N requests per user, one after the other."),
                    .option("prompt", \.prompt, in: 1...100_000, "Use prompts of N words, all different."),
                    .option("generate", \.generate, in: 1...1_048_576, "Generate N tokens per answer."),
                    .option("pause", \.pause, value: "SECONDS", in: 0...3_600, "Wait about SECONDS between two requests of a user."),
                    .option("api", \.api, "Use this endpoint: OpenAI's completions or chat, or the page's guest chat."),
                    .option("model", \.model, value: "NAME", "Request this model."),
                    .option("key", \.key, value: "KEY", "Send this API key."),
                    .json(\.json, "Print one JSON object."),
                ]),
            ],
            examples: ["slm bench serve --url http://127.0.0.1:8000 --users 16"]
        ) { options in
            let load = ServerLoad(options)
            let seconds = try measureSeconds { try load.run() }
            load.report(after: seconds)
        }
    }
}

/// Simulated users, each on a thread of its own.
private final class ServerLoad: Sendable {
    private struct Totals {
        var answers = 0
        var promptTokens = 0
        var tokens = 0
        /// Milliseconds to the first token of each answer.
        var firstTokens: [Double] = []
        var failures: [String] = []
    }

    private let options: BenchServeOptions
    private let totals = Mutex(Totals())

    init(_ options: BenchServeOptions) { self.options = options }

    func run() throws {
        let done = Mailbox<Bool>()
        for user in 0..<options.users {
            try BackgroundThread.run {
                for request in 0..<self.options.requests { self.send(user, request) }
                done.put(true)
            }
        }
        for _ in 0..<options.users { _ = done.take() }
        if let failure = totals.withLock(\.failures.first) { throw CommandError(description: "\(options.url): \(failure)") }
    }

    private func send(_ user: Int, _ number: Int) {
        var random = SeededRandom(seed: UInt64(user), stream: UInt64(number))
        if options.pause > 0 { sleep(for: 2 * options.pause * Double(random.next() >> 11) / Double(1 << 53)) }
        var request = HTTPRequest(options.url + options.api.path)
        request.headers = [("Content-Type", "application/json")] + (options.key.map { [("Authorization", "Bearer \($0)")] } ?? [])
        request.body = body(&random)
        let start = ContinuousClock.now
        let reader = StreamReader()
        do {
            try HTTPExchange().run(request) { head, bytes in reader.add(head, bytes, after: start) }
        } catch { return fail("\(error)") }
        guard reader.status == 200, let first = reader.firstToken else {
            return fail("status \(reader.status): \(String(decoding: reader.tail.prefix(500), as: UTF8.self))")
        }
        let counts = reader.counts
        totals.withLock { totals in
            totals.answers += 1
            totals.promptTokens += counts.promptTokens
            totals.tokens += counts.tokens
            totals.firstTokens.append(first)
        }
    }

    private func fail(_ text: String) { totals.withLock { $0.failures.append(text) } }

    /// A request with a prompt of short words that no other request has.
    private func body(_ random: inout SeededRandom) -> [UInt8] {
        let api = options.api
        let prompt = (0..<options.prompt).map { _ in Self.words[Int(random.next() % UInt64(Self.words.count))] }.joined(separator: " ")
        return JSONWriter.bytes { body in
            if api != .guest {
                body["model"] = options.model
                body["stream"] = true
                body.object("stream_options") { object in
                    object["include_usage"] = true
                }
            }
            body["ignore_eos"] = true
            switch api {
            case .completions:
                body["prompt"] = prompt
            case .chat:
                body.array("messages") { list in
                    list.object { message in
                        message["role"] = "user"
                        message["content"] = prompt
                    }
                }
            case .guest:
                body["message"] = prompt
            }
            body["max_tokens"] = options.generate
            body["seed"] = random.next() >> 40
        }
    }

    private static let words = """
        the a you I we it is was can do not what how why where when dog cat rain house river child book day night good red small go come \
        say tell think know see like with from to in on of and but or so
        """.split(separator: " ")

    func report(after seconds: Double) {
        totals.withLock { totals in
            let rate = Double(totals.tokens) / seconds
            let first = totals.firstTokens.sorted()
            let median = first[first.count / 2]
            let percentile99 = first[min(first.count - 1, first.count * 99 / 100)]
            if options.json {
                printLine(JSONLine([
                    "bench": "serve",
                    "case": .text(options.api.rawValue),
                    "people": .whole(options.users),
                    "questions": .whole(totals.answers),
                    "tokens": .whole(totals.tokens),
                    "prompt_tokens": .whole(totals.promptTokens / max(1, totals.answers)),
                    "seconds": .number(seconds),
                    "tokens_per_s": .number(rate),
                    "first_token_ms_p50": .number(median),
                    "first_token_ms_p99": .number(percentile99),
                ]))
            } else {
                printLine("\(options.users) users: \(Int(rate.rounded())) tokens/s in total, "
                    + "first token after \(median.fixed(1)) ms (median), \(percentile99.fixed(1)) ms (99th percentile)")
            }
        }
    }
}

/// Reads the events of one answer with little work, because the benchmark shares the CPU with the server.
private final class StreamReader {
    private(set) var status = 0
    /// Milliseconds.
    private(set) var firstToken: Double?
    /// The last bytes of the response, which contain the token counts.
    private(set) var tail: [UInt8] = []
    private var events = 0
    private var last: UInt8 = 0

    func add(_ head: HTTPHead, _ bytes: Span<UInt8>, after start: ContinuousClock.Instant) {
        status = head.status
        for i in bytes.indices {
            if bytes[i] == UInt8(ascii: "\n"), last == bytes[i] { events += 1 }
            last = bytes[i]
            tail.append(bytes[i])
        }
        if firstToken == nil, status == 200, ["\"text\":\"", "\"content\":\""].contains(where: hasText) {
            firstToken = (ContinuousClock.now - start).inSeconds * 1e3
        }
        if tail.count > 16_384 { tail.removeFirst(tail.count - 4_096) }
    }

    /// Whether a field with text has arrived. The first event, which only names the role, has an empty one.
    private func hasText(_ field: String) -> Bool {
        tail.ranges(of: Array(field.utf8)).contains { $0.upperBound < tail.count && tail[$0.upperBound] != UInt8(ascii: "\"") }
    }

    /// The token counts that the server reports, else one token per event.
    var counts: (promptTokens: Int, tokens: Int) {
        var found = (promptTokens: 0, tokens: events)
        var parser = JSONParser()
        let lines = String(decoding: tail, as: UTF8.self).split(separator: "\n")
        for line in lines where line.hasPrefix("data: {") && line.contains("_tokens\"") {
            guard let root = try? parser.parse(String(line.dropFirst(6))) else { continue }
            let counts = root["usage"] ?? root
            if let prompt = counts["prompt_tokens"]?.integer { found.promptTokens = prompt }
            if let answer = (counts["completion_tokens"] ?? counts["answer_tokens"])?.integer { found.tokens = answer }
        }
        return found
    }
}

private func sleep(for seconds: Double) { _ = Mailbox<Bool>().take(within: .seconds(seconds)) }
