import Kernels

extension Tape {
    /// Normalizes the queries and keys of each head to x/√(⟨x²⟩ + ε), and leaves the values unchanged (QK-norm, Henry et al. 2020).
    /// qkv [B, T, 3·H·D]; y [B, T, 3·H·D]
    ///
    /// This limits attention scores to √D, however large the weights become.
    package func applyQKNorm(_ qkv: Tensor, heads H: Int, epsilon: Float = 1e-5) -> Tensor {
        require(
            qkv.shape.rank == 3 && H > 0 && qkv.shape[2] > 0 && qkv.shape[2] % (3 * H) == 0,
            "applyQKNorm: \(qkv.shape) for \(H) heads"
        )
        let qkv = contiguous(qkv)
        let (N, C) = qkv.shape.rows
        let D = C / (3 * H)
        let y = empty(qkv.shape, qkv.type)
        let rstd = processor.buffer(of: N * 2 * H, .float32)
        processor.normHeads(qkv.elements, N: N, C: C, heads: 2 * H, D: D, into: y.elements, rstd: rstd, epsilon: epsilon)
        return record(y, from: [GradientTarget(qkv)]) { QKNorm(qkv: GradientTarget(qkv), y: y, rstd: rstd, H: H, D: D) }
    }
}

/// dx += rstd·(dy − y·⟨dy·y⟩) for queries and keys, dx += dy for values. Uses y, which attention stores anyway, instead of x.
private struct QKNorm: Operation {
    let qkv: GradientTarget
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
