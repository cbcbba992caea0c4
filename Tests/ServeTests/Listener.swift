import Glibc
import JSON
import Synchronization
import Infer
import TestSupport
import Testing
import Threads
import Tokenize

/// Who asks for a stream and reads it event by event.
///
///     let listener = try stage.listen("/api/chat/guest", #"{"message":"Hi"}"#)
///     try listener.next()?.name                                // "start"
///     listener = nil                                           // hangs up
final class Listener {
    struct Event {
        let name: String
        let data: JSONElement
    }

    let head: RawHTTPConnection.Answer
    private let wire: RawHTTPConnection
    private var text: [UInt8] = []

    init(_ wire: RawHTTPConnection, _ target: String, _ body: String, _ headers: [String: String]) throws {
        let lines = headers.map { "\($0.key): \($0.value)\r\n" }.joined()
        wire.send(
            "POST \(target) HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: \(body.utf8.count)\r\n\(lines)\r\n\(body)"
        )
        self.wire = wire
        head = try #require(wire.head())
    }

    /// nil at the end.
    func next() throws -> Event? {
        while true {
            if let range = text.firstRange(of: Array("\n\n".utf8)) {
                let lines = String(decoding: text[..<range.lowerBound], as: UTF8.self).split(separator: "\n")
                text.removeSubrange(..<range.upperBound)
                guard let name = lines.first(where: { $0.hasPrefix("event: ") }), let data = lines.first(where: { $0.hasPrefix("data: ") })
                else { continue }
                var parser = JSONParser()
                return Event(name: String(name.dropFirst(7)), data: try parser.parse(Array(data.utf8.dropFirst(6))))
            }
            guard let chunk = wire.chunk(), !chunk.isEmpty else { return nil }
            text += chunk
        }
    }

    /// What is said until so many letters are there, or the end.
    func hears(_ count: Int = .max) throws -> (text: String, last: Event?) {
        var said = "", last: Event?
        while said.count < count, let event = try next() {
            if event.name == "token" { said += event.data["text"]?.string ?? "" }
            last = event
        }
        return (said, last)
    }
}

extension ServeStage {
    func listen(_ target: String, _ body: String, _ headers: [String: String] = [:]) throws -> Listener {
        try Listener(wire(), target, body, headers)
    }

    /// Asks, hears the answer to its end, and gives what `start` said.
    @discardableResult
    func chat(_ body: String, as account: [String: String]) throws -> (start: JSONElement, text: String, end: Listener.Event) {
        let listener = try listen("/api/chat", body, account), start = try #require(try listener.next())
        #expect(start.name == "start")
        let (text, last) = try listener.hears()
        return (start.data, text, try #require(last))
    }

    /// Who said what in a conversation, as "user: Hi".
    func messages(of conversation: String, as account: [String: String]) throws -> [String] {
        let answer = try #require(try wire().ask("GET", "/api/conversations/\(conversation)", account))
        #expect(answer.status == 200)
        return (try answer.json()["messages"]?.elements).map { $0.map { "\($0["role"]?.string ?? ""): \($0["content"]?.string ?? "")" } }
            ?? []
    }
}

extension RawHTTPConnection.Answer {
    /// The code of an error, and the field that it names.
    var error: (code: String?, field: String?, message: String?) {
        let error = (try? json())?["error"]
        return (error?["code"]?.string, error?["field"]?.string, error?["message"]?.string)
    }
}

/// Counts from any thread.
final class Count: Sendable {
    private let number = Atomic(0)

    func next() -> Int { number.add(1, ordering: .relaxed).newValue }
    var value: Int { number.load(ordering: .relaxed) }
}

/// A backend that remembers what it was asked, and speaks when it may.
final class HeardBackend: ChatBackend {
    let name = "heard", context: Int? = 64
    private let heard = Mutex<[[String]]>([])
    private let speaker: ScriptedBackend
    private let turnstile: Turnstile?
    /// How often an answer was to end before its time.
    let cancels = Count()

    /// - Parameter turnstile: Where each answer waits before its first letter, and before every other one.
    init(_ sentence: String = OneSentenceModel.sentence, at turnstile: Turnstile? = nil) {
        self.turnstile = turnstile
        speaker = ScriptedBackend(sentence) { turnstile?.pass(letter: $0) }
    }

    /// Of each answer the turns that were read, as "user: Hi", in the order in which they began.
    var prompts: [[String]] { heard.withLock { $0 } }

    func start(
        _ request: GenerationRequest, deliver: @escaping @Sendable (GenerationEvent) -> Void
    ) throws(GenerationError) -> any GenerationHandle {
        if case .chat(let turns) = request.prompt {
            heard.withLock { $0.append(turns.map { "\($0.role.rawValue): \(String(decoding: $0.text, as: UTF8.self))" }) }
        }
        return Cancelling(try speaker.start(request, deliver: deliver), cancels)
    }

    private final class Cancelling: GenerationHandle {
        private let progress: any GenerationHandle, cancels: Count

        init(_ progress: any GenerationHandle, _ cancels: Count) {
            self.progress = progress
            self.cancels = cancels
        }

        func cancel() {
            progress.cancel()
            _ = cancels.next()
        }
    }
}

/// Where answers wait, each before the letter that it was told, until somebody lets them go on.
///
/// A thread looks every millisecond, so that what is cancelled meanwhile can be let through by `open`.
final class Turnstile: Sendable {
    private let letter: Int
    private let permits = Atomic(0)
    private let isOpen = Atomic(false)

    init(before letter: Int) { self.letter = letter }

    func pass(letter: Int) {
        guard letter == self.letter else { return }
        for _ in 0..<20_000 {
            if isOpen.load(ordering: .relaxed) { return }
            let left = permits.load(ordering: .relaxed)
            if left > 0, permits.compareExchange(expected: left, desired: left - 1, ordering: .relaxed).exchanged { return }
            usleep(500)
        }
    }

    func letOneGo() { permits.add(1, ordering: .relaxed) }
    func open() { isOpen.store(true, ordering: .relaxed) }
}
