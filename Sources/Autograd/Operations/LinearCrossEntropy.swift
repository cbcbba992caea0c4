package import Kernels

extension Tape {
    /// The cross-entropy of the logits x·Wᵀ, averaged over the targets that count; 0 if none counts.
    /// x [.., C], W [V, C], targets [..], negative where they are ignored
    ///
    /// Works in chunks: at most `rows` rows of logits exist at a time. If gradients are needed, they are computed along with the loss while
    /// the logits of a chunk exist.
    ///
    /// - Parameters:
    ///   - cap: Soft-caps the logits: see ``softCap(_:at:)``.
    ///   - count: The divisor of the sum when this is only part of a larger batch; by default the number of targets that count.
    package func linearCrossEntropy(
        _ x: Tensor, weight: Tensor, softCap cap: Float? = nil, targets: Tensor, count: Int? = nil, rows most: Int? = nil
    ) -> Tensor {
        linearCrossEntropy(x, .tensor(weight), nil, softCap: cap, targets: targets, count: count, rows: most)
    }

    /// The same with a weight that may be quantized, and may be adapted.
    package func linearCrossEntropy(
        _ x: Tensor, weight: Parameter, adapter: LoRALayer? = nil, softCap cap: Float? = nil, targets: Tensor, count: Int? = nil,
        rows most: Int? = nil
    ) -> Tensor {
        linearCrossEntropy(
            x, matrix(of: weight), headAdapter(adapter, of: x), softCap: cap, targets: targets, count: count, rows: most)
    }

    private func linearCrossEntropy(
        _ x: Tensor, _ weight: WeightMatrix, _ adapter: HeadAdapter?, softCap cap: Float?, targets: Tensor, count: Int?, rows most: Int?
    ) -> Tensor {
        require(targets.isTarget(of: x), "linearCrossEntropy: targets \(targets.shape) for \(x.shape)")
        let x = contiguous(x), scale = targets.meanFactor(of: count)
        let counted = CountedRows(of: x, adapter, targets: targets, on: self)
        return linearCrossEntropy(counted, of: x, weight, adapter, softCap: cap, scale: scale, rows: most) {
            logits, rows, V, stride, losses, dLogits in
            processor.crossEntropy(
                logits, N: rows.count, V: V, stride: stride, targets: counted.targets.elements[rows], losses: losses, gradient: dLogits,
                scale: scale
            )
        }
    }

    /// The sum over all rows of −Σ p·log softmax(x·Wᵀ)[token], for target distributions p over several tokens.   x [N, C], W [V, C]
    package func linearCrossEntropy(_ x: Tensor, weight: Tensor, softTargets: SoftTargets) -> Tensor {
        require(softTargets.rows == x.shape.rows.0, "linearCrossEntropy: soft targets for \(softTargets.rows) rows of \(x.shape)")
        let x = contiguous(x)
        return linearCrossEntropy(
            CountedRows(all: x, on: self), of: x, .tensor(weight), nil, softCap: nil, scale: 1, rows: softTargets.rows
        ) { logits, rows, V, stride, losses, dLogits in
            processor.crossEntropy(
                logits, N: rows.count, V: V, stride: stride, softTargets: softTargets, losses: losses, gradient: dLogits, scale: 1
            )
        }
    }

    private func linearCrossEntropy(
        _ counted: CountedRows, of x: Tensor, _ weight: WeightMatrix, _ adapter: HeadAdapter?, softCap cap: Float?, scale: Float,
        rows most: Int?,
        _ crossEntropy: (_ logits: Buffer, Range<Int>, _ V: Int, _ stride: Int, _ losses: Buffer, _ dLogits: Buffer?) -> Void
    ) -> Tensor {
        let (M, C) = counted.features.shape.rows
        require(weight.shape.rank == 2 && weight.shape[1] == C, "linearCrossEntropy: \(x.shape) through a weight \(weight.shape)")
        let V = weight.shape[0]
        let most = most ?? logitRows(through: weight)
        require(most > 0, "linearCrossEntropy: chunks of \(most) rows")
        let losses = processor.buffer(of: M, .float32)
        let inputs = [GradientTarget(x)] + (weight.gradient.map { [$0] } ?? [])
            + (adapter.map { [GradientTarget($0.low), GradientTarget($0.b)] } ?? [])
        let needsGradient = needsGradient(for: inputs)
        // Blocks of quantized weights are summed in f32.
        let isWhole = weight.gradient != nil
        let dx = needsGradient && GradientTarget(x).needsGradient
            ? counted.gradientBuffer(width: C, type: isWhole ? x.type : .float32, on: self) : nil
        let dw = needsGradient && weight.gradient?.needsGradient ?? false ? processor.buffer(of: V * C, .float32) : nil
        let dlow = needsGradient ? adapter.map { counted.gradientBuffer(width: $0.rank, type: $0.low.type, on: self) } : nil
        let db = needsGradient ? adapter.map { processor.buffer(of: V * $0.rank, .float32) } : nil
        var dLogits: Buffer?
        forEachChunk(of: counted.features, through: weight, counted.adapter, softCap: cap, atMost: most) { rows, features, logits, stride in
            if needsGradient, dLogits == nil { dLogits = gradientBuffer(of: logits, softCap: cap) }
            crossEntropy(logits, rows, V, stride, losses[rows], dLogits)
            guard let dLogits else { return }
            if let cap { processor.softCapGradient(dy: dLogits, y: logits, cap: cap, into: dLogits) }
            let slope = Matrix(dLogits, rows: rows.count, columns: V, rowStride: stride)
            if let dx {
                let part = Matrix(dx[rows.lowerBound * C..<rows.upperBound * C], rows: rows.count, columns: C)
                multiply(slope, by: weight, into: part, as: "head dx")
            }
            func addProduct(_ x: Matrix, to gradient: Buffer) {
                var matmul = Matmul(of: slope.transposed, x, into: Matrix(gradient, rows: V, columns: x.columns))
                matmul.precision = matmulPrecision
                matmul.accumulates = rows.lowerBound > 0
                processor.run(matmul, as: "head dW")
            }
            if let dw { addProduct(features, to: dw) }
            if let adapter = counted.adapter, let dlow, let db {
                adapter.writeLowGradient(rows, of: slope, into: dlow, on: self)
                addProduct(adapter.matrix(of: rows), to: db)
            }
        }
        if M == 0 { for gradient in [dw, db].compactMap(\.self) { processor.clear(gradient) } }
        return record(total(losses, scale: scale), from: inputs) {
            let gradients = [counted.scattered(dx, width: C, on: self)] + (weight.gradient == nil ? [] : [dw])
                + [counted.scattered(dlow, width: adapter?.rank ?? 0, on: self), db]
            return LinearCrossEntropy(gradients: zip(inputs, gradients).map { ($0, $1) })
        }
    }

