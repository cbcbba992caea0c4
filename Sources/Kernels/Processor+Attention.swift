internal import CKernels

/// Causal attention over B·H heads that lie side by side: [B, T, H·D] in q, k and v, position after position.
///
/// The three may be parts of one buffer of rows 3·H·D wide; `offset`s say where in a row each begins.
package struct Attention {
    package let B, T, H, D: Int
    /// Elements from one position to the next in q, k and v.
    package let stride: Int
    package let q, k, v: Buffer
    /// [B, T]: position t of a row sees `first` ... t and nothing before; nil sees everything before.
    package let first: Buffer?
    package var precision = DataType.float32

    package init(q: Buffer, k: Buffer, v: Buffer, B: Int, T: Int, H: Int, D: Int, stride: Int, first: Buffer? = nil) {
        let needed = B * T == 0 ? 0 : (B * T - 1) * stride + H * D
        require(q.count >= needed && k.count >= needed && v.count >= needed && stride >= H * D,
                "causalAttention: [\(B), \(T), \(H)·\(D)] with stride \(stride) leaves buffers of \(q.count), \(k.count), \(v.count)")
        require(q.type == k.type && q.type == v.type, "causalAttention: q, k and v of different types")
        if let first {
            require(first.count == B * T, "causalAttention: \(first.count) document starts for [\(B), \(T)]")
            first.readIDs { ids in
                for i in 0..<B * T {
                    require(ids[i] >= 0 && Int(ids[i]) <= i % T, "causalAttention: position \(i % T) cannot begin to see at \(ids[i])")
                }
            }
        }
        self.B = B
        self.T = T
        self.H = H
        self.D = D
        self.stride = stride
        self.q = q
        self.k = k
        self.v = v
        self.first = first
    }

    /// With half of the scores left out.
    fileprivate func flops(products: Int) -> Int { products * B * H * T * (T + 1) * D }

    /// Head h of row b.
    fileprivate func forC(_ b: Int, _ h: Int) -> slm_attention {
        let at = b * T * stride + h * D
        var p = slm_attention()
        p.T = T
        p.D = D
        p.type = q.type.code
        p.product = precision.code
        p.stride = stride
        p.y_stride = H * D
        p.scale = 1 / Float(D).squareRoot()
        p.first = first.map { UnsafePointer($0.ids + b * T) }
        p.q = UnsafeRawPointer(q.at(at))
        p.k = UnsafeRawPointer(k.at(at))
        p.v = UnsafeRawPointer(v.at(at))
        return p
    }
}

extension Buffer {
    fileprivate func at(_ element: Int) -> UnsafeMutableRawPointer { pointer + element * type.size }
}

extension Processor {
    /// y [B, T, H·D] = softmax(q·kᵀ/√D)·v;  logSums [B, H, T] are kept for the way back.
    package func attend(_ a: Attention, into y: Buffer, logSums: Buffer?) {
        require(y.count >= a.B * a.T * a.H * a.D && y.type == a.q.type && (logSums?.count ?? Int.max) >= a.B * a.H * a.T,
                "causalAttention: a result of \(y.count) for [\(a.B), \(a.T), \(a.H)·\(a.D)]")
        if a.B * a.T == 0 { return }
        heads(of: a, as: "attention", products: 2) { p, b, h in
            p.y = y.at(b * a.T * a.H * a.D + h * a.D)
            p.log_sum = logSums.map { $0.floats + (b * a.H + h) * a.T }
        } run: { table.attention($0, $1) }
    }

    /// dq, dk, dv: written, not added to; laid out as q, k and v are.
    package func attendGradient(_ a: Attention, y: Buffer, logSums: Buffer, dy: Buffer, dq: Buffer, dk: Buffer, dv: Buffer) {
        require(
            [y.type, dy.type, dq.type, dk.type, dv.type].allSatisfy { $0 == a.q.type }, "causalAttention: gradients of another type than q")
        require(
            dq.count >= a.q.count && dk.count >= a.k.count && dv.count >= a.v.count && dy.count >= y.count,
            "causalAttention: gradients smaller than what they belong to")
        if a.B * a.T == 0 { return }
        heads(of: a, as: "attention gradient", products: 5) { p, b, h in
            let at = b * a.T * a.stride + h * a.D, out = b * a.T * a.H * a.D + h * a.D
            p.y = y.at(out)
            p.dy = UnsafeRawPointer(dy.at(out))
            p.log_sum = logSums.floats + (b * a.H + h) * a.T
            p.dq = dq.at(at)
            p.dk = dk.at(at)
            p.dv = dv.at(at)
        } run: { table.attention_gradient($0, $1) }
    }

    private func heads(of a: Attention, as name: StaticString, products: Int, fill: (inout slm_attention, Int, Int) -> Void,
                       run: (UnsafePointer<slm_attention>, UnsafeMutableRawPointer) -> Void) {
        require(a.precision == .float32 || hasBFloat16, "\(name): bf16 products on \(instructionSet) kernels, which have none")
        var any = a.forC(0, 0)
        let scratch = scratch(table.attention_scratch(&any))
        measured(name, flops: a.flops(products: products), bytes: (products == 2 ? 4 : 8) * a.B * a.T * a.H * a.D * a.q.type.size) {
            parallelFor(a.B * a.H) { item, thread in
                var p = a.forC(item / a.H, item % a.H)
                fill(&p, item / a.H, item % a.H)
                run(&p, scratch[thread])
            }
        }
    }
}
