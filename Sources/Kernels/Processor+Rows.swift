internal import CKernels

// Operations along the last axis: N rows of C elements.
extension Processor {
    /// Layer norm, or RMS norm if `mean` is nil. Stores the mean and rstd of each row for the backward pass.
    package func norm(
        _ x: Buffer, N: Int, C: Int, scale w: Buffer, shift b: Buffer?, into y: Buffer, mean: Buffer?, rstd: Buffer, epsilon: Float
    ) {
        require(
            x.count == N * C && y.count == N * C && w.count == C && (b?.count ?? C) == C && rstd.count == N && (mean?.count ?? N) == N,
            "norm: [\(N), \(C)] from \(x.count) elements with \(w.count) scales")
        measured("norm", bytes: N * C * (x.type.size + y.type.size)) {
            if let gpu, gpu.norm(x, N: N, C: C, scale: w, shift: b, into: y, mean: mean, rstd: rstd, epsilon: epsilon) { return }
            split(N, atLeast: 16) { rows in
                let n = rows.lowerBound
                table.norm(x[n * C..<N * C].pointer, x.type.code, w.floats, b?.floats, y[n * C..<N * C].pointer, y.type.code,
                           mean.map { $0.floats + n }, rstd.floats + n, rows.count, C, epsilon)
            }
        }
    }

    /// Writes dx, or adds to it if `adding`; adds to dw and db. Each may be nil.
    package func normGradient(
        dy: Buffer, x: Buffer, N: Int, C: Int, scale w: Buffer, mean: Buffer?, rstd: Buffer, dx: Buffer?, adding: Bool,
        dw: Buffer?, db: Buffer?
    ) {
        require(
            x.count == N * C && dy.count == N * C && w.count == C && rstd.count == N && (mean?.count ?? N) == N
                && (dx?.count ?? N * C) == N * C && (dw?.count ?? C) == C && (db?.count ?? C) == C,
            "norm gradient: [\(N), \(C)] from \(x.count) and \(dy.count) elements")
        measured("norm gradient", bytes: N * C * (x.type.size + dy.type.size + (adding ? 2 : 1) * (dx?.type.size ?? 0))) {
            if let gpu, gpu.normGradient(
                dy: dy, x: x, N: N, C: C, scale: w, mean: mean, rstd: rstd, dx: dx, adding: adding, dw: dw, db: db, on: self) { return }
            // dw and db of each part of the rows, added up in the order of the parts. The parts do not depend on the number of threads.
            let parts = min(32, max(1, N / 32)), sums = zeros(dw == nil && db == nil ? 0 : 2 * C * parts)
            parallelFor(parts) { part, _ in
                let n = N * part / parts, count = N * (part + 1) / parts - n
                let own = sums.floats + 2 * C * part
                table.norm_gradient(
                    dy.pointer + n * C * dy.type.size, dy.type.code, x.pointer + n * C * x.type.size, x.type.code, w.floats,
                    mean.map { $0.floats + n }, rstd.floats + n, dx.map { $0.pointer + n * C * $0.type.size }, dx?.type.code ?? 0,
                    dw == nil ? nil : own, db == nil ? nil : own + C, count, C, adding)
            }
            for (target, offset) in [(dw, 0), (db, C)] {
                guard let target else { continue }
                for part in 0..<parts {
                    table.copy(
                        [1, 1, 1, C], sums.floats + 2 * C * part + offset, 0, [0, 0, 0, 1], target.floats, 0, [0, 0, 0, 1], 1, true)
                }
            }
        }
    }

    /// y = softmax(x), or log softmax if `logarithm`. y may be x.
    package func softmax(_ x: Buffer, N: Int, C: Int, into y: Buffer, logarithm: Bool) {
        require(x.count == N * C && y.count == N * C, "softmax: [\(N), \(C)] from \(x.count) elements")
        measured("softmax", bytes: N * C * (x.type.size + y.type.size)) {
            split(N, atLeast: 1 + 4_096 / max(C, 1)) { rows in
                table.softmax(
                    x.pointer + rows.lowerBound * C * x.type.size, x.type.code, y.pointer + rows.lowerBound * C * y.type.size, y.type.code,
                    rows.count, C, logarithm)
            }
        }
    }

    /// Writes dx, or adds to it if `adding`, from the result y of ``softmax``.
    package func softmaxGradient(dy: Buffer, y: Buffer, N: Int, C: Int, dx: Buffer, logarithm: Bool, adding: Bool) {
        require(dy.count == N * C && y.count == N * C && dx.count == N * C, "softmax gradient: [\(N), \(C)] from \(dy.count) elements")
        measured("softmax gradient", bytes: N * C * (dy.type.size + y.type.size + dx.type.size)) {
            split(N, atLeast: 1 + 4_096 / max(C, 1)) { rows in
                let n = rows.lowerBound * C
                table.softmax_gradient(dy.pointer + n * dy.type.size, dy.type.code, y.pointer + n * y.type.size, y.type.code,
                                       dx.pointer + n * dx.type.size, dx.type.code, rows.count, C, logarithm, adding)
            }
        }
    }

