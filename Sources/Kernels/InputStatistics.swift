internal import CKernels

/// What is known of the inputs x of a matmul on a text: the sum of x·xᵀ, the Hessian of the squared error of its outputs, or only its
/// diagonal.
///
///     let statistics = InputStatistics(inputs: I, algebra)
///     statistics.add(x, rows: N, on: processor)
///     let quantized = processor.quantize(values, outputs: O, inputs: I, to: .int4, calibration: statistics)
package final class InputStatistics {
    private enum Content {
        case products(Buffer, LinearAlgebra)                              // [I, I]
        case squares([Float])                                             // [I]
    }

    package let inputs: Int
    private let content: Content

    /// The share of the mean of the diagonal that is added to it: inputs that the text hardly uses keep their weights.
    private static let damping: Float = 0.01

    package init(inputs: Int, _ algebra: LinearAlgebra) {
        self.inputs = inputs
        content = .products(Buffer(zeros: inputs * inputs), algebra)
    }

    /// - Parameter squares: The mean of the squares of each input, or any multiple of it.
    package init(squares: [Float]) {
        inputs = squares.count
        content = .squares(squares)
    }

    /// Whether only the sizes of inputs are known, and not how they depend on each other.
    package var isDiagonal: Bool { if case .squares = content { true } else { false } }

    /// Adds N inputs x [N, I].
    package func add(_ x: Buffer, rows N: Int, on processor: Processor) {
        guard case .products(let products, _) = content else { preconditionFailure("only the diagonal is known: nothing can be added") }
        let rows = Matrix(x, rows: N, columns: inputs)
        var matmul = Matmul(of: rows.transposed, rows, into: Matrix(products, rows: inputs, columns: inputs))
        matmul.accumulates = true
        processor.run(matmul, as: "input statistics")
    }

    /// How much errors of the weights count, for weights that are divided by scales of their inputs; nil if the inputs are not finite, or
    /// if all that is known of them is that they are 0.
    package func errorWeights(on processor: Processor, dividedBy inputScales: Buffer? = nil) -> ErrorWeights? {
        let scales = inputScales.map { $0.read { span in span.indices.map { span[$0] } } }
        return switch content {
        case .products(let products, let algebra): factor(of: products, algebra, scales, on: processor).map { .factor($0) }
        case .squares(let squares): importance(of: squares, scales, on: processor).map { .importance($0) }
        }
    }

    private func factor(of products: Buffer, _ algebra: LinearAlgebra, _ scales: [Float]?, on processor: Processor) -> Buffer? {
        let I = inputs
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

    private func importance(of squares: [Float], _ scales: [Float]?, on processor: Processor) -> Buffer? {
        let mean = squares.reduce(0) { $0 + $1 / Float(inputs) }
        guard mean > 0, mean.isFinite else { return nil }
        var values = squares.map { $0 / mean + Self.damping }
        if let scales {
            for i in values.indices { values[i] *= scales[i] * scales[i] }
            // The products of sums of the fit stay in range.
            let largest = values.reduce(0, max)
            for i in values.indices { values[i] /= largest }
        }
        let importance = processor.buffer(of: QuantizedWeights.groups(inputs: inputs) * Int(SLM_GROUP), .float32)
        importance.write { span in for i in span.indices { span[i] = i < values.count ? values[i] : 0 } }
        return importance
    }
}

/// How much errors of a matrix's weights count in its outputs.
package enum ErrorWeights {
    /// The upper Cholesky factor U of the inverse of the Hessian, H⁻¹ = Uᵀ·U: later inputs make up for the errors of earlier ones.   [I, I]
    case factor(Buffer)
    /// How much the squared errors of each input's weights count.   [I, filled up with zeros to a multiple of SLM_GROUP]
    case importance(Buffer)

    var factor: Buffer? { if case .factor(let factor) = self { factor } else { nil } }
    var importance: Buffer? { if case .importance(let importance) = self { importance } else { nil } }
}
