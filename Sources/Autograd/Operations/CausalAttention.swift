import Kernels

extension Tape {
    /// y = softmax(q·kᵀ/√D)·v for every head, each position seeing itself and what came before.   qkv [B, T, 3·H·D]; y [B, T, H·D]
    ///
    /// No matrix of T × T is ever held. `documents` [B, T] gives the place where each position's document begins, and nothing
    /// before that is seen: so several conversations share a row.
    package func causalAttention(_ qkv: Tensor, heads H: Int, documents: Tensor? = nil) -> Tensor {
        require(qkv.shape.rank == 3 && H > 0 && qkv.shape[2] % (3 * H) == 0, "causalAttention: \(qkv.shape) for \(H) heads")
        require(documents.map { $0.shape.sizes == [qkv.shape[0], qkv.shape[1]] } ?? true,
                "causalAttention: documents \(documents?.shape ?? []) for \(qkv.shape)")
        let qkv = contiguous(qkv), (B, T, C) = (qkv.shape[0], qkv.shape[1], qkv.shape[2] / 3)
        let attention = Attention(qkv: qkv.elements, B: B, T: T, H: H, D: C / H, documents: documents?.elements, precision: precision)
        let y = empty([B, T, C], qkv.type)
        let logSums = wantsGradient(of: [Slot(qkv)]) ? processor.buffer(of: B * H * T, .float32) : nil
        processor.attend(attention, into: y.elements, logSums: logSums)
        return record(y, from: [Slot(qkv)]) { CausalAttention(attention: attention, qkv: Slot(qkv), y: y, logSums: logSums) }
    }
}

extension Attention {
    fileprivate init(qkv: Buffer, B: Int, T: Int, H: Int, D: Int, documents: Buffer?, precision: DataType) {
        let C = H * D
        let part = { (i: Int) in qkv[min(i * C, qkv.count)..<qkv.count] }
        self.init(q: part(0), k: part(1), v: part(2), B: B, T: T, H: H, D: D, stride: 3 * C, first: documents)
        self.precision = precision
    }
}

/// With p = softmax(s), s = q·kᵀ/√D, computed again from the sums of each row:
///     dv = pᵀ·dy,   ds = p∘(dy·vᵀ − ⟨dy, y⟩)/√D,   dq = ds·k,   dk = dsᵀ·q
private struct CausalAttention: Operation {
    let attention: Attention
    let qkv: Slot
    let y: Tensor
    let logSums: Buffer?             // [B, H, T]

    func backward(_ dy: Tensor, on tape: Tape) {
        guard let logSums else { return }
        tape.writeGradient(to: qkv) { d in
            let C = attention.H * attention.D
            let part = { (i: Int) in d[min(i * C, d.count)..<d.count] }
            tape.processor.attendGradient(attention, y: y.elements, logSums: logSums, dy: dy.elements, dq: part(0), dk: part(1), dv: part(2))
        }
    }
}
