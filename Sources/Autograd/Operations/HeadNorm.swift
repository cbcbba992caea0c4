import Kernels

extension Tape {
    /// Questions and keys of every head made equally long: x/√(⟨x²⟩ + ε) (Henry et al. 2020, "QK-norm").   qkv [B, T, 3·H·D]; y like it, its values untouched
    ///
    /// So no score of attention is above √D, however large weights become.
    package func normHeads(_ qkv: Tensor, heads H: Int, epsilon: Float = 1e-5) -> Tensor {
        require(qkv.shape.rank == 3 && H > 0 && qkv.shape[2] > 0 && qkv.shape[2] % (3 * H) == 0, "normHeads: \(qkv.shape) for \(H) heads")
        let qkv = contiguous(qkv), (N, C) = qkv.shape.rows, D = C / (3 * H)
        let y = empty(qkv.shape, qkv.type), rstd = processor.buffer(of: N * 2 * H, .float32)
        processor.normHeads(qkv.elements, N: N, C: C, heads: 2 * H, D: D, into: y.elements, rstd: rstd, epsilon: epsilon)
        return record(y, from: [Slot(qkv)]) { HeadNorm(qkv: Slot(qkv), y: y, rstd: rstd, H: H, D: D) }
    }
}

/// dx += rstd·(dy − y·⟨dy·y⟩) in questions and keys, dy in values. From y, which attention keeps anyway.
private struct HeadNorm: Operation {
    let qkv: Slot
    let y: Tensor
    let rstd: Buffer                 // [B·T, 2·H]
    let H, D: Int

    func backward(_ dy: Tensor, on tape: Tape) {
        let (N, C) = qkv.shape.rows
        tape.writeGradient(to: qkv) { dx in
            tape.processor.normHeadsGradient(dy: dy.elements, y: y.elements, N: N, C: C, heads: 2 * H, D: D, rstd: rstd, into: dx)
        }
    }
}
