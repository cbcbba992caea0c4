import Autograd
import Checkpoint
import Corpus
import Files
import Glibc
import Kernels
import Model
import Random
import Testing
import TestSupport
import Tokenize
import Train

@Suite struct NGramTests {
    private let folder = TemporaryFolder()

    /// A text in which the two previous tokens determine the next: one token in three of four cases, another one otherwise.
    private static func text(_ count: Int, vocabulary V: Int, seed: UInt64) -> [UInt16] {
        var noise = TestRandom(seed), text: [UInt16] = [0, 1]
        while text.count < count {
            let a = Int(text[text.count - 2])
            let b = Int(text[text.count - 1])
            text.append(UInt16((a * 7 + b * 13 + (noise.next() % 4 == 0 ? 5 : 1)) % V))
        }
        return text
    }

    private func file(_ ids: [UInt16], vocabulary: Int) throws -> TokenFile {
        let path = folder.write(ids.flatMap { [UInt8($0 & 255), UInt8($0 >> 8)] }, to: "text.bin")
        return try TokenFile(path, vocabularySize: vocabulary)
    }

    private func counting(of text: TokenFile, vocabulary: Int, maxTokens: Int = NGramCounting.maxTokens) throws -> NGramCounting {
        var counting = NGramCounting(of: text, vocabulary: vocabulary, maxTokens: maxTokens)
        while counting.share < 1 { try counting.countNext(of: text) }
        return counting
    }

    @Test func `numbers are counted in ascending order`() {
        var noise = TestRandom(1), plain: [UInt64: UInt32] = [:]
        let numbers = (0..<5_000).map { _ in noise.next() % 700 * 0x1_0000_0001 }
        for number in numbers { plain[number, default: 0] += 1 }
        let counted = SortedCounts(numbers, bits: 44)
        #expect(counted.numbers == plain.keys.sorted())
        #expect(zip(counted.numbers, counted.counts).allSatisfy { plain[$0] == $1 })
        #expect(SortedCounts([], bits: 10).numbers.isEmpty)
        var parts = SortedCounts([], bits: 44)
        for start in stride(from: 0, to: 5_000, by: 700) { parts.add(SortedCounts(Array(numbers[start...].prefix(700)), bits: 44)) }
        #expect(parts.numbers == counted.numbers && parts.counts == counted.counts)
    }

    @Test func `all n-grams of a text are counted, also across the borders of its parts`() throws {
        let V = 50, text = Self.text(200_000, vocabulary: V, seed: 5)
        let counted = try counting(of: file(text, vocabulary: V), vocabulary: V)
        let pairs = zip(text, text.dropFirst()).map { a, b -> UInt64 in UInt64(a) << 6 | UInt64(b) }
        let model = KneserNeyModel(SortedCounts(pairs, bits: 12), bits: 6)
        let counts = try #require(NGramCounts(of: counted, vocabulary: V, pairs: 10))
        #expect(counts.afterToken.totals == model.totals && model.totals.reduce(0, +) == 199_999)
    }

