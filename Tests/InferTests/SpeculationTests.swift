import Autograd
import Checkpoint
import Infer
import Kernels
import Model
import Testing
import TestSupport
import Tokenize

/// Guesses of the next tokens: where they come from, when they are worth checking, and that answers do not depend on them.
@Suite struct SpeculationTests {
    private let folder = TemporaryFolder()

    @Test func `a guess is what followed the last tokens before`() {
        var lookup = PromptLookup([1, 2, 3, 4, 5, 6, 7, 2, 3]), accuracy = GuessAccuracy()
        #expect(lookup.guess(atMost: 3) == [4, 5, 6] && lookup.matchLength == 2)
        lookup.add(4, to: &accuracy)
        #expect(lookup.guess(atMost: 2) == [5, 6] && lookup.matchLength == 3)
        lookup.add(9, to: &accuracy)
        #expect(lookup.guess(atMost: 2) == [] && lookup.matchLength == 0)
        for id in [3, 4, 9] as [TokenID] { lookup.add(id, to: &accuracy) }
        // The latest place counts, and three tokens more than two.
        #expect(lookup.guess(atMost: 2) == [3, 4] && lookup.matchLength == 3)
        #expect(PromptLookup([1, 2, 3]).guess(atMost: 4) == [] && PromptLookup([]).guess(atMost: 4) == [])
    }

    @Test func `a text that repeats is guessed to go on repeating`() {
        let lookup = PromptLookup([7, 8, 9, 7, 8, 9, 7, 8])
        #expect(lookup.guess(atMost: 7) == [9, 7, 8, 9, 7, 8, 9])
        #expect(PromptLookup([5, 5, 5]).guess(atMost: 3) == [5, 5, 5])
    }

    @Test func `token ids of large vocabularies have keys of their own`() {
        #expect(PromptLookup([262_143, 9, 1, 0, 9]).guess(atMost: 1) == [])
        #expect(PromptLookup([262_143, 9, 1, 262_143, 9]).guess(atMost: 1) == [1])
    }

    @Test func `the share of right guesses follows a text that changes`() {
        var accuracy = GuessAccuracy()
        #expect(accuracy.share(matchLength: 2) < accuracy.share(matchLength: 8))
        for _ in 0..<200 { accuracy.add(isRight: true, matchLength: 2) }
        #expect(accuracy.share(matchLength: 2) > 0.95)
        for _ in 0..<200 { accuracy.add(isRight: false, matchLength: 2) }
        #expect(accuracy.share(matchLength: 2) < 0.05 && accuracy.share(matchLength: 3) == GuessAccuracy().share(matchLength: 3))
        // Long matches share a figure.
        for _ in 0..<200 { accuracy.add(isRight: false, matchLength: 1_000) }
        #expect(accuracy.share(matchLength: 99) < 0.05)
    }

    @Test func `guesses are checked where that gives more tokens per second`() {
        var costs = StepCosts()
        #expect(costs.worthwhile([0.9, 0.8], besides: 1) == 0)                     // nothing is measured
        for rows in 1...10 { costs.add(rows: rows, seconds: 1 + 0.1 * Double(rows - 1)) }
        #expect(costs.worthwhile([0.05, 0.01], besides: 1) == 0)
        #expect(costs.worthwhile([0.9, 0.8, 0.7, 0.6], besides: 1) == 4)
        // 1.9 tokens in 1.1 s, then hardly more.
        #expect(costs.worthwhile([0.9, 0.05, 0.01], besides: 1) == 1)
        // A step of five tokens may be faster than one of four.
        for _ in 0..<30 { costs.add(rows: 3, seconds: 9) }
        #expect(costs.worthwhile([0.9, 0.8, 0.7, 0.6], besides: 1) == 4)
        // Where a token costs as much as a step, none is checked.
        var dear = StepCosts()
        for rows in 1...10 { dear.add(rows: rows, seconds: Double(rows)) }
        #expect(dear.worthwhile([0.99, 0.98, 0.97], besides: 1) == 0)
        // Beside eight tokens that are decoded anyway, guesses are tried before the time of so many rows is known.
        var busy = StepCosts()
        busy.add(rows: 8, seconds: 1)
        #expect(busy.worthwhile([0.9, 0.9, 0.8, 0.3, 0.1], besides: 8) == 3)
        for rows in 11...13 { busy.add(rows: rows, seconds: 1.6) }
        #expect(busy.worthwhile([0.9, 0.9, 0.8, 0.3, 0.1], besides: 8) == 2)
        #expect(costs.worthwhile(Array(repeating: 0.99, count: 100), besides: StepCosts.mostRows + 1) == 0)
    }

