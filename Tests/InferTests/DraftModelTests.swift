import Checkpoint
import Infer
import Testing
import TestSupport
import Tokenize

/// A draft model: answers do not depend on it, its guesses save steps, and what it costs is limited.
@Suite struct DraftModelTests {
    private let folder = TemporaryFolder()
    private let model: String
    /// With the same vocabulary, and other weights: most of its guesses are wrong.
    private let other: String

    init() throws {
        model = folder("model.h5")
        other = folder("other.h5")
        try SampleCheckpoint.randomChat(context: 160).write(to: model)
        try SampleCheckpoint.randomChat(context: 160, seed: 6).write(to: other)
    }

    /// An engine with a draft model, or without guesses.
    private func backend(
        _ path: String? = nil, draft: String?, _ speculation: Speculation = .always, _ option: PrecisionOption = .f32, slots: Int = 1
    ) throws -> LocalBackend {
        try LocalBackend(of: path ?? model, option, draft: draft) { limits in
            limits.slots = slots
            limits.speculation = draft == nil ? .never : speculation
        }
    }

    private func expectSame(_ found: GenerationResult, _ expected: GenerationResult, _ comment: Comment) {
        #expect(found.tokens == expected.tokens && found.text == expected.text, comment)
        #expect(found.end.reason == expected.end.reason && found.end.stopText == expected.end.stopText, comment)
        #expect(found.end.answerTokens == expected.end.answerTokens, comment)
    }

    /// With twelve slots, sequences lose their guesses while more than eight are running.
    @Test(arguments: [PrecisionOption.f32, .int8], [1, 5, 12])
    func `answers with a draft model are those without, bit for bit`(_ option: PrecisionOption, slots: Int) throws {
        let requests = try SpeculationTests.requests()
        let plain = try backend(draft: nil, .never, option).answers(to: requests, concurrency: 1)
        for (draft, speculation) in [(model, Speculation.always), (model, .auto), (other, .always), (other, .auto)] {
            let engine = try backend(draft: draft, speculation, option, slots: slots)
            let found = try engine.answers(to: requests, concurrency: slots)
            for i in plain.indices { expectSame(found[i], plain[i], "\(draft), \(speculation), request \(i)") }
            let checked = found.reduce(0) { $0 + $1.end.guesses.checked }, right = found.reduce(0) { $0 + $1.end.guesses.right }
            if speculation == .always { #expect(checked > 200 && right > 40 && right <= checked, "\(right) of \(checked)") }
            // All slots were released, also those of the draft model.
            #expect(engine.status.running == 0 && engine.status.reservedBytes == engine.status.cacheBytes)
        }
    }

    @Test(arguments: [0, 1.0]) func `guesses of a draft model save steps`(temperature: Double) throws {
        var config = try GenerationConfig(maxTokens: 90, temperature: temperature, seed: 3)
        config.ignoresEOS = true
        let request = GenerationRequest(.tokens("What is it?".utf8.map { TokenID($0) }), config)
        let plain = try backend(draft: nil).generate(request)
        // The model itself guesses right, also sampled tokens: up to nine tokens per step.
        let same = try backend(draft: model).generate(request), guesses = same.end.guesses
        expectSame(same, plain, "the model itself")
        #expect(guesses.right * 10 >= guesses.checked * 9 && same.end.answerTokens - guesses.right <= 20, "\(guesses)")
        let wrong = try backend(draft: other).generate(request)
        expectSame(wrong, plain, "other weights")
        #expect(wrong.end.guesses.right < wrong.end.guesses.checked, "\(wrong.end.guesses)")
    }

    @Test func `an answer ends at a stop text or an end token amid right guesses`() throws {
        let path = folder("sentence.h5")
        try OneSentenceModel.checkpoint().write(to: path)
        let plain = try backend(path, draft: nil), drafted = try backend(path, draft: path)
        for stop in [[], ["ou"], ["you!"], ["!é"]] {
            let request = try GenerationRequest(.chat([.init(.user, "Hello")]), GenerationConfig(temperature: 0, stop: stop))
            let found = try drafted.generate(request)
            try expectSame(found, plain.generate(request), "\(stop)")
            #expect(found.end.reason == .stop && found.end.guesses.right >= 5, "\(stop): \(found.end.guesses)")
        }
    }

    @Test func `an answer ends with the context, and a draft model may have a shorter one`() throws {
        let short = folder("short.h5")
        try SampleCheckpoint.randomChat(context: 64).write(to: short)
        let plain = try backend(draft: nil)
        for draft in [model, other, short] {
            let drafted = try backend(draft: draft, slots: 2)
            for seed in 0..<4 {
                var config = try GenerationConfig(temperature: seed == 0 ? 0 : 0.9, seed: UInt64(seed))
                config.ignoresEOS = true
                let text = String(repeating: "What is it? ", count: 1 + 3 * seed)
                let request = GenerationRequest(.tokens(text.utf8.map { TokenID($0) }), config), found = try drafted.generate(request)
                try expectSame(found, plain.generate(request), "\(draft), seed \(seed)")
                #expect(found.end.reason == .length && found.end.answerTokens + text.utf8.count == 160)
            }
        }
    }

    /// Where a grammar allows one token only, it is not sampled, in the draft model either.
    @Test(arguments: [1, 6]) func `guesses of a draft model follow the grammar of the answer`(slots: Int) throws {
        let grammar = try Grammar(regex: "(so [a-z]{2,3}, or [0-9]{1,2}; ){2,3}")
        let requests = try (0..<12).map { i in
            var request = try GenerationRequest(.text("What is \(i)?"), GenerationConfig(
                maxTokens: 60 - i, temperature: i % 4 == 0 ? 0 : 1.2, repetitionPenalty: i % 2 == 0 ? 1.3 : 1, seed: UInt64(i)))
            request.grammar = grammar
            return request
        }
        let plain = try backend(draft: nil).answers(to: requests, concurrency: 1)
        for draft in [model, other] {
            let found = try backend(draft: draft, slots: slots).answers(to: requests, concurrency: slots)
            for i in plain.indices { expectSame(found[i], plain[i], "\(draft), request \(i)") }
            // How many guesses there are depends on which answers run at the same time, and few of the other model's are right.
            #expect(found.contains { (draft == model ? $0.end.guesses.right : $0.end.guesses.checked) > 0 })
        }
    }

    @Test func `a conversation that continues reuses the keys and values of the draft model`() throws {
        let plain = try backend(draft: nil), drafted = try backend(draft: model, slots: 2)
        var history = [Conversation.Message(.user, "Hello, how are you?")]
        for turn in 0..<3 {
            let request = try GenerationRequest(.chat(history), GenerationConfig(maxTokens: 20, temperature: 0.7, seed: 5))
            let found = try drafted.generate(request)
            try expectSame(found, plain.generate(request), "turn \(turn)")
            history += [.init(.assistant, found.text), .init(.user, "And \(turn)?")]
        }
    }

    @Test func `a draft model with other tokens is refused`() throws {
        func refusal(_ specialTokens: [String], found: String) throws {
            var vocabulary = Vocabulary()
            for byte in UInt8.min...UInt8.max { vocabulary.tokens.append(CollectionOfOne(byte)) }
            vocabulary.add(specialTokens: specialTokens)
            let path = folder("tokens.h5"), next = [Int](repeating: 0, count: vocabulary.count)
            try NextTokenModel.checkpoint(next, vocabulary, context: 64).write(to: path)
            let expected = "'<|pad|>', as in \(model): a draft model needs the same vocabulary"
            #expect(throws: CheckpointError.mismatch(path: path, name: "token 259", expected: expected, found: found)) {
                try backend(draft: path)
            }
        }
        try refusal(["<|eos|>", "<|user|>", "<|assistant|>", "<|end|>"], found: "'<|end|>'")
        try refusal(["<|eos|>", "<|user|>", "<|assistant|>"], found: "no such token (there are 259)")
    }

