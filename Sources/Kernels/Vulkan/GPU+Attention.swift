extension GPU {
    func attention(_ a: Attention, into y: Buffer, logSums: Buffer?) -> Bool {
        if runsOnMatrixUnits(a, [y]) {
            return run(
                Self.matrixShader("attention_cooperative", a, rows: 64), [a.q, a.k, a.v, a.first, y, logSums], writing: [4, 5],
                integers(a), numbers(a), groups: a.B * a.heads.queries * ((a.T + 63) / 64))
        }
        guard let size = blockSize(a.heads.width, rows: 1, columns: 1, scores: 1) else { return false }
        return run(
            shader("attention", a, size), [a.q, a.k, a.v, a.first, y, logSums], writing: [4, 5], integers(a), numbers(a),
            groups: a.B * a.heads.queries * ((a.T + size.rows - 1) / size.rows))
    }

    func attentionGradient(
        _ a: Attention, y: Buffer, logSums: Buffer, dy: Buffer, dq: Buffer, dk: Buffer, dv: Buffer, on processor: Processor
    ) -> Bool {
        let H = a.heads.queries
        guard [a.q, a.k, a.v, a.first, y, logSums, dy, dq, dk, dv].allSatisfy({ $0?.isOn(self) ?? true }),
              let querySize = blockSize(a.heads.width, rows: 2, columns: 2, scores: 1),
              let keySize = blockSize(a.heads.width, rows: 2, columns: 2, scores: 2) else { return false }
        let products = processor.buffer(of: a.B * H * a.T, .float32)
        if runsOnMatrixUnits(a, [y, dy, dq, dk, dv]) {
            let inputs = [a.q, a.k, a.v, a.first, dy, logSums, products]
            return run(
                Self.matrixShader("attention_query_gradient_cooperative", a, rows: 64), inputs + [dq, y], writing: [6, 7], integers(a),
                numbers(a), groups: a.B * H * ((a.T + 63) / 64))
                && run(
                    Self.matrixShader("attention_key_gradient_cooperative", a, rows: 32), inputs + [dk, dv], writing: [7, 8],
                    integers(a), numbers(a), groups: a.B * a.heads.keys * ((a.T + 31) / 32))
        }
        _ = runElementwise(
            Shader("attention_products"), [y, dy, products], writing: [2], count: a.B * a.T * H, [a.T, H, a.heads.width])
        _ = run(
            shader("attention_query_gradient", a, querySize), [a.q, a.k, a.v, a.first, dy, logSums, products, dq], writing: [7],
            integers(a), numbers(a), groups: a.B * H * ((a.T + querySize.rows - 1) / querySize.rows))
        return run(
            shader("attention_key_gradient", a, keySize), [a.q, a.k, a.v, a.first, dy, logSums, products, dk, dv], writing: [7, 8],
            integers(a), numbers(a), groups: a.B * a.heads.keys * ((a.T + keySize.rows - 1) / keySize.rows))
    }

    /// Whether the shaders for matrix units can be used.
    private func runsOnMatrixUnits(_ a: Attention, _ others: [Buffer]) -> Bool {
        device.device.hasWorkgroupMatrices && a.heads.width % 16 == 0 && a.heads.width <= 128 && a.stride % 8 == 0
            && ([a.q, a.k, a.v] + others).allSatisfy { $0.type == .bfloat16 && $0.isOn(self) && $0.deviceAddress % 16 == 0 }
    }

    /// With blocks of `rows` by 32 scores: more do not fit into the registers of an H100.
    private static func matrixShader(_ name: String, _ a: Attention, rows: Int) -> Shader { Shader(name, a.heads.width, rows, 32) }

    /// The rows and columns of scores that a workgroup computes at a time, whose vectors must fit into shared memory.
    ///
    /// - Parameters:
    ///   - rows: How many vectors of D numbers are kept for each row, and for each column.
    ///   - scores: How many numbers are kept for each score.
    private func blockSize(_ D: Int, rows: Int, columns: Int, scores: Int) -> (rows: Int, columns: Int)? {
        if D % 4 != 0 { return nil }
        return [(32, 32), (32, 16), (16, 16), (16, 8), (8, 8), (8, 4)].first { size in
            let vectors = rows * size.0 + columns * size.1
            let numbers = vectors * (D + 1) + scores * size.0 * (size.1 + 1) + 4 * size.0
            return 4 * numbers <= device.device.maxSharedMemory
        }
    }

    private func shader(_ name: String, _ a: Attention, _ size: (rows: Int, columns: Int)) -> Shader {
        Shader(name, a.heads.width, size.rows, size.columns, 4 * size.rows)
    }

    private func integers(_ a: Attention) -> [Int] { [a.T, a.heads.queries, a.heads.group, a.stride, a.heads.queryWidth] }

    private func numbers(_ a: Attention) -> [Float] { [a.heads.scale, a.heads.scoreCap ?? 0] }
}
