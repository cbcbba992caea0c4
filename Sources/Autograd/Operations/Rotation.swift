import Kernels

extension Tape {
    /// Turns the questions and keys of every head by angles that grow with the position (rotary positions, Su et al. 2021).
    /// qkv [B, T, 3·H·D], angles [≥ T, D] from ``rotations(of:width:from:base:)``; y like qkv, its values untouched.
    ///
    /// Two vectors turned by a and b meet as if one were turned by b − a: what attention sees is how far apart two tokens are, wherever they stand. So
    /// conversations that share a row need no positions of their own.
    package func rotate(_ qkv: Tensor, heads H: Int, by angles: Tensor) -> Tensor {
        require(qkv.shape.rank == 3 && H > 0 && qkv.shape[2] % (6 * H) == 0, "rotate: \(qkv.shape) for \(H) heads, which must have even widths")
        let qkv = contiguous(qkv), T = qkv.shape[1], D = qkv.shape[2] / (3 * H)
        require(angles.shape.rank == 2 && angles.shape[1] == D && angles.shape[0] >= T, "rotate: angles \(angles.shape) for \(qkv.shape) and \(H) heads")
        let turn = Rotation(qkv: Slot(qkv), H: H, D: D, angles: angles.elements[0..<T * D]), y = empty(qkv.shape, qkv.type)
        turn.run(qkv.elements, into: y.elements, isBack: false, on: self)
        return record(y, from: [Slot(qkv)]) { turn }
    }

    /// The angles at positions `start` and on: see ``Processor/rotations(of:width:from:base:)``.
    package func rotations(of T: Int, width D: Int, from start: Int = 0, base: Double = 10_000) -> Tensor {
        Tensor(processor.rotations(of: T, width: D, from: start, base: base), [T, D])
    }
}

/// (a, b) → (a·cos − b·sin, b·cos + a·sin) for every pair of q and k; back with −sin:   dx += dy turned back
private struct Rotation: Operation {
    let qkv: Slot
    let H, D: Int
    let angles: Buffer               // [T, D]

    func run(_ x: Buffer, into y: Buffer, isBack: Bool, on tape: Tape) {
        let (N, C) = qkv.shape.rows
        tape.processor.rotate(x, N: N, C: C, heads: 2 * H, D: D, by: angles, into: y, isBack: isBack)
    }

    func backward(_ dy: Tensor, on tape: Tape) {
        tape.writeGradient(to: qkv) { run(dy.elements, into: $0, isBack: true, on: tape) }
    }
}
