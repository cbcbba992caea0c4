import Autograd
import Corpus
import Glibc
import Kernels
import Model
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

    @Test func `numbers are counted in ascending order`() {
        var noise = TestRandom(1), plain: [UInt64: UInt32] = [:]
        let numbers = (0..<5_000).map { _ in noise.next() % 700 * 0x1_0000_0001 }
        for number in numbers { plain[number, default: 0] += 1 }
        let counted = SortedCounts(numbers, bits: 44)
        #expect(counted.numbers == plain.keys.sorted())
        #expect(zip(counted.numbers, counted.counts).allSatisfy { plain[$0] == $1 })
        #expect(SortedCounts([], bits: 10).numbers.isEmpty)
    }

    @Test func `the probabilities after a context and its backoff mass add up to 1`() {
        var noise = TestRandom(2)
        let model = KneserNeyModel(
            SortedCounts((0..<4_000).map { _ in noise.next() % 40 << 5 | (noise.next() % 32) * (noise.next() % 32) / 32 }, bits: 16),
            bits: 5)
        #expect(model.contexts == Array(0..<40))
        for i in model.contexts.indices {
            var sum = model.backoff[i]
            model.forEach(after: i) { _, probability in
                #expect(probability > 0)
                sum += probability
            }
            #expect(abs(sum - 1) < 1e-5)
        }
    }

    /// After token 3 the token before is irrelevant. After all others it decides. So no informative pair ends in 3.
    @Test func `the most informative pairs come first`() throws {
        var noise = TestRandom(4), text: [UInt16] = [0, 1]
        while text.count < 6_000 {
            let a = Int(text[text.count - 2])
            let b = Int(text[text.count - 1])
            text.append(UInt16(b == 3 || noise.next() % 5 == 0 ? Int(noise.next() % 12) : (a * 5 + b * 7 + 1) % 12))
        }
        let counts = NGramCounts(try file(text, vocabulary: 12), vocabulary: 12, pairs: 100)
        #expect(counts.pairs.count == 100 && !counts.pairs.contains { $0.last == 3 })
    }

    /// The text has 0.56 nats per token given two previous tokens, and nearly ln 40 = 3.7 given one.
    @Test func `an initialized model predicts like a trigram model`() throws {
        let V = 40, processor = try Processor(threads: 1)
        var configuration = GPTConfiguration(layers: 2, heads: 5, width: 320, context: 64, vocabulary: V)
        let tokens = try file(Self.text(60_000, vocabulary: V, seed: 1), vocabulary: V)
        let initialization = try #require(
            NGramInitialization(configuration, counting: tokens, contexts: 60_000, on: processor, precision: .float32, seed: 3))
        let trainer = Trainer(configuration, on: processor, precision: .float32, seed: 3)
        initialization.write(into: trainer.parameters)
        let unseen = Self.text(64 * 16 + 1, vocabulary: V, seed: 9).map(Int32.init)
        let batch = Batch(inputs: Array(unseen.dropLast()), targets: Array(unseen.dropFirst()), rows: 16)
        let tokenLosses = trainer.tokenLosses(of: batch)
        #expect(tokenLosses.nats.reduce(0, +) / Float(tokenLosses.count) < 0.75)
        #expect(trainer.parameters.values.read { span in span.indices.allSatisfy { span[$0].isFinite } })

        configuration.isTied = true
        #expect(!NGramInitialization.isPossible(for: configuration))
        #expect(!NGramInitialization.isPossible(for: .tiny) && NGramInitialization.isPossible(for: .eugpt))
    }
}
