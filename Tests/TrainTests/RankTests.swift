import Autograd
import Checkpoint
import Distributed
import Files
import Kernels
import Model
import TestSupport
import Testing
import Tokenize
import Train

/// Training by several ranks, which are threads here. `CommandLineTests` and `Tests/Peers/check_ranks.py` run processes of mpirun.
@Suite struct RankTests {
    private static var configuration: GPTConfiguration {
        var configuration = GPTConfiguration(layers: 2, heads: 2, width: 32, context: 12, vocabulary: 400)
        configuration.dropout = 0.2
        return configuration
    }

    private static func batch(step: Int, rows: Int = 6) -> Batch {
        let ids = (0...rows * 12).map { Int32(($0 * 37 + step * 11) % 400) }
        // Some targets are masked, differently in each row.
        return Batch(
            inputs: Array(ids.dropLast()), targets: ids.dropFirst().enumerated().map { $0 % 7 == $0 / 12 ? -1 : $1 }, rows: rows)
    }

    private struct Result: Equatable {
        var losses: [Float] = []
        var norms: [Float] = []
        var weights: [UInt32] = []
        var moments: [UInt32] = []
    }

    /// The result of three steps on one of the ranks.
    private static func train(
        over ranks: RankGroup?, groups: Int, precision: DataType, sharding: Bool, lora: Bool, recomputing: Bool = false,
        muon: Bool = false
    ) -> Result {
        guard let processor = try? Processor(threads: 1) else { return Result() }
        var list = ParameterList(lora: lora ? LoRAConfiguration(rank: 4) : nil)
        var model = GPT(configuration, in: &list)
        model.recomputesBlocks = recomputing
        let frozen = processor.zeros(list.frozen.count)
        processor.normal(into: frozen, seed: 5)
        frozen.write { span in for i in span.indices { span[i] *= 0.05 } }
        let parameters = Parameters(list, over: lora ? frozen : nil, on: processor, seed: 3)
        let trainer = Trainer(model, parameters, on: processor, precision: precision, seed: 3)
        trainer.microBatchTokens = 24
        trainer.clipping = 0.5
        if muon { trainer.optimizer.muon = Muon(rateRatio: 2) }
        let sums = GradientGroups(groups, of: trainer, over: ranks, sharding: sharding)
        trainer.groups = sums
        var result = Result()
        for step in 0..<3 {
            let report = trainer.step(batch(step: step), rate: 1e-2)
            result.losses.append(report.loss)
            result.norms.append(report.gradientNorm)
        }
        for moments in [trainer.optimizer.first, trainer.optimizer.second] {
            sums.collect(moments)
            if ranks?.isFirst ?? true { moments.read { span in result.moments += span.indices.map { span[$0].bitPattern } } }
        }
        trainer.parameters.values.read { span in result.weights = span.indices.map { span[$0].bitPattern } }
        return result
    }

    /// Rank 1 of 3 has two sums of 8 groups.
    @Test func `a sum can be measured with any number of groups`() throws {
        for (ranks, groups) in [(2, 4), (3, 8), (3, 5)] {
            let seconds = try withRanks(ranks) { ranks -> Double in
                guard let processor = try? Processor(threads: 1) else { return -1 }
                let trainer = Trainer(Self.configuration, on: processor, precision: .float32, seed: 3)
                let plain = Trainer(Self.configuration, on: processor, precision: .float32, seed: 3)
                let sums = GradientGroups(groups, of: trainer, over: ranks)
                trainer.groups = sums
                plain.groups = GradientGroups(groups, of: plain, over: ranks)
                func steps(_ number: Int) -> [Float] {
                    [trainer, plain].map { $0.step(Self.batch(step: number, rows: groups), rate: 1e-2).gradientNorm }
                }
                _ = steps(0)
                let seconds = sums.measureExchange(), norms = steps(1)
                // The next step begins with gradients of 0. It has waited, too.
                let waited = trainer.step(Self.batch(step: 2, rows: groups), rate: 1e-2).waitedSeconds
                return norms[0] == norms[1] && waited != nil ? seconds : -1
            }
            #expect(seconds.allSatisfy { $0 >= 0 })
        }
    }

    @Test func `ranks of another version of slm are refused on all ranks`() throws {
        let errors = try withRanks(2) { ranks -> [String] in
            ["1.0", ranks.isFirst ? "1.0" : "1.1"].map { version in
                do { try ranks.checkProgram(version: version) } catch { return "\(error)" }
                return "accepted"
            }
        }
        for found in errors {
            #expect(found[0] == "accepted" && found[1].hasPrefix("all ranks need the same version of slm: rank 0 has 1.0, "), "\(found)")
        }
    }

    private struct Batches: TrainingBatches {
        let stepsPerEpoch = 10.0

        func batch(at step: Int) -> Batch { RankTests.batch(step: step) }
    }

    /// A run of four steps that evaluates and saves after two.
    private static func run(over ranks: RankGroup?, in folder: String, seed: Int = 1) throws -> TrainingRun {
        let plan = TrainingPlan(.steps(4), batch: 6, warmup: 0, seed: seed, gradientGroups: 2, shardsOptimizer: true, evalEvery: 2)
        try Folder.create(folder)
        return try TrainingRun(
            Trainer(configuration, on: Processor(threads: 1), precision: .float32, seed: 3), plan, training: Batches(), validation: nil,
            vocabulary: .ofBytes(), chatTemplate: nil, folder: folder, over: ranks)
    }

