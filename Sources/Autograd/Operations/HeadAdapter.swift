import Kernels

/// What a LoRA adapter of the head adds to the logits: low·Bᵀ with low = (α/r)·x·Aᵀ. The losses of a head compute it chunk by chunk, as the
/// logits themselves.
struct HeadAdapter {
    let low: Tensor                  // [.., R]
    let b: Tensor                    // [V, R]

    var rank: Int { b.shape[1] }

    func matrix(of rows: Range<Int>) -> Matrix {
        Matrix(low.elements[rows.lowerBound * rank..<rows.upperBound * rank], rows: rows.count, columns: rank)
    }

    /// logits += low·Bᵀ for some rows.
    func add(_ rows: Range<Int>, to logits: Matrix, on tape: Tape) {
        var matmul = Matmul(of: matrix(of: rows), b.matrix.transposed, into: logits)
        matmul.precision = tape.matmulPrecision
        matmul.accumulates = true
        tape.processor.run(matmul, as: "head adapter")
    }

    /// dlow = slope·B for some rows, where `slope` is the gradient of the logits.
    func writeLowGradient(_ rows: Range<Int>, of slope: Matrix, into dlow: Buffer, on tape: Tape) {
        let part = Matrix(dlow[rows.lowerBound * rank..<rows.upperBound * rank], rows: rows.count, columns: rank)
        var matmul = Matmul(of: slope, b.matrix, into: part)
        matmul.precision = tape.matmulPrecision
        tape.processor.run(matmul, as: "head adapter dx")
    }
}

extension Tape {
    /// nil if the head is not adapted.
    func headAdapter(_ layer: LoRALayer?, of x: Tensor) -> HeadAdapter? {
        layer.map { HeadAdapter(low: contiguous($0.low(x, on: self)), b: value(of: $0.b)) }
    }
}
