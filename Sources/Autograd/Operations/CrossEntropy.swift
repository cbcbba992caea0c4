package import Kernels

extension Tape {
    /// The mean over all targets that count of −log softmax(x)[target].   x [.., V], targets [..], negative where they do not count
    ///
    /// 0 when none counts. `count` divides the sum instead, when this is only part of a larger batch.
    package func crossEntropy(_ x: Tensor, targets: Tensor, count: Int? = nil) -> Tensor {
        require(targets.isTarget(of: x), "crossEntropy: targets \(targets.shape) for scores \(x.shape)")
        let x = contiguous(x), (N, V) = x.shape.rows
        let losses = processor.buffer(of: N, .float32), scale = targets.share(of: count)
        processor.crossEntropy(x.elements, N: N, V: V, targets: targets.elements, losses: losses, gradient: nil, scale: 0)
        return record(total(losses, scale: scale), from: [Slot(x)]) { CrossEntropy(x: x, targets: targets, scale: scale) }
    }

    /// The same straight from features: x·Wᵀ are the scores, of which at most `rows` at a time are ever held.   x [.., C], W [V, C]
    ///
    /// When derivatives are wanted they are made along with the loss, while a chunk's scores are at hand.
    package func linearCrossEntropy(_ x: Tensor, weight: Tensor, targets: Tensor, count: Int? = nil, rows most: Int = 1_536) -> Tensor {
        require(targets.isTarget(of: x), "linearCrossEntropy: targets \(targets.shape) for \(x.shape)")
        let scale = targets.share(of: count)
        return linearCrossEntropy(x, weight: weight, scale: scale, rows: most) { scores, rows, V, stride, losses, slopes in
            processor.crossEntropy(scores, N: rows.count, V: V, stride: stride, targets: targets.elements[rows], losses: losses, gradient: slopes, scale: scale)
        }
    }

    /// The sum over all rows of −Σ share·log softmax(x·Wᵀ)[word]: what counting knows, which is more than the one word that came.   x [N, C], W [V, C]
    package func linearCrossEntropy(_ x: Tensor, weight: Tensor, shares: WordShares) -> Tensor {
        require(shares.rows == x.shape.rows.0, "linearCrossEntropy: shares for \(shares.rows) rows of \(x.shape)")
        return linearCrossEntropy(x, weight: weight, scale: 1, rows: shares.rows) { scores, rows, V, stride, losses, slopes in
            processor.crossEntropy(scores, N: rows.count, V: V, stride: stride, shares: shares, losses: losses, gradient: slopes, scale: 1)
        }
    }

    private func linearCrossEntropy(_ x: Tensor, weight: Tensor, scale: Float, rows most: Int,
                                    _ compare: (_ scores: Buffer, Range<Int>, _ V: Int, _ stride: Int, _ losses: Buffer, _ slopes: Buffer?) -> Void) -> Tensor {
        let x = contiguous(x), (N, C) = x.shape.rows
        require(weight.shape.rank == 2 && weight.shape[1] == C, "linearCrossEntropy: \(x.shape) through a weight \(weight.shape)")
        require(most > 0, "linearCrossEntropy: chunks of \(most) rows")
        let V = weight.shape[0], losses = processor.buffer(of: N, .float32)
        let isWanted = wantsGradient(of: [Slot(x), Slot(weight)])
        let dx = isWanted && Slot(x).isWanted ? processor.buffer(of: N * C, x.type) : nil
        let dw = isWanted && Slot(weight).isWanted ? processor.buffer(of: V * C, .float32) : nil
        var slopes: Buffer?
        forEachChunk(of: x, through: weight, atMost: most) { rows, features, scores, stride in
            if isWanted, slopes == nil { slopes = precision == .float32 ? scores : processor.buffer(of: scores.count, precision) }
            compare(scores, rows, V, stride, losses[rows], slopes)
            guard let slopes else { return }
            let slope = Matrix(slopes, rows: rows.count, columns: V, rowStride: stride)
            if let dx { multiply(slope, weight.matrix, into: Matrix(dx[rows.lowerBound * C..<rows.upperBound * C], rows: rows.count, columns: C), as: "head dx") }
            if let dw { multiply(slope.transposed, features, into: Matrix(dw, rows: V, columns: C), adding: rows.lowerBound > 0, as: "head dW") }
        }
        if N == 0, let dw { processor.clear(dw) }
        return record(total(losses, scale: scale), from: [Slot(x), Slot(weight)]) {
            LinearCrossEntropy(x: Slot(x), weight: Slot(weight), dx: dx, dw: dw)
        }
    }

