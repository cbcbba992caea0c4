import Kernels
import Model
import TestSupport
import Testing
import Train

/// Training on a Vulkan device, beside the same on the CPU.
@Suite(.needsVulkan) struct GPUTrainingTests {
    private func losses(on processor: Processor, _ precision: DataType, steps: Int) -> [Float] {
        var configuration = GPTConfiguration(layers: 2, heads: 4, width: 64, context: 64, vocabulary: 203)
        configuration.dropout = 0.1
        let trainer = Trainer(configuration, on: processor, precision: precision, seed: 3)
        return (0..<steps).map { step in
            let ids = (0..<4 * 65).map { Int32(($0 * $0 + 7 * step) % 203) }, T = 64
            let rows = (0..<4).map { ids[$0 * 65..<($0 + 1) * 65] }
            let batch = Batch(inputs: rows.flatMap { $0.prefix(T) }, targets: rows.flatMap { $0.suffix(T) }, rows: 4)
            return trainer.step(batch, rate: 1e-3).loss
        }
    }

    @Test func `twenty steps have the losses of the CPU`() throws {
        let expected = losses(on: try Processor(threads: 2), .float32, steps: 20)
        let found = losses(on: try Processor(threads: 2, gpu: TestGPU.open()), .float32, steps: 20)
        #expect(expected.last ?? .infinity < (expected.first ?? 0) - 0.2)
        for (expected, found) in zip(expected, found) { #expect(abs(expected - found) <= 1e-3 * expected) }
    }

    @Test(arguments: [DataType.float32, .bfloat16])
    func `a run on the same device repeats bit for bit`(_ precision: DataType) throws {
        let first = losses(on: try Processor(threads: 1, gpu: TestGPU.open()), precision, steps: 6)
        #expect(losses(on: try Processor(threads: 2, gpu: TestGPU.open()), precision, steps: 6) == first)
    }
}
