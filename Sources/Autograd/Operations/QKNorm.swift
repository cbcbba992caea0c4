package import Kernels

extension Tape {
    /// Normalizes the queries and keys of each head to x/√(⟨x²⟩ + ε), and leaves the values unchanged (QK-norm, Henry et al. 2020).
    /// qkv [B, T, (H + 2·K)·D]; y has the same shape.
    ///
    /// This limits attention scores, however large the weights become.
    ///
    /// - Parameter w: Weights that multiply the channels of a head, [2, D]: those of the queries, then those of the keys; nil: none.
    package func applyQKNorm(_ qkv: Tensor, _ heads: AttentionHeads, scale w: Tensor? = nil, epsilon: Float = 1e-5) -> Tensor {
        require(
            qkv.shape.rank >= 1 && qkv.shape[-1] == heads.rowWidth,
            "applyQKNorm: \(qkv.shape) for \(heads.queries) heads of queries and \(heads.keys) of keys, \(heads.width) wide"
        )
        require(w.map { $0.shape == [2, heads.width] } ?? true, "applyQKNorm: weights \(w?.shape ?? []) for heads of \(heads.width)")
        let qkv = contiguous(qkv)
        let (N, C) = qkv.shape.rows
        let y = empty(qkv.shape, qkv.type)
        let rstd = processor.buffer(of: N * heads.positioned, .float32)
        let w = w.map(contiguous)
        processor.normHeads(
            qkv.elements, N: N, C: C, heads: heads.positioned, D: heads.width, scale: w?.elements, queries: heads.queries,
            into: y.elements, rstd: rstd, epsilon: epsilon
        )
        let targets = [GradientTarget(qkv)] + (w.map { [GradientTarget($0)] } ?? [])
        return record(y, from: targets) {
            QKNorm(qkv: GradientTarget(qkv), x: w == nil ? y : qkv, w: w, rstd: rstd, heads: heads)
        }
    }
}

/// With x̂ = x·rstd and g = dy·w:   dx += rstd·(g − x̂·⟨g·x̂⟩) for queries and keys, dx += dy for values, dw += Σ dy·x̂ over rows and heads
private struct QKNorm: Operation {
    let qkv: GradientTarget
    let x: Tensor                    // without weights, the result x̂, which attention stores anyway
    let w: Tensor?
    let rstd: Buffer                 // [B·T, H + K]
    let heads: AttentionHeads

    func backward(_ dy: Tensor, on tape: Tape) {
        let (N, C) = qkv.shape.rows
        func run(_ dx: Buffer, _ dw: Buffer?) {
            tape.processor.normHeadsGradient(
                dy: dy.elements, x: x.elements, N: N, C: C, heads: heads.positioned, D: heads.width, scale: w?.elements,
                queries: heads.queries, rstd: rstd, into: dx, dw: dw
            )
        }
        func withWeightGradient(_ body: (Buffer?) -> Void) {
            guard let w, GradientTarget(w).needsGradient else { return body(nil) }
            tape.addGradient(to: GradientTarget(w)) { dw, adding in
                if !adding { tape.processor.clear(dw) }
                body(dw)
            }
        }
        withWeightGradient { dw in
            if qkv.needsGradient {
                tape.writeGradient(to: qkv) { run($0, dw) }
            } else {
                run(tape.empty(qkv.shape, qkv.type).elements, dw)
            }
        }
    }
}