    // MARK: What it may cost

    @Test func `a draft model whose guesses cost more than they save is paused, and tried again for 2 percent of the time`() {
        var budget = DraftBudget(), lost = 0.0
        #expect(budget.allows(catchingUp: 3.9, step: 1) && !budget.allows(catchingUp: 4.1, step: 1))
        for _ in 0..<10_000 {
            let saved = budget.allowsGuesses(step: 1) ? -0.5 : 0
            budget.add(step: 1, saved: saved)
            lost -= saved
        }
        #expect((190...210).contains(lost), "\(lost) s of 10,000 s")
        #expect(!budget.allows(catchingUp: 0.1, step: 1))
    }

    @Test func `what guesses have saved pays for the tokens of the next prompts, for some time`() {
        var budget = DraftBudget()
        for _ in 0..<1_000 { budget.add(step: 1, saved: 0.5) }
        #expect(budget.allows(catchingUp: 100, step: 1) && !budget.allows(catchingUp: 200, step: 1))
        var steps = 0
        while budget.allowsGuesses(step: 1), steps < 1_000 {
            budget.add(step: 1, saved: -0.5)
            steps += 1
        }
        #expect((100..<400).contains(steps))
    }

    @Test func `a few wrong guesses end a try, and what follows a wrong guess is not counted`() {
        var wrong = DraftAccuracy(), right = DraftAccuracy()
        #expect(wrong.share > 0.7)
        for _ in 0..<5 { wrong.add(right: 0, of: 8) }
        #expect(wrong.share < 0.25)
        for _ in 0..<30 { right.add(right: 8, of: 8) }
        #expect(right.share > 0.95 && right.probabilities(count: 2) == [right.share, right.share * right.share])
        var once = DraftAccuracy(), again = DraftAccuracy()
        once.add(right: 3, of: 8)
        again.add(right: 3, of: 4)
        #expect(once.share == again.share && once.share < DraftAccuracy().share)
    }
}
