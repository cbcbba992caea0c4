import Kernels
import Model
import TestSupport
import Testing
import Train

/// Training on a Vulkan device, beside the same on the CPU.
@Suite(.needsVulkan) struct GPUTrainingTests {
    private func losses(on processor: Processor, _ precision: DataType, steps: Int) -> [Float] {
        let T = 32
        var configuration = GPTConfiguration(layers: 2, heads: 4, width: 64, context: T, vocabulary: 203)
        configuration.dropout = 0.1
        let trainer = Trainer(configuration, on: processor, precision: precision, seed: 3)
        return (0..<steps).map { step in
            let rows = (0..<3).map { row in (0...T).map { Int32(($0 * $0 + 50 * row + 7 * step) % 203) } }
            let batch = Batch(inputs: rows.flatMap { $0.prefix(T) }, targets: rows.flatMap { $0.suffix(T) }, rows: rows.count)
            return trainer.step(batch, rate: 3e-3).loss
        }
    }

    @Test func `twelve steps have the losses of the CPU`() throws {
        let expected = losses(on: try Processor(threads: 2), .float32, steps: 12)
        let found = losses(on: try Processor(threads: 2, gpu: TestGPU.open()), .float32, steps: 12)
        #expect(expected.last ?? .infinity < (expected.first ?? 0) - 0.1)
        for (expected, found) in zip(expected, found) { #expect(abs(expected - found) <= 1e-3 * expected) }
    }

    @Test(arguments: [DataType.float32, .bfloat16])
    func `a run on the same device repeats bit for bit`(_ precision: DataType) throws {
        let first = losses(on: try Processor(threads: 1, gpu: TestGPU.open()), precision, steps: 3)
        #expect(losses(on: try Processor(threads: 2, gpu: TestGPU.open()), precision, steps: 3) == first)
    }
}
