import Kernels

extension Tape {
    /// [.., M, K]·[.., K, N] → [.., M, N]. Transposed views cost nothing; leading axes must agree, or be absent on one side.
    package func matmul(_ a: Tensor, _ b: Tensor) -> Tensor {
        require(a.shape.rank >= 2 && b.shape.rank >= 2 && a.shape[-1] == b.shape[-2], "matmul: \(a.shape)·\(b.shape)")
        let (aBatch, bBatch) = (a.shape.sizes.dropLast(2).reversed(), b.shape.sizes.dropLast(2).reversed())
        require(zip(aBatch, bBatch).allSatisfy { $0 == $1 || $0 == 1 || $1 == 1 }, "matmul: \(a.shape)·\(b.shape)")
        let batch = Shape([Int](a.shape.sizes.dropLast(2))).broadcast(with: Shape([Int](b.shape.sizes.dropLast(2))), for: "matmul")
        let y = empty(Shape(batch.sizes + [a.shape[-2], b.shape[-1]]), a.type == .bfloat16 && b.type == .bfloat16 ? .bfloat16 : .float32)
        multiply(a, b, into: y, batch: batch)
        return record(y, from: [Slot(a), Slot(b)]) { MatMul(a: a, b: b, batch: batch) }
    }

    /// y = a·b for every index of `batch`.
    fileprivate func multiply(_ a: Tensor, _ b: Tensor, into y: Tensor, batch: Shape) {
        let (aBatch, bBatch) = (a.batchStrides(for: batch), b.batchStrides(for: batch))
        let size = y.shape[-2] * y.shape[-1]
        processor.multiply((0..<batch.count).map { i in
            var left = i, aStart = 0, bStart = 0
            for axis in stride(from: batch.rank - 1, through: 0, by: -1) {
                aStart += left % batch[axis] * aBatch[axis]
                bStart += left % batch[axis] * bBatch[axis]
                left /= batch[axis]
            }
            let target = Matrix(y.buffer[i * size..<(i + 1) * size], rows: y.shape[-2], columns: y.shape[-1])
            var product = Kernels.Product(of: a.lastMatrix(from: aStart), b.lastMatrix(from: bStart), into: target)
            product.precision = precision
            return product
        }, as: "matmul")
    }
}

extension Tensor {
    fileprivate func batchStrides(for batch: Shape) -> [Int] {
        let own = shape.rank - 2, missing = batch.rank - own
        return (0..<batch.rank).map { $0 < missing || shape.sizes[$0 - missing] == 1 ? 0 : strides[$0 - missing] }
    }

    fileprivate func lastMatrix(from offset: Int) -> Matrix {
        Matrix(buffer[min(offset, buffer.count)..<buffer.count], rows: shape[-2], columns: shape[-1],
               rowStride: strides[shape.rank - 2], columnStride: strides[shape.rank - 1])
    }
}

/// y = a·b:   da += dy·bᵀ,   db += aᵀ·dy, summed where one side served a whole batch
private struct MatMul: Operation {
    let a, b: Tensor
    let batch: Shape

    func backward(_ dy: Tensor, on tape: Tape) {
        let dy = Tensor(dy.elements, shape: Shape(batch.sizes + [a.shape[-2], b.shape[-1]]))
        add(dy, tape.transpose(b.detached), to: Slot(a), on: tape)
        add(tape.transpose(a.detached), dy, to: Slot(b), on: tape)
    }

    private func add(_ left: Tensor, _ right: Tensor, to x: Slot, on tape: Tape) {
        guard x.isWanted else { return }
        var whole = tape.empty(Shape(batch.sizes + [left.shape[-2], right.shape[-1]]), x.type)
        tape.multiply(left, right, into: whole, batch: batch)
        let sizes = x.shape.padded(to: whole.shape.rank)
        for axis in 0..<batch.rank where sizes[axis] != whole.shape[axis] { whole = tape.summed(whole, along: axis) }
        tape.pass(whole, to: x)
    }
}
