import HTTPClient
import JSON
import Kernels
import Synchronization
import Threads
import Random

struct BenchServeOptions {
    var url = "http://127.0.0.1:8000"
    var people = 16
    var questions = 3
    var prompt = 16
    var generate = 200
    var pause = 0.0
    var api = ServerAPI.completions
    var model = "default"
    var key: String?
    var json = false
}

/// The path that people are answered at.
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
            "bench serve", "People who chat with a server at once: tokens a second in all, and how long each waits for the first.",
            BenchServeOptions(),
            [
                .option("url", \.url, "The server: of ours, of llama.cpp's, or any that knows OpenAI's paths."),
                .option("people", \.people, in: 1...4_096, "How many ask at once."),
                .option("questions", \.questions, in: 1...100_000, "How often each asks, one question after the other."),
                .option("prompt", \.prompt, in: 1...100_000, "Words of each question; all are different."),
                .option("generate", \.generate, in: 1...1_048_576, "Tokens of each answer."),
                .option("pause", \.pause, in: 0...3_600, "Seconds that somebody thinks between two questions, on average."),
                .option("api", \.api, "How they are asked: completions and chat are OpenAI's, guest is our page's."),
                .option("model", \.model, "Which of the server's models."),
                .option("key", \.key, "The server's key for programs."),
                .option("json", \.json, "One JSON object."),
            ], example: "slm bench serve --url http://127.0.0.1:8000 --people 16"
        ) { options in
            let crowd = Crowd(options), seconds = try measureSeconds { try crowd.ask() }
            crowd.tell(after: seconds)
        }
    }
}

/// Everybody who asks, each on a thread of their own.
private final class Crowd: Sendable {
    private struct Seen {
        var answers = 0, promptTokens = 0, tokens = 0
        /// Milliseconds until the first piece of each answer.
        var first: [Double] = []
        var failures: [String] = []
    }

    private let options: BenchServeOptions
    private let seen = Mutex(Seen())

    init(_ options: BenchServeOptions) { self.options = options }

    func ask() throws {
        let done = Mailbox<Bool>()
        for person in 0..<options.people {
            try BackgroundThread.run {
                for question in 0..<self.options.questions { self.ask(person, question) }
                done.put(true)
            }
        }
        for _ in 0..<options.people { _ = done.take() }
        if let failure = seen.withLock(\.failures.first) { throw ServerFailed(description: "\(options.url): \(failure)") }
    }

    struct ServerFailed: Error, CustomStringConvertible { let description: String }

    private func ask(_ person: Int, _ question: Int) {
        var random = SeededRandom(seed: UInt64(person), stream: UInt64(question))
        if options.pause > 0 { sleep(for: 2 * options.pause * Double(random.next() >> 11) / Double(1 << 53)) }
        var request = HTTPRequest(options.url + options.api.path)
        request.headers = [("Content-Type", "application/json")] + (options.key.map { [("Authorization", "Bearer \($0)")] } ?? [])
        request.body = body(&random)
        let start = ContinuousClock.now, reading = Reading()
        do {
            try HTTPExchange().run(request) { head, bytes in reading.add(head, bytes, after: start) }
        } catch { return fail("\(error)") }
        guard reading.status == 200, let first = reading.first else {
            return fail("status \(reading.status): \(String(decoding: reading.failure.prefix(500), as: UTF8.self))")
        }
        let counts = reading.counts
        seen.withLock { seen in
            seen.answers += 1
            seen.promptTokens += counts.promptTokens
            seen.tokens += counts.tokens
            seen.first.append(first)
        }
    }

    private func fail(_ text: String) { seen.withLock { $0.failures.append(text) } }

