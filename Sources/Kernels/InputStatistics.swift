/// The Hessian of the squared error of a matmul's outputs: the sum of x·xᵀ over the inputs x that it gets on a text.
///
///     let statistics = InputStatistics(inputs: I, algebra)
///     statistics.add(x, rows: N, on: processor)
///     let quantized = processor.quantize(values, outputs: O, inputs: I, to: .int4, calibration: statistics)
package final class InputStatistics {
    package let inputs: Int
    private let algebra: LinearAlgebra
    private let products: Buffer                                          // [I, I]

    /// The share of the mean of the diagonal that is added to it: inputs that the text hardly uses keep their weights.
    private static let damping: Float = 0.01

    package init(inputs: Int, _ algebra: LinearAlgebra) {
        self.inputs = inputs
        self.algebra = algebra
        products = Buffer(zeros: inputs * inputs)
    }

    /// Adds N inputs x [N, I].
    package func add(_ x: Buffer, rows N: Int, on processor: Processor) {
        let rows = Matrix(x, rows: N, columns: inputs)
        var matmul = Matmul(of: rows.transposed, rows, into: Matrix(products, rows: inputs, columns: inputs))
        matmul.accumulates = true
        processor.run(matmul, as: "input statistics")
    }

    /// The upper Cholesky factor U of the inverse, H⁻¹ = Uᵀ·U, for weights that are divided by scales of their inputs; nil if the inputs
    /// are not finite.   [I, I]
    package func factor(on processor: Processor, dividedBy inputScales: Buffer? = nil) -> Buffer? {
        let I = inputs, scales = inputScales.map { $0.read { span in span.indices.map { span[$0] } } }
        var reversed = [Float](repeating: 0, count: I * I)
        products.read { span in
            var mean: Float = 0
            for i in 0..<I { mean += span[i * I + i] / Float(I) }
            for i in 0..<I {
                for j in 0..<I {
                    var value = span[i * I + j]
                    if i == j { value = value + Self.damping * mean + .leastNormalMagnitude }
                    if let scales { value *= scales[i] * scales[j] }
                    reversed[(I - 1 - i) * I + I - 1 - j] = value
                }
            }
        }
        // The matrix in reversed order is R = L·Lᵀ. The factor is L⁻¹ in reversed order.
        guard let inverse = algebra.inverseOfCholeskyFactor(of: reversed, count: I) else { return nil }
        let factor = processor.buffer(of: I * I, .float32)
        factor.write { span in
            for i in 0..<I {
                for j in 0..<I { span[i * I + j] = j < i ? 0 : inverse[(I - 1 - i) * I + I - 1 - j] }
            }
        }
        return factor
    }
}
