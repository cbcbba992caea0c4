import Autograd
package import Kernels

/// Muon (Jordan et al. 2024): moves each matrix by its momentum with singular values of about 1 instead of its own.
///
/// A momentum has few large singular values and many small ones. Muon gives all directions the same share of the update, so that a matrix
/// also learns what rarely occurs.
///
/// B momentum · G gradient · β decay of the momentum.
package struct Muon {
    /// The learning rate divided by that of AdamW.
    package var rateRatio: Float
    package var momentum: Float = 0.95
    /// The type of the matmuls.
    let precision: DataType

    package init(rateRatio: Float, in precision: DataType = .float32) {
        self.rateRatio = rateRatio
        self.precision = precision
    }

    /// B ← β·B + (1 − β)·G, and G ← (1 − β)·G + β·B (Nesterov momentum).
    ///
    /// - Parameter scale: Multiplies the gradients first.
    func accumulate(_ gradients: Buffer, scale: Float, into moments: Buffer, on processor: Processor) {
        let share = (1 - momentum) * scale
        processor.copy(moments, into: moments, scale: momentum)
        processor.copy(gradients, into: moments, scale: share, adding: true)
        processor.copy(gradients, into: gradients, scale: share)
        processor.copy(moments, into: gradients, scale: momentum, adding: true)
    }

    /// Moves the matrices of a weight in their directions.
    ///
    /// - Parameter decay: Weight decay times the learning rate.
    func update(_ parameter: Parameter, weights: Buffer, directions: Buffer, rate: Float, decay: Float, on processor: Processor) {
        let columns = parameter.shape[1]
        if decay != 0 { processor.copy(weights, into: weights, scale: 1 - decay) }
        forEachDirection(of: parameter, directions, on: processor) { range, direction in
            // A tall matrix maps to more numbers than it reads: their root mean square stays that of a square one.
            let scale = max(1, Float(range.count / columns) / Float(columns)).squareRoot()
            processor.copy(direction, into: weights[range], scale: -rate * scale, adding: true)
        }
    }

    /// Calls `body` with the range of each matrix in a weight, and its orthogonalized direction.
    func forEachDirection(
        of parameter: Parameter, _ directions: Buffer, on processor: Processor, _ body: (Range<Int>, Buffer) -> Void
    ) {
        guard case .linear(let parts) = parameter.kind else { preconditionFailure("\(parameter.name) is no linear layer") }
        let columns = parameter.shape[1]
        var start = 0
        for rows in parts {
            let range = start..<start + rows * columns
            body(range, orthogonalized(directions[range], rows: rows, columns: columns, on: processor))
            start = range.upperBound
        }
    }

    /// A matrix with the singular vectors of X and singular values between about 0.7 and 1.2, by Newton–Schulz iterations.   [M, N]
    ///
    /// X ← aX + (bA + cA²)X with A = XXᵀ, for which a, b and c make small singular values grow fast.
    package func orthogonalized(_ matrix: Buffer, rows M: Int, columns N: Int, on processor: Processor) -> Buffer {
        let (a, b, c) = (Float(3.4445), Float(-4.7750), Float(2.0315))
        let isTall = M > N, K = min(M, N)
        var x = processor.buffer(of: M * N, .float32), next = processor.buffer(of: M * N, .float32)
        let gram = processor.buffer(of: K * K, .float32), factor = processor.buffer(of: K * K, .float32)
        processor.copy(matrix, into: x, scale: 1 / (Float(processor.sumOfSquares(matrix).squareRoot()) + 1e-7))
        func multiply(_ left: Matrix, _ right: Matrix, into y: Buffer, scale: Float = 1, plus: Buffer? = nil) {
            var matmul = Matmul(of: left, right, into: Matrix(y, rows: left.rows, columns: right.columns))
            matmul.precision = precision
            matmul.scale = scale
            matmul.plus = plus
            processor.run(matmul, as: "Muon")
        }
        let square = { (y: Buffer) in Matrix(y, rows: K, columns: K) }
        for _ in 0..<5 {
            let whole = Matrix(x, rows: M, columns: N)
            // The smaller of XXᵀ and XᵀX, which stands on the other side of X.
            if isTall { multiply(whole.transposed, whole, into: gram) } else { multiply(whole, whole.transposed, into: gram) }
            processor.copy(gram, into: factor, scale: b)
            multiply(square(gram), square(gram), into: factor, scale: c, plus: factor)
            processor.copy(x, into: next, scale: a)
            let (left, right) = isTall ? (whole, square(factor)) : (square(factor), whole)
            multiply(left, right, into: next, plus: next)
            swap(&x, &next)
        }
        return x
    }
}
