import Autograd
import Infer
import Kernels
import Model
import Testing
import TestSupport
import Tokenize

/// The cached forward pass of inference against the one of training.
@Suite struct ModelRunnerTests {
    /// The logits after each chunk of a sequence; chunks of one token by default.
    private func logits(_ runner: ModelRunner, _ ids: [TokenID], chunks: [Int]? = nil) -> [[Float]] {
        let cache = runner.makeKVCache()
        var start = 0
        return (chunks ?? Array(repeating: 1, count: ids.count)).map { count in
            defer { start += count }
            return runner.logits(for: [.init(cache, from: start, ids: Array(ids[start..<start + count]))]).floats
        }
    }

    /// f32 on every instruction set.
    private static let variants = KernelVariant.standard.filter { $0.precision == .float32 && $0.blas == .slm }

    @Test(arguments: GoldenGPT.Variant.allCases, variants)
    func `logits equal those of training, token by token`(_ modelVariant: GoldenGPT.Variant, _ variant: KernelVariant) throws {
        let gpt = try GoldenGPT(modelVariant, variant), V = 61
        let runner = ModelRunner(of: gpt.model, gpt.parameters, on: gpt.tape.processor, precision: .float32)
        let ids = Array(gpt.golden.ids("batch/ids").prefix(24))
        let expected = gpt.tape.withoutRecording { gpt.model.logits(of: gpt.tape.ids(ids, [1, 24]), on: gpt.tape).floats }
        for (t, found) in logits(runner, ids).enumerated() {
            expectClose(found, Array(expected[t * V..<(t + 1) * V]), within: .gradient, "token \(t)")
        }
    }

    @Test(arguments: [WeightPrecision.float32, .int8, .int6, .int4])
    func `logits do not depend on chunks or on other sequences of the batch, bit for bit`(_ precision: WeightPrecision) throws {
        try checkBatches(precision)
    }

    @Test(.needsBFloat16) func `logits of bf16 weights do not depend on chunks or on other sequences of the batch`() throws {
        try checkBatches(.bfloat16)
    }

    private func checkBatches(_ precision: WeightPrecision) throws {
        for variant in GoldenGPT.Variant.allCases {
            let gpt = try GoldenGPT(variant, KernelVariant.standard[0]), processor = gpt.tape.processor
            let runner = ModelRunner(of: gpt.model, gpt.parameters, on: processor, precision: precision)
            let all = gpt.golden.ids("batch/ids"), first = Array(all.prefix(24)), second = Array(all.dropFirst(24).prefix(24))
            let firstBits = logits(runner, first).map { $0.map(\.bitPattern) }
            let secondBits = logits(runner, second).map { $0.map(\.bitPattern) }
            var end = 0
            for (count, found) in zip([5, 1, 12, 6], logits(runner, first, chunks: [5, 1, 12, 6])) {
                end += count
                let isSame = found.map(\.bitPattern) == firstBits[end - 1]
                #expect(isSame, "\(variant), chunk up to \(end)")
            }
            // Both in a batch, the second 7 tokens ahead, with a third sequence that needs no logits.
            let caches = (0..<3).map { _ in runner.makeKVCache() }
            _ = runner.logits(for: [.init(caches[1], from: 0, ids: Array(second[0..<7]), logits: .last(0))])
            for t in 0..<17 {
                let found = runner.logits(for: [
                    .init(caches[2], from: t, ids: [3], logits: .last(0)),
                    .init(caches[0], from: t, ids: [first[t]]),
                    .init(caches[1], from: t + 7, ids: [second[t + 7]]),
                ])
                let bits: [UInt32] = found.floats.map(\.bitPattern), expected: [UInt32] = firstBits[t] + secondBits[t + 7]
                let isSame = bits == expected
                #expect(found.shape == [2, 61] && isSame, "\(variant), step \(t)")
            }
        }
    }

    @Test(arguments: Processor.instructionSets, WeightPrecision.allCases)
    func `logits are the same bits on any number of threads`(_ instructionSet: String, _ precision: WeightPrecision) throws {
        for variant in GoldenGPT.Variant.allCases {
            let gpt = try GoldenGPT(variant, KernelVariant.standard[0]), ids = Array(gpt.golden.ids("batch/ids").prefix(24))
            let runs = try (1...4).map { threads in
                let processor = try Processor(threads: threads, cores: threads, instructionSet: instructionSet)
                let runner = ModelRunner(of: gpt.model, gpt.parameters, on: processor, precision: precision)
                return logits(runner, ids, chunks: [13, 1, 10]).flatMap { $0 }
            }
            for threads in 2...4 { expectSame(runs[threads - 1], runs[0], "\(variant), \(threads) threads") }
        }
    }

    private func sumOfSquares(_ numbers: [Float]) -> Double { numbers.reduce(0) { $0 + Double($1) * Double($1) } }

    @Test(arguments: [(WeightPrecision.int8, 5e-4), (.int6, 1.5e-3), (.int4, 1.5e-2)])
    func `quantized weights give logits near those of f32`(precision: WeightPrecision, most: Double) throws {
        try checkError(of: precision, most: most)
    }

    @Test(.needsBFloat16) func `bf16 weights give logits near those of f32`() throws { try checkError(of: .bfloat16, most: 2e-4) }

    private func checkError(of precision: WeightPrecision, most: Double) throws {
        let gpt = try GoldenGPT(.untied, KernelVariant.standard[0]), processor = gpt.tape.processor
        let ids = Array(gpt.golden.ids("batch/ids").prefix(24))
        func allLogits(_ precision: WeightPrecision) -> [Float] {
            logits(ModelRunner(of: gpt.model, gpt.parameters, on: processor, precision: precision), ids).flatMap { $0 }
        }
        let exact = allLogits(.float32), size = sumOfSquares(exact)
        let error = sumOfSquares(zip(allLogits(precision), exact).map { $0.0 - $0.1 })
        #expect(error / size < most, "\(precision.rawValue): \(error / size)")
    }
}
