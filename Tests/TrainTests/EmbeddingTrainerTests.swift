import Glibc
import Kernels
import Random
import Testing
import TestSupport
import Tokenize
import Train

/// Training a static embedding model.
@Suite struct EmbeddingTrainerTests {
    /// Numbers of PyTorch 2.13: `cross_entropy(normalize(means of questions) @ normalize(means of passages).T / 0.5, arange(3))`.
    @Test func `loss and gradient are PyTorch's`() throws {
        var examples = EmbeddingExamples(), settings = EmbeddingTrainer.Settings()
        settings.width = 3
        settings.temperature = 0.5
        let pairs: [([TokenID], [TokenID])] = [([0, 1], [0, 3]), ([2], [2, 2, 1]), ([3, 4, 0], [4])]
        for (question, passage) in pairs { examples.add(question: question, passage: passage) }
        let trainer = EmbeddingTrainer(examples, vocabulary: 5, settings, on: try Processor(threads: 2))
        let table: [Float] = [0.5, -0.25, 1, 0.75, 0.5, -0.5, -1, 0.25, 0.5, 0.125, 1, 0.25, 0.25, -0.75, -1]
        trainer.table.write { span in for i in table.indices { span[i] = table[i] } }
        var random = SeededRandom(seed: 1, stream: 1)
        let loss = trainer.addGradients(of: (0..<3).map { examples.pair($0, &random) })
        expectClose([loss], [0.6654039], within: .forward)
        expectClose(trainer.gradients.array, [
            -0.0821571, 0.5186908, 0.7122682, 0.0814019, 0.0080873, -0.060677, 0.1193325, 0.0833264, 0.0965853, -0.1197635, 0.5586742,
            0.7862925, -0.5831826, 0.6271124, 0.7108891,
        ], within: .gradient)
    }

    @Test func `a part of a passage is its question`() {
        var examples = EmbeddingExamples(), random = SeededRandom(seed: 1, stream: 0), kept = 0
        let passage = (0..<60).map { TokenID($0) }
        examples.add(passage: passage)
        examples.add(passage: [1, 2, 3])                      // too short
        examples.add(passage: (0..<7).map { TokenID($0) })
        examples.add(question: [], passage: [1])
        examples.add(question: [1], passage: [])
        #expect(examples.count == 1)
        var short = EmbeddingExamples()
        short.add(passage: (0..<8).map { TokenID($0) })       // a question has at least four tokens, and at most half
        #expect(short.count == 1 && short.pair(0, &random).question.count == 4)
        for _ in 0..<500 {
            let pair = examples.pair(0, &random), count = pair.question.count
            #expect(4...24 ~= count && pair.question == Array(passage[Int(pair.question[0])..<Int(pair.question[0]) + count]))
            if pair.passage == passage { kept += 1 } else { #expect(pair.passage == passage.filter { !pair.question.contains($0) }) }
        }
        #expect(10...120 ~= kept)
    }

    /// Questions of one half of the vocabulary, passages of the other.
    private var mapped: EmbeddingExamples {
        var examples = EmbeddingExamples(), random = SeededRandom(seed: 3, stream: 0)
        for _ in 0..<600 {
            let words = (0..<5).map { _ in TokenID.random(in: 0..<40, using: &random) }
            examples.add(question: words, passage: words.map { $0 + 40 })
        }
        return examples
    }

    @Test func `questions in other words find their passages, which they did not before`() throws {
        var settings = EmbeddingTrainer.Settings()
        settings.width = 32
        settings.batch = 64
        settings.epochs = 20
        let trainer = EmbeddingTrainer(mapped, vocabulary: 80, settings, on: try Processor(threads: 2))
        #expect(trainer.counts == (570, 30) && trainer.totalSteps == 160)
        let before = try #require(trainer.hitRates())
        var losses: [Float] = []
        while let loss = trainer.step() { losses.append(loss) }
        let after = try #require(trainer.hitRates())
        #expect(losses.count == 160 && losses[159] < losses[0] / 2, "\(losses[0]), \(losses[159])")
        #expect(before.first < 0.3 && after.first > 0.8 && after.firstTen >= after.first && after.firstTen <= 1, "\(before), \(after)")
    }

    /// The length of a vector is the inverse document frequency of its token, which the examples decide, times the same random numbers.
    @Test func `rare tokens have longer vectors at first`() throws {
        func table(_ passages: [TokenID]) throws -> [Float] {
            var examples = EmbeddingExamples(), settings = EmbeddingTrainer.Settings()
            for passage in passages { examples.add(question: [0, 0], passage: [passage]) }
            settings.width = 4
            return EmbeddingTrainer(examples, vocabulary: 4, settings, on: try Processor(threads: 1)).table.array
        }
        // With one example log(1 + 1 / (1 + n)), with two log(1 + 2 / (1 + n)); token 3 has none.
        let one = try table([1]), two = try table([1, 2])
        let ratios: [Double] = [log(5.0 / 3) / log(1.5), log(2.0) / log(1.5), 1, log(3.0) / log(2.0)]
        expectClose(zip(two, one).map { $0 / $1 }, ratios.flatMap { [$0, $0, $0, $0] }, within: .forward)
        // A vector of a token in no example has the length log 2 on average.
        var examples = EmbeddingExamples()
        examples.add(question: [0], passage: [1])
        let all = EmbeddingTrainer(examples, vocabulary: 1_000, EmbeddingTrainer.Settings(), on: try Processor(threads: 1)).table.array
        let squares = all.dropFirst(2 * 256).reduce(0.0) { $0 + Double($1) * Double($1) } / 998
        #expect(abs(squares.squareRoot() - log(2.0)) < 0.02)
    }

    @Test func `a step trains on a batch, and moves no token that it lacks`() throws {
        for (batch, count) in [(64, 64), (1_000, 570)] {
            var settings = EmbeddingTrainer.Settings()
            settings.width = 8
            settings.batch = batch
            settings.temperature = 1e9                        // all passages are equally likely: the loss is log of their number
            let trainer = EmbeddingTrainer(mapped, vocabulary: 81, settings, on: try Processor(threads: 1))
            let unused = trainer.table.array.suffix(8)
            #expect(trainer.totalSteps == 30 * (570 / count))
            let loss = try #require(trainer.step())
            expectClose([loss], [log(Double(count))], within: .forward)
            #expect(trainer.table.array.suffix(8) == unused)
        }
    }

    @Test func `a seed draws the same numbers, with any number of threads`() throws {
        func table(_ seed: Int, threads: Int) throws -> [Float] {
            var settings = EmbeddingTrainer.Settings()
            settings.width = 16
            settings.batch = 32
            settings.epochs = 1
            settings.seed = seed
            let trainer = EmbeddingTrainer(mapped, vocabulary: 80, settings, on: try Processor(threads: threads))
            while trainer.step() != nil {}
            return trainer.table.array
        }
        let first = try table(1, threads: 1)
        expectSame(try table(1, threads: 2), first)
        #expect(try table(2, threads: 1) != first)
    }
}
