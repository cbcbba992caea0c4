extension GPU {
    func run(_ matmul: Matmul) -> Bool {
        let a = matmul.a, b = matmul.b, c = matmul.c
        // Matrices whose rows or columns are contiguous.
        guard a.columnStride == 1 || a.rowStride == 1, b.columnStride == 1 || b.rowStride == 1 else { return false }
        let aIsTransposed = a.columnStride != 1, bIsTransposed = b.rowStride != 1
        let flags = Int(matmul.activation.rawValue) | (matmul.accumulates ? 0x100 : 0) | (aIsTransposed ? 0x200 : 0)
            | (bIsTransposed ? 0x400 : 0)
        let integers = [
            c.rows, c.columns, a.columns, aIsTransposed ? a.columnStride : a.rowStride, bIsTransposed ? b.rowStride : b.columnStride,
            c.rowStride, flags,
        ]
        let buffers = [a.buffer, b.buffer, c.buffer, matmul.bias, matmul.preActivation, matmul.plus]
        if c.rows <= 8, !aIsTransposed, !bIsTransposed {
            let rows = [1, 2, 4, 8].first { $0 >= c.rows } ?? 8
            return run(
                Shader("matvec", rows), buffers, writing: [2, 4], integers, [matmul.scale], groups: (c.columns + 3) / 4)
        }
        let tile = 64
        return run(
            Shader("matmul", tile), buffers, writing: [2, 4], integers, [matmul.scale], groups: (c.columns + tile - 1) / tile,
            rows: (c.rows + tile - 1) / tile)
    }
}
