package import Kernels

extension Tape {
    /// y = softmax(scale·q·kᵀ)·v for each head, where each position sees itself and earlier ones.   qkv [B, T, (H + 2·K)·D]; y [B, T, H·D]
    ///
    /// With a cap, the scores scale·q·kᵀ are soft-capped before the softmax. Never holds a T × T matrix (like FlashAttention).
    ///
    /// - Parameters:
    ///   - documentStarts: [B, T], for each position the first position of its conversation, before which it sees nothing. This lets
    ///     several conversations share a row.
    ///   - sinks: [H], for each head a score that takes its share of the softmax and has no value.
    package func causalAttention(
        _ qkv: Tensor, _ heads: AttentionHeads, documentStarts: Tensor? = nil, sinks: Tensor? = nil
    ) -> Tensor {
        require(
            qkv.shape.rank == 3 && qkv.shape[2] == heads.rowWidth,
            "causalAttention: \(qkv.shape) for \(heads.queries) heads of queries and \(heads.keys) of keys, \(heads.width) wide"
        )
        require(
            documentStarts.map { $0.shape.sizes == [qkv.shape[0], qkv.shape[1]] } ?? true,
            "causalAttention: documentStarts \(documentStarts?.shape ?? []) for \(qkv.shape)"
        )
        let qkv = contiguous(qkv), inputs = [qkv, sinks].compactMap(\.self).map(GradientTarget.init)
        let B = qkv.shape[0]
        let T = qkv.shape[1]
        let parts = heads.parts(of: qkv.elements)
        var attention = Attention(
            q: parts.q, k: parts.k, v: parts.v, B: B, T: T, heads: heads, stride: heads.rowWidth, first: documentStarts?.elements,
            sinks: sinks?.elements, on: processor
        )
        attention.precision = matmulPrecision
        let y = empty([B, T, heads.queryWidth], qkv.type)
        let logSums = needsGradient(for: inputs) ? processor.buffer(of: B * heads.queries * T, .float32) : nil
        processor.attention(attention, into: y.elements, logSums: logSums)
        return record(y, from: inputs) {
            CausalAttention(attention: attention, qkv: GradientTarget(qkv), sinks: sinks.map(GradientTarget.init), y: y, logSums: logSums)
        }
    }
}

extension AttentionHeads {
    /// Where the queries, keys and values of a buffer [.., (H + 2·K)·D] begin.
    fileprivate func parts(of qkv: Buffer) -> (q: Buffer, k: Buffer, v: Buffer) {
        func from(_ offset: Int) -> Buffer { qkv[min(offset, qkv.count)..<qkv.count] }
        return (qkv, from(queryWidth), from(queryWidth + keyWidth))
    }
}

/// With p = softmax(s) and s = scale·q·kᵀ, recomputed from the log-sum-exp of each row:
///     dv = pᵀ·dy,   ds = p∘(dy·vᵀ − ⟨dy, y⟩)·scale,   dq = ds·k,   dk = dsᵀ·q
/// dk and dv are summed over the query heads that share them. The gradient of a head's sink is −Σ exp(sink − l)·⟨dy, y⟩.
private struct CausalAttention: Operation {
    let attention: Attention
    let qkv: GradientTarget
    let sinks: GradientTarget?
    let y: Tensor
    let logSums: Buffer?             // [B, H, T]

    func backward(_ dy: Tensor, on tape: Tape) {
        guard let logSums else { return }
        let processor = tape.processor, B = attention.B, H = attention.heads.queries
        let dsinks = sinks.map { _ in processor.zeros(B * H) }
        func write(to d: Buffer) {
            let parts = attention.heads.parts(of: d)
            processor.attentionGradient(
                attention, y: y.elements, logSums: logSums, dy: dy.elements, dq: parts.q, dk: parts.k, dv: parts.v, dsinks: dsinks
            )
        }
        if qkv.needsGradient { tape.writeGradient(to: qkv, write) } else { write(to: processor.buffer(of: qkv.shape.count, qkv.type)) }
        if let sinks, let dsinks {
            tape.addGradient(to: sinks) { target, adding in
                processor.sum(dsinks, outer: 1, R: B, inner: H, into: target, adding: adding)
            }
        }
    }
}
