// For Documentation/Learn/Autograd.md: the GPT uses `linear` instead.

import Kernels

extension Tape {
    /// [.., M, K]·[.., K, N] → [.., M, N]. Transposed views are not copied. Leading axes are broadcast.
    package func matmul(_ a: Tensor, _ b: Tensor) -> Tensor {
        require(a.shape.rank >= 2 && b.shape.rank >= 2 && a.shape[-1] == b.shape[-2], "matmul: \(a.shape)·\(b.shape)")
        let aBatch = a.shape.sizes.dropLast(2)
        let bBatch = b.shape.sizes.dropLast(2)
        require(
            zip(aBatch.reversed(), bBatch.reversed()).allSatisfy { $0 == $1 || $0 == 1 || $1 == 1 },
            "matmul: \(a.shape)·\(b.shape)"
        )
        let batch = Shape([Int](aBatch)).broadcast(with: Shape([Int](bBatch)), for: "matmul")
        let type: DataType = a.type == .bfloat16 && b.type == .bfloat16 ? .bfloat16 : .float32
        let y = empty(Shape(batch.sizes + [a.shape[-2], b.shape[-1]]), type)
        multiply(a, b, into: y, batch: batch)
        return record(y, from: [GradientTarget(a), GradientTarget(b)]) { BatchedMatmul(a: a, b: b, batch: batch) }
    }

    /// y = a·b for every index of `batch`.
    fileprivate func multiply(_ a: Tensor, _ b: Tensor, into y: Tensor, batch: Shape) {
        let aBatch = a.batchStrides(for: batch)
        let bBatch = b.batchStrides(for: batch)
        let size = y.shape[-2] * y.shape[-1]
        processor.run((0..<batch.count).map { i in
            var rest = i, aStart = 0, bStart = 0
            for axis in stride(from: batch.rank - 1, through: 0, by: -1) {
                aStart += rest % batch[axis] * aBatch[axis]
                bStart += rest % batch[axis] * bBatch[axis]
                rest /= batch[axis]
            }
            let target = Matrix(y.buffer[i * size..<(i + 1) * size], rows: y.shape[-2], columns: y.shape[-1])
            var matmul = Matmul(of: a.lastMatrix(from: aStart), b.lastMatrix(from: bStart), into: target)
            matmul.precision = matmulPrecision
            return matmul
        }, as: "matmul")
    }
}

extension Tensor {
    fileprivate func batchStrides(for batch: Shape) -> [Int] {
        let missing = batch.rank - (shape.rank - 2)
        return (0..<batch.rank).map { $0 < missing || shape.sizes[$0 - missing] == 1 ? 0 : strides[$0 - missing] }
    }

    fileprivate func lastMatrix(from offset: Int) -> Matrix {
        Matrix(
            buffer[min(offset, buffer.count)..<buffer.count], rows: shape[-2], columns: shape[-1],
            rowStride: strides[shape.rank - 2], columnStride: strides[shape.rank - 1]
        )
    }
}

/// y = a·b:   da += dy·bᵀ,   db += aᵀ·dy, summed along the axes that were broadcast
private struct BatchedMatmul: Operation {
    let a, b: Tensor
    let batch: Shape

    func backward(_ dy: Tensor, on tape: Tape) {
        let dy = Tensor(dy.elements, shape: Shape(batch.sizes + [a.shape[-2], b.shape[-1]]))
        add(dy, tape.transpose(b.detached), to: GradientTarget(a), on: tape)
        add(tape.transpose(a.detached), dy, to: GradientTarget(b), on: tape)
    }

    private func add(_ left: Tensor, _ right: Tensor, to x: GradientTarget, on tape: Tape) {
        guard x.needsGradient else { return }
        var whole = tape.empty(Shape(batch.sizes + [left.shape[-2], right.shape[-1]]), x.type)
        tape.multiply(left, right, into: whole, batch: batch)
        let sizes = x.shape.padded(to: whole.shape.rank)
        for axis in 0..<batch.rank where sizes[axis] != whole.shape[axis] { whole = tape.summed(whole, along: axis) }
        tape.passGradient(whole, to: x)
    }
}
