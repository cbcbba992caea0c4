internal import CKernels

/// The inputs of causal attention with B·H heads: q, k and v, each [B, T, H·D].
///
/// The three may be parts of one buffer [B, T, 3·H·D], with `stride` 3·H·D.
package struct Attention {
    package let B, T, H, D: Int
    /// Elements from one position to the next in q, k and v.
    package let stride: Int
    package let q, k, v: Buffer
    /// [B, T]: position t of a row attends to positions `first` ... t; nil: to 0 ... t.
    package let first: Buffer?
    package var precision = DataType.float32

    package init(q: Buffer, k: Buffer, v: Buffer, B: Int, T: Int, H: Int, D: Int, stride: Int, first: Buffer? = nil) {
        let reach = Self.reach(B: B, T: T, H: H, D: D, stride: stride)
        require(q.count >= reach && k.count >= reach && v.count >= reach && stride >= H * D,
                "causalAttention: [\(B), \(T), \(H)·\(D)] with stride \(stride) exceeds buffers of \(q.count), \(k.count), \(v.count)")
        require(q.type == k.type && q.type == v.type, "causalAttention: q, k and v must have the same type")
        if let first {
            require(first.count == B * T, "causalAttention: \(first.count) document starts for [\(B), \(T)]")
            first.readIDs { ids in
                for i in 0..<B * T {
                    require(ids[i] >= 0 && Int(ids[i]) <= i % T, "causalAttention: position \(i % T) cannot attend from \(ids[i]) on")
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

    /// The elements that q, k and v must have.
    fileprivate var reach: Int { Self.reach(B: B, T: T, H: H, D: D, stride: stride) }

    private static func reach(B: Int, T: Int, H: Int, D: Int, stride: Int) -> Int { B * T == 0 ? 0 : (B * T - 1) * stride + H * D }

    /// FLOPs of a number of matmuls, of which the causal mask leaves out half.
    fileprivate func flops(matmuls: Int) -> Int { matmuls * B * H * T * (T + 1) * D }

    /// The arguments for the kernels, for head h of row b.
    fileprivate func arguments(_ b: Int, _ h: Int) -> slm_attention {
        let at = b * T * stride + h * D
        var p = slm_attention()
        p.T = T
        p.D = D
        p.type = q.type.code
        p.precision = precision.code
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
    /// y [B, T, H·D] = softmax(q·kᵀ/√D)·v. Stores log Σ exp(score) in logSums [B, H, T] for the backward pass.
    package func attend(_ a: Attention, into y: Buffer, logSums: Buffer?) {
        require(y.count >= a.B * a.T * a.H * a.D && y.type == a.q.type && (logSums?.count ?? Int.max) >= a.B * a.H * a.T,
                "causalAttention: [\(a.B), \(a.T), \(a.H)·\(a.D)] into \(y.count) elements")
        if a.B * a.T == 0 { return }
        forEachHead(of: a, as: "attention", matmuls: 2) { p, b, h in
            p.y = y.at(b * a.T * a.H * a.D + h * a.D)
            p.log_sum = logSums.map { $0.floats + (b * a.H + h) * a.T }
        } run: { table.attention($0, $1) }
    }

    /// Writes dq, dk and dv, which are laid out like q, k and v.
    package func attendGradient(_ a: Attention, y: Buffer, logSums: Buffer, dy: Buffer, dq: Buffer, dk: Buffer, dv: Buffer) {
        require(
            [y.type, dy.type, dq.type, dk.type, dv.type].allSatisfy { $0 == a.q.type },
            "causalAttention: gradients must have the type of q")
        let outputs = a.B * a.T * a.H * a.D, sums = a.B * a.H * a.T
        require(
            [dq, dk, dv].allSatisfy { $0.count >= a.reach } && [y, dy].allSatisfy { $0.count >= outputs } && logSums.count >= sums,
            "causalAttention: gradients of [\(a.B), \(a.T), \(a.H)·\(a.D)] with stride \(a.stride) exceed dq, dk, dv of \(dq.count), "
                + "\(dk.count), \(dv.count), y and dy of \(y.count), \(dy.count) or \(logSums.count) sums")
        if a.B * a.T == 0 { return }
        forEachHead(of: a, as: "attention gradient", matmuls: 5) { p, b, h in
            let at = b * a.T * a.stride + h * a.D, out = b * a.T * a.H * a.D + h * a.D
            p.y = y.at(out)
            p.dy = UnsafeRawPointer(dy.at(out))
            p.log_sum = logSums.floats + (b * a.H + h) * a.T
            p.dq = dq.at(at)
            p.dk = dk.at(at)
            p.dv = dv.at(at)
        } run: { table.attention_gradient($0, $1) }
    }

    private func forEachHead(
        of a: Attention, as name: StaticString, matmuls: Int, fill: (inout slm_attention, Int, Int) -> Void,
        run: (UnsafePointer<slm_attention>, UnsafeMutableRawPointer) -> Void
    ) {
        require(a.precision == .float32 || hasBFloat16, "\(name): \(instructionSet) kernels do not support bf16 matmul")
        var any = a.arguments(0, 0)
        let scratch = scratch(table.attention_scratch(&any))
        measured(name, flops: a.flops(matmuls: matmuls), bytes: (matmuls == 2 ? 4 : 8) * a.B * a.T * a.H * a.D * a.q.type.size) {
            parallelFor(a.B * a.H) { item, thread in
                var p = a.arguments(item / a.H, item % a.H)
                fill(&p, item / a.H, item % a.H)
                run(&p, scratch[thread])
            }
        }
    }
}
