import Kernels

extension Tape {
    /// Rotates the queries and keys of each head by angles that grow with the position, and leaves the values unchanged
    /// (rotary position embeddings, RoPE; Su et al. 2021).
    ///
    /// The dot product of a query at position a and a key at position b depends only on a − b. Conversations that share a row therefore
    /// need no positions of their own.
    ///
    /// - Parameters:
    ///   - qkv: [B, T, 3·H·D]; the result has the same shape.
    ///   - angles: [≥ T, D] from ``rotaryAngles(of:width:from:base:)``.
    package func applyRotaryEmbedding(_ qkv: Tensor, heads H: Int, by angles: Tensor) -> Tensor {
        require(
            qkv.shape.rank == 3 && H > 0 && qkv.shape[2] % (6 * H) == 0,
            "applyRotaryEmbedding: \(qkv.shape) for \(H) heads, which must have even widths"
        )
        let qkv = contiguous(qkv)
        let T = qkv.shape[1]
        let D = qkv.shape[2] / (3 * H)
        require(
            angles.shape.rank == 2 && angles.shape[1] == D && angles.shape[0] >= T,
            "applyRotaryEmbedding: angles \(angles.shape) for \(qkv.shape) and \(H) heads"
        )
        let rotation = RotaryEmbedding(qkv: GradientTarget(qkv), H: H, D: D, angles: angles.elements[0..<T * D])
        let y = empty(qkv.shape, qkv.type)
        rotation.run(qkv.elements, into: y.elements, inverse: false, on: self)
        return record(y, from: [GradientTarget(qkv)]) { rotation }
    }

    /// The angles of T positions from `start` on: see ``Processor/rotaryAngles(of:width:from:base:)``.
    package func rotaryAngles(of T: Int, width D: Int, from start: Int = 0, base: Double = 10_000) -> Tensor {
        Tensor(processor.rotaryAngles(of: T, width: D, from: start, base: base), [T, D])
    }
}

/// (a, b) → (a·cos − b·sin, b·cos + a·sin) for every pair of q and k. The derivative rotates dy back, by −sin.
private struct RotaryEmbedding: Operation {
    let qkv: GradientTarget
    let H, D: Int
    let angles: Buffer               // [T, D]

    func run(_ x: Buffer, into y: Buffer, inverse: Bool, on tape: Tape) {
        let (N, C) = qkv.shape.rows
        tape.processor.rotate(x, N: N, C: C, heads: 2 * H, D: D, by: angles, into: y, inverse: inverse)
    }

    func backward(_ dy: Tensor, on tape: Tape) {
        tape.writeGradient(to: qkv) { run(dy.elements, into: $0, inverse: true, on: tape) }
    }
}
