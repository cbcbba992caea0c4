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
        let parts = min(32, max(1, N / 64)), sums = processor.buffer(of: parts * 2 * C, .float32), columns = (C + 31) / 32
        _ = run(Shader("norm_weight_gradient"), [dy, x, mean, rstd, sums], writing: [4], [N, C, parts], groups: columns, rows: parts)
        for (target, offset) in [(dw, 0), (db, C)] {
            guard let target else { continue }
            _ = run(
                Shader("sum_columns"), [sums[offset..<sums.count], target], writing: [1], [parts, C, 1, 1, 2 * C], [1], groups: columns,
                rows: 1)
        }
        return true
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
