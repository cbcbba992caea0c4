import Kernels
import Model
import Train

/// The work that choices are measured with.
package enum TuningWork {
    /// A training step of one layer: the matmuls, attention and elementwise operations of a model of this width, in their proportions.
    /// nil if a library is missing.
    package static func trainingStep(width: Int, _ choice: KernelChoice, threads: Int) -> (() -> Double)? {
        guard let processor = try? Processor(threads: threads, instructionSet: choice.instructionSet, blas: choice.blas) else { return nil }
        let configuration = GPTConfiguration(layers: 1, heads: max(1, width / 64), width: width, context: 128, vocabulary: 4 * width)
        let trainer = Trainer(configuration, on: processor, precision: choice.precision, seed: 1)
        let rows = 3, count = rows * configuration.context
        let tokens = (0...count).map { Int32($0 * 7_919 % configuration.vocabulary) }
        let batch = Batch(inputs: Array(tokens.dropLast()), targets: Array(tokens.dropFirst()), rows: rows)
        return { measureSeconds { _ = trainer.step(batch, rate: 1e-4) } }
    }

    /// The packed matmuls of a prompt of 128 tokens and an answer of 200, from a part of them with 4 million weights.
    ///
    /// - Parameter evict: Called before each token of the answer: a model's weights are in main memory by the time they are read again.
    package static func answer(_ choice: KernelChoice, threads: Int, evict: @escaping () -> Void) -> (() -> Double)? {
        guard let processor = try? Processor(threads: threads, instructionSet: choice.instructionSet) else { return nil }
        let outputs = 4_096, inputs = 1_024, promptRows = 64, steps = 2
        let values = processor.buffer(of: outputs * inputs, .float32)
        processor.normal(into: values, seed: 1)
        let weights = processor.pack(values, outputs: outputs, inputs: inputs, as: choice.precision == .bfloat16 ? .bfloat16 : .float32)
        let few = processor.pack(values[0..<64 * 64], outputs: 64, inputs: 64, as: .float32)
        let x = processor.zeros(promptRows * inputs), y = processor.buffer(of: promptRows * outputs, .float32)
        return {
            let prompt = measureSeconds { processor.packedMatmul(x, rows: promptRows, by: weights, into: y) }
            var answer = 0.0
            for _ in 0..<steps {
                evict()
                processor.packedMatmul(x[0..<64], rows: 1, by: few, into: y[0..<64])          // wakes the threads up
                answer += measureSeconds { processor.packedMatmul(x[0..<inputs], rows: 1, by: weights, into: y[0..<outputs]) }
            }
            return 128 * prompt / Double(promptRows) + 200 * answer / Double(steps)
        }
    }

    /// A function that reads as much memory as the caches hold, and so removes everything else from them.
    package static func cacheEviction() -> () -> Void {
        let second: Int = CPU.caches.second ?? 1 << 20, third: Int = CPU.caches.third ?? 16 << 20
        let bytes: Int = min(third, 1 << 30) + 4 * second
        let numbers = [Int](repeating: 1, count: bytes / 8)
        return {
            var sum = 0
            for i in stride(from: 0, to: numbers.count, by: 8) { sum &+= numbers[i] }
            precondition(sum > 0, "the compiler must not omit the reads")
        }
    }
}
