internal import CKernels

/// The inputs of causal attention: q [B, T, H·D], and k and v [B, T, K·D].
///
/// The three may be parts of one buffer [B, T, (H + 2·K)·D], with a `stride` of its rows.
package struct Attention {
    package let B, T: Int
    package let heads: AttentionHeads
    /// Elements from one position to the next in q, k and v.
    package let stride: Int
    package let q, k, v: Buffer
    /// [B, T]: position t of a row attends to positions `first` ... t; nil: to 0 ... t.
    package let first: Buffer?
    /// [H]: for each query head a score without a key, which all positions see (attention sinks, Xiao et al. 2023).
    package let sinks: Buffer?
    package var precision = DataType.float32

    /// - Parameter first: As the property. The window of `heads` is applied in addition.
    package init(
        q: Buffer, k: Buffer, v: Buffer, B: Int, T: Int, heads: AttentionHeads, stride: Int, first: Buffer? = nil, sinks: Buffer? = nil,
        on p: Processor
    ) {
        require(sinks.map { $0.count == heads.queries && $0.type == .float32 } ?? true, "causalAttention: \(sinks?.count ?? 0) sinks")
        let queryReach = Self.reach(B * T, heads.queryWidth, stride), keyReach = Self.reach(B * T, heads.keyWidth, stride)
        require(q.count >= queryReach && k.count >= keyReach && v.count >= keyReach && stride >= heads.queryWidth,
                "causalAttention: [\(B), \(T), \(heads.queries)·\(heads.width)] with stride \(stride) exceeds buffers of \(q.count), "
                    + "\(k.count), \(v.count)")
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
        self.heads = heads
        self.stride = stride
        self.q = q
        self.k = k
        self.v = v
        self.sinks = sinks
        self.first = heads.window.map { Self.firstPositions(first, B: B, T: T, window: $0, on: p) } ?? first
    }

    /// The first position that each position attends to, in a window.
    private static func firstPositions(_ first: Buffer?, B: Int, T: Int, window: Int, on processor: Processor) -> Buffer? {
        if window >= T { return first }
        let result = processor.buffer(of: B * T, .int32)
        let starts = first?.readIDs { ids in (0..<B * T).map { ids[$0] } }
        result.writeIDs { span in
            for i in 0..<B * T { span[i] = max(starts?[i] ?? 0, Int32(i % T - window + 1)) }
        }
        return result
    }

    /// The elements that q must have, and k and v.
    fileprivate var queryReach: Int { Self.reach(B * T, heads.queryWidth, stride) }
    fileprivate var keyReach: Int { Self.reach(B * T, heads.keyWidth, stride) }

    private static func reach(_ rows: Int, _ width: Int, _ stride: Int) -> Int { rows == 0 ? 0 : (rows - 1) * stride + width }

    /// FLOPs of a number of matmuls, of which the causal mask leaves out half.
    fileprivate func flops(matmuls: Int) -> Int { matmuls * B * T * (T + 1) * heads.queryWidth }

    /// The arguments for the kernels, for query head h of row b.
    fileprivate func arguments(_ b: Int, _ h: Int) -> slm_attention {
        let row = b * T * stride, key = row + keyOffset(h)
        var p = slm_attention()
        p.T = T
        p.D = heads.width
        p.type = q.type.code
        p.precision = precision.code
        p.stride = stride
        p.y_stride = heads.queryWidth
        p.scale = heads.scale
        p.cap = heads.scoreCap ?? 0
        p.sink = sinks.map { UnsafePointer($0.floats + h) }
        p.first = first.map { UnsafePointer($0.ids + b * T) }
        p.q = UnsafeRawPointer(q.at(row + h * heads.width))
        p.k = UnsafeRawPointer(k.at(key))
        p.v = UnsafeRawPointer(v.at(key))
        return p
    }

    /// Where the keys of query head h begin in a row of keys.
    fileprivate func keyOffset(_ h: Int) -> Int { h / heads.group * heads.width }
}

extension Buffer {
    fileprivate func at(_ element: Int) -> UnsafeMutableRawPointer { pointer + element * type.size }
}

