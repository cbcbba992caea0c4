// Operations along the last axis: N rows of C elements.
extension GPU {
    func norm(
        _ x: Buffer, N: Int, C: Int, scale w: Buffer, shift b: Buffer?, into y: Buffer, mean: Buffer?, rstd: Buffer, epsilon: Float
    ) -> Bool {
        run(Shader("norm"), [x, w, b, y, mean, rstd], writing: [3, 4, 5], [C], [epsilon], groups: N)
    }

    func normGradient(
        dy: Buffer, x: Buffer, N: Int, C: Int, scale w: Buffer, mean: Buffer?, rstd: Buffer, dx: Buffer?, adding: Bool, dw: Buffer?,
        db: Buffer?, on processor: Processor
    ) -> Bool {
        guard [dy, x, w, mean, rstd, dx, dw, db].allSatisfy({ $0?.isOn(self) ?? true }) else { return false }
        if let dx {
            _ = run(Shader("norm_gradient"), [dy, x, w, mean, rstd, dx], writing: [5], [C, adding ? 1 : 0], groups: N)
        }
        if dw == nil, db == nil { return true }
        let parts = rowParts(N), sums = processor.buffer(of: parts * 2 * C, .float32), columns = (C + 31) / 32
        _ = run(Shader("norm_weight_gradient"), [dy, x, mean, rstd, sums], writing: [4], [N, C, parts], groups: columns, rows: parts)
        for (target, offset) in [(dw, 0), (db, C)] {
            guard let target else { continue }
            _ = sumColumns(sums[offset..<sums.count], R: parts, C: C, stride: 2 * C, into: target, adding: true)
        }
        return true
    }

    /// RMS norm of each head, with weights [2, D] for the heads of queries and of keys, or without.
    func normHeads(
        _ x: Buffer, N: Int, C: Int, heads: Int, queries: Int, D: Int, scale w: Buffer?, into y: Buffer, rstd: Buffer, epsilon: Float
    ) -> Bool {
        run(
            Shader("norm_heads"), [x, w, y, rstd], writing: [2, 3], [N, C, heads, queries, D], [epsilon],
            groups: (N * (heads + 1) + 7) / 8)
    }

    /// Writes dx, from the result x̂ if there are no weights, and otherwise from x; adds to dw.
    func normHeadsGradient(
        dy: Buffer, x: Buffer, N: Int, C: Int, heads: Int, queries: Int, D: Int, scale w: Buffer?, rstd: Buffer, into dx: Buffer,
        dw: Buffer?, on processor: Processor
    ) -> Bool {
        guard [dy, x, w, rstd, dx, dw].allSatisfy({ $0?.isOn(self) ?? true }) else { return false }
        _ = run(
            Shader("norm_heads_gradient"), [dy, x, w, rstd, dx], writing: [4], [N, C, heads, queries, D],
            groups: (N * (heads + 1) + 7) / 8)
        guard let dw, N > 0 else { return true }
        let parts = rowParts(N), sums = processor.buffer(of: parts * 2 * D, .float32)
        return run(
            Shader("norm_heads_weight_gradient"), [dy, x, rstd, sums], writing: [3], [N, C, heads, queries, D, parts],
            groups: 2 * ((D + 31) / 32), rows: parts)
            && sumColumns(sums, R: parts, C: 2 * D, into: dw, adding: true)
    }

    func crossEntropy(
        _ x: Buffer, N: Int, V: Int, stride: Int, targets: Buffer, losses: Buffer?, hits: Buffer?, gradient d: Buffer?, scale: Float
    ) -> Bool {
        run(Shader("cross_entropy"), [x, targets, losses, hits, d], writing: [2, 3, 4], [V, stride], [scale], groups: N)
    }

    func embed(_ ids: Buffer, table: Buffer, C: Int, plus positions: Buffer?, period: Int, into y: Buffer) -> Bool {
        run(
            Shader("embed"), [ids, table, positions, y], writing: [3], [ids.count, C, max(1, period)], groups: (ids.count * C + 255) / 256)
    }

    func embedGradient(_ ids: Buffer, dy: Buffer, C: Int, into rows: Buffer) -> Bool {
        run(Shader("embed_gradient"), [ids, dy, rows], writing: [2], [ids.count, C], groups: ids.count)
    }

    func rotate(_ x: Buffer, N: Int, C: Int, heads: Int, D: Int, by angles: Buffer, into y: Buffer, inverse: Bool) -> Bool {
        let width = heads * D / 2 + C - heads * D
        return run(
            Shader("rotate"), [x, angles, y], writing: [2], [N, C, heads, D, angles.count / D], [inverse ? -1 : 1],
            groups: (N * width + 255) / 256)
    }
}