    @Test(arguments: [2, 3]) func `ranks count what one process counts, also when they stop in between`(_ count: Int) throws {
        // Four parts of a million tokens.
        let V = 40, text = try file(Self.text(3_300_000, vocabulary: V, seed: 2), vocabulary: V)
        let alone = try counting(of: text, vocabulary: V)
        var stopped = NGramCounting(of: text, vocabulary: V)
        for _ in 0..<count { try stopped.countNext(of: text) }
        let found = try withRanks(count) { ranks -> [NGramCounting] in
            var counting = NGramCounting(of: text, vocabulary: V)
            do {
                try counting.countNext(of: text, over: ranks)
                counting.merge(over: ranks)
                let stopped = counting
                while counting.share < 1 { try counting.countNext(of: text, over: ranks) }
                counting.merge(over: ranks)
                return [stopped, counting]
            } catch { return [] }
        }
        let isSame = { (a: NGramCounting, b: NGramCounting) in
            a.share == b.share && a.bigrams.numbers == b.bigrams.numbers && a.bigrams.counts == b.bigrams.counts
                && a.trigrams.numbers == b.trigrams.numbers && a.trigrams.counts == b.trigrams.counts
        }
        #expect(alone.trigrams.counts.reduce(0) { $0 + Int($1) } == 3_300_000 - 2)
        for counts in found { #expect(counts.count == 2 && isSame(counts[0], stopped) && isSame(counts[1], alone)) }
        // All ranks have the stored counts when they are resumed.
        let resumed = try withRanks(count) { ranks -> NGramCounting? in
            var counting = NGramCounting(of: text, vocabulary: V)
            do {
                try counting.countNext(of: text)
                while counting.share < 1 { try counting.countNext(of: text, over: ranks) }
            } catch { return nil }
            counting.merge(over: ranks)
            return counting
        }
        #expect(resumed.allSatisfy { $0.map { isSame($0, alone) } == true })
    }

    @Test func `the largest vocabulary has trigrams of 63 bits`() async throws {
        let text = try file([0, 1, 2, 3], vocabulary: 4)
        #expect(NGramCounting(of: text, vocabulary: 1 << 21).share == 0)
        let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
            // The folder is removed before the program stops.
            func text() throws -> TokenFile {
                let folder = TemporaryFolder()
                return try TokenFile(folder.write([0, 0, 1, 0] as [UInt8], to: "text.bin"), vocabularySize: 4)
            }
            _ = NGramCounting(of: try text(), vocabulary: 1 << 21 + 1)
        }
        let output = String(decoding: result?.standardErrorContent ?? [], as: UTF8.self)
        #expect(output.contains("do not fit into 63 bits"), "\(output.prefix(200))")
    }

    /// The last quarter of the text has tokens that the rest lacks.
    @Test func `a text that is too long is sampled from its beginning to its end`() throws {
        let beginning: [UInt16] = (0..<60_000).map { UInt16($0 % 7) }, end: [UInt16] = (0..<20_000).map { UInt16(10 + $0 % 5) }
        let text = beginning + end
        let path = try file(text, vocabulary: 16)
        let counting = try counting(of: path, vocabulary: 16, maxTokens: 8_192)
        let counts = try #require(NGramCounts(of: counting, vocabulary: 16, pairs: 10)), model = counts.afterToken
        #expect(model.totals.reduce(0, +) <= 8_192 && model.contexts == Array(0..<7) + Array(10..<15))
        let late = zip(model.contexts, model.totals).filter { $0.0 >= 10 }.map(\.1).reduce(0, +)
        #expect(abs(Double(late) / Double(model.totals.reduce(0, +)) - 0.25) < 0.01)
    }

