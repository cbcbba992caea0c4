import Autograd
import Checkpoint
import Infer
import Kernels
import Model
import Synchronization
import Testing
import TestSupport
import Threads
import Tokenize

/// Concurrent generations by a model with random weights, whose text is meaningless but depends on everything in the context.
@Suite struct EngineTests {
    private let folder = TemporaryFolder()
    private let path: String

    init() throws {
        path = folder("random.h5")
        try SampleCheckpoint.randomChat(context: 96).write(to: path)
    }

    private func backend(
        _ option: PrecisionOption = .f32,
        _ change: (inout LocalBackend.Limits) -> Void = { _ in }
    ) throws -> LocalBackend {
        try LocalBackend(of: path, option, with: change)
    }

    private func request(_ i: Int, most: Int = 24) throws -> GenerationRequest {
        let text = String(repeating: "What is \(i)? ", count: 1 + i % 4)
        let config = try GenerationConfig(
            maxTokens: most - i % 7,
            temperature: i % 5 == 0 ? 0 : 0.9,
            topK: i % 3 == 0 ? 20 : 0,
            repetitionPenalty: i % 2 == 0 ? 1.2 : 1,
            seed: UInt64(i)
        )
        return GenerationRequest(i % 2 == 0 ? .chat([.init(.user, text)]) : .text(text), config)
    }

    @Test(arguments: [PrecisionOption.f32, .bf16, .int8, .int6, .int4])
    func `an answer is the same alone and in a batch of 64`(_ option: PrecisionOption) throws {
        let alone = try backend(option) { $0.slots = 1 }
        let batched = try backend(option) { limits in
            limits.slots = 64
            limits.sharedPrefillChunk = 17
            limits.solePrefillChunk = 40
        }
        let requests = try (0..<64).map { try request($0) }, expected = try requests.map { try alone.generate($0).text }
        let found = try batched.texts(of: requests, concurrency: 64), isSame = found == expected
        #expect(isSame && Set(found).count > 40, "\(zip(found, expected).filter { $0.0 != $0.1 }.count) differ")
        #expect(batched.status.running == 0 && batched.status.waiting == 0)
    }

    @Test(arguments: [1, 12]) func `tokens that a grammar forces are processed together, and the answer stays the same`(slots: Int) throws {
        let engine = try backend { $0.slots = slots }
        let grammar = try Grammar(regex: "(so [a-z]{2,3}, or [0-9]{1,2}; ){2,3}")
        func request(_ i: Int, logProbabilities: Int?) throws -> GenerationRequest {
            let config = try GenerationConfig(
                maxTokens: 60 - i, temperature: i % 4 == 0 ? 0 : 1.2, topK: i % 3 == 0 ? 9 : 0, repetitionPenalty: i % 2 == 0 ? 1.3 : 1,
                seed: UInt64(i), logProbabilities: logProbabilities)
            var request = GenerationRequest(.text("What is \(i)?"), config)
            request.grammar = grammar
            return request
        }
        // Log-probabilities need the logits of each token.
        let alone = try backend { $0.slots = 1 }
        let expected = try (0..<12).map { try alone.generate(request($0, logProbabilities: 0)).text }
        let found = try engine.texts(of: (0..<12).map { try request($0, logProbabilities: nil) }, concurrency: slots)
        #expect(found == expected && Set(found).count > 6)
        // A single answer has more tokens than steps.
        var state = try GenerationState(request(1, logProbabilities: nil), for: engine.model), steps = 0
        while state.reason == nil {
            var logits = [Float](repeating: 0, count: engine.model.tokenizer.vocabulary.count), span = logits.mutableSpan
            _ = state.advance(&span)
            steps += 1
        }
        #expect(steps < state.answerTokens - 4, "\(steps) steps for \(state.answerTokens) tokens")
    }

    @Test func `a conversation that continues reuses the prompt cache and gives the same answer`() throws {
        let engine = try backend(), fresh = try backend { $0.slots = 1 }
        let config = try GenerationConfig(maxTokens: 12, temperature: 0)
        var history = [Conversation.Message(.user, "Hello, how are you?")], previousPromptTokens = 0
        for turn in 0..<2 {
            let request = GenerationRequest(.chat(history), config), answer = try engine.generate(request)
            #expect(try fresh.generate(GenerationRequest(.text("something else"), config)).start.cachedTokens == 0)
            #expect(try fresh.generate(request).text == answer.text)
            // The answer may be tokenized differently in the next prompt; the previous prompt is not.
            #expect(answer.start.cachedTokens >= previousPromptTokens, "\(answer.start)")
            previousPromptTokens = answer.start.promptTokens ?? 0
            history += [.init(.assistant, answer.text), .init(.user, "And \(turn)?")]
        }
    }

