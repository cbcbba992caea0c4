import Infer
import Synchronization
import Testing
import Threads
import Tokenize

/// What every backend promises.
///
///     try BackendContract(backend, prompt: .chat([.init(.user, "Hi")]), answer: "Hi, you!").check()
struct BackendContract {
    let backend: any ChatBackend
    /// Something that is answered with `answer` at temperature 0, which is longer than three tokens, and with this or that at temperature
    /// 2.
    let prompt: Prompt
    let answer: String
    /// Whether the backend knows its context, and refuses what is longer.
    var knowsContext = true

    init(_ backend: any ChatBackend, prompt: Prompt, answer: String, knowsContext: Bool = true) {
        self.backend = backend
        self.prompt = prompt
        self.answer = answer
        self.knowsContext = knowsContext
    }

    func check() throws {
        try wholeAnswer()
        try length()
        try stops()
        try cancelling()
        try seeds()
        try several()
        if knowsContext { try refusing() }
    }

    private func request(_ most: Int? = nil, temperature: Double = 0, stop: [String] = [], seed: UInt64? = nil) throws -> GenerationRequest
    {
        GenerationRequest(prompt, try GenerationConfig(maximumTokens: most, temperature: temperature, stop: stop, seed: seed))
    }

    /// All events of an answer, in order; what comes behind the end would be among them.
    private func events(
        _ request: GenerationRequest, onEvent: @escaping @Sendable (GenerationEvent, any GenerationHandle) -> Void = { _, _ in }
    ) throws -> [GenerationEvent] {
        let recorder = Recorder()
        let progress = try backend.start(request) { recorder.add($0) }
        while true {
            let event = recorder.mailbox.take()
            onEvent(event, progress)
            if case .ended = event { break }
        }
        progress.cancel()
        _ = try backend.generate(self.request(1))       // whatever still is to come has come when this is over
        #expect(recorder.overlapped == 0, "two events at once")
        return recorder.all
    }

    private func checkOrder(_ events: [GenerationEvent], _ what: String) {
        let kinds = events.map { switch $0 { case .began: "b"; case .piece: "p"; case .ended: "e" } }.joined()
        #expect(kinds.wholeMatch(of: /bp*e/) != nil, "\(what): \(kinds)")
    }

    private func text(_ events: [GenerationEvent]) -> String {
        events.map { if case .piece(let piece) = $0 { piece.text } else { "" } }.joined()
    }

    private func end(_ events: [GenerationEvent]) throws -> GenerationEnd {
        guard case .ended(let end)? = events.last else { throw Missing() }
        return end
    }

    private func wholeAnswer() throws {
        let events = try events(request())
        checkOrder(events, "a whole answer")
        #expect(text(events) == answer)
        let end = try end(events)
        #expect(end.reason == .stop && end.promptTokens > 0 && end.answerTokens > 3, "\(end)")
        if case .began(let beginning)? = events.first, let known = beginning.promptTokens { #expect(known == end.promptTokens) }
        for case .piece(let piece) in events { #expect(!piece.text.contains("\u{FFFD}") && !(piece.text.isEmpty && piece.tokens.isEmpty)) }
        #expect(events.reduce(0) { if case .piece(let piece) = $1 { $0 + piece.tokens.count } else { $0 } } <= end.answerTokens)
        let times = end.timings
        #expect(min(times.waited, times.prompt, times.answer) >= 0)
    }

    private func length() throws {
        for most in 1...3 {
            let events = try events(request(most)), end = try end(events)
            checkOrder(events, "\(most) tokens")
            #expect(end.reason == .length && end.answerTokens == most && answer.hasPrefix(text(events)), "\(end)")
        }
    }

    private func stops() throws {
        let characters = Array(answer)
        for place in 1..<characters.count - 1 {
            let events = try events(request(stop: [String(characters[place...place + 1])])), shown = text(events)
            checkOrder(events, "stop at \(place)")
            #expect(try end(events).reason == .stop)
            #expect(
                String(characters[..<place]).hasPrefix(shown) && characters[shown.count..<place].allSatisfy(\.isWhitespace), "'\(shown)'")
        }
    }

    private func cancelling() throws {
        for moment in 0...3 {
            let seen = Atomic(0)
            let events = try events(request()) { _, progress in
                if seen.wrappingAdd(1, ordering: .relaxed).oldValue == moment { progress.cancel() }
            }
            checkOrder(events, "cancelled at event \(moment)")
            let end = try end(events)
            #expect([.cancelled, .stop].contains(end.reason) && answer.hasPrefix(text(events)), "\(moment): \(end)")
        }
        let recorder = Recorder()
        try backend.start(request()) { recorder.add($0) }.cancel()
        while true { if case .ended = recorder.mailbox.take() { break } }
        checkOrder(recorder.all, "cancelled at once")
        // Whoever drops the events wants no more of them.
        _ = try backend.stream(request()).next()
    }

    private func seeds() throws {
        let all = try (0..<8).map { try backend.generate(request(12, temperature: 2, seed: $0)).text }
        #expect(try all == (0..<8).map { try backend.generate(request(12, temperature: 2, seed: $0)).text })
        #expect(Set(all).count > 1, "\(all)")
    }

    private func several() throws {
        let requests = try (1...9).map { (i: Int) throws -> GenerationRequest in
            let most: Int? = i % 3 == 0 ? nil : i
            return try request(most, temperature: i % 2 == 0 ? 0 : 2, seed: UInt64(i))
        }
        let alone = try requests.map { try backend.generate($0) }
        var together: [GenerationResult] = []
        try backend.generate(requests, concurrency: 5) { index, result in
            #expect(index == together.count)
            together.append(try result.get())
        }
        for (one, other) in zip(together, alone) {
            #expect(one.text == other.text && one.end.answerTokens == other.end.answerTokens && one.end.reason == other.end.reason)
        }
        #expect(together.count == alone.count)
    }

    private func refusing() throws {
        let context = try #require(backend.context), long = String(repeating: "ab ", count: context)
        let recorder = Recorder()
        #expect(throws: GenerationError.self) {
            try backend.answer(GenerationRequest(.chat([.init(.user, long)]), policy: .refuse)) { recorder.add($0) }
        }
        let answer = try backend.generate(GenerationRequest(.chat([.init(.user, long)]), GenerationConfig(temperature: 0)))
        #expect(answer.end.promptTokens + answer.end.answerTokens <= context && recorder.all.isEmpty)
    }

    private struct Missing: Error {}
}

/// Keeps the events of an answer, and counts those that came while another was being delivered.
private final class Recorder: Sendable {
    let mailbox = Mailbox<GenerationEvent>()
    private let events = Mutex<[GenerationEvent]>([])
    private let inside = Atomic(0), overlaps = Atomic(0)

    func add(_ event: GenerationEvent) {
        if inside.wrappingAdd(1, ordering: .sequentiallyConsistent).oldValue > 0 { overlaps.wrappingAdd(1, ordering: .relaxed) }
        events.withLock { $0.append(event) }
        mailbox.put(event)
        inside.wrappingSubtract(1, ordering: .sequentiallyConsistent)
    }

    var all: [GenerationEvent] { events.withLock { $0 } }
    var overlapped: Int { overlaps.load(ordering: .relaxed) }
}