    /// losses [N] = −log softmax(x)[target];  d = scale·(softmax(x) − one-hot(target)).  x are logits [N, V].
    ///
    /// Ignores negative targets. d may be x. hits [N] are 1 where the target is the first of the largest logits, else 0.
    /// Rows are `stride` elements apart; the default is V.
    package func crossEntropy(
        _ x: Buffer, N: Int, V: Int, stride: Int? = nil, targets: Buffer, losses: Buffer?, hits: Buffer? = nil, gradient d: Buffer?,
        scale: Float
    ) {
        let stride = stride ?? V, reach = N == 0 ? 0 : (N - 1) * stride + V
        require(
            x.count >= reach && targets.count == N && (losses?.count ?? N) == N && (hits?.count ?? N) == N
                && (d?.count ?? x.count) >= reach,
            "crossEntropy: [\(N), \(V)] from \(x.count) logits with \(targets.count) targets")
        check(targets, below: V, for: "crossEntropy")
        measured("cross-entropy", bytes: N * V * (x.type.size + (d?.type.size ?? 0))) {
            if let gpu, gpu.crossEntropy(
                x, N: N, V: V, stride: stride, targets: targets, losses: losses, hits: hits, gradient: d, scale: scale) { return }
            parallelFor(N) { n, _ in
                table.cross_entropy(
                    x.pointer + n * stride * x.type.size, x.type.code, targets.ids + n, losses.map { $0.floats + n },
                    hits.map { $0.ids + n }, d.map { $0.pointer + n * stride * $0.type.size }, d?.type.code ?? 0, scale, 1, V)
            }
        }
    }

    /// Cross-entropy with soft targets: losses [N] = −Σ weight·log softmax(x)[token];  d = scale·(Σ weight·softmax(x) − weights).
    /// d may be x.
    package func crossEntropy(
        _ x: Buffer, N: Int, V: Int, stride: Int? = nil, softTargets targets: SoftTargets, losses: Buffer?, gradient d: Buffer?,
        scale: Float
    ) {
        let stride = stride ?? V, reach = N == 0 ? 0 : (N - 1) * stride + V
        require(x.count >= reach && targets.rows == N && (losses?.count ?? N) == N && (d?.count ?? x.count) >= reach,
                "crossEntropy: [\(N), \(V)] from \(x.count) logits with \(targets.rows) rows of soft targets")
        require(targets.isWithin(V), "crossEntropy: a target outside 0..<\(V)")
        measured("cross-entropy", bytes: N * V * (x.type.size + (d?.type.size ?? 0))) {
            parallelFor(N) { n, _ in
                table.cross_entropy_soft(
                    x.pointer + n * stride * x.type.size, x.type.code, targets.starts.ids + n, targets.tokens.ids, targets.weights.floats,
                    losses.map { $0.floats + n }, d.map { $0.pointer + n * stride * $0.type.size }, d?.type.code ?? 0, scale, 1, V)
            }
        }
    }

    /// Embedding lookup: y [N, C] = table[ids] (+ positions[n % period]).
    package func embed(_ ids: Buffer, table rows: Buffer, C: Int, plus positions: Buffer?, period: Int, into y: Buffer) {
        let N = ids.count, V = C == 0 ? 0 : rows.count / C
        require(y.count == N * C && (positions.map { $0.count >= min(period, N) * C } ?? true), "embed: \(N) ids into \(y.count) elements")
        checkIDs(ids, below: V, for: "embed")
        measured("embed", bytes: N * C * (rows.type.size + y.type.size)) {
            if let gpu, gpu.embed(ids, table: rows, C: C, plus: positions, period: period, into: y) { return }
            split(N, atLeast: 64) { range in
                let n = range.lowerBound
                table.embed(
                    ids.ids + n, rows.pointer, rows.type.code, positions?.floats, n, period, y.pointer + n * C * y.type.size, y.type.code,
                    range.count, C)
            }
        }
    }

    /// rows[ids[n]] += dy[n]
    package func embedGradient(_ ids: Buffer, dy: Buffer, C: Int, into rows: Buffer) {
        let N = ids.count
        require(dy.count == N * C, "embed gradient: \(N) ids for \(dy.count) elements")
        checkIDs(ids, below: C == 0 ? 0 : rows.count / C, for: "embed gradient")
        measured("embed gradient", bytes: N * C * (dy.type.size + 8)) {
            if let gpu, gpu.embedGradient(ids, dy: dy, C: C, into: rows) { return }
            split(C, atLeast: vectorWidth, multipleOf: vectorWidth) { channels in
                table.embed_gradient(ids.ids, dy.pointer, dy.type.code, rows.floats, N, C, channels.lowerBound, channels.upperBound)
            }
        }
    }

    private func checkIDs(_ ids: Buffer, below V: Int, for operation: StaticString) {
        ids.readIDs { ids in
            for i in ids.indices { require(ids[i] >= 0 && ids[i] < V, "\(operation): id \(ids[i]) at \(i), in a table of \(V)") }
        }
    }

    private func check(_ targets: Buffer, below V: Int, for operation: StaticString) {
        targets.readIDs { ids in
            for i in ids.indices { require(ids[i] < V, "\(operation): target \(ids[i]) at \(i), among \(V) classes") }
        }
    }
}
