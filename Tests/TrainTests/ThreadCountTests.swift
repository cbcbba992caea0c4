import Autograd
import Kernels
import Model
import TestSupport
import Testing
import Train

/// Training with slm's own kernels gives the same bits on any number of threads.
@Suite struct ThreadCountTests {
    private static let configurations: [GPTConfiguration] = {
        // Odd sizes, and rows enough for several parts of every sum.
        var classic = GPTConfiguration(layers: 2, heads: 3, width: 51, context: 61, vocabulary: 203)
        classic.dropout = 0.1
        var modern = GPTConfiguration(layers: 2, heads: 2, width: 36, context: 61, vocabulary: 203)
        modern.norm = .rms
        modern.positions = .rotary
        modern.qkNorm = .unit
        modern.hasBias = false
        modern.isTied = true
        modern.activation = .reluSquared
        return [classic, modern]
    }()

    private func check(_ instructionSet: String, _ precision: DataType) throws {
        let rows = 7, context = 61
        let ids = (0...rows * context).map { Int32($0 * $0 % 203) }
        let batch = Batch(inputs: Array(ids.dropLast()), targets: ids.dropFirst().map { $0 % 11 == 0 ? -1 : $0 }, rows: rows)
        for configuration in Self.configurations {
            let runs = try (1...4).map { threads in
                let processor = try Processor(threads: threads, cores: threads, instructionSet: instructionSet)
                let trainer = Trainer(configuration, on: processor, precision: precision, seed: 5)
                trainer.microBatchTokens = 250
                let losses = (0..<3).flatMap { _ in
                    let report = trainer.step(batch, rate: 1e-2)
                    return [report.loss, report.gradientNorm]
                }
                return losses + trainer.parameters.list.flatMap { trainer.parameters.value(of: $0).floats }
            }
            for threads in 2...4 { expectSame(runs[threads - 1], runs[0], "\(threads) threads, \(configuration.positions) positions") }
        }
    }

    @Test(arguments: Processor.instructionSets)
    func `training gives the same bits on any number of threads`(instructionSet: String) throws { try check(instructionSet, .float32) }

    @Test(.needsBFloat16, arguments: KernelVariant.bfloat16InstructionSets)
    func `training in bf16 gives the same bits on any number of threads`(instructionSet: String) throws {
        try check(instructionSet, .bfloat16)
    }
}
