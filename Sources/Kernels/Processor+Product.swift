internal import CKernels

/// C = activation(scale·A·B + bias) + plus, where every part but A and B may be absent.
///
///     var product = Matmul(of: x, weight.transposed, into: y)      // [N, I]·[I, O] → [N, O]
///     product.bias = b
///     processor.multiply(product, as: "linear")
package struct Matmul {
    package let a, b, c: Matrix
    /// bf16 rounds A and B before they are multiplied; sums are f32 either way.
    package var precision = DataType.float32
    package var scale: Float = 1
    /// C += instead of C =; nothing else may be asked for then.
    package var accumulates = false
    package var bias: Buffer?
    package var activation = UnaryFunction.identity
    /// Receives what goes into the activation.
    package var before: Buffer?
    /// Added at the very end; may be C's own buffer.
    package var plus: Buffer?

    package init(of a: Matrix, _ b: Matrix, into c: Matrix) {
        require(a.columns == b.rows && c.rows == a.rows && c.columns == b.columns,
                "product: [\(a.rows), \(a.columns)]·[\(b.rows), \(b.columns)] does not give [\(c.rows), \(c.columns)]")
        require(c.columnStride == 1 || c.columns <= 1, "product: the result must have its rows contiguous")
        self.a = a
        self.b = b
        self.c = c
    }

    package var flops: Int { 2 * a.rows * a.columns * b.columns }

    private var bytes: Int {
        let stored = { (m: Matrix) in m.rows * m.columns * m.buffer.type.size }
        return stored(a) + stored(b) + stored(c) * (accumulates || plus != nil || before != nil ? 2 : 1)
    }

    fileprivate func forC() -> slm_product {
        require(!accumulates || (bias == nil && activation == .identity && before == nil && plus == nil),
                "product: a sum that goes on takes nothing but the product")
        require(bias.map { $0.count == c.columns } ?? true, "product: \(bias?.count ?? 0) biases for \(c.columns) columns")
        let reach = c.rows * c.columns == 0 ? 0 : (c.rows - 1) * c.rowStride + c.columns      // both are laid out as the result is
        require(before.map { $0.count >= reach && $0.type == c.buffer.type } ?? true, "product: `before` is not like the result")
        require(plus.map { $0.count >= reach } ?? true, "product: \(plus?.count ?? 0) numbers to add to [\(c.rows), \(c.columns)]")
        return slm_product(
            M: c.rows, N: c.columns, K: a.columns,
            a: slm_operand(data: a.buffer.pointer, type: a.buffer.type.code, outer: a.rowStride, inner: a.columnStride),
            b: slm_operand(data: b.buffer.pointer, type: b.buffer.type.code, outer: b.columnStride, inner: b.rowStride),
            product: precision.code, c: c.buffer.pointer, c_type: c.buffer.type.code, c_stride: c.rowStride, accumulate: accumulates,
            scale: scale, bias: bias?.floats, activation: activation.rawValue, before: before?.pointer,
            plus: plus?.floats, m_step: 0, n_step: 0, k_step: 0, left_bytes: 0, right_bytes: 0)
    }

    fileprivate func checkMeasured(by processor: Processor, as name: StaticString, _ body: () -> Void) {
        require(
            precision == .float32 || processor.hasBFloat16, "\(name): bf16 products on \(processor.instructionSet) kernels, which have none"
        )
        processor.measured(name, flops: flops, bytes: bytes, body)
    }
}

extension Processor {
    package func run(_ product: Matmul, as name: StaticString) {
        var p = product.forC()
        if p.M == 0 || p.N == 0 { return }
        product.checkMeasured(by: self, as: name) {
            // oneDNN divides by K.
            if let library, library.multiplies(product.precision), p.K > 0 { return multiply(&p, with: library) }
            if p.K > Self.longestWholeSum, !slm_can_be_cut(p) { return multiplyInParts(p) }
            run(&p)
        }
    }

    /// Longer sums do not fit in the cache as one.
    private static var longestWholeSum: Int { 4_096 }

    private func run(_ p: inout slm_product) {
        table.product_plan(&p, threads)
        let left = scratch(p.left_bytes), right = sharedScratch(p.right_bytes)
        withUnsafePointer(to: p) { p in
            blocks(of: p.pointee) { n, k, columns in
                let panels = (columns + Int(table.panel) - 1) / Int(table.panel)
                let panelBytes = 4 * Int(table.panel) * units(of: p.pointee, from: k)
                split(panels) { range in
                    let from = range.lowerBound * Int(table.panel), to = min(range.upperBound * Int(table.panel), columns)
                    table.product_pack(p, n + from, n + to, k, right + range.lowerBound * panelBytes)
                }
                parallelFor((p.pointee.M + p.pointee.m_step - 1) / p.pointee.m_step) { block, thread in
                    table.product_rows(p, block * p.pointee.m_step, n, k, right, left[thread])
                }
            }
        }
    }