    /// The target of a context is the discounted distribution after it, plus its backoff mass times that after its last token.
    @Test func `a pair backs off to the tokens that follow its last token in many contexts`() throws {
        let V = 12, bits = 4
        var noise = TestRandom(6), text: [UInt16] = [0, 1]
        // Token 5 follows token 2 often, but after token 1 only: its continuation count is 1.
        while text.count < 4_000 {
            text += noise.next() % 2 == 0 ? [1, 2, 5] : [UInt16(noise.next() % 12), UInt16(noise.next() % 12)]
        }
        let counts = try #require(NGramCounts(of: counting(of: file(text, vocabulary: V), vocabulary: V), vocabulary: V, pairs: 40))
        let ids = text.map { UInt64($0) }
        let trigrams = zip(ids, zip(ids.dropFirst(), ids.dropFirst(2))).map { ($0 << bits | $1.0) << bits | $1.1 }
        let afterPair = KneserNeyModel(SortedCounts(trigrams, bits: 12), bits: bits)
        let continuations = KneserNeyModel(SortedCounts(Set(trigrams).map { $0 & 255 }, bits: 8), bits: bits)
        var random = SeededRandom(seed: 1, stream: 1)
        for context in counts.contexts {
            guard let pair = context.pair.map({ counts.pairs[$0] }) else { continue }
            var rows = SoftTargetRows(), found = [Float](repeating: 0, count: V), expected = found
            counts.add(after: context, weight: 2, to: &rows, &random)
            for (token, probability) in zip(rows.tokens, rows.probabilities) { found[Int(token)] += probability }
            let row = try #require(afterPair.contexts.firstIndex(of: UInt64(pair.before << bits | pair.last)))
            let shorter = try #require(continuations.contexts.firstIndex(of: UInt64(pair.last)))
            let rest = 2 * afterPair.backoff[row]
            afterPair.forEach(after: row) { expected[Int($0)] += 2 * $1 }
            continuations.forEach(after: shorter) { expected[Int($0)] += rest * $1 }
            // The rest goes to eight tokens drawn from the text.
            #expect(abs(found.reduce(0, +) - 2) < 1e-4)
            #expect(zip(found, expected).allSatisfy { $0 > $1 - 1e-4 }, "\(pair): \(found), expected at least \(expected)")
        }
        // The tokens that are sampled have the frequencies of the text. Of a single token, they are the only backoff.
        let context = try #require(counts.contexts.first { $0.pair == nil })
        var sampled = [Int](repeating: 0, count: V), rest: Float = 0
        for _ in 0..<2_000 {
            var rows = SoftTargetRows()
            counts.add(after: context, weight: 1, to: &rows, &random)
            for token in rows.tokens.suffix(8) { sampled[Int(token)] += 1 }
            rest = rows.probabilities.suffix(8).reduce(0, +)
        }
        #expect(abs(rest - counts.afterToken.backoff[0]) < 1e-5)
        for token in 0..<V {
            let share = Double(sampled[token]) / 16_000, frequency = Double(text.count { Int($0) == token }) / Double(text.count)
            #expect(abs(share - frequency) < 0.02, "\(token): \(share), \(frequency)")
        }
    }

    /// A pair saves Σ p·log(p / q) nats per occurrence, where q is the prediction by its last token, and p is q where the pair backs off.
    @Test func `pairs are in the order of the nats that they save`() throws {
        let V = 11, bits = 4, text = Self.text(3_000, vocabulary: V, seed: 8), ids = text.map { UInt64($0) }
        let counts = try #require(NGramCounts(of: counting(of: file(text, vocabulary: V), vocabulary: V), vocabulary: V, pairs: 60))
        let trigrams = zip(ids, zip(ids.dropFirst(), ids.dropFirst(2))).map { ($0 << bits | $1.0) << bits | $1.1 }
        let pairs = KneserNeyModel(SortedCounts(trigrams, bits: 12), bits: bits)
        let gains = counts.pairs.map { pair -> Double in
            guard let row = pairs.contexts.firstIndex(of: UInt64(pair.before << bits | pair.last)),
                  let last = counts.afterToken.contexts.firstIndex(of: UInt64(pair.last)) else { return .nan }
            var q = [Double](repeating: Double(counts.afterToken.backoff[last]) / Double(V), count: V), sum = 0.0
            counts.afterToken.forEach(after: last) { q[Int($0)] += Double($1) }
            let backoff = Double(pairs.backoff[row])
            pairs.forEach(after: row) { sum += Double($1) * log((Double($1) + backoff * q[Int($0)]) / q[Int($0)]) }
            return Double(pairs.totals[row]) * (sum + backoff * log(backoff))
        }
        #expect(gains.count == 60 && (gains.max() ?? 0) > 10)
        #expect(zip(gains, gains.dropFirst()).allSatisfy { $0 >= $1 - 1e-3 * abs($1) - 1e-3 }, "\(gains)")
    }

