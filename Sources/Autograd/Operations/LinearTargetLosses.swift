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
        let allTargets = targets.ids
        let counted = allTargets.indices.filter { allTargets[$0] >= 0 }
        let features = empty([counted.count, C], x.type)
        let rows = ids(counted.map { Int32($0) }, [counted.count])
        processor.embed(rows.elements, table: x.elements, C: C, plus: nil, period: 1, into: features.elements)
        let selected = adapter?.selecting(rows, on: self)
        let countedTargets = ids(counted.map { allTargets[$0] }, [counted.count])
        let losses = empty([counted.count])
        forEachChunk(of: features, through: weight, selected, softCap: cap, atMost: most) { rows, _, logits, stride in
            processor.crossEntropy(
                logits, N: rows.count, V: weight.shape[0], stride: stride, targets: countedTargets.elements[rows],
                losses: losses.elements[rows], gradient: nil, scale: 0)
        }
        var values = [Float](repeating: 0, count: N)
        for (row, loss) in zip(counted, losses.floats) { values[row] = loss }
        let inputs = [GradientTarget(x)] + (weight.gradient.map { [$0] } ?? [])
            + (adapter.map { [GradientTarget($0.low), GradientTarget($0.b)] } ?? [])
        return record(constant(values, targets.shape), from: inputs) {
            LinearTargetLosses(
                x: GradientTarget(x), features: features, weight: weight, low: adapter.map { GradientTarget($0.low) }, adapter: selected,
                softCap: cap, targets: countedTargets, counted: counted, N: N, most: most)
        }
    }
}

/// With the logits u = x·Wᵀ:   du[n] = dy[n]·(softmax(u[n]) − one-hot(target[n])),   dx += du·W,   dW += duᵀ·x
/// A soft cap multiplies du by its derivative.
private struct LinearTargetLosses: Operation {
    let x: GradientTarget
    let features: Tensor             // [M, C]: the rows of x with a target that counts
    let weight: WeightMatrix
    let low: GradientTarget?         // of the adapter
    let adapter: HeadAdapter?        // with the rows that count
    let softCap: Float?
    let targets: Tensor              // [M]
    let counted: [Int]               // [M]: their indices in x
    let N, most: Int

    func backward(_ dy: Tensor, on tape: Tape) {
        if counted.isEmpty { return }
        let processor = tape.processor
        let (M, C) = features.shape.rows
        let V = weight.shape[0]
        let all = dy.floats
        let slopes = counted.map { all[$0] }                                                          // [M]
        // Blocks of quantized weights are summed in f32. The row after the last is 0, for the rows of x without a target.
        let type = weight.gradient == nil ? .float32 : features.type
        let dx = x.needsGradient ? processor.buffer(of: (M + 1) * C, type) : nil
        if let dx { processor.clear(dx[M * C..<(M + 1) * C]) }
        let dlow = adapter.map { processor.buffer(of: (M + 1) * $0.rank, $0.low.type) }
        if let dlow, let R = adapter?.rank { processor.clear(dlow[M * R..<(M + 1) * R]) }
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
                    logits[offset..<logits.count], N: end - start, V: V, stride: stride, targets: targets.elements[start..<end],
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
        var sources = [Int32](repeating: Int32(M), count: N)
        for (i, row) in counted.enumerated() { sources[row] = Int32(i) }
        let indices = tape.ids(sources, [N])
        func scatter(_ gradient: Buffer?, width: Int, to input: GradientTarget?) {
            guard let gradient, let input else { return }
            tape.writeGradient(to: input) { target in
                processor.embed(indices.elements, table: gradient, C: width, plus: nil, period: 1, into: target)
            }
        }
        scatter(dx, width: C, to: x)
        scatter(dlow, width: adapter?.rank ?? 0, to: low)
    }
}
