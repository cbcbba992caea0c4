extension GPU {
    /// Runs a matmul; false if the CPU has to, because a matrix has neither contiguous rows nor columns or is not on the device.
    func run(_ matmul: Matmul, on processor: Processor) -> Bool {
        guard let p = MatmulArguments(matmul) else { return false }
        if p.M <= 8, !p.aIsTransposed, !p.bIsTransposed {
            let rows = [1, 2, 4, 8].first { $0 >= p.M } ?? 8
            return run(Shader("matvec", rows), p.buffers, writing: [2, 4], p.integers, [matmul.scale], groups: (p.N + 3) / 4)
        }
        if matmul.precision == .bfloat16, device.device.hasMatrixUnits, p.isAligned { return runOnMatrixUnits(matmul, p, on: processor) }
        let tile = 64
        return run(
            Shader("matmul", tile), p.buffers, writing: [2, 4], p.integers, [matmul.scale], groups: (p.N + tile - 1) / tile,
            rows: (p.M + tile - 1) / tile)
    }

    private func runOnMatrixUnits(_ matmul: Matmul, _ p: MatmulArguments, on processor: Processor) -> Bool {
        let tile = 128, blockDepth = 16, columns = (p.N + tile - 1) / tile, rows = (p.M + tile - 1) / tile
        // Numbers that several workgroups load are rounded once, before.
        var buffers = p.buffers
        if columns >= 4 { buffers[0] = rounded(matmul.a, on: processor) }
        if rows >= 4 { buffers[1] = rounded(matmul.b, on: processor) }
        func shader(_ result: Buffer, stride: Int) -> Shader {
            let areVectors = stride % 8 == 0 && ([result] + buffers[3...]).allSatisfy { ($0?.deviceAddress ?? 0) % 16 == 0 }
            return Shader(
                "matmul_cooperative", p.aIsTransposed ? 1 : 0, p.bIsTransposed ? 1 : 0, buffers[0]?.type == .bfloat16 ? 1 : 0,
                buffers[1]?.type == .bfloat16 ? 1 : 0, Int(matmul.activation.rawValue), areVectors ? 1 : 0)
        }
        guard buffers.allSatisfy({ $0?.isOn(self) ?? true }) else { return false }
        // A long sum into few blocks, such as a weight's gradient, is divided among more workgroups.
        let splits = min(Self.manyGroups / (rows * columns), p.K / 512)
        guard splits > 1, matmul.isPlain, matmul.c.rowStride == p.N else {
            return run(
                shader(matmul.c.buffer, stride: matmul.c.rowStride), buffers, writing: [2, 4], p.integers, [matmul.scale],
                groups: columns, rows: rows)
        }
        let depth = ((p.K + splits - 1) / splits + blockDepth - 1) / blockDepth * blockDepth, parts = (p.K + depth - 1) / depth
        let sums = processor.buffer(of: parts * p.M * p.N, .float32)
        return run(
            shader(sums, stride: p.N), [buffers[0], buffers[1], sums], writing: [2], p.integers.dropLast() + [0, depth], [matmul.scale],
            groups: columns, rows: rows * parts)
            && sumColumns(sums, R: parts, C: p.M * p.N, into: matmul.c.buffer, adding: matmul.accumulates)
    }

    /// The numbers of a matrix in bf16, where they are f32 and lie without gaps; otherwise its buffer.
    private func rounded(_ matrix: Matrix, on processor: Processor) -> Buffer {
        let count = matrix.rows * matrix.columns
        let isWhole = matrix.columnStride == 1 ? matrix.rowStride == matrix.columns : matrix.columnStride == matrix.rows
        guard matrix.buffer.type == .float32, isWhole, matrix.buffer.isOn(self) else { return matrix.buffer }
        let copy = processor.buffer(of: count, .bfloat16)
        return self.copy(matrix.buffer[0..<count], into: copy, scale: 1, adding: false) ? copy : matrix.buffer
    }

    /// Workgroups that keep a large device busy.
    private static let manyGroups = 264
}

/// The arguments of the shaders for a matmul.
private struct MatmulArguments {
    let M, N, K: Int
    /// Whether rows of A, or columns of B, are not contiguous.
    let aIsTransposed, bIsTransposed: Bool
    let buffers: [Buffer?]
    let integers: [Int]
    /// Whether both matrices can be loaded in vectors of eight numbers.
    let isAligned: Bool

    /// nil if a matrix has neither contiguous rows nor contiguous columns.
    init?(_ matmul: Matmul) {
        let a = matmul.a, b = matmul.b, c = matmul.c
        guard a.columnStride == 1 || a.rowStride == 1, b.columnStride == 1 || b.rowStride == 1 else { return nil }
        M = c.rows
        N = c.columns
        K = a.columns
        aIsTransposed = a.columnStride != 1
        bIsTransposed = b.rowStride != 1
        let aStride = aIsTransposed ? a.columnStride : a.rowStride, bStride = bIsTransposed ? b.rowStride : b.columnStride
        var flags = Int(matmul.activation.rawValue)
        if matmul.accumulates { flags |= 0x100 }
        if aIsTransposed { flags |= 0x200 }
        if bIsTransposed { flags |= 0x400 }
        buffers = [a.buffer, b.buffer, c.buffer, matmul.bias, matmul.preActivation, matmul.plus]
        integers = [M, N, K, aStride, bStride, c.rowStride, flags]
        isAligned = [(a.buffer, aStride), (b.buffer, bStride)].allSatisfy { buffer, stride in
            buffer.deviceAddress % 16 == 0 && stride % 8 == 0
        }
    }
}

extension Matmul {
    /// Whether nothing follows the sums but their addition to the result.
    fileprivate var isPlain: Bool { bias == nil && activation == .identity && preActivation == nil && plus == nil }
}
