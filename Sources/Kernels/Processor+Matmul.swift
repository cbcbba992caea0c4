internal import CKernels

extension Processor {
    /// Runs a matmul on all threads.
    package func run(_ matmul: Matmul, as name: StaticString) {
        if matmul.c.rows == 0 || matmul.c.columns == 0 { return }
        measured(name, flops: matmul.flops, bytes: matmul.bytes) {
            matmul.checkOperands()
            if let gpu, gpu.run(matmul, on: self) { return }
            matmul.checkPrecision(on: self, as: name)
            var p = matmul.arguments()
            if !table.has_native_bf16 { p.precision = DataType.float32.code }
            // oneDNN divides by K.
            if let library, library.supports(matmul.precision), p.K > 0 { return run(p, with: library) }
            if p.K > Self.longestUnsplitSum, !slm_can_split_sum(p) { return runWithSeparateSums(p) }
            runInBlocks(&p)
        }
    }

    /// Runs many independent matmuls of one shape, such as one per attention head. Each runs on a single thread.
    package func run(_ matmuls: [Matmul], as name: StaticString) {
        guard let first = matmuls.first, matmuls.count > 1, library == nil, gpu == nil else {
            for matmul in matmuls { run(matmul, as: name) }
            return
        }
        for matmul in matmuls { matmul.checkOperands() }
        var all = matmuls.map { $0.arguments() }
        if first.c.rows == 0 || first.c.columns == 0 { return }
        for i in all.indices {
            if i > 0, all[i].hasShape(of: all[0]) { all[i].copyPlan(of: all[0]) } else { table.matmul_plan(&all[i], 1, [caches]) }
        }
        let rightBytes = all.map(\.right_bytes).max() ?? 0
        let scratch = scratch(rightBytes + (all.map(\.left_bytes).max() ?? 0))
        let flops = matmuls.reduce(0) { $0 + $1.flops }
        first.checkPrecision(on: self, as: name)
        measured(name, flops: flops) {
            parallelFor(matmuls.count) { item, thread in
                withUnsafePointer(to: all[item]) { p in
                    forEachBlock(of: p.pointee) { n, k, columns in
                        table.matmul_pack(p, n, n + columns, k, scratch[thread])
                        for m in stride(from: 0, to: p.pointee.M, by: p.pointee.m_block) {
                            table.matmul_rows(p, m, n, k, scratch[thread], scratch[thread] + rightBytes)
                        }
                    }
                }
            }
        }
    }

    /// Longer sums do not fit in the cache unsplit.
    private static var longestUnsplitSum: Int { 4_096 }

    private func runInBlocks(_ p: inout slm_matmul) {
        table.matmul_plan(&p, concurrency, [caches])
        let left = scratch(p.left_bytes), right = sharedScratch(p.right_bytes)
        withUnsafePointer(to: p) { p in
            forEachBlock(of: p.pointee) { n, k, columns in
                let panels = (columns + Int(table.panel) - 1) / Int(table.panel)
                split(panels, perThread: 1) { range in       // neighboring panels are packed together
                    let from = range.lowerBound * Int(table.panel), to = min(range.upperBound * Int(table.panel), columns)
                    table.matmul_pack(p, n + from, n + to, k, right)
                }
                parallelFor((p.pointee.M + p.pointee.m_block - 1) / p.pointee.m_block) { block, thread in
                    table.matmul_rows(p, block * p.pointee.m_block, n, k, right, left[thread])
                }
            }
        }
    }

    /// Computes the sums in a buffer of f32, which can hold partial sums, then applies the fused operations.
    private func runWithSeparateSums(_ whole: slm_matmul) {
        let sums = buffer(of: whole.M * whole.N, .float32)
        var part = slm_matmul()
        part.M = whole.M
        part.N = whole.N
        part.K = whole.K
        part.a = whole.a
        part.b = whole.b
        part.precision = whole.precision
        part.c = sums.pointer
        part.c_stride = whole.N
        part.scale = 1
        runInBlocks(&part)
        withUnsafePointer(to: whole) { whole in
            split(whole.pointee.M, atLeast: 16) { rows in
                table.matmul_finish(whole, sums.floats + rows.lowerBound * whole.pointee.N, rows.lowerBound, rows.upperBound)
            }
        }
    }

    /// Visits the blocks of columns, and in each the blocks along K in order.
    private func forEachBlock(of p: slm_matmul, _ body: (_ n: Int, _ k: Int, _ columns: Int) -> Void) {
        for n in stride(from: 0, to: p.N, by: p.n_block) {
            for k in stride(from: 0, to: max(p.K, 1), by: p.k_block) { body(n, k, min(p.n_block, p.N - n)) }
        }
    }

    /// The library computes the sums of one slice of rows per thread; the kernels apply the fused operations.
    private func run(_ whole: slm_matmul, with library: any MatmulLibrary) {
        let hasFusedOperations =
            whole.c_type != DataType.float32.code || whole.scale != 1 || whole.bias != nil || whole.activation != 0
            || whole.pre_activation != nil || whole.plus != nil
        let operands = MatmulOperands(whole, on: self)
        let slice = (whole.M + concurrency - 1) / concurrency
        let scratch = hasFusedOperations ? scratch(slice * whole.N * 4) : []
        withUnsafePointer(to: whole) { whole in withExtendedLifetime(operands) {
            parallelFor((whole.pointee.M + slice - 1) / slice) { item, thread in
                let rows = item * slice..<min((item + 1) * slice, whole.pointee.M)
                if hasFusedOperations {
                    let sums = scratch[thread].assumingMemoryBound(to: Float.self)
                    library.multiply(operands, rows: rows, into: sums, stride: whole.pointee.N, adding: false)
                    table.matmul_finish(whole, sums, rows.lowerBound, rows.upperBound)
                } else {
                    let c = whole.pointee.c.assumingMemoryBound(to: Float.self) + rows.lowerBound * whole.pointee.c_stride
                    library.multiply(operands, rows: rows, into: c, stride: whole.pointee.c_stride, adding: whole.pointee.accumulate)
                }
            }
        } }
    }
}

extension slm_matmul {
    fileprivate func hasShape(of other: slm_matmul) -> Bool {
        M == other.M && N == other.N && K == other.K && precision == other.precision && slm_can_split_sum(self) == slm_can_split_sum(other)
    }

    fileprivate mutating func copyPlan(of other: slm_matmul) {
        m_block = other.m_block
        n_block = other.n_block
        k_block = other.k_block
        left_bytes = other.left_bytes
        right_bytes = other.right_bytes
    }
}
