import Autograd
import Kernels
import Model
import Testing
import TestSupport
import Tokenize
import Train

/// The losses of preferences against PyTorch: see Tests/Golden/make_golden.py, which has TRL's formulas.
@Suite(.serialized) struct PreferenceGoldenTests {
    enum Variant: String, CaseIterable { case dpo, cdpo, kto }

    private static let vocabulary = Vocabulary.ofBytes(specialTokens: ["<|user|>", "<|assistant|>", "<|eos|>", "<|pad|>"])

    private struct Case {
        let golden: GoldenTensors
        let trainer: Trainer
        let batches: PreferenceBatches
        let reference: [Double]

        init(_ variant: Variant, _ kernels: KernelVariant, recomputing: Bool = false) throws {
            golden = try GoldenTensors.golden("preferences")
            let configuration = GPTConfiguration(layers: 2, heads: 4, width: 16, context: 64, vocabulary: vocabulary.count)
            trainer = Trainer(
                configuration, on: try kernels.processor(), precision: kernels.precision, recomputesBlocks: recomputing, seed: 1)
            for parameter in trainer.parameters.list {
                let weights = golden.floats("weights/\(parameter.name)")
                trainer.parameters.values[parameter.range].write { span in for i in span.indices { span[i] = weights[i] } }
            }
            let path = GoldenTensors.path(of: variant == .kto ? "preference_ratings.jsonl" : "preference_pairs.jsonl")
            let data = try PreferenceData([path], nil, vocabulary, .specialTokens, context: 64, validationShare: 0)
            var objective = PreferenceObjective(data.method)
            objective.beta = 0.3
            objective.labelSmoothing = variant == .cdpo ? 0.1 : 0
            objective.desirableWeight = 1.2
            objective.undesirableWeight = 0.8
            var reference = golden.floats("\(variant.rawValue)/reference").map { Double($0) }
            #expect(data.sequences.count == (variant == .kto ? 10 : 9) && data.validation.isEmpty)
            // DPO does not use the answers to other prompts.
            reference += Array(repeating: 0, count: data.sequences.count - reference.count)
            self.reference = reference
            batches = PreferenceBatches(data, objective, reference: reference, rows: data.examples.count, seed: 1)
        }

        func check(_ variant: Variant, _ kernels: KernelVariant, _ comment: String) {
            let name = variant.rawValue
            let (metrics, targets) = batches.accumulateGradients(at: 0, with: trainer)
            #expect(targets == batches.data.examples.flatMap(\.sequences).reduce(0) { sum, i in
                sum + batches.data.sequences[i].targets.filter { $0 >= 0 }.count
            })
            expectClose([Float(metrics.loss)], golden.floats("\(name)/loss"), within: kernels.gradient, "loss \(comment)")
            expectClose([Float(metrics.margin ?? .nan)], golden.floats("\(name)/margin"), within: kernels.gradient, "margin \(comment)")
            if variant == .kto {
                expectClose([Float(metrics.kl ?? 0)], golden.floats("kto/kl"), within: kernels.gradient, "KL \(comment)")
            } else {
                expectClose([Float(metrics.accuracy)], golden.floats("\(name)/accuracy"), within: .exact, "accuracy \(comment)")
            }
            for parameter in trainer.parameters.list {
                let gradient = trainer.parameters.gradient(of: parameter).floats
                let expected = golden.floats("\(name)/gradient/\(parameter.name)")
                if kernels.precision == .float32 {
                    expectClose(gradient, expected, within: kernels.gradient, "\(parameter.name) \(comment)")
                } else {
                    // The gradients of all targets are multiplied by the rounding errors of whole log-probabilities.
                    let largest = expected.map { abs($0) }.max() ?? 0
                    #expect(zip(gradient, expected).allSatisfy { abs($0 - $1) <= 0.05 * largest + 1e-6 }, "\(parameter.name)")
                }
            }
            trainer.parameters.zeroGradients()
        }
    }

    @Test(arguments: Variant.allCases, KernelVariant.standard)
    func `the loss, the margin and the gradient of every parameter match PyTorch`(_ variant: Variant, _ kernels: KernelVariant) throws {
        try Case(variant, kernels).check(variant, kernels, "")
    }

    @Test(arguments: Variant.allCases)
    func `recomputed blocks and small micro-batches give the same gradients`(_ variant: Variant) throws {
        let kernels = KernelVariant.standard[0]
        for recomputing in [false, true] {
            let golden = try Case(variant, kernels, recomputing: recomputing)
            for tokens in [1, 60, 150] {
                golden.trainer.microBatchTokens = tokens
                golden.check(variant, kernels, "in micro-batches of \(tokens) tokens, recomputing: \(recomputing)")
            }
        }
    }

    @Test func `the loss per token of chosen answers is added, times a weight`() throws {
        let golden = try Case(.dpo, KernelVariant.standard[0]), data = golden.batches.data
        var objective = golden.batches.objective
        objective.sftWeight = 2
        let batches = PreferenceBatches(data, objective, reference: golden.reference, rows: data.examples.count, seed: 1)
        let found = try Evaluator(context: 64) { golden.trainer.tokenLosses(of: $0) }.logProbabilities(of: data) { _ in }
        let losses = data.examples.map(\.sequences[0]).map { -found[$0] / Double(data.sequences[$0].answerTokens) }
        let plain = golden.batches.accumulateGradients(at: 0, with: golden.trainer).metrics
        let both = batches.accumulateGradients(at: 0, with: golden.trainer).metrics
        expectClose([Float(both.loss - plain.loss)], [2 * losses.reduce(0, +) / Double(losses.count)], within: .gradient)
        #expect(both.accuracy == plain.accuracy && both.margin == plain.margin)
    }

    @Test func `the log-probabilities are those of the answers' tokens alone`() throws {
        let golden = try Case(.dpo, KernelVariant.standard[0])
        var evaluator = Evaluator(context: 64) { golden.trainer.tokenLosses(of: $0) }, shares: [Double] = []
        evaluator.rows = 1
        let found = try evaluator.logProbabilities(of: golden.batches.data) { shares.append($0) }
        expectClose(found.prefix(6).map { Float($0) }, golden.golden.floats("dpo/log_probabilities"), within: .gradient)
        // The progress.
        #expect(shares.count > 1 && shares[0] > 0 && shares.last == 1 && shares == shares.sorted(), "\(shares)")
    }
}