    /// The most rows of logits that exist at a time: fewer for large vocabularies, so that they take at most 256 MB.
    package static func logitRows(of V: Int) -> Int { V <= 1 << 16 ? 1_536 : Swift.max(64, (1 << 26) / V) }

    /// The same with logits of at most 64 MB, for training in little memory. The weight is read more often.
    package static func fewLogitRows(of V: Int) -> Int { Swift.min(logitRows(of: V), Swift.max(64, (1 << 24) / Swift.max(V, 1))) }

    /// The most rows of logits that exist at a time for a head.
    func logitRows(through weight: WeightMatrix) -> Int {
        let isTrained = weight.gradient?.needsGradient ?? false
        let V = weight.shape[0]
        return savesMemory && isTrained ? Self.fewLogitRows(of: V) : processor.rowsAtOnce(Self.logitRows(of: V), width: V)
    }

    /// Where the gradient of a chunk of logits is computed: in their place, unless they are needed for the derivative of the soft cap.
    func gradientBuffer(of logits: Buffer, softCap cap: Float?) -> Buffer {
        precision == .float32 && cap == nil ? logits : processor.buffer(of: logits.count, precision)
    }

    /// Computes the logits x·Wᵀ, with those of an adapter, chunk by chunk, in one buffer with rows `stride` apart.   x [.., C], W [V, C]
    func forEachChunk(
        of x: Tensor, through weight: WeightMatrix, _ adapter: HeadAdapter?, softCap cap: Float?, atMost most: Int,
        _ body: (_ rows: Range<Int>, _ features: Matrix, _ logits: Buffer, _ stride: Int) -> Void
    ) {
        let (N, C) = x.shape.rows
        let V = weight.shape[0]
        // Chunks of equal size: each one reads the whole weight, which does not pay for a small one.
        let chunks = Swift.max(1, (N + most - 1) / most)
        let size = Swift.max(1, (N + chunks - 1) / chunks)
        // Rows start on cache lines. With V as the stride, which is rarely a multiple of 16, every load would touch two lines.
        let stride = (V + 31) / 32 * 32
        let logits = processor.buffer(of: min(size, N) * stride, .float32)
        for start in Swift.stride(from: 0, to: N, by: size) {
            let rows = start..<min(start + size, N)
            let features = Matrix(x.elements[start * C..<rows.upperBound * C], rows: rows.count, columns: C)
            weight.forEachBlockOfRows(on: processor, as: matmulPrecision) { outputs, block in
                let part = logits[outputs.lowerBound..<logits.count]
                var matmul = Matmul(
                    of: features, block.transposed, into: Matrix(part, rows: rows.count, columns: outputs.count, rowStride: stride)
                )
                matmul.precision = matmulPrecision
                processor.run(matmul, as: "head")
            }
            adapter?.add(rows, to: Matrix(logits, rows: rows.count, columns: V, rowStride: stride), on: self)
            if let cap { processor.softCap(logits, at: cap, into: logits) }
            body(rows, features, logits, stride)
        }
    }

    func total(_ losses: Buffer, scale: Float) -> Tensor {
        let y = empty([])
        processor.sum(losses, outer: 1, R: losses.count, inner: 1, into: y.elements, scale: scale)
        return y
    }
}

extension Tensor {
    /// Whether these are target ids, one for each row of x.
    func isTarget(of x: Tensor) -> Bool { type == .int32 && x.shape.rank >= 1 && shape.sizes == x.shape.sizes.dropLast() }

    /// The factor that turns the sum of the losses into the mean; 0 if no target counts.
    func meanFactor(of count: Int?) -> Float {
        let counted = count ?? elements.readIDs { ids in ids.indices.reduce(0) { $0 + (ids[$1] >= 0 ? 1 : 0) } }
        return counted > 0 ? 1 / Float(counted) : 0
    }
}

/// The gradients for dy = 1 were computed in the forward pass.
private struct LinearCrossEntropy: Operation {
    /// nil for an input that needs no gradient.
    let gradients: [(GradientTarget, Buffer?)]

    func backward(_ dy: Tensor, on tape: Tape) {
        for (input, gradient) in gradients {
            guard let gradient else { continue }
            if dy.scalar == 1 {
                tape.passGradient(Tensor(gradient, shape: [gradient.count]), to: input)
            } else {
                tape.addGradient(to: input) { target, adding in
                    tape.processor.copy(gradient, into: target, scale: dy.scalar, adding: adding)
                }
            }
        }
    }
}
