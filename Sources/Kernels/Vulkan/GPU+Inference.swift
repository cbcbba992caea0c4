// Attention over KV caches, and weights for inference.
extension GPU {
    func cachedAttention(
        _ qkv: Buffer, _ heads: AttentionHeads, rows sequences: [CachedRows], layer: Int, into y: Buffer, on processor: Processor
    ) -> Bool {
        guard let first = sequences.first, qkv.isOn(self), y.isOn(self) else { return false }
        let N = sequences.reduce(0) { $0 + $1.count }, capacity = first.cache.capacity, D = heads.width
        let isRounded = first.cache.elementType == .bfloat16
        let table = processor.buffer(of: 3 * N, .int32)
        table.writeIDs { span in
            var row = 0
            for sequence in sequences {
                let address = sequence.cache.deviceAddress
                for i in 0..<sequence.count {
                    span[3 * row] = Int32(truncatingIfNeeded: address)
                    span[3 * row + 1] = Int32(truncatingIfNeeded: address >> 32)
                    span[3 * row + 2] = Int32(sequence.start + i)
                    row += 1
                }
            }
        }
        let appended = run(
            Shader("kv_append"), [qkv, table], writing: [],
            [N, heads.queries, heads.keys, D, capacity, layer, isRounded ? 1 : 0], groups: (2 * N * heads.keyWidth + 255) / 256)
        for sequence in sequences { sequence.cache.wasUsed(by: currentSubmission) }
        return appended && run(
            Shader("cached_attention", D, heads.group), [qkv, table, y], writing: [2],
            [heads.queries, capacity, layer, heads.window ?? 0, 0, 0, isRounded ? 1 : 0], [heads.scale, heads.scoreCap ?? 0],
            groups: N * heads.queries)
    }

    /// y += scale·(x·Aᵀ)·Bᵀ for the rows of each update.
    func addLowRank(_ updates: [LowRankUpdate], of x: Buffer, into y: Buffer, on processor: Processor) -> Bool {
        for update in updates {
            guard let a = update.matrices.a.matrix, let b = update.matrices.b.matrix else { return false }
            let I = update.matrices.a.inputs, R = update.matrices.a.outputs, O = update.matrices.b.outputs, N = update.rows.count
            let low = processor.buffer(of: N * R, .float32), rows = update.rows
            let to = Matrix(y[rows.lowerBound * O..<rows.upperBound * O], rows: N, columns: O)
            var first = Matmul(
                of: Matrix(x[rows.lowerBound * I..<rows.upperBound * I], rows: N, columns: I), Matrix(a, rows: R, columns: I).transposed,
                into: Matrix(low, rows: N, columns: R))
            first.scale = update.matrices.scale
            var second = Matmul(of: Matrix(low, rows: N, columns: R), Matrix(b, rows: O, columns: R).transposed, into: to)
            second.accumulates = true
            guard run(first, on: processor), run(second, on: processor) else { return false }
        }
        return true
    }
}

extension Processor {
    /// A copy of numbers that shaders can read, if there is a device and they are not in its memory; otherwise the same buffer.
    package func resident(_ values: Buffer) -> Buffer {
        guard let gpu, !values.isOn(gpu) else { return values }
        let copy = buffer(of: values.count, values.type)
        copy.copy(from: values)
        return copy
    }

    /// A matrix [O, I] in the device's memory, rounded to bf16 unless the precision is f32; nil without a device.
    func matrix(of weights: QuantizedWeights, as precision: WeightPrecision) -> Buffer? {
        guard gpu != nil else { return nil }
        let O = weights.outputs, I = weights.inputs, matrix = buffer(of: O * I, precision == .float32 ? .float32 : .bfloat16)
        if let values = weights.float32 {
            copy(values, into: matrix)
            return matrix
        }
        let rows = max(1, (1 << 20) / I)
        let part = Buffer(arena.allocate(bytes: rows * I * matrix.type.size), count: rows * I, type: matrix.type)
        for first in stride(from: 0, to: O, by: rows) {
            let range = first..<min(first + rows, O), values = part[0..<range.count * I]
            dequantize(weights, rows: range, columns: 0..<I, into: values)
            matrix[first * I..<range.upperBound * I].copy(from: values)
            weights.releasePages(range)
        }
        return matrix
    }
}
