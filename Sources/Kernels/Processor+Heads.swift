internal import CKernels

// Transformations of queries and keys before attention. Rows are C wide and begin with `heads` heads of queries and keys, each D wide;
// the rest of a row is copied.
extension Processor {
    /// Rotates the heads of row n to position n % T, or back if `inverse`. `angles` [T, D] holds cosines, then sines. y may be x.
    package func rotate(_ x: Buffer, N: Int, C: Int, heads: Int, D: Int, by angles: Buffer, into y: Buffer, inverse: Bool = false) {
        let T = D == 0 ? 0 : angles.count / D
        require(
            D % 2 == 0 && x.count == N * C && heads * D <= C && (T > 0 || N * D == 0), "rotate: [\(N), \(C)] with \(heads) heads of \(D)")
        require(y.count == x.count && y.type == x.type, "rotate: \(x.count) \(x.type.rawValue) into \(y.count) \(y.type.rawValue)")
        if x.count == 0 { return }
        measured("rotate", bytes: 2 * x.count * x.type.size) {
            if let gpu, gpu.rotate(x, N: N, C: C, heads: heads, D: D, by: angles, into: y, inverse: inverse) { return }
            split(N, atLeast: 16) { rows in
                let n = rows.lowerBound
                table.rotate(
                    x[n * C..<N * C].pointer, x.type.code, angles.floats, max(T, 1), n, heads, D, inverse ? -1 : 1,
                    y[n * C..<N * C].pointer, rows.count, C)
            }
        }
    }

    /// RMS norm of each head: y = x/√(⟨x²⟩ + ε). Stores rstd [N, heads] for the backward pass.
    ///
    /// - Parameter w: [2, D], which y is multiplied by: weights for the first heads, of `queries`, then for the keys'.
    package func normHeads(
        _ x: Buffer, N: Int, C: Int, heads: Int, D: Int, scale w: Buffer? = nil, queries: Int = 0, into y: Buffer, rstd: Buffer,
        epsilon: Float
    ) {
        checkHeads([x, y], N: N, C: C, heads: heads, D: D, rstd)
        require((w?.count ?? 2 * D) == 2 * D, "head norm: \(w?.count ?? 0) weights for heads of \(D)")
        measured("head norm", bytes: 2 * x.count * x.type.size) {
            if let gpu, gpu.normHeads(
                x, N: N, C: C, heads: heads, queries: queries, D: D, scale: w, into: y, rstd: rstd, epsilon: epsilon) { return }
            split(N, atLeast: 16) { rows in
                let n = rows.lowerBound
                table.norm_heads(
                    x[n * C..<N * C].pointer, x.type.code, w?.floats, queries, heads, D, y[n * C..<N * C].pointer,
                    rstd[n * heads..<N * heads].floats, rows.count, C, epsilon)
            }
        }
    }

    /// Writes dx of the norm, and adds to dw [2, D] if it is not nil.
    ///
    /// - Parameter x: What was normalized; without weights, the result.
    package func normHeadsGradient(
        dy: Buffer, x: Buffer, N: Int, C: Int, heads: Int, D: Int, scale w: Buffer? = nil, queries: Int = 0, rstd: Buffer,
        into dx: Buffer, dw: Buffer? = nil
    ) {
        checkHeads([dy, x, dx], N: N, C: C, heads: heads, D: D, rstd)
        require(
            (w?.count ?? 2 * D) == 2 * D && (dw?.count ?? 2 * D) == 2 * D, "head norm gradient: \(w?.count ?? 0) weights for heads of \(D)")
        measured("head norm gradient", bytes: 3 * x.count * x.type.size) {
            if let gpu, gpu.normHeadsGradient(
                dy: dy, x: x, N: N, C: C, heads: heads, queries: queries, D: D, scale: w, rstd: rstd, into: dx, dw: dw, on: self) {
                return
            }
            // dw of each part of the rows, added up in the order of the parts. The parts do not depend on the number of threads.
            let parts = max(1, dw == nil ? N / 16 : min(32, N / 32)), sums = zeros(dw == nil ? 0 : 2 * D * parts)
            parallelFor(parts) { part, _ in
                let n = N * part / parts, count = N * (part + 1) / parts - n
                let rows = n * C..<(n + count) * C
                table.norm_heads_gradient(
                    dy[rows].pointer, x[rows].pointer, x.type.code, w?.floats, queries, heads, D, rstd.floats + n * heads,
                    dx[rows].pointer, dw == nil ? nil : sums.floats + 2 * D * part, count, C)
            }
            if let dw {
                for part in 0..<parts { copy(sums[2 * D * part..<2 * D * (part + 1)], into: dw, adding: true) }
            }
        }
    }

    private func checkHeads(_ buffers: [Buffer], N: Int, C: Int, heads: Int, D: Int, _ rstd: Buffer) {
        require(
            heads * D <= C && D > 0 && rstd.count == N * heads,
            "head norm: [\(N), \(C)] with \(heads) heads of \(D), \(rstd.count) elements of rstd")
        for buffer in buffers {
            require(
                buffer.count == N * C && buffer.type == buffers[0].type,
                "head norm: \(buffer.count) \(buffer.type.rawValue) for [\(N), \(C)]")
        }
    }
}
