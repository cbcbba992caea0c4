internal import CKernels

/// The LoRA matrices of one layer, packed for inference: they add scale·(x·Aᵀ)·Bᵀ to the layer's output.
package struct PackedLowRank {
    /// [R, I]
    let a: PackedWeights
    /// [O, R]
    let b: PackedWeights
    let scale: Float

    package init(a: PackedWeights, b: PackedWeights, scale: Float) {
        require(a.outputs == b.inputs, "low-rank matrices: [\(a.outputs), \(a.inputs)] and [\(b.outputs), \(b.inputs)]")
        require(!a.isUnpacked && !b.isUnpacked, "low-rank matrices must be packed")
        self.a = a
        self.b = b
        self.scale = scale
    }

    package var byteCount: Int { a.byteCount + b.byteCount }
}

/// A low-rank product that is added to some rows of a batch.
package struct LowRankUpdate {
    let rows: Range<Int>
    let matrices: PackedLowRank

    package init(_ rows: Range<Int>, _ matrices: PackedLowRank) {
        self.rows = rows
        self.matrices = matrices
    }
}

extension Processor {
    /// y[rows] += scale·(x[rows]·Aᵀ)·Bᵀ for several matrices, each for rows of its own.   x [N, I]; y [N, O]
    ///
    /// All products take two passes over the worker pool together: each is too small to be divided among threads by itself. The bits of a
    /// row are those of two calls of ``packedMatmul(_:rows:by:bias:then:plus:into:as:)``.
    package func addLowRank(_ updates: [LowRankUpdate], of x: Buffer, rows N: Int, into y: Buffer) {
        guard let first = updates.first?.matrices, N > 0 else { return }
        let I = first.a.inputs, O = first.b.outputs
        require(x.count == N * I && y.count == N * O, "low-rank products: [\(N), \(I)] from \(x.count) elements into \(y.count)")
        if let gpu {
            return measured("adapters") {
                require(gpu.addLowRank(updates, of: x, into: y, on: self), "low-rank products: a buffer is not on \(gpu.device)")
            }
        }
        var parts: [LowRankPart] = []
        var preparedBytes = 0, inputBytes = 0, flops = 0
        for update in updates {
            let m = update.matrices, R = m.a.outputs
            require(m.a.inputs == I && m.b.outputs == O, "low-rank products: [\(m.b.outputs), \(m.a.inputs)] for [\(O), \(I)]")
            require(update.rows.lowerBound >= 0 && update.rows.upperBound <= N, "low-rank products: rows \(update.rows) of \(N)")
            flops += 2 * update.rows.count * R * (I + O)
            let inputStep = table.weights_input_bytes(m.a.single.layout, I), step = table.weights_input_bytes(m.b.single.layout, R)
            for start in stride(from: update.rows.lowerBound, to: update.rows.upperBound, by: LowRankPart.maxRows) {
                let rows = start..<min(start + LowRankPart.maxRows, update.rows.upperBound)
                parts.append(LowRankPart(rows: rows, matrices: m, prepared: preparedBytes))
                preparedBytes += rows.count * step
                inputBytes = max(inputBytes, rows.count * inputStep + 4 * rows.count * R)
            }
        }
        let scratch = scratch(inputBytes), prepared = sharedScratch(preparedBytes)
        measured("adapters", flops: flops, bytes: updates.reduce(0) { $0 + $1.matrices.byteCount }) {
            parallelFor(parts.count) { item, thread in multiply(parts[item], x, into: prepared, scratch[thread]) }
            let shares = max(1, 4 * concurrency / parts.count)
            parallelFor(parts.count * shares) { item, _ in
                let panels = table.panels(of: O), share = item % shares
                add(parts[item / shares], panels: panels * share / shares..<panels * (share + 1) / shares, from: prepared, to: y)
            }
        }
    }

    /// Computes scale·x·Aᵀ and prepares it as the input of B.
    private func multiply(_ part: LowRankPart, _ x: Buffer, into prepared: UnsafeMutableRawPointer, _ scratch: UnsafeMutableRawPointer) {
        let a = part.matrices.a, I = a.inputs, R = a.outputs, M = part.rows.count, (layout, panels) = a.single
        let inputs = M * table.weights_input_bytes(layout, I)
        table.weights_prepare_input(layout, x.floats + part.rows.lowerBound * I, M, I, a.inputScales?.floats, scratch)
        let low = (scratch + inputs).assumingMemoryBound(to: Float.self)                     // [M, R]
        withUnsafePointer(to: slm_matmul(M: M, N: R, K: I, into: UnsafeMutableRawPointer(low))) {
            table.packed_matmul(layout, $0, panels.pointer, scratch, 0, table.panels(of: R))
        }
        if part.matrices.scale != 1 { for i in 0..<M * R { low[i] *= part.matrices.scale } }
        let b = part.matrices.b
        table.weights_prepare_input(b.single.layout, low, M, R, b.inputScales?.floats, prepared + part.prepared)
    }

    private func add(_ part: LowRankPart, panels: Range<Int>, from prepared: UnsafeMutableRawPointer, to y: Buffer) {
        let b = part.matrices.b, (layout, all) = b.single, to = y.floats + part.rows.lowerBound * b.outputs
        var p = slm_matmul(M: part.rows.count, N: b.outputs, K: b.inputs, into: UnsafeMutableRawPointer(to))
        p.plus = UnsafePointer(to)
        withUnsafePointer(to: p) {
            table.packed_matmul(layout, $0, all.pointer, prepared + part.prepared, panels.lowerBound, panels.upperBound)
        }
    }
}

/// A few rows of a low-rank product, which one thread multiplies by A.
private struct LowRankPart {
    /// So few that a long prompt is divided among all threads, and their inputs fit in the cache.
    static let maxRows = 24

    let rows: Range<Int>
    let matrices: PackedLowRank
    /// Where the rows scale·x·Aᵀ are, in bytes from the beginning of the shared scratch memory.
    let prepared: Int
}

extension slm_matmul {
    /// A packed matmul [M, K]·[K, N] without fused operations, into contiguous rows of floats.
    init(M: Int, N: Int, K: Int, into c: UnsafeMutableRawPointer) {
        self.init()
        self.M = M
        self.N = N
        self.K = K
        self.c = c
        c_type = DataType.float32.code
        c_stride = N
        scale = 1
    }
}
