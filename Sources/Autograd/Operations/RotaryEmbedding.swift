package import Kernels

extension Tape {
    /// Rotates the queries and keys of each head by angles that grow with the position, and leaves the values unchanged
    /// (rotary position embeddings, RoPE; Su et al. 2021).
    ///
    /// The dot product of a query at position a and a key at position b depends only on a − b. Conversations that share a row therefore
    /// need no positions of their own.
    ///
    /// - Parameters:
    ///   - qkv: [B, T, (H + 2·K)·D]; the result has the same shape.
    ///   - angles: [≥ T, D] from ``rotaryAngles(of:width:from:_:)``.
    package func applyRotaryEmbedding(_ qkv: Tensor, _ heads: AttentionHeads, by angles: Tensor) -> Tensor {
        let D = heads.width
        require(
            qkv.shape.rank == 3 && qkv.shape[2] == heads.rowWidth && D % 2 == 0,
            "applyRotaryEmbedding: \(qkv.shape) for \(heads.queries) heads of queries and \(heads.keys) of keys, \(D) wide, which must be "
                + "even"
        )
        let qkv = contiguous(qkv)
        let T = qkv.shape[1]
        require(
            angles.shape.rank == 2 && angles.shape[1] == D && angles.shape[0] >= T,
            "applyRotaryEmbedding: angles \(angles.shape) for \(qkv.shape) and heads of \(D)"
        )
        let rotation = RotaryEmbedding(qkv: GradientTarget(qkv), heads: heads, angles: angles.elements[0..<T * D])
        let y = empty(qkv.shape, qkv.type)
        rotation.run(qkv.elements, into: y.elements, inverse: false, on: self)
        return record(y, from: [GradientTarget(qkv)]) { rotation }
    }

    /// The angles of T positions from `start` on: see ``Processor/rotaryAngles(of:width:from:_:)``.
    package func rotaryAngles(
        of T: Int, width D: Int, from start: Int = 0, _ positions: RotaryPositions = RotaryPositions()
    ) -> Tensor {
        Tensor(processor.rotaryAngles(of: T, width: D, from: start, positions), [T, D])
    }
}

/// (a, b) → (a·cos − b·sin, b·cos + a·sin) for every pair of q and k. The derivative rotates dy back, by −sin.
private struct RotaryEmbedding: Operation {
    let qkv: GradientTarget
    let heads: AttentionHeads
    let angles: Buffer               // [T, D]

    func run(_ x: Buffer, into y: Buffer, inverse: Bool, on tape: Tape) {
        let (N, C) = qkv.shape.rows
        tape.processor.rotate(x, N: N, C: C, heads: heads.positioned, D: heads.width, by: angles, into: y, inverse: inverse)
    }

    func backward(_ dy: Tensor, on tape: Tape) {
        tape.writeGradient(to: qkv) { run(dy.elements, into: $0, inverse: true, on: tape) }
    }
}