    /// Each rank returns the memory of other ranks' moments to the system after it has saved.
    @Test func `a run with the moments of a part of the weights on each rank is that of one process`() throws {
        let folder = TemporaryFolder(), path = folder.path
        let train = { @Sendable (ranks: RankGroup?, name: String) -> [Evaluation] in
            var evaluations: [Evaluation] = []
            do {
                let run = try Self.run(over: ranks, in: "\(path)/\(name)")
                try run.checkRanks()
                try run.train { if case .evaluated(let training, _, _, _, _) = $0 { evaluations.append(training) } }
            } catch { fatalError("\(error)") }
            return evaluations
        }
        let alone = train(nil, "alone"), expected = try Checkpoint(reading: folder("alone/last.h5"))
        #expect(alone.count == 2 && alone[0].targets > 0 && alone[0].correct <= alone[0].targets)
        for count in [1, 2] {
            #expect(try withRanks(count) { train($0, "ranks \(count)") }[0] == alone)
            let found = try Checkpoint(reading: folder("ranks \(count)/last.h5"))
            for (a, b) in zip(found.everything, expected.everything) { #expect(a.path == b.path && a.bits == b.bits, "\(a.path)") }
        }
    }

    @Test func `ranks with another seed are refused`() throws {
        let folder = TemporaryFolder(), path = folder.path
        let errors = try withRanks(2) { ranks -> String in
            do { try Self.run(over: ranks, in: "\(path)/\(ranks.rank)", seed: 1 + ranks.rank).checkRanks() } catch { return "\(error)" }
            return "accepted"
        }
        #expect(errors.allSatisfy { $0.hasPrefix("all ranks need the same --seed: rank 0 has 1, ") }, "\(errors)")
    }

    @Test(arguments: [
        (DataType.float32, false, false, false), (.bfloat16, false, false, false), (.float32, true, false, false),
        (.float32, false, true, false), (.float32, false, false, true),
    ])
    func `the weights have the same bits with any number of ranks`(_ variant: (DataType, Bool, Bool, Bool)) throws {
        let (precision, lora, recomputing, muon) = variant
        for groups in [2, 4, 6] {
            let alone = Self.train(
                over: nil, groups: groups, precision: precision, sharding: false, lora: lora, recomputing: recomputing,
                muon: muon)
            #expect(alone.losses.allSatisfy(\.isFinite) && alone.losses.count == 3)
            for count in [1, 2, 3, 4] where count <= groups {
                for sharding in [false, true] {
                    let found = try withRanks(count) { ranks in
                        Self.train(
                            over: ranks, groups: groups, precision: precision, sharding: sharding, lora: lora, recomputing: recomputing,
                            muon: muon)
                    }
                    #expect(found[0] == alone, "\(groups) groups, \(count) ranks, sharding \(sharding)")
                    for other in found { #expect(other.weights == alone.weights && other.losses == alone.losses) }
                }
            }
        }
    }

    @Test func `a loss that is not finite leaves the weights of all ranks unchanged`() throws {
        let found = try withRanks(2) { ranks -> [Bool] in
            guard let processor = try? Processor(threads: 1) else { return [] }
            let trainer = Trainer(Self.configuration, on: processor, precision: .float32, seed: 3)
            trainer.groups = GradientGroups(2, of: trainer, over: ranks)
            _ = trainer.step(Self.batch(step: 0), rate: 1e-2)
            // Only the second rank's rows have this token.
            let row = trainer.parameters.list[0].range.lowerBound + 399 * 32
            trainer.parameters.values[row..<row + 1].write { $0[0] = .nan }
            var batch = Self.batch(step: 1)
            batch = Batch(
                inputs: batch.inputs.enumerated().map { $0 / 12 >= 3 ? 399 : min($1, 398) }, targets: batch.targets, rows: batch.rows)
            let before = trainer.parameters.values.read { span in span.indices.map { span[$0].bitPattern } }
            let report = trainer.step(batch, rate: 1e-2)
            let after = trainer.parameters.values.read { span in span.indices.map { span[$0].bitPattern } }
            return [report.loss.isNaN, report.gradientNorm.isNaN, before == after]
        }
        for rank in found { #expect(rank == [true, true, true]) }
    }

    @Test func `more groups than one differ from one by rounding only`() throws {
        let processor = try Processor(threads: 1)
        let plain = Trainer(Self.configuration, on: processor, precision: .float32, seed: 3)
        let grouped = Trainer(Self.configuration, on: processor, precision: .float32, seed: 3)
        plain.microBatchTokens = 24
        grouped.microBatchTokens = 24
        grouped.groups = GradientGroups(3, of: grouped)
        for step in 0..<3 {
            let a = plain.step(Self.batch(step: step), rate: 1e-3), b = grouped.step(Self.batch(step: step), rate: 1e-3)
            expectClose([b.loss, b.gradientNorm], [a.loss, a.gradientNorm], within: .forward, "loss and gradient norm")
        }
    }
}
