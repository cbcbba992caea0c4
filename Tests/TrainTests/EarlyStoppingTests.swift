import Autograd
import Checkpoint
import Corpus
import Kernels
import Model
import Synchronization
import Testing
import TestSupport
import Tokenize
import Train

/// Early stopping and the choice of `best.h5`, on losses of conversations that a test writes down.
@Suite(.serialized) struct EarlyStoppingTests {
    private let folder = TemporaryFolder()
    private let vocabulary = Vocabulary.ofBytes(specialTokens: ["<|user|>", "<|assistant|>", "<|eos|>", "<|pad|>"])

    /// Held-out data whose losses do not depend on the model: for each evaluation the loss of each conversation. The last ones repeat.
    private final class Script: HeldOutSet {
        let tokens = 1_000
        private let rows: Mutex<[[Double]]>
        private let count: Int

        init(_ rows: [[Double]]) {
            self.rows = Mutex(rows)
            count = rows[0].count
        }

        func part(of tokens: Int) -> ValidationSet.Part {
            ValidationSet.Part(count: count, tokens: self.tokens, isWhole: true, fingerprint: "script")
        }

        func pieces(of part: ValidationSet.Part, by trainer: Trainer, progress: (Int) throws -> Void) -> [Evaluation] {
            let losses = rows.withLock { $0.count > 1 ? $0.removeFirst() : $0[0] }
            return losses.map { loss in
                var piece = Evaluation()
                piece.targets = 100
                piece.nats = 100 * loss
                piece.bytes = 400
                return piece
            }
        }
    }

    private struct Batches: TrainingBatches {
        let stepsPerEpoch = 10.0

        func batch(at step: Int) -> Batch { Batch(inputs: [1, 2, 3, 4], targets: [2, 3, 4, 5], rows: 1) }
    }

    private struct Outcome {
        let ending: TrainingRun.Ending
        let state: TrainingState
        let best: Int
        /// What was made of the evaluations: before the first step, and after every second one.
        var selections: [TrainingRun.Selection] = []
    }

    private func run(_ script: Script) throws -> TrainingRun {
        let plan = TrainingPlan(.steps(20), batch: 1, warmup: 0, evalEvery: 2, evaluatesFirst: true, patience: 2)
        let configuration = GPTConfiguration(layers: 1, heads: 1, width: 8, context: 4, vocabulary: vocabulary.count)
        return try TrainingRun(
            Trainer(configuration, on: Processor(threads: 1), precision: .float32, seed: 5), plan, training: Batches(), validation: script,
            vocabulary: vocabulary, chatTemplate: nil, folder: folder.path)
    }

    /// - Parameter stop: A step at which the run is stopped and resumed.
    private func outcome(_ rows: [[Double]], resumedAt stop: Int? = nil) throws -> Outcome {
        let script = Script(rows)
        var run = try run(script), selections: [TrainingRun.Selection] = []
        func report(_ event: TrainingRun.Event) { if case .evaluated(_, _, _, let selection, _) = event { selections.append(selection) } }
        if let stop {
            #expect(try run.train(until: stop, report) == .stopped)
            run = try self.run(script)
            try run.restore(Checkpoint(reading: folder("last.h5")))
        }
        let ending = try run.train(report)
        return Outcome(
            ending: ending, state: run.state, best: try Checkpoint(reading: folder("best.h5")).integer("step"), selections: selections)
    }

    /// Losses of eight conversations around a mean. Those of odd conversations move by `noise` in the other direction.
    private func losses(_ mean: Double, noise: Double = 0) -> [Double] {
        (0..<8).map { mean + Double($0) / 10 + ($0 % 2 == 0 ? noise : -noise) }
    }

    @Test func `a rise on few conversations that can be chance does not end a run`() throws {
        let rows = [losses(3), losses(2.5), losses(2.51, noise: 0.1), losses(2.52, noise: 0.2)]
        let outcome = try outcome(rows)
        #expect(outcome.ending == .finished && outcome.state.step == 20 && outcome.state.evaluationsSinceBest == 0)
        #expect(outcome.state.best == 2.85 && outcome.best == 20)
        #expect(outcome.selections == [.lowest, .lowest] + Array(repeating: .notClearlyWorse, count: 9))
    }

