import Kernels

extension Tape {
    /// The cross-entropy of each target; 0 where the target is negative.   x [.., C], W [V, C], targets [..]; y [..]
    ///
    /// For losses that weigh targets by what all of them turn out to be, as preference losses do: the gradient of each y is known only
    /// after the forward pass. So the backward pass computes the logits again, instead of storing them. Ignored targets cost nothing.
    package func linearTargetLosses(
        _ x: Tensor, weight: Parameter, adapter: LoRALayer? = nil, softCap cap: Float? = nil, targets: Tensor, rows most: Int? = nil
    ) -> Tensor {
        linearTargetLosses(x, matrix(of: weight), headAdapter(adapter, of: x), softCap: cap, targets: targets, rows: most)
    }

    /// - Parameter most: The most rows of logits that exist at a time.
    package func linearTargetLosses(
        _ x: Tensor, weight: Tensor, softCap cap: Float? = nil, targets: Tensor, rows most: Int? = nil
    ) -> Tensor {
        linearTargetLosses(x, .tensor(weight), nil, softCap: cap, targets: targets, rows: most)
    }

    private func linearTargetLosses(
        _ x: Tensor, _ weight: WeightMatrix, _ adapter: HeadAdapter?, softCap cap: Float?, targets: Tensor, rows most: Int?
    ) -> Tensor {
        require(targets.isTarget(of: x), "linearTargetLosses: targets \(targets.shape) for \(x.shape)")
        let x = contiguous(x)
        let (N, C) = x.shape.rows
        require(weight.shape.rank == 2 && weight.shape[1] == C, "linearTargetLosses: \(x.shape) through a weight \(weight.shape)")
        let most = most ?? logitRows(through: weight)
        require(most > 0, "linearTargetLosses: chunks of \(most) rows")
        let counted = CountedRows(of: x, adapter, targets: targets, on: self)
        let losses = empty([counted.indices.count])
        forEachChunk(of: counted.features, through: weight, counted.adapter, softCap: cap, atMost: most) { rows, _, logits, stride in
            processor.crossEntropy(
                logits, N: rows.count, V: weight.shape[0], stride: stride, targets: counted.targets.elements[rows],
                losses: losses.elements[rows], gradient: nil, scale: 0)
        }
        var values = [Float](repeating: 0, count: N)
        for (row, loss) in zip(counted.indices, losses.floats) { values[row] = loss }
        let inputs = [GradientTarget(x)] + (weight.gradient.map { [$0] } ?? [])
            + (adapter.map { [GradientTarget($0.low), GradientTarget($0.b)] } ?? [])
        return record(constant(values, targets.shape), from: inputs) {
            LinearTargetLosses(
                x: GradientTarget(x), counted: counted, weight: weight, low: adapter.map { GradientTarget($0.low) }, softCap: cap,
                most: most)
        }
    }
}

/// With the logits u = x·Wᵀ:   du[n] = dy[n]·(softmax(u[n]) − one-hot(target[n])),   dx += du·W,   dW += duᵀ·x
/// A soft cap multiplies du by its derivative.
private struct LinearTargetLosses: Operation {
    let x: GradientTarget
    let counted: CountedRows
    let weight: WeightMatrix
    let low: GradientTarget?         // of the adapter
    let softCap: Float?
    let most: Int

    func backward(_ dy: Tensor, on tape: Tape) {
        if counted.indices.isEmpty { return }
        let processor = tape.processor
        let C = counted.features.shape.rows.1
        let V = weight.shape[0]
        let all = dy.floats
        let slopes = counted.indices.map { all[$0] }                                                  // [M]
        // Blocks of quantized weights are summed in f32.
        let type = weight.gradient == nil ? .float32 : counted.features.type
        let features = counted.features, adapter = counted.adapter
        let dx = x.needsGradient ? counted.gradientBuffer(width: C, type: type, on: tape) : nil
        let dlow = adapter.map { counted.gradientBuffer(width: $0.rank, type: $0.low.type, on: tape) }
        var dLogits: Buffer?
        tape.forEachChunk(of: features, through: weight, adapter, softCap: softCap, atMost: most) { rows, features, logits, stride in
            let du = dLogits ?? tape.gradientBuffer(of: logits, softCap: softCap)
            dLogits = du
            // The targets of a sequence have the same slope.
            var start = rows.lowerBound
            while start < rows.upperBound {
                let end = (start..<rows.upperBound).first { slopes[$0] != slopes[start] } ?? rows.upperBound
                let offset = (start - rows.lowerBound) * stride
                processor.crossEntropy(
                    logits[offset..<logits.count], N: end - start, V: V, stride: stride, targets: counted.targets.elements[start..<end],
                    losses: nil, gradient: du[offset..<du.count], scale: slopes[start])
                start = end
            }
            if let softCap { processor.softCapGradient(dy: du, y: logits, cap: softCap, into: du) }
            let slope = Matrix(du, rows: rows.count, columns: V, rowStride: stride)
            if let dx {
                let part = Matrix(dx[rows.lowerBound * C..<rows.upperBound * C], rows: rows.count, columns: C)
                tape.multiply(slope, by: weight, into: part, as: "head dx")
            }
            if let weight = weight.gradient { tape.addWeightGradient(dy: slope, x: features, to: weight) }
            if let adapter, let dlow {
                adapter.writeLowGradient(rows, of: slope, into: dlow, on: tape)
                tape.addWeightGradient(dy: slope, x: adapter.matrix(of: rows), to: GradientTarget(adapter.b))
            }
        }
        if let dx { tape.writeGradient(to: x) { counted.scatter(dx, width: C, into: $0, on: tape) } }
        if let dlow, let low, let adapter {
            tape.writeGradient(to: low) { counted.scatter(dlow, width: adapter.rank, into: $0, on: tape) }
        }
    }
}
