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

    /// A matrix of a weight.
    struct Part {
        let parameter: Parameter
        /// Where it lies among all parameters.
        let range: Range<Int>
        let rows, columns: Int
    }

    /// The matrices of weights, in groups of one shape: the smaller they are, the more of them are orthogonalized at the same time.
    static func groups(of parameters: [Parameter]) -> [[Part]] {
        var groups: [[Part]] = [], last: [[Int]: Int] = [:]     // the last group of each shape
        for part in parameters.flatMap(parts) {
            let shape = [part.rows, part.columns]
            if let i = last[shape], (groups[i].count + 1) * part.range.count <= mostAtOnce {
                groups[i].append(part)
            } else {
                last[shape] = groups.count
                groups.append([part])
            }
        }
        return groups
    }

    /// In numbers. Those of one group should stay in the cache.
    private static let mostAtOnce = 1 << 20

    private static func parts(of parameter: Parameter) -> [Part] {
        guard case .linear(let rows) = parameter.kind else { preconditionFailure("\(parameter.name) is no linear layer") }
        let columns = parameter.shape[1]
        var start = parameter.range.lowerBound
        return rows.map { rows in
            defer { start += rows * columns }
            return Part(parameter: parameter, range: start..<start + rows * columns, rows: rows, columns: columns)
        }
    }

    /// Moves the matrices of a group in their directions.
    ///
    /// - Parameters:
    ///   - directions: Of all parameters.
    ///   - rate: The learning rate of a parameter.
    ///   - decay: Weight decay times the learning rate of a parameter.
    func update(
        _ group: [Part], weights: Buffer, directions: Buffer, rate: (Parameter) -> Float, decay: (Parameter) -> Float, on processor: Processor
    ) {
        for (part, direction) in zip(group, orthogonalized(group.map { directions[$0.range] }, group[0].rows, group[0].columns, on: processor)) {
            let decay = decay(part.parameter), weights = weights[part.range]
            if decay != 0 { processor.copy(weights, into: weights, scale: 1 - decay) }
            // A tall matrix maps to more numbers than it reads: their root mean square stays that of a square one.
            let scale = max(1, Float(part.rows) / Float(part.columns)).squareRoot()
            processor.copy(direction, into: weights, scale: -rate(part.parameter) * scale, adding: true)
        }
    }

    /// Matrices with the singular vectors of others and singular values between about 0.7 and 1.2, by Newton–Schulz iterations.   [M, N]
    ///
    /// X ← aX + (bA + cA²)X with A = XXᵀ, for which a, b and c make small singular values grow fast.
    package func orthogonalized(_ matrices: [Buffer], _ M: Int, _ N: Int, on processor: Processor) -> [Buffer] {
        let (a, b, c) = (Float(3.4445), Float(-4.7750), Float(2.0315))
        let isTall = M > N, K = min(M, N), count = matrices.count
        var x = processor.buffer(of: count * M * N, .float32), next = processor.buffer(of: count * M * N, .float32)
        let gram = processor.buffer(of: count * K * K, .float32), factor = processor.buffer(of: count * K * K, .float32)
        let range = { (i: Int, size: Int) in i * size..<(i + 1) * size }
        for (i, matrix) in matrices.enumerated() {
            processor.copy(matrix, into: x[range(i, M * N)], scale: 1 / (Float(processor.sumOfSquares(matrix).squareRoot()) + 1e-7))
        }
        func multiply(into y: Buffer, scale: Float = 1, plus: Buffer? = nil, _ operands: (Int) -> (Matrix, Matrix)) {
            processor.run((0..<count).map { i in
                let (left, right) = operands(i), part = range(i, left.rows * right.columns)
                var matmul = Matmul(of: left, right, into: Matrix(y[part], rows: left.rows, columns: right.columns))
                matmul.precision = precision
                matmul.scale = scale
                matmul.plus = plus.map { $0[part] }
                return matmul
            }, as: "Muon")
        }
        for _ in 0..<5 {
            let whole = { (i: Int) in Matrix(x[range(i, M * N)], rows: M, columns: N) }
            let square = { (y: Buffer, i: Int) in Matrix(y[range(i, K * K)], rows: K, columns: K) }
            // The smaller of XXᵀ and XᵀX, which stands on the other side of X.
            multiply(into: gram) { isTall ? (whole($0).transposed, whole($0)) : (whole($0), whole($0).transposed) }
            processor.copy(gram, into: factor, scale: b)
            multiply(into: factor, scale: c, plus: factor) { (square(gram, $0), square(gram, $0)) }
            processor.copy(x, into: next, scale: a)
            multiply(into: next, plus: next) { isTall ? (whole($0), square(factor, $0)) : (square(factor, $0), whole($0)) }
            swap(&x, &next)
        }
        return (0..<count).map { x[range($0, M * N)] }
    }
}
