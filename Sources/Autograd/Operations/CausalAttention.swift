import Kernels

extension Tape {
    /// y = softmax(q·kᵀ/√D)·v for each head, where each position sees itself and earlier ones.   qkv [B, T, 3·H·D]; y [B, T, H·D]
    ///
    /// Never holds a T × T matrix (like FlashAttention).
    ///
    /// - Parameter documentStarts: [B, T], for each position the first position of its conversation, before which it sees nothing.
    ///   This lets several conversations share a row.
    package func causalAttention(_ qkv: Tensor, heads H: Int, documentStarts: Tensor? = nil) -> Tensor {
        require(qkv.shape.rank == 3 && H > 0 && qkv.shape[2] % (3 * H) == 0, "causalAttention: \(qkv.shape) for \(H) heads")
        require(
            documentStarts.map { $0.shape.sizes == [qkv.shape[0], qkv.shape[1]] } ?? true,
            "causalAttention: documentStarts \(documentStarts?.shape ?? []) for \(qkv.shape)"
        )
        let qkv = contiguous(qkv)
        let B = qkv.shape[0]
        let T = qkv.shape[1]
        let C = qkv.shape[2] / 3
        let attention = Attention(
            qkv: qkv.elements, B: B, T: T, H: H, D: C / H, documentStarts: documentStarts?.elements, precision: precision
        )
        let y = empty([B, T, C], qkv.type)
        let logSums = needsGradient(for: [GradientTarget(qkv)]) ? processor.buffer(of: B * H * T, .float32) : nil
        processor.attend(attention, into: y.elements, logSums: logSums)
        return record(y, from: [GradientTarget(qkv)]) {
            CausalAttention(attention: attention, qkv: GradientTarget(qkv), y: y, logSums: logSums)
        }
    }
}

extension Attention {
    fileprivate init(qkv: Buffer, B: Int, T: Int, H: Int, D: Int, documentStarts: Buffer?, precision: DataType) {
        let C = H * D
        let part = { (i: Int) in qkv[min(i * C, qkv.count)..<qkv.count] }
        self.init(q: part(0), k: part(1), v: part(2), B: B, T: T, H: H, D: D, stride: 3 * C, first: documentStarts)
        self.precision = precision
    }
}

/// With p = softmax(s) and s = q·kᵀ/√D, recomputed from the log-sum-exp of each row:
///     dv = pᵀ·dy,   ds = p∘(dy·vᵀ − ⟨dy, y⟩)/√D,   dq = ds·k,   dk = dsᵀ·q
private struct CausalAttention: Operation {
    let attention: Attention
    let qkv: GradientTarget
    let y: Tensor
    let logSums: Buffer?             // [B, H, T]

    func backward(_ dy: Tensor, on tape: Tape) {
        guard let logSums else { return }
        tape.writeGradient(to: qkv) { d in
            let C = attention.H * attention.D
            let part = { (i: Int) in d[min(i * C, d.count)..<d.count] }
            tape.processor.attendGradient(
                attention, y: y.elements, logSums: logSums, dy: dy.elements, dq: part(0), dk: part(1), dv: part(2)
            )
        }
    }
}