    @Test func `a common prefix is copied from a sequence that is still running`() throws {
        let system = String(repeating: "Be kind. ", count: 5), config = try GenerationConfig(maxTokens: 40, temperature: 0)
        func request(_ text: String) -> GenerationRequest { GenerationRequest(.text(system + text), config) }
        let alone = try backend { $0.slots = 2 }.generate(request("B")), engine = try backend { $0.slots = 2 }
        let first = try engine.stream(request("A"))
        while case .piece? = first.next() {}
        _ = first.next()                                       // it is decoding
        let second = try engine.generate(request("B"))
        #expect(second.start.cachedTokens >= 40 && second.text == alone.text, "\(second.start)")
    }

    @Test func `conversations with a common prefix do not evict each other`() throws {
        let engine = try backend(), config = try GenerationConfig(maxTokens: 4, temperature: 0)
        let common = String(repeating: "Be kind. ", count: 4)
        func cachedTokens(_ rest: String) throws -> Int {
            try engine.generate(GenerationRequest(.text(common + rest), config)).start.cachedTokens
        }
        let length = common.utf8.count, ada = "Ada asks why it rains.", bob = "Bob wants to know it too."
        #expect(try cachedTokens(ada) == 0)
        #expect(try (length..<length + 5).contains(cachedTokens(bob)))
        #expect(try cachedTokens(ada + " And?") >= length + ada.utf8.count)
        #expect(try cachedTokens(bob + " And?") >= length + bob.utf8.count)
    }

    @Test func `keys and values are not shared between owners, except those of the operator's system prompt`() throws {
        let system = String(repeating: "Be kind. ", count: 4)
        func cachedTokens(_ engine: LocalBackend, _ owner: String, _ prompt: Prompt) throws -> Int {
            var request = GenerationRequest(prompt, try GenerationConfig(maxTokens: 4, temperature: 0))
            request.owner = owner
            return try engine.generate(request).start.cachedTokens
        }
        let secret = Prompt.text("The secret is forty-two, and no other user knows.")
        let plain = try backend()
        #expect(try cachedTokens(plain, "ada", secret) == 0 && cachedTokens(plain, "eve", secret) == 0)
        #expect(try cachedTokens(plain, "ada", secret) > 40)
        let chat = Prompt.chat([.init(.system, system), .init(.user, "Hi")])
        let sharing = try backend { $0.sharedSystemPrompt = system }
        let texts = try ["ada", "eve"].map { owner in
            var request = GenerationRequest(chat, try GenerationConfig(maxTokens: 8, temperature: 0))
            request.owner = owner
            let answer = try sharing.generate(request)
            #expect(answer.start.cachedTokens == 0)              // what is shared is not reported
            return answer.text
        }
        #expect(texts[0] == texts[1])
        #expect(try texts[0] == plain.generate(GenerationRequest(chat, GenerationConfig(maxTokens: 8, temperature: 0))).text)
    }

    /// Starts a generation that stops after its fourth event until `isPaused` has an element: it is too fast to be paused otherwise.
    private func start(
        _ request: GenerationRequest, on engine: LocalBackend, _ events: Mailbox<GenerationEvent>, stoppingUntil isPaused: Mailbox<Void>
    ) throws -> any GenerationHandle {
        let count = Atomic(0)
        return try engine.start(request) { event in
            events.put(event)
            if count.add(1, ordering: .relaxed).newValue == 4 { isPaused.take() }
        }
    }