    /// The scores x·Wᵀ of some rows at a time, `stride` apart, in one and the same buffer.   x [.., C], W [V, C]
    func forEachChunk(of x: Tensor, through weight: Tensor, atMost most: Int,
                      _ body: (_ rows: Range<Int>, _ features: Matrix, _ scores: Buffer, _ stride: Int) -> Void) {
        let (N, C) = x.shape.rows, V = weight.shape[0]
        // Equal chunks: each reads the whole weight, and a small one would read it for little.
        let chunks = Swift.max(1, (N + most - 1) / most), size = Swift.max(1, (N + chunks - 1) / chunks)
        // Rows begin on cache lines: V is rarely a multiple of anything, and every load would touch two lines.
        let stride = (V + 31) / 32 * 32, scores = processor.buffer(of: min(size, N) * stride, .float32)
        for start in Swift.stride(from: 0, to: N, by: size) {
            let rows = start..<min(start + size, N), features = Matrix(x.elements[start * C..<rows.upperBound * C], rows: rows.count, columns: C)
            multiply(features, weight.matrix.transposed, into: Matrix(scores, rows: rows.count, columns: V, rowStride: stride), as: "head")
            body(rows, features, scores, stride)
        }
    }

    private func multiply(_ a: Matrix, _ b: Matrix, into c: Matrix, adding: Bool = false, as name: StaticString) {
        var product = Kernels.Product(of: a, b, into: c)
        (product.precision, product.accumulates) = (precision, adding)
        processor.multiply(product, as: name)
    }

    private func total(_ losses: Buffer, scale: Float) -> Tensor {
        let y = empty([])
        processor.sum(losses, outer: 1, R: losses.count, inner: 1, into: y.elements, scale: scale)
        return y
    }
}

extension Tensor {
    /// Whether these are ids, one for each row of x, and laid out as the rows are.
    fileprivate func isTarget(of x: Tensor) -> Bool { type == .int32 && x.shape.rank >= 1 && shape.sizes == x.shape.sizes.dropLast() }

    /// What each target that counts contributes to the mean.
    fileprivate func share(of count: Int?) -> Float {
        let counted = count ?? elements.readIDs { ids in ids.indices.reduce(0) { $0 + (ids[$1] >= 0 ? 1 : 0) } }
        return counted > 0 ? 1 / Float(counted) : 0
    }
}

/// dx += dy·scale·(softmax(x) − one-hot(target))
private struct CrossEntropy: Operation {
    let x, targets: Tensor
    let scale: Float

    func backward(_ dy: Tensor, on tape: Tape) {
        let (N, V) = x.shape.rows
        tape.writeGradient(to: Slot(x)) { dx in
            tape.processor.crossEntropy(x.elements, N: N, V: V, targets: targets.elements, losses: nil, gradient: dx, scale: dy.scalar * scale)
        }
    }
}

/// The derivatives for dy = 1 are there already.
private struct LinearCrossEntropy: Operation {
    let x, weight: Slot
    let dx, dw: Buffer?

    func backward(_ dy: Tensor, on tape: Tape) {
        for (slot, part) in [(x, dx), (weight, dw)] {
            guard let part else { continue }
            if dy.scalar == 1 {
                tape.pass(Tensor(part, shape: [part.count]), to: slot)
            } else {
                tape.addGradient(to: slot) { target, adding in
                    tape.processor.copy(part, into: target, scale: dy.scalar, adding: adding)
                }
            }
        }
    }
}