extension Processor {
    /// y [B, T, H·D] = softmax(scale·q·kᵀ)·v. Stores log Σ exp(score) in logSums [B, H, T] for the backward pass.
    package func attention(_ a: Attention, into y: Buffer, logSums: Buffer?) {
        let H = a.heads.queries, C = a.heads.queryWidth
        require(y.count >= a.B * a.T * C && y.type == a.q.type && (logSums?.count ?? Int.max) >= a.B * H * a.T,
                "causalAttention: [\(a.B), \(a.T), \(H)·\(a.heads.width)] into \(y.count) elements")
        if a.B * a.T == 0 { return }
        measured("attention", flops: a.flops(matmuls: 2), bytes: 4 * a.B * a.T * C * a.q.type.size) {
            if let gpu, a.sinks == nil, gpu.attention(a, into: y, logSums: logSums) { return }
            let a = withOwnPrecision(a)
            let scratch = attentionScratch(a)
            parallelFor(a.B * H) { item, thread in
                let b = item / H, h = item % H
                var p = a.arguments(b, h)
                p.y = y.at(b * a.T * C + h * a.heads.width)
                p.log_sum = logSums.map { $0.floats + item * a.T }
                table.attention(&p, scratch[thread])
            }
        }
    }

    /// Writes dq, dk and dv, which are laid out like q, k and v.
    ///
    /// - Parameter dsinks: [B, H], the gradients of the sinks in each row of the batch; nil without sinks.
    package func attentionGradient(
        _ a: Attention, y: Buffer, logSums: Buffer, dy: Buffer, dq: Buffer, dk: Buffer, dv: Buffer, dsinks: Buffer? = nil
    ) {
        require((dsinks?.count ?? 0) == (a.sinks == nil ? 0 : a.B * a.heads.queries), "causalAttention: \(dsinks?.count ?? 0) sinks")
        require(
            [y.type, dy.type, dq.type, dk.type, dv.type].allSatisfy { $0 == a.q.type },
            "causalAttention: gradients must have the type of q")
        let H = a.heads.queries, C = a.heads.queryWidth, group = a.heads.group
        let outputs = a.B * a.T * C, sums = a.B * H * a.T
        require(
            dq.count >= a.queryReach && [dk, dv].allSatisfy { $0.count >= a.keyReach } && [y, dy].allSatisfy { $0.count >= outputs }
                && logSums.count >= sums,
            "causalAttention: gradients of [\(a.B), \(a.T), \(H)·\(a.heads.width)] with stride \(a.stride) exceed dq, dk, dv of "
                + "\(dq.count), \(dk.count), \(dv.count), y and dy of \(y.count), \(dy.count) or \(logSums.count) sums")
        if a.B * a.T == 0 { return }
        measured("attention gradient", flops: a.flops(matmuls: 5), bytes: 8 * a.B * a.T * C * a.q.type.size) {
            if let gpu, a.sinks == nil,
                gpu.attentionGradient(a, y: y, logSums: logSums, dy: dy, dq: dq, dk: dk, dv: dv, on: self) { return }
            let a = withOwnPrecision(a)
            let scratch = attentionScratch(a)
            // Query heads that share keys run one after the other: the scratch memory adds up the gradients of the keys and values.
            parallelFor(a.B * a.heads.keys) { item, thread in
                let b = item / a.heads.keys
                for i in 0..<group {
                    let h = item % a.heads.keys * group + i
                    let row = b * a.T * a.stride, key = row + a.keyOffset(h), out = b * a.T * C + h * a.heads.width
                    var p = a.arguments(b, h)
                    p.y = y.at(out)
                    p.dy = UnsafeRawPointer(dy.at(out))
                    p.log_sum = logSums.floats + (b * H + h) * a.T
                    p.dq = dq.at(row + h * a.heads.width)
                    p.dk = dk.at(key)
                    p.dv = dv.at(key)
                    p.dsink = dsinks.map { $0.floats + b * H + h }
                    p.adds_to_keys = i > 0
                    p.keeps_key_sums = i + 1 < group
                    table.attention_gradient(&p, scratch[thread])
                }
            }
        }
    }

    /// The same in f32 if the CPU has to compute what a device cannot, without instructions for bf16.
    private func withOwnPrecision(_ a: Attention) -> Attention {
        var a = a
        if gpu != nil, !table.has_native_bf16 { a.precision = .float32 }
        return a
    }

    private func attentionScratch(_ a: Attention) -> [UnsafeMutableRawPointer] {
        require(a.precision == .float32 || table.has_native_bf16, "causalAttention: \(instructionSet) kernels do not support bf16 matmul")
        var any = a.arguments(0, 0)
        return scratch(table.attention_scratch(&any))
    }
}
