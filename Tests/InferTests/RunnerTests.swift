import Autograd
import Infer
import Kernels
import Model
import Testing
import TestSupport
import Tokenize

/// The same forward pass as in training, carried out for answering.
@Suite struct RunnerTests {
    private func scores(_ runner: Runner, _ ids: [TokenID], cut: [Int]? = nil) -> [[Float]] {
        let memory = runner.makeKVCache()
        var at = 0
        return (cut ?? Array(repeating: 1, count: ids.count)).map { count in
            defer { at += count }
            return runner.scores(after: [.init(memory, from: at, ids: Array(ids[at..<at + count]))]).floats
        }
    }

        /// In f32, on every path.
    private static let settings = Setting.tapes.filter { $0.precision == .float32 && $0.blas == .slm }

    @Test(arguments: GoldenGPT.Variant.allCases, settings) func `scores are training's, token by token`(_ variant: GoldenGPT.Variant, _ setting: Setting) throws {
        let gpt = try GoldenGPT(variant, setting), V = 61
        let runner = Runner(of: gpt.model, gpt.parameters, on: gpt.tape.processor, form: .float32)
        let ids = Array(gpt.golden.ids("batch/ids").prefix(24))
        let wanted = gpt.tape.withoutRecording { gpt.model.logits(of: gpt.tape.ids(ids, [1, 24]), on: gpt.tape).floats }
        for (t, found) in scores(runner, ids).enumerated() {
            expectClose(found, Array(wanted[t * V..<(t + 1) * V]), within: .gradient, "token \(t)")
        }
    }

    @Test(arguments: WeightPrecision.allCases) func `bits depend neither on how a text is cut nor on who else is there`(_ form: WeightPrecision) throws {
        for variant in GoldenGPT.Variant.allCases {
            let gpt = try GoldenGPT(variant, Setting.tapes[0]), processor = gpt.tape.processor
            guard processor.offers(form) else { return }
            let runner = Runner(of: gpt.model, gpt.parameters, on: processor, form: form)
            let all = gpt.golden.ids("batch/ids"), mine = Array(all.prefix(24)), other = Array(all.dropFirst(24).prefix(24))
            let wanted = scores(runner, mine).map { $0.map(\.bitPattern) }, others = scores(runner, other).map { $0.map(\.bitPattern) }
            var end = 0
            for (count, found) in zip([5, 1, 12, 6], scores(runner, mine, cut: [5, 1, 12, 6])) {
                end += count
                let same = found.map(\.bitPattern) == wanted[end - 1]
                #expect(same, "\(variant), cut at \(end)")
            }
            // Both together, the other some tokens ahead, and one that only listens.
            let memories = (0..<3).map { _ in runner.makeKVCache() }
            _ = runner.scores(after: [.init(memories[1], from: 0, ids: Array(other[0..<7]), asked: .nobody)])
            for t in 0..<17 {
                let found = runner.scores(after: [.init(memories[2], from: t, ids: [3], asked: .nobody), .init(memories[0], from: t, ids: [mine[t]]),
                                                  .init(memories[1], from: t + 7, ids: [other[t + 7]])])
                let bits: [UInt32] = found.floats.map(\.bitPattern), both: [UInt32] = wanted[t] + others[t + 7], same = bits == both
                #expect(found.shape == [2, 61] && same, "\(variant), step \(t)")
            }
        }
    }

    private func energy(_ numbers: [Float]) -> Double { numbers.reduce(0) { $0 + Double($1) * Double($1) } }

    @Test func `rounded weights give scores near the exact ones`() throws {
        let gpt = try GoldenGPT(.untied, Setting.tapes[0]), processor = gpt.tape.processor
        let ids = Array(gpt.golden.ids("batch/ids").prefix(24)), exact = scores(Runner(of: gpt.model, gpt.parameters, on: processor, form: .float32), ids).flatMap { $0 }
        let size = energy(exact)
        for (form, most) in [(WeightPrecision.bfloat16, 2e-4), (.int8, 5e-4), (.int4, 3e-2)] where processor.offers(form) {
            let found = scores(Runner(of: gpt.model, gpt.parameters, on: processor, form: form), ids).flatMap { $0 }
            let error = energy(zip(found, exact).map { $0.0 - $0.1 })
            #expect(error / size < most, "\(form.rawValue): \(error / size)")
        }
    }
}