    /// A text of small words that nobody else asks.
    private func body(_ random: inout SeededRandom) -> [UInt8] {
        let words = (0..<options.prompt).map { _ in Self.words[Int(random.next() % UInt64(Self.words.count))] }.joined(separator: " "),
            api = options.api
        var writer = JSONWriter()
        writer.object { body in
            if api != .guest {
                body.key("model"); body.string(options.model)
                body.key("stream"); body.boolean(true)
                body.key("stream_options"); body.object { $0.key("include_usage"); $0.boolean(true) }
            }
            body.key("ignore_eos"); body.boolean(true)
            switch api {
            case .completions: body.key("prompt"); body.string(words)
            case .chat:
                body.key("messages");
                body.array {
                    $0.object {
                        $0.key("role"); $0.string("user"); $0.key("content"); $0.string(words)
                    }
                }
            case .guest: body.key("message"); body.string(words)
            }
            body.key("max_tokens"); body.integer(options.generate)
            body.key("seed"); body.integer(random.next() >> 40)
        }
        return writer.bytes
    }

    private static let words =
        "the a you I we it is was can do not what how why where when dog cat rain house river child book day night good red small go come say tell think know see like with from to in on of and but or so"
        .split(separator: " ")

    func tell(after seconds: Double) {
        seen.withLock { seen in
            let rate = Double(seen.tokens) / seconds, first = seen.first.sorted()
            let half = first[first.count / 2], last = first[min(first.count - 1, first.count * 99 / 100)]
            if options.json {
                say(
                    JSONLine([
                        "bench": "serve", "case": .text(options.api.rawValue), "people": .whole(options.people),
                        "questions": .whole(seen.answers), "tokens": .whole(seen.tokens),
                        "prompt_tokens": .whole(seen.promptTokens / max(1, seen.answers)), "seconds": .number(seconds),
                        "tokens_per_s": .number(rate),
                        "first_token_ms_p50": .number(half), "first_token_ms_p99": .number(last),
                    ]))
            } else {
                say(
                    "\(options.people) people: \(Int(rate.rounded())) tokens/s in all, the first after \(half.fixed(1)) ms (half of them), \(last.fixed(1)) ms (99 %)"
                )
            }
        }
    }
}

/// What comes of one answer, read as cheaply as can be: whoever measures takes time from whoever is measured.
private final class Reading {
    private(set) var status = 0
    private(set) var first: Double?
    /// The end of what came, where the counts stand.
    private var tail: [UInt8] = []
    private var events = 0, last: UInt8 = 0

    var failure: [UInt8] { tail }

    func add(_ head: HTTPHead, _ bytes: Span<UInt8>, after start: ContinuousClock.Instant) {
        status = head.status
        for i in bytes.indices {
            if bytes[i] == UInt8(ascii: "\n"), last == bytes[i] { events += 1 }
            last = bytes[i]
            tail.append(bytes[i])
        }
        if first == nil, status == 200, ["\"text\":\"", "\"content\":\""].contains(where: hasText) {
            let waited = (ContinuousClock.now - start).components
            first = Double(waited.seconds) * 1e3 + Double(waited.attoseconds) * 1e-15
        }
        if tail.count > 16_384 { tail.removeFirst(tail.count - 4_096) }
    }

    /// Whether a piece of the answer has come: in a field that is not empty, as it is in the event that only says whose turn it is.
    private func hasText(_ field: String) -> Bool {
        tail.ranges(of: Array(field.utf8)).contains { $0.upperBound < tail.count && tail[$0.upperBound] != UInt8(ascii: "\"") }
    }

    /// What the server says it took; of one that says nothing, a token an event.
    var counts: (promptTokens: Int, tokens: Int) {
        var found = (promptTokens: 0, tokens: events), parser = JSONParser()
        for line in String(decoding: tail, as: UTF8.self).split(separator: "\n")
        where line.hasPrefix("data: {") && line.contains("_tokens\"") {
            guard let root = try? parser.parse(String(line.dropFirst(6))) else { continue }
            let counts = root["usage"] ?? root
            if let asked = counts["prompt_tokens"]?.integer { found.promptTokens = asked }
            if let answered = (counts["completion_tokens"] ?? counts["answer_tokens"])?.integer { found.tokens = answered }
        }
        return found
    }
}

private func sleep(for seconds: Double) { _ = Mailbox<Bool>().take(within: .seconds(seconds)) }