    @Test func `a rise that all conversations show ends a run, and best.h5 has the weights before it`() throws {
        let outcome = try outcome([losses(3), losses(2.5), losses(2.52, noise: 0.005)])
        #expect(outcome.ending == .earlyStopped && outcome.state.step == 6 && outcome.best == 2)
        #expect(outcome.selections == [.lowest, .lowest, .worse, .worse])
    }

    @Test func `a loss that stays the same ends a run`() throws {
        let outcome = try outcome([losses(3), losses(2.5)])
        #expect(outcome.ending == .earlyStopped && outcome.state.step == 6)
        #expect(outcome.selections == [.lowest, .lowest, .notClearlyWorse, .notClearlyWorse] && outcome.best == 6)
    }

    @Test(arguments: [1, 2, 8]) func `a rise of more than 5 % ends a run, however few conversations show it`(count: Int) throws {
        let rows = [losses(3), losses(2.5), losses(2.75, noise: 0.5)].map { Array($0.prefix(count)) }
        let outcome = try outcome(rows)
        #expect(outcome.ending == .earlyStopped && outcome.state.step == 6 && outcome.best == 2)
    }

    @Test func `a rise of 5 % on few conversations can be chance`() throws {
        let noisy = (0..<8).map { $0 % 2 == 0 ? 12.0 : 30 }                  // 21 on average
        let outcome = try outcome([Array(repeating: 30, count: 8), Array(repeating: 20, count: 8), noisy])
        #expect(outcome.ending == .finished && outcome.state.evaluationsSinceBest == 0 && outcome.best == 20)
    }

    @Test func `losses that are not numbers count towards early stopping`() throws {
        let outcome = try outcome([losses(3), losses(2.5), losses(.nan)])
        #expect(outcome.ending == .earlyStopped && outcome.best == 2)
    }

    @Test func `weights that are not below the base are not kept, however noisy the losses are`() throws {
        let outcome = try outcome([losses(3), losses(3.01, noise: 0.3)])
        #expect(outcome.ending == .finished && outcome.best == 0 && !outcome.selections.dropFirst().contains { $0 != .worse })
    }

    @Test func `a run has learned nothing if no evaluation after a step was better than the base`() throws {
        for (rows, isWorse) in [([losses(3), losses(3)], true), ([losses(3), losses(2.9)], false)] {
            let run = try run(Script(rows))
            #expect(!run.hasLearnedNothing)
            try run.train(until: 0)
            #expect(run.state.evaluations == 1 && !run.hasLearnedNothing)
            try run.train(until: 3)
            #expect(run.state.evaluations == 2 && run.hasLearnedNothing == isWorse)
        }
    }

    @Test func `many conversations are compared in groups, and damaged sums are refused`() throws {
        func many(_ mean: Double, noise: Double) -> [Double] { (0..<200).map { mean + ($0 % 4 < 2 ? noise : -noise) } }
        // In groups of three or four, the noise is smaller than the rise.
        #expect(try outcome([many(3, noise: 0), many(2.5, noise: 0), many(2.53, noise: 0.02)]).ending == .earlyStopped)
        let stored = try Checkpoint(reading: folder("last.h5"))
        let sums = try stored.numbers("best_validation_nats"), script = Script([[3, 3]])
        #expect(sums.count == 64)
        for (name, values) in [("nats", [.nan] + sums.dropFirst()), ("targets", [0] + sums.dropFirst()), ("targets", [1])] {
            var damaged = stored
            damaged.training["best_validation_\(name)"] = .numbers(Array(values))
            #expect(throws: CheckpointError.self) { try run(script).restore(damaged) }
        }
    }

    @Test func `a resumed run compares with the conversations of the best evaluation before`() throws {
        let rows = [losses(3), losses(2.5), losses(2.51, noise: 0.1), losses(2.52, noise: 0.2)]
        let whole = try outcome(rows), resumed = try outcome(rows, resumedAt: 3)
        #expect(resumed.ending == .finished && resumed.state == whole.state && resumed.best == whole.best)
        #expect(resumed.selections == whole.selections)
    }
}