    @Test func `guesses of a draft model are checked where their own time pays, too`() {
        var costs = StepCosts()
        for rows in 1...10 { costs.add(rows: rows, seconds: 1 + 0.1 * Double(rows - 1)) }
        #expect(costs.worthwhile([0.9, 0.8, 0.7, 0.6], prices: [0.01, 0.01, 0.01, 0.01], besides: 1) == 4)
        // 2.7 tokens in 1.2 s and 1 s of the draft model.
        #expect(costs.worthwhile([0.9, 0.8, 0.7, 0.6], prices: [0.5, 0.5, 0.5, 0.5], besides: 1) == 2)
        #expect(costs.worthwhile([0.9, 0.8, 0.7, 0.6], prices: [0.9, 0.9, 0.9, 0.9], besides: 1) == 0)
    }

    @Test func `the time of a step is estimated from the nearest measured one`() {
        var costs = StepCosts()
        #expect(costs.seconds(rows: 3) == 0 && costs.measured(rows: 1) == nil && costs.measured(rows: 1_000) == nil)
        costs.add(rows: 4, seconds: 2)
        #expect(costs.seconds(rows: 1) == 2)
        costs.add(rows: 1, seconds: 1)
        #expect([1, 3, 4, 8].map { costs.seconds(rows: $0) } == [1, 1.4, 2, 2.4] && costs.measured(rows: 4) == 2)
        #expect(costs.seconds(rows: 1_000) > 10)
    }

    @Test func `a measurement that was disturbed is forgotten`() {
        var costs = StepCosts()
        for rows in 1...2 { costs.add(rows: rows, seconds: rows == 2 ? 50 : 1) }
        #expect(costs.worthwhile([0.9], besides: 1) == 0)
        for _ in 0..<600 { costs.add(rows: 1, seconds: 1) }
        #expect(costs.worthwhile([0.9], besides: 1) == 1)
    }

    // MARK: Answers

    private func backend(_ option: PrecisionOption, _ speculation: Speculation, slots: Int) throws -> LocalBackend {
        try SampleCheckpoint.randomChat(context: 160).write(to: folder("random.h5"))
        return try LocalBackend(of: folder("random.h5"), option) { limits in
            limits.slots = slots
            limits.speculation = speculation
        }
    }

    /// Greedy and sampled answers with penalties, log-probabilities, stop texts and a grammar. Most of them consist of three letters, so
    /// that many guesses are right.
    static func requests() throws -> [GenerationRequest] {
        let grammar = try Grammar(regex: "(ab[cd]|ab, ){4,20}")
        let letters = [TokenID(UInt8(ascii: "a")): Float(40), TokenID(UInt8(ascii: "b")): 38, TokenID(UInt8(ascii: " ")): 36]
        return try (0..<24).map { i in
            let config = try GenerationConfig(
                maxTokens: 30 + i, temperature: i % 3 == 0 ? 0 : 0.4 + 0.1 * Double(i % 5), topK: i % 4 == 1 ? 4 : 0,
                repetitionPenalty: i % 5 == 2 ? 1.1 : 1, stop: i % 6 == 1 ? ["zz"] : [], seed: UInt64(i),
                logitBias: i % 4 == 3 ? [:] : letters,
                logProbabilities: i % 7 == 3 ? 1 : nil)
            let text = String(repeating: "ab ab ac, \(i % 4). ", count: 1 + i % 5)
            var request = GenerationRequest(i % 2 == 0 ? .chat([.init(.user, text)]) : .text(text), config)
            if i % 8 == 5 { request.grammar = grammar }
            return request
        }
    }

    @Test(arguments: [PrecisionOption.f32, .bf16, .int8, .int4], [1, 8])
    func `answers with guesses are those without, bit for bit`(_ option: PrecisionOption, slots: Int) throws {
        let plain = try backend(option, .never, slots: 1).answers(to: Self.requests(), concurrency: 1)
        #expect(plain.allSatisfy { $0.end.guesses == GuessCounts() })
        for speculation in [Speculation.always, .auto] {
            let found = try backend(option, speculation, slots: slots).answers(to: Self.requests(), concurrency: slots)
            for (i, (found, expected)) in zip(found, plain).enumerated() {
                #expect(found.tokens == expected.tokens && found.text == expected.text, "\(speculation), request \(i)")
                #expect(found.end.reason == expected.end.reason && found.end.answerTokens == expected.end.answerTokens)
            }
            guard speculation == .always else { continue }
            let checked = found.reduce(0) { $0 + $1.end.guesses.checked }, right = found.reduce(0) { $0 + $1.end.guesses.right }
            #expect(checked > 200 && right > 40 && right < checked, "\(right) of \(checked) guesses were right")
        }
    }

    @Test func `a conversation that continues reuses the keys and values of right guesses only`() throws {
        let guessing = try backend(.f32, .always, slots: 2), plain = try backend(.f32, .never, slots: 2)
        let config = try GenerationConfig(maxTokens: 30, temperature: 0)
        var history = [Conversation.Message(.user, "ab ab ab ab")]
        for turn in 0..<3 {
            let request = GenerationRequest(.chat(history), config)
            let found = try guessing.generate(request), expected = try plain.generate(request)
            #expect(found.text == expected.text && found.start == expected.start)
            history += [.init(.assistant, found.text), .init(.user, "And \(turn)?")]
        }
    }
}