    /// Where C cannot hold partial sums, a buffer of f32 does, and C gets what comes of them.
    private func multiplyInParts(_ whole: slm_product) {
        let sums = buffer(of: whole.M * whole.N, .float32)
        var part = slm_product()
        part.M = whole.M
        part.N = whole.N
        part.K = whole.K
        part.a = whole.a
        part.b = whole.b
        part.product = whole.product
        part.c = sums.pointer
        part.c_stride = whole.N
        part.scale = 1
        run(&part)
        withUnsafePointer(to: whole) { whole in
            split(whole.pointee.M, atLeast: 16) { rows in
                table.product_finish(whole, sums.floats + rows.lowerBound * whole.pointee.N, rows.lowerBound, rows.upperBound)
            }
        }
    }

    /// 32-bit units, one f32 or two bf16, of the part of the sum that begins at k.
    private func units(of p: slm_product, from k: Int) -> Int {
        let count = min(p.k_step, p.K - k)
        return p.product == DataType.float32.code ? count : (count + 1) / 2
    }

    /// The blocks of columns, and in each the parts of the sum in order.
    private func blocks(of p: slm_product, _ body: (_ n: Int, _ k: Int, _ columns: Int) -> Void) {
        for n in stride(from: 0, to: p.N, by: p.n_step) {
            for k in stride(from: 0, to: max(p.K, 1), by: p.k_step) { body(n, k, min(p.n_step, p.N - n)) }
        }
    }

    /// Many independent products of one shape, such as one for each head: a thread takes a whole one at a time.
    package func run(_ products: [Matmul], as name: StaticString) {
        guard let first = products.first, products.count > 1, library == nil else {
            for product in products { run(product, as: name) }
            return
        }
        var all = products.map { $0.forC() }
        if first.c.rows == 0 || first.c.columns == 0 { return }
        for i in all.indices {
            if i > 0, all[i].hasShape(of: all[0]) { all[i].takePlan(of: all[0]) } else { table.product_plan(&all[i], 1) }
        }
        let rightBytes = all.map(\.right_bytes).max() ?? 0
        let scratch = scratch(rightBytes + (all.map(\.left_bytes).max() ?? 0))
        let flops = products.reduce(0) { $0 + $1.flops }
        require(first.precision == .float32 || hasBFloat16, "\(name): bf16 products on \(instructionSet) kernels, which have none")
        measured(name, flops: flops) {
            parallelFor(products.count) { item, thread in
                withUnsafePointer(to: all[item]) { p in
                    blocks(of: p.pointee) { n, k, columns in
                        table.product_pack(p, n, n + columns, k, scratch[thread])
                        for m in stride(from: 0, to: p.pointee.M, by: p.pointee.m_step) {
                            table.product_rows(p, m, n, k, scratch[thread], scratch[thread] + rightBytes)
                        }
                    }
                }
            }
        }
    }

    /// The library makes the sums of a slice of rows for each thread, and our own kernel what comes after.
    private func multiply(_ p: inout slm_product, with library: any MatmulLibrary) {
        let whole = p
        let plain =
            whole.c_type == 0 && whole.scale == 1 && whole.bias == nil && whole.activation == 0 && whole.before == nil && whole.plus == nil
        let operands = library.prepare(whole, on: self)
        let slice = (whole.M + threads - 1) / threads
        let scratch = plain ? [] : scratch(slice * whole.N * 4)
        withUnsafePointer(to: whole) { whole in withExtendedLifetime(operands) {
            pool.run { thread in
                let rows = min(thread * slice, whole.pointee.M)..<min((thread + 1) * slice, whole.pointee.M)
                if rows.isEmpty { return }
                if plain {
                    let c = whole.pointee.c.assumingMemoryBound(to: Float.self) + rows.lowerBound * whole.pointee.c_stride
                    library.multiply(operands, rows: rows, into: c, stride: whole.pointee.c_stride, adding: whole.pointee.accumulate)
                } else {
                    let sums = scratch[thread].assumingMemoryBound(to: Float.self)
                    library.multiply(operands, rows: rows, into: sums, stride: whole.pointee.N, adding: false)
                    table.product_finish(whole, sums, rows.lowerBound, rows.upperBound)
                }
            }
        } }
    }
}

extension slm_product {
    fileprivate func hasShape(of other: slm_product) -> Bool {
        M == other.M && N == other.N && K == other.K && product == other.product && slm_can_be_cut(self) == slm_can_be_cut(other)
    }

    fileprivate mutating func takePlan(of other: slm_product) {
        m_step = other.m_step
        n_step = other.n_step
        k_step = other.k_step
        left_bytes = other.left_bytes
        right_bytes = other.right_bytes
    }
}
