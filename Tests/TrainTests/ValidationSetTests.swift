import Autograd
import Checkpoint
import Corpus
import Files
import Kernels
import Model
import Testing
import TestSupport
import Tokenize
import Train

/// The validation of a training run: the same tokens in every run, and the figures of `slm eval`.
@Suite(.serialized) struct ValidationSetTests {
    private let folder = TemporaryFolder()
    private let vocabulary = Vocabulary.ofBytes(specialTokens: ["<|user|>", "<|assistant|>", "<|eos|>", "<|pad|>"])
    private let context = 24

    /// Conversations of different lengths, some longer than the context.
    private func data(_ count: Int = 120, _ name: String = "chats.txt") throws -> TrainingData {
        let lines = (0..<count).map { i in "[INST] what is \(i)? [/INST] \(String(repeating: "\(i % 7)x", count: 1 + i * i % 19))\n" }
        var source = TrainingData.Source([folder.write(lines.joined(), to: name)])
        source.validationShare = 0.4
        return try TrainingData(source, vocabulary: vocabulary, on: WorkerPool(threads: 1))
    }

    private func text() throws -> TrainingData {
        var source = TrainingData.Source([folder.write((0..<900).map { "line \($0) of \($0 % 13)\n" }.joined(), to: "text.txt")])
        source.validationShare = 0.4
        return try TrainingData(source, vocabulary: vocabulary, on: WorkerPool(threads: 1))
    }

    private func run(
        _ data: TrainingData, _ name: String, seed: Int = 1, rows: Int = 2, steps: Int = 10, tokens: Int = 300, scope: LossScope = .all
    ) throws -> TrainingRun {
        let plan = TrainingPlan(
            .steps(steps), batch: rows, lr: 1e-2, warmup: 1, seed: seed, lossScope: scope, evalEvery: 4, evalTokens: tokens)
        let configuration = GPTConfiguration(layers: 1, heads: 2, width: 16, context: context, vocabulary: vocabulary.count)
        let trainer = try Trainer(configuration, on: Processor(threads: 1), precision: .float32, seed: 3)
        try Folder.create(folder(name))
        return try TrainingRun(
            trainer, plan, training: data.batches(.train, plan, context: context), validation: data.validationSet(scope),
            vocabulary: vocabulary, chatTemplate: data.meta.template, folder: folder(name))
    }

    /// The evaluations and the result of a run.
    private func figures(_ run: TrainingRun) throws -> (evaluations: [Evaluation], result: TrainingRun.Result) {
        var evaluations: [Evaluation] = [], result: TrainingRun.Result?
        try run.train { event in
            if case .evaluated(_, let validation?, _, _, _) = event { evaluations.append(validation) }
            if case .validated(let found) = event { result = found }
        }
        return (evaluations, try #require(result))
    }

    @Test func `runs of any seed, length and batch size are validated on the same tokens`() throws {
        let data = try data(), a = try run(data, "a"), b = try run(data, "b", seed: 9, rows: 5, steps: 23)
        let (first, second) = try (figures(a), figures(b))
        #expect(a.state.validationSet != nil && a.state.validationSet == b.state.validationSet)
        #expect(Set((first.evaluations + second.evaluations).map(\.targets)).count == 1)
        #expect(Set((first.evaluations + second.evaluations).map(\.bytes)).count == 1)
        #expect(first.result.part == second.result.part && first.result.part.isWhole)
        // Other tokens have another fingerprint.
        let sets = try [
            data.validationSet(.all), data.validationSet(.assistant), self.data(60, "fewer.txt").validationSet(.all),
        ].map { try #require($0) }
        #expect(Set(sets.map { $0.part(of: .max).fingerprint }).count == 3)
        #expect(sets[0].part(of: 300).fingerprint != sets[0].part(of: .max).fingerprint)
    }

    @Test(arguments: LossScope.allCases, [true, false])
    func `the result of a run is the figure of slm eval for its best checkpoint`(scope: LossScope, chats: Bool) throws {
        let data = try chats ? data() : text(), run = try run(data, "run", tokens: chats ? 300 : 2_000, scope: scope)
        let (evaluations, result) = try figures(run)
        let checkpoint = try Checkpoint(reading: folder("run/best.h5"))
        #expect(try checkpoint.integer("step") == result.step && result.part.isWhole)
        // What slm tokenize corpus writes of the same chats.
        var encoder = CorpusEncoder(try Tokenizer(vocabulary), file: "tokenizer.json", template: .specialTokens)
        encoder.validationShare = 0.4
        try encoder.write([folder(chats ? "chats.txt" : "text.txt")], to: folder("tokens"), on: WorkerPool(threads: 1))
        var reader = try EvaluationReader(checkpoint, on: WorkerPool(threads: 1))
        reader.lossScope = scope
        let evaluator = try Evaluator(checkpoint, on: Processor(threads: 1), precision: .float32)
        let expected = try evaluator.pieces(of: reader.text(at: folder("tokens/val.bin"))).reduce(into: Evaluation(), +=)
        let found = result.evaluation
        #expect(abs(found.loss - expected.loss) < 1e-9 && abs(found.bitsPerByte - expected.bitsPerByte) < 1e-9)
        #expect(found.targets == expected.targets && found.bytes == expected.bytes && found.correct == expected.correct)
        #expect(evaluations.allSatisfy { $0.targets < found.targets && $0.loss.isFinite })
    }

    @Test func `the result is that of the best weights, and the last weights stay`() throws {
        let data = try data(), run = try run(data, "run", steps: 40)
        var best = 0, losses: [Double] = []
        var result: TrainingRun.Result?, evaluated = (tokens: 0, of: 0)
        try run.train { event in
            if case .evaluating(let tokens, let all) = event { evaluated = (tokens, all) }
            // As if the run lost what it has learned.
            if case .step(_, _, let state) = event, state.step == 33 {
                run.trainer.parameters.values.write { for i in $0.indices { $0[i] = 0 } }
            }
            if case .evaluated(_, let validation?, _, let selection, let state) = event {
                losses.append(validation.loss)
                if selection != .worse { best = state.step }
            }
            if case .validated(let found) = event { result = found }
        }
        // The progress of the evaluation at the end.
        #expect(evaluated.tokens == evaluated.of && evaluated.of == result?.part.tokens)
        #expect(best < 36 && result?.step == best, "\(losses)")
        #expect(abs((result?.evaluation.loss ?? 9) - (losses.min() ?? 0)) < 0.5 && losses.last ?? 0 > 5)
        let trainer = try Trainer(run.trainer.model.configuration, on: Processor(threads: 1), precision: .float32, seed: 1)
        try Checkpoint(reading: folder("run/last.h5")).copyWeights(into: trainer.parameters)
        let same = trainer.parameters.list.allSatisfy {
            trainer.parameters.value(of: $0).floats == run.trainer.parameters.value(of: $0).floats
        }
        #expect(same)
    }

    @Test func `a run that was validated on other tokens forgets its best loss`() throws {
        let data = try data(), run = try run(data, "run", steps: 8)
        try run.train(until: 4)
        var stored = try Checkpoint(reading: folder("run/last.h5"))
        stored.training["validation_set"] = "other"
        stored.training["best"] = .number(0.001)
        try stored.write(to: folder("run/other.h5"))
        let other = try self.run(data, "run", steps: 8)
        try other.restore(Checkpoint(reading: folder("run/other.h5")))
        let (evaluations, _) = try figures(other)
        #expect(other.state.best == evaluations.map { Float($0.loss) }.min())
    }
}
