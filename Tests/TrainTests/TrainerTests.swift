import Autograd
import Checkpoint
import Kernels
import Model
import TestSupport
import Testing
import Train

@Suite struct TrainerTests {
    private let configuration = GPTConfiguration(layers: 2, heads: 2, width: 16, context: 12, vocabulary: 29)

    private func batch(rows: Int = 4, masked: Bool = false) -> Batch {
        let ids = (0...rows * 12).map { Int32($0 * 7 % 29) }
        return Batch(inputs: Array(ids.dropLast()), targets: ids.dropFirst().map { masked ? -1 : $0 }, rows: rows)
    }

    private func trainer(threads: Int = 2, dropout: Float = 0, recomputing: Bool = false, seed: UInt64 = 3) throws -> Trainer {
        var configuration = configuration
        configuration.dropout = dropout
        return try Trainer(configuration, on: Processor(threads: threads), precision: .float32, recomputesBlocks: recomputing, seed: seed)
    }

    private func weights(of trainer: Trainer) -> [Float] { trainer.parameters.list.flatMap { trainer.parameters.value(of: $0).floats } }

    @Test func `micro-batches give the same update as the whole batch`() throws {
        let whole = try trainer(), parts = try trainer()
        parts.microBatchTokens = 12
        for _ in 0..<3 {
            let a = whole.step(batch(), rate: 1e-3)
            let b = parts.step(batch(), rate: 1e-3)
            expectClose([b.loss, b.gradientNorm], [a.loss, a.gradientNorm], within: .forward, "loss and gradient norm")
        }
    }

    @Test func `the same seed and thread count give the same bits`() throws {
        let a = try trainer(dropout: 0.2)
        let b = try trainer(dropout: 0.2)
        for _ in 0..<3 { #expect(a.step(batch(), rate: 1e-3).loss == b.step(batch(), rate: 1e-3).loss) }
        #expect(weights(of: a) == weights(of: b))
    }

    @Test func `recomputation gives the same bits`() throws {
        let kept = try trainer(dropout: 0.2)
        let again = try trainer(dropout: 0.2, recomputing: true)
        for _ in 0..<3 { #expect(kept.step(batch(), rate: 1e-3).loss == again.step(batch(), rate: 1e-3).loss) }
        #expect(weights(of: kept) == weights(of: again))
    }

    @Test func `weights of different seeds share no sequence`() throws {
        let a = weights(of: try trainer(seed: 1))
        let b = weights(of: try trainer(seed: 2))
        let first = Set(a.prefix(464).map(\.bitPattern))          // the token embedding, all random
        #expect(b.prefix(464).count { first.contains($0.bitPattern) } < 10)
    }

    @Test func `estimating the time of a step changes no state`() throws {
        let guessed = try trainer(dropout: 0.2)
        let plain = try trainer(dropout: 0.2)
        var reads = 0.0
        guessed.microBatchTokens = 24
        plain.microBatchTokens = 24
        // Two micro-batches; a forward and a backward pass take one second of this clock, as clearing the gradients does.
        #expect(guessed.estimatedStepSeconds(for: batch()) { reads += 1; return reads } == 2 + 8 && reads == 4)
        // A pass of half a second is measured again. Muon's directions take as long.
        let muon = try trainer()
        muon.microBatchTokens = 24
        muon.useMuon(rateRatio: 20)
        #expect(muon.estimatedStepSeconds(for: batch()) { reads += 0.5; return reads } == 1 + 4 + 0.5 && reads == 4 + 8 * 0.5)
        for _ in 0..<2 { #expect(guessed.step(batch(), rate: 1e-3).loss == plain.step(batch(), rate: 1e-3).loss) }
        #expect(weights(of: guessed) == weights(of: plain))
    }

    @Test func `a LoRA adapter is trained in smaller micro-batches`() throws {
        let folder = TemporaryFolder(), sample = try SampleAdapter(in: folder), processor = try Processor(threads: 1)
        for (checkpoint, tokens) in [(sample.base, 1_536), (sample.adapter, 1_024)] {
            let (model, parameters) = try checkpoint.model(on: processor)
            #expect(Trainer(model, parameters, on: processor, precision: .float32, seed: 1).microBatchTokens == tokens)
        }
    }

    @Test func `no memory is allocated after the first step`() throws {
        let processor = try Processor(threads: 2)
        let trainer = Trainer(configuration, on: processor, precision: processor.hasBFloat16 ? .bfloat16 : .float32, seed: 1)
        trainer.microBatchTokens = 24
        _ = trainer.step(batch(), rate: 1e-3)
        let growths = processor.arena.growths
        let capacity = processor.arena.capacity
        for _ in 0..<5 { _ = trainer.step(batch(), rate: 1e-3) }
        #expect(processor.arena.growths == growths && processor.arena.capacity == capacity)
    }

    @Test func `a batch without targets has loss 0 and gradient norm 0`() throws {
        let trainer = try trainer()
        let report = trainer.step(batch(masked: true), rate: 1e-3)
        #expect(report.loss == 0 && report.gradientNorm == 0)
        #expect(!weights(of: trainer).contains { !$0.isFinite })
    }

    @Test func `a loss that is not finite leaves weights and moments unchanged`() throws {
        let broken = try trainer()
        let twin = try trainer()
        let place = broken.parameters.list[0]
        let good = broken.parameters.value(of: place).floats
        broken.parameters.values[place.range].write { $0[0] = .infinity }
        let report = broken.step(batch(), rate: 1e-3)
        #expect(!report.loss.isFinite && report.step == 0)
        broken.parameters.values[place.range].write { $0[0] = good[0] }
        #expect(broken.step(batch(), rate: 1e-3).loss == twin.step(batch(), rate: 1e-3).loss)
        #expect(weights(of: broken) == weights(of: twin))
    }

    @Test func `a small GPT overfits a batch`() throws {
        let trainer = try trainer()
        var loss: Float = 0
        for _ in 0..<150 { loss = trainer.step(batch(), rate: 1e-2).loss }
        #expect(loss < 0.1, "after 150 steps")
    }
}