    /// After token 3 the token before is irrelevant. After all others it decides. So no informative pair ends in 3.
    @Test func `the most informative pairs come first`() throws {
        var noise = TestRandom(4), text: [UInt16] = [0, 1]
        while text.count < 6_000 {
            let a = Int(text[text.count - 2])
            let b = Int(text[text.count - 1])
            text.append(UInt16(b == 3 || noise.next() % 5 == 0 ? Int(noise.next() % 12) : (a * 5 + b * 7 + 1) % 12))
        }
        let counts = try #require(NGramCounts(of: counting(of: file(text, vocabulary: 12), vocabulary: 12), vocabulary: 12, pairs: 100))
        #expect(counts.pairs.count == 100 && !counts.pairs.contains { $0.last == 3 })
    }

    /// The text has 0.56 nats per token given two previous tokens, and nearly ln 40 = 3.7 given one.
    @Test func `an initialized model predicts like a trigram model`() throws {
        let V = 40, processor = try Processor(threads: 1)
        let configuration = GPTConfiguration(layers: 2, heads: 5, width: 320, context: 64, vocabulary: V)
        let tokens = try file(Self.text(60_000, vocabulary: V, seed: 1), vocabulary: V)
        var preparation = try #require(
            NGramPreparation(configuration, of: tokens, contexts: 60_000, on: processor, precision: .float32, seed: 3))
        let made = try preparation.run(of: tokens, shouldStop: { false })
        let initialization = try #require(made)
        let trainer = Trainer(configuration, on: processor, precision: .float32, seed: 3)
        let parameters = trainer.parameters
        let values = { (name: String) in parameters.value(of: try #require(parameters.list.first { $0.name == name })).floats }
        let random = try values("layer0.qkv.weight")
        initialization.write(into: parameters)
        // A hidden unit without a pair never fires for one.
        let biases = try values("layer0.up.bias") + values("layer1.up.bias"), pairs = initialization.pairs
        #expect(pairs > 0 && pairs < biases.count)
        #expect(biases[..<pairs].allSatisfy { $0 < 0 } && biases[pairs...].allSatisfy { $0 == 0 })
        // Whole heads copy the previous token, and the others begin at random.
        let qkv = try values("layer0.qkv.weight"), C = configuration.width
        let rows = Set((0..<3 * C).filter { qkv[$0 * C..<$0 * C + C] != random[$0 * C..<$0 * C + C] }.map { $0 % C })
        #expect(rows == Set(0..<configuration.headWidth))
        let unseen = Self.text(64 * 16 + 1, vocabulary: V, seed: 9).map(Int32.init)
        let batch = Batch(inputs: Array(unseen.dropLast()), targets: Array(unseen.dropFirst()), rows: 16)
        let tokenLosses = trainer.tokenLosses(of: batch)
        #expect(tokenLosses.nats.reduce(0, +) / Float(tokenLosses.count) < 0.75)
        #expect(trainer.parameters.values.read { span in span.indices.allSatisfy { span[$0].isFinite } })
        try checkPositions(trainer.parameters, configuration)

        #expect(!NGramInitialization.isPossible(for: .tiny) && NGramInitialization.isPossible(for: .eugpt))
    }

    /// The frequencies of the position waves rise from 0 to half a turn, and the copying heads undo the division by the first layer norm.
    private func checkPositions(_ parameters: Parameters, _ configuration: GPTConfiguration) throws {
        let C = configuration.width
        let values = { (name: String) in parameters.value(of: try #require(parameters.list.first { $0.name == name })).floats }
        let positions = try values("positions.weight"), tokens = try values("tokens.weight"), qkv = try values("layer0.qkv.weight")
        let cosines = (0..<C).filter { positions[$0] == 1 }.map { positions[C + $0] }
        #expect(cosines.count >= 8 && zip(cosines, cosines.dropFirst()).allSatisfy { $0 > $1 }, "\(cosines)")
        let value = try #require(qkv[(2 * C * C)...].first { $0 != 0 })
        for (token, position) in [(0, 0), (7, 3), (39, 60)] {
            let input = (0..<C).map { tokens[token * C + $0] + positions[position * C + $0] }
            let mean = input.reduce(0, +) / Float(C)
            let deviation = (input.map { ($0 - mean) * ($0 - mean) }.reduce(0, +) / Float(C)).squareRoot()
            #expect(abs(value / deviation - 1) < 0.05, "\(value), \(deviation)")
        }
    }

    /// Stops after each number of calls, counting and fitting, and continues from what was stored.
    @Test(arguments: [0, 1, 2, 3, 10, 20, 40]) func `a stopped initialization continues where it was stopped`(calls: Int) throws {
        let vocabulary = Vocabulary.ofBytes(specialTokens: []), V = vocabulary.count
        let configuration = GPTConfiguration(layers: 1, heads: 5, width: 320, context: 64, vocabulary: V)
        let tokens = try file(Self.text(70_000, vocabulary: V, seed: 1), vocabulary: V)
        var plan = TrainingPlan(.steps(2), batch: 2)
        plan.nGramContexts = 16_384
        let batches = try RandomWindows(tokens, rows: 2, context: 64, seed: 1)
        func run(_ name: String) throws -> (TrainingRun, Processor) {
            try Folder.create(folder(name))
            let processor = try Processor(threads: 1)
            let trainer = Trainer(configuration, on: processor, precision: .float32, seed: 3)
            let run = try TrainingRun(
                trainer, plan, training: batches, validation: nil, vocabulary: vocabulary, chatTemplate: nil, folder: folder(name))
            return (run, processor)
        }
        func initialize(_ run: TrainingRun, _ processor: Processor, stoppingAfter calls: Int = .max) throws -> Int {
            var made = 0, events = 0
            try run.initializeFromNGrams(
                of: tokens, on: processor, precision: .float32, clock: { 0 },
                shouldStop: {
                    made += 1
                    return made > calls
                }
            ) { if case .initializedFromNGrams = $0 { events += 1 } }
            return events
        }
        let (whole, processor) = try run("whole")
        #expect(try initialize(whole, processor) == 1)
        let (first, processor1) = try run("parts")
        #expect(try initialize(first, processor1, stoppingAfter: calls) == (calls < 30 ? 0 : 1))
        #expect(try first.run(clock: { 0 }, shouldStop: { _ in true }) { _ in } == .stopped)
        let stored = try Checkpoint(reading: folder("parts/last.h5"))
        #expect((stored.training["ngrams/phase"] != nil) == (calls < 30))
        let (second, processor2) = try run("parts")
        try second.restore(stored)
        var made = 0
        try second.initializeFromNGrams(
            of: tokens, on: processor2, precision: .float32, clock: { 0 },
            shouldStop: {
                made += 1
                return false
            }
        ) { _ in }
        if calls > 30 { #expect(made == 0) }
        let weights = { (run: TrainingRun) in run.trainer.parameters.values.array }
        let isSame = weights(second) == weights(whole)
        #expect(isSame && second.state.nGramPairs == whole.state.nGramPairs)
        #expect(try second.train() == .finished)
        #expect(try Checkpoint(reading: folder("parts/last.h5")).training["ngrams/phase"] == nil)
    }

    @Test func `damaged stored counts are reported`() throws {
        let V = 40, configuration = GPTConfiguration(layers: 1, heads: 5, width: 320, context: 64, vocabulary: V)
        let tokens = try file(Self.text(5_000, vocabulary: V, seed: 1), vocabulary: V), processor = try Processor(threads: 1)
        var preparation = try #require(
            NGramPreparation(configuration, of: tokens, contexts: 4_096, on: processor, precision: .float32, seed: 3))
        var calls = 0
        let isStopped = try preparation.run(
            of: tokens,
            shouldStop: {
                calls += 1
                return calls > 6
            }) == nil
        #expect(isStopped)
        var stored = Checkpoint(configuration, weights: [:])
        stored.training = preparation.values
        try #require(stored.training["ngrams/after_token/tokens"] != nil)
        try preparation.restore(stored)
        let damages: [(String, CheckpointValue)] = [
            ("ngrams/phase", "waiting"), ("ngrams/step", 1_000_000), ("ngrams/after_token/tokens", .integers([1, 2])),
            ("ngrams/table/first", .floats([1])), ("ngrams/pair_backoff/starts", .integers([])),
        ]
        for (name, value) in damages {
            var damaged = stored
            damaged.training[name] = value
            #expect(throws: CheckpointError.self, "\(name)") { try preparation.restore(damaged) }
        }
    }

    private static func stored(
        _ configuration: GPTConfiguration, of tokens: TokenFile, calls limit: Int
    ) throws -> (preparation: NGramPreparation, checkpoint: Checkpoint) {
        var calls = 0
        let processor = try Processor(threads: 1)
        var preparation = try #require(NGramPreparation(
            configuration, of: tokens, contexts: 4_096, on: processor, precision: .float32, seed: 3))
        let isStopped = try preparation.run(of: tokens, shouldStop: { calls += 1; return calls > limit }) == nil
        #expect(isStopped)
        var stored = Checkpoint(configuration, weights: [:])
        stored.training = preparation.values
        return (preparation, stored)
    }

    @Test func `stored counts that belong to no text are reported`() throws {
        let V = 40, configuration = GPTConfiguration(layers: 1, heads: 5, width: 320, context: 64, vocabulary: V)
        let tokens = try file(Self.text(5_000, vocabulary: V, seed: 1), vocabulary: V)
        func expectMismatch(_ calls: Int, _ damage: OrderedDictionary<CheckpointValue>) throws {
            var (preparation, stored) = try Self.stored(configuration, of: tokens, calls: calls)
            try preparation.restore(stored)
            for (name, value) in damage {
                #expect(stored.training[name] != nil, "\(name)")
                stored.training[name] = value
            }
            #expect(throws: CheckpointError.self, "\(damage.names)") { try preparation.restore(stored) }
        }
        // A number that is counted twice, and numbers in the wrong order.
        for numbers in [[3, 3], [4, 3]] {
            try expectMismatch(1, ["ngrams/bigrams/numbers": .integers(numbers), "ngrams/bigrams/counts": .integers([1, 1])])
        }
        // Ids of 6 bits that the vocabulary of 40 tokens does not have, and counts whose sum would overflow.
        try expectMismatch(1, ["ngrams/bigrams/numbers": .integers([63]), "ngrams/bigrams/counts": .integers([1])])
        try expectMismatch(1, ["ngrams/bigrams/numbers": .integers([40 << 6]), "ngrams/bigrams/counts": .integers([1])])
        try expectMismatch(1, ["ngrams/trigrams/numbers": .integers([40 << 12]), "ngrams/trigrams/counts": .integers([1])])
        try expectMismatch(1, ["ngrams/bigrams/numbers": .integers([1]), "ngrams/bigrams/counts": .integers([Int(UInt32.max)])])
        for (numbers, counts) in [([-1], [1]), ([1], [0]), ([1, 2], [1])] {
            try expectMismatch(1, ["ngrams/bigrams/numbers": .integers(numbers), "ngrams/bigrams/counts": .integers(counts)])
        }
        // The loss of the fit is that of the text, in nats per token: no gradient is large.
        let moments = try Self.stored(configuration, of: tokens, calls: 6).checkpoint.floats("ngrams/table/first")
        #expect((1e-6..<1).contains(moments.map { abs($0) }.max() ?? 0))
        try expectMismatch(6, ["ngrams/after_token/backoff": .floats([0.5])])
        try expectMismatch(6, ["ngrams/after_token/probabilities": .floats([0.5])])
    }

    @Test func `numbers of a stored n-gram model that no text has are reported`() throws {
        let V = 40, configuration = GPTConfiguration(layers: 1, heads: 5, width: 320, context: 64, vocabulary: V)
        let tokens = try file(Self.text(5_000, vocabulary: V, seed: 1), vocabulary: V)
        let made = try Self.stored(configuration, of: tokens, calls: 6), stored = made.checkpoint
        var preparation = made.preparation
        func expectMismatch(_ name: String, _ change: (inout [Int]) -> Void) throws {
            var damaged = stored, numbers = try stored.integers("ngrams/" + name)
            change(&numbers)
            damaged.training["ngrams/" + name] = .integers(numbers)
            #expect(throws: CheckpointError.self, "\(name)") { try preparation.restore(damaged) }
        }
        try expectMismatch("after_token/totals") { $0[1] = 0 }
        try expectMismatch("after_token/totals") { $0.removeLast() }
        try expectMismatch("after_token/contexts") { $0[0] = -1 }
        try expectMismatch("after_token/contexts") { $0[$0.count - 1] = V }
        try expectMismatch("after_token/contexts") { $0.removeLast() }
        try expectMismatch("after_token/tokens") { $0[0] = V }
        try expectMismatch("after_token/tokens") { $0[0] = -1 }
        try expectMismatch("after_token/starts") { $0[0] = 1 }
        try expectMismatch("after_token/starts") { $0[$0.count - 1] -= 1 }
        try expectMismatch("after_token/starts") { $0.swapAt(1, 2) }
        try expectMismatch("after_token/starts") { $0.insert(0, at: 0) }
        // Pairs whose first or second token the vocabulary of 40 tokens, with ids of 6 bits, does not have.
        for pair in [40 << 6, 40] { try expectMismatch("after_pair/contexts") { $0[0] = pair } }
        // 4,096 contexts are four steps.
        for (step, isPossible) in [(-1, false), (0, true), (4, true), (5, false)] {
            var changed = stored
            changed.training["ngrams/step"] = .integer(step)
            if isPossible { try preparation.restore(changed) } else {
                #expect(throws: CheckpointError.self) { try preparation.restore(changed) }
            }
        }
    }

    @Test func `the time of a stopped initialization counts towards the limit`() throws {
        let vocabulary = Vocabulary.ofBytes(specialTokens: [])
        let configuration = GPTConfiguration(layers: 1, heads: 5, width: 320, context: 64, vocabulary: vocabulary.count)
        let tokens = try file(Self.text(5_000, vocabulary: vocabulary.count, seed: 1), vocabulary: vocabulary.count)
        var plan = TrainingPlan()
        plan.nGramContexts = 4_096
        let processor = try Processor(threads: 1)
        let run = try TrainingRun(
            Trainer(configuration, on: processor, precision: .float32, seed: 3), plan,
            training: RandomWindows(tokens, rows: 2, context: 64, seed: 1), validation: nil, vocabulary: vocabulary, chatTemplate: nil,
            folder: folder.path)
        var now = 100.0
        for seconds in [5.0, 10] {
            try run.initializeFromNGrams(
                of: tokens, on: processor, precision: .float32, clock: { now += 5; return now }, shouldStop: { true }) { _ in }
            #expect(run.state.seconds == seconds)
        }
        // A plan without such an initialization counts nothing.
        plan.nGramContexts = 0
        let plain = try TrainingRun(
            Trainer(configuration, on: processor, precision: .float32, seed: 3), plan,
            training: RandomWindows(tokens, rows: 2, context: 64, seed: 1), validation: nil, vocabulary: vocabulary, chatTemplate: nil,
            folder: folder.path)
        try plain.initializeFromNGrams(of: tokens, on: processor, precision: .float32, clock: { now }, shouldStop: { false }) { _ in }
        #expect(plain.state.nGramPairs == nil && plain.state.seconds == 0)
    }
}