    @Test func `a paused generation frees its slot and continues with the same text`() throws {
        let config = try GenerationConfig(maxTokens: 40, temperature: 0.9, repetitionPenalty: 1.2, seed: 3)
        let request = GenerationRequest(.text("What is this?"), config)
        let engine = try backend { $0.slots = 1 }
        let expected = try backend { $0.slots = 1 }.generate(request)
        let events = Mailbox<GenerationEvent>()
        let isPaused = Mailbox<Void>()
        let handle = try start(request, on: engine, events, stoppingUntil: isPaused)
        var result = GenerationResult()
        for _ in 0..<4 { result.add(try #require(events.take(within: .seconds(20)))) }
        handle.pause()
        isPaused.put(())
        // The only slot is free for another generation.
        _ = try engine.generate(self.request(1))
        #expect(events.takeIfAvailable() == nil)
        handle.resume()
        while true {
            let event = try #require(events.take(within: .seconds(20)))
            result.add(event)
            if case .ended = event { break }
        }
        #expect(handle.canPause && result.text == expected.text && result.end.answerTokens == expected.end.answerTokens)
    }

    @Test func `a paused generation can be canceled`() throws {
        let engine = try backend { $0.slots = 1 }
        let events = Mailbox<GenerationEvent>()
        let config = try GenerationConfig(maxTokens: 60, temperature: 0.9, seed: 3)
        let isPaused = Mailbox<Void>()
        let handle = try start(GenerationRequest(.text("What is this?"), config), on: engine, events, stoppingUntil: isPaused)
        for _ in 0..<4 { _ = try #require(events.take(within: .seconds(20))) }
        handle.pause()
        isPaused.put(())
        _ = try engine.generate(self.request(1))
        handle.cancel()
        while true {
            guard case .ended(let end) = try #require(events.take(within: .seconds(20))) else { continue }
            #expect(end.reason == .canceled)
            break
        }
        #expect(engine.status.running == 0)
    }

    @Test func `finished sequences stay cached within the budget`() throws {
        let config = try GenerationConfig(maxTokens: 12, temperature: 0)
        let requests = (0..<40).map { GenerationRequest(.text("\($0) is the number of this text."), config) }
        let plain = try backend { $0.slots = 1 }, expected = try requests.map { try plain.generate($0).text }
        let sequenceBytes = plain.status.cacheBytes
        func cacheBytes(budget: Int, concurrency: Int) throws -> Int {
            let engine = try backend { $0.cacheBudget = budget }
            let isSame = try engine.texts(of: requests, concurrency: concurrency) == expected
            #expect(isSame)
            return engine.status.cacheBytes
        }
        #expect(sequenceBytes > 0)
        #expect(try cacheBytes(budget: 0, concurrency: 1) == 0)
        #expect(try cacheBytes(budget: 4 * sequenceBytes, concurrency: 1) == 4 * sequenceBytes)
        #expect(try cacheBytes(budget: 0, concurrency: 8) == 0)
        #expect(try (1...4 * sequenceBytes).contains(cacheBytes(budget: 4 * sequenceBytes, concurrency: 8)))
    }

    @Test func `a canceled generation frees its slot at once`() throws {
        let engine = try backend { limits in
            limits.slots = 1
            limits.waiting = 1
        }
        // Blocks the engine at its first piece until `resume`.
        let hasBegun = Mailbox<Void>(), resume = Mailbox<Void>(), isBlocking = Atomic(true)
        let long = try engine.start(GenerationRequest(.text("a"), GenerationConfig(temperature: 1, seed: 1))) { event in
            guard case .piece = event, isBlocking.exchange(false, ordering: .relaxed) else { return }
            hasBegun.put(())
            resume.take()
        }
        hasBegun.take()
        let waiting = try engine.stream(request(2))
        #expect(throws: GenerationError.busy(waiting: 2)) { try engine.generate(request(3)) }
        long.cancel()
        resume.put(())
        var last: GenerationEvent?
        for event in waiting { last = event }
        guard case .ended(let end)? = last else {
            Issue.record("no end")
            return
        }
        #expect(end.reason == .length || end.reason == .stop)
        #expect(try engine.generate(request(3)).end.answerTokens > 0)
    }

    @Test func `a long prompt does not stall other generations`() throws {
        let engine = try backend { limits in
            limits.slots = 2
            limits.sharedPrefillChunk = 4
        }
        let log = Mutex<[String]>([]), finished = Mailbox<Void>(), long = try GenerationConfig(maxTokens: 80, temperature: 2, seed: 4)
        _ = try engine.start(GenerationRequest(.text("a"), long)) { event in
            if case .piece = event { log.withLock { $0.append("piece") } }
            if case .ended = event { finished.put(()) }
        }
        let prompt = Prompt.text(String(repeating: "long ", count: 12))
        _ = try engine.start(GenerationRequest(prompt, GenerationConfig(maxTokens: 1, temperature: 0))) { event in
            switch event {
            case .began: log.withLock { $0.append("began") }
            case .piece: break
            case .ended:
                log.withLock { $0.append("prefilled") }
                finished.put(())
            }
        }
        for _ in 0..<2 { finished.take() }
        let entries = log.withLock { $0 }
        guard let began = entries.firstIndex(of: "began"), let prefilled = entries.firstIndex(of: "prefilled") else {
            Issue.record("\(entries)")
            return
        }
        // 60 tokens at 4 per step: at least 10 steps with a piece of the other answer, unless that one ended before.
        #expect(prefilled - began > 8 || !entries[prefilled...].contains("piece"), "\(entries)")
    }

    @Test func `releasing the engine ends its generations`() throws {
        let ends = Mailbox<GenerationEnd>()
        do {
            let engine = try backend { $0.slots = 1 }
            for _ in 0..<3 {
                _ = try engine.start(GenerationRequest(.text("a"), GenerationConfig(temperature: 2))) { event in
                    if case .ended(let end) = event { ends.put(end) }
                }
            }
        }
        let reasons = (0..<3).map { _ in ends.take().reason }
        #expect(reasons.contains(.canceled), "\(reasons)")
    }

    @Test func `a missing checkpoint throws`() {
        #expect(throws: CheckpointError.self) { try LocalBackend(checkpoint: folder("none.h5")) { try Processor(threads: 1) } }
    }
}
