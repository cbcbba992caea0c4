import Infer
import Synchronization
import TestSupport
import Testing
import Threads
import Tokenize

/// Checks the documented behavior of ``ChatBackend``, for any backend.
///
///     try BackendContract(backend, prompt: .chat([.init(.user, "Hi")]), answer: "Hi, you!").check()
struct BackendContract {
    let backend: any ChatBackend
    /// A prompt that gives `answer`, of more than three tokens, at temperature 0, and varying answers at temperature 2.
    let prompt: Prompt
    let answer: String
    /// Whether the backend knows its context length, and refuses longer prompts.
    var knowsContext = true

    init(_ backend: any ChatBackend, prompt: Prompt, answer: String, knowsContext: Bool = true) {
        self.backend = backend
        self.prompt = prompt
        self.answer = answer
        self.knowsContext = knowsContext
    }

    func check() throws {
        try checkWholeAnswer()
        try checkTokenLimit()
        try checkStopTexts()
        try checkCancelling()
        try checkSeeds()
        try checkConcurrency()
        if knowsContext { try checkTruncation() }
    }

    private func request(
        _ most: Int? = nil,
        temperature: Double = 0,
        stop: [String] = [],
        seed: UInt64? = nil
    ) throws -> GenerationRequest {
        GenerationRequest(prompt, try GenerationConfig(maxTokens: most, temperature: temperature, stop: stop, seed: seed))
    }

    /// All events of a generation, in order, including any that come after the end.
    private func events(
        _ request: GenerationRequest,
        onEvent: @escaping @Sendable (GenerationEvent, any GenerationHandle) -> Void = { _, _ in }
    ) throws -> [GenerationEvent] {
        let recorder = EventRecorder()
        let handle = try backend.start(request) { recorder.add($0) }
        while true {
            let event = recorder.mailbox.take()
            onEvent(event, handle)
            if case .ended = event { break }
        }
        handle.cancel()
        _ = try backend.generate(self.request(1))              // gives late events time to arrive
        #expect(recorder.overlapCount == 0, "events overlap")
        return recorder.all
    }

    private func checkOrder(_ events: [GenerationEvent], _ label: String) {
        let kinds = events.map { switch $0 { case .began: "b"; case .piece: "p"; case .ended: "e" } }.joined()
        #expect(kinds.wholeMatch(of: /bp*e/) != nil, "\(label): \(kinds)")
    }

    private func text(_ events: [GenerationEvent]) -> String {
        events.map { if case .piece(let piece) = $0 { piece.text } else { "" } }.joined()
    }

    private func end(_ events: [GenerationEvent]) throws -> GenerationEnd {
        guard case .ended(let end)? = events.last else { throw NoEnd() }
        return end
    }

    private func checkWholeAnswer() throws {
        let events = try events(request())
        checkOrder(events, "a whole answer")
        #expect(text(events) == answer)
        let end = try end(events)
        #expect(end.reason == .stop && end.promptTokens > 0 && end.answerTokens > 3, "\(end)")
        if case .began(let start)? = events.first, let known = start.promptTokens { #expect(known == end.promptTokens) }
        for case .piece(let piece) in events {
            #expect(!piece.text.contains("\u{FFFD}") && !(piece.text.isEmpty && piece.tokens.isEmpty))
        }
        #expect(events.reduce(0) { if case .piece(let piece) = $1 { $0 + piece.tokens.count } else { $0 } } <= end.answerTokens)
        #expect(min(end.timings.queued, end.timings.prefill, end.timings.decode) >= 0)
    }

    private func checkTokenLimit() throws {
        for most in 1...3 {
            let events = try events(request(most)), end = try end(events)
            checkOrder(events, "\(most) tokens")
            #expect(end.reason == .length && end.answerTokens == most && answer.hasPrefix(text(events)), "\(end)")
        }
    }

    private func checkStopTexts() throws {
        let characters = Array(answer)
        for start in 1..<characters.count - 1 {
            let events = try events(request(stop: [String(characters[start...start + 1])])), text = text(events)
            checkOrder(events, "stop at \(start)")
            #expect(try end(events).reason == .stop)
            let isCutAtStop = String(characters[..<start]).hasPrefix(text) && characters[text.count..<start].allSatisfy(\.isWhitespace)
            #expect(isCutAtStop, "'\(text)'")
        }
    }

    private func checkCancelling() throws {
        for index in 0...3 {
            let seen = Atomic(0)
            let events = try events(request()) { _, handle in
                if seen.wrappingAdd(1, ordering: .relaxed).oldValue == index { handle.cancel() }
            }
            checkOrder(events, "canceled at event \(index)")
            let end = try end(events)
            #expect([.canceled, .stop].contains(end.reason) && answer.hasPrefix(text(events)), "\(index): \(end)")
        }
        let recorder = EventRecorder()
        try backend.start(request()) { recorder.add($0) }.cancel()
        while true { if case .ended = recorder.mailbox.take() { break } }
        checkOrder(recorder.all, "canceled at once")
        // Releasing the stream cancels the generation.
        _ = try backend.stream(request()).next()
    }

    private func checkSeeds() throws {
        let all = try (0..<8).map { try backend.generate(request(12, temperature: 2, seed: $0)).text }
        #expect(try all == (0..<8).map { try backend.generate(request(12, temperature: 2, seed: $0)).text })
        #expect(Set(all).count > 1, "\(all)")
    }

    private func checkConcurrency() throws {
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
        // Chains of one, two and three answers: a request sees those before it.
        var lengths: [Int] = []
        backend.generateChains(6, concurrency: 2) { chain, answers in
            #expect(answers.map(\.text) == alone.prefix(answers.count).map(\.text))
            return answers.count > chain % 3 ? nil : requests[answers.count]
        } body: { chain, answers, error in
            #expect(chain == lengths.count && error == nil)
            lengths.append(answers.count)
        }
        #expect(lengths == [1, 2, 3, 1, 2, 3])
    }

    private func checkTruncation() throws {
        let context = try #require(backend.context), long = String(repeating: "ab ", count: context)
        let recorder = EventRecorder()
        #expect(throws: GenerationError.self) {
            try backend.start(GenerationRequest(.chat([.init(.user, long)]), policy: .refuse)) { recorder.add($0) }
        }
        let answer = try backend.generate(GenerationRequest(.chat([.init(.user, long)]), GenerationConfig(temperature: 0)))
        #expect(answer.end.promptTokens + answer.end.answerTokens <= context && recorder.all.isEmpty)
    }

    private struct NoEnd: Error {}
}

/// Records the events of a generation, and counts those that came while another was being delivered.
private final class EventRecorder: Sendable {
    let mailbox = Mailbox<GenerationEvent>()
    private let events = Mutex<[GenerationEvent]>([])
    private let current = Atomic(0), overlaps = Atomic(0)

    func add(_ event: GenerationEvent) {
        if current.wrappingAdd(1, ordering: .sequentiallyConsistent).oldValue > 0 { overlaps.wrappingAdd(1, ordering: .relaxed) }
        events.withLock { $0.append(event) }
        mailbox.put(event)
        current.wrappingSubtract(1, ordering: .sequentiallyConsistent)
    }

    var all: [GenerationEvent] { events.withLock { $0 } }
    var overlapCount: Int { overlaps.load(ordering: .relaxed) }
}
