package import Kernels

extension Tape {
    /// y = f(x·Wᵀ + b) + plus for frozen weights in bf16, int8 or int4.   x [.., I], W [O, I], b [O], plus [.., O] in f32; y [.., O]
    ///
    /// Like ``linear(_:weight:bias:then:plus:)``, but W has no gradient and is widened block by block.
    package func linear(
        _ x: Tensor, frozen weights: QuantizedWeights, bias: Tensor? = nil, then f: UnaryFunction = .identity, plus: Tensor? = nil
    ) -> Tensor {
        let (O, I) = (weights.outputs, weights.inputs)
        require(x.shape.rank >= 1 && x.shape[-1] == I, "linear: \(x.shape) through a weight [\(O), \(I)]")
        let shape = x.shape.replacing(-1, with: O)
        require(
            bias.map { $0.shape == [O] } ?? true && plus.map { $0.shape == shape && $0.type == .float32 } ?? true,
            "linear: a bias \(bias?.shape ?? []) and \(plus?.shape ?? []) for a weight [\(O), \(I)]"
        )
        let x = contiguous(x)
        let bias = bias.map(contiguous)
        let N = x.shape.count / I
        let inputs = [GradientTarget(x)] + [bias, plus].compactMap { $0.map { GradientTarget($0) } }
        let y = empty(shape, plus == nil ? precision : .float32)
        let before = f != .identity && needsGradient(for: inputs) ? empty(shape, y.type) : nil
        let sum = plus.map(contiguous)
        if !omitsLinear(plus: plus, before: before) {
            WeightMatrix.quantized(weights).forEachBlockOfRows(on: processor, as: matmulPrecision) { rows, block in
                func part(_ buffer: Buffer) -> Buffer { buffer[min(rows.lowerBound, buffer.count)..<buffer.count] }
                var matmul = Matmul(
                    of: Matrix(x.elements, rows: N, columns: I), block.transposed,
                    into: Matrix(part(y.elements), rows: N, columns: rows.count, rowStride: O)
                )
                matmul.precision = matmulPrecision
                matmul.bias = bias?.elements[rows]
                matmul.activation = f
                matmul.preActivation = before.map { part($0.elements) }
                matmul.plus = sum.map { part($0.elements) }
                processor.run(matmul, as: "linear")
            }
        }
        return record(y, from: inputs) {
            FrozenLinear(
                x: GradientTarget(x), weights: weights, bias: bias.map { GradientTarget($0) }, f: f, before: before,
                plus: plus.map { GradientTarget($0) }, N: N
            )
        }
    }
}

/// With du = dy·f'(u) and u = x·Wᵀ + b:   dx += du·W,   db += Σₙ du,   dplus += dy
private struct FrozenLinear: Operation {
    let x: GradientTarget
    let weights: QuantizedWeights
    let bias: GradientTarget?
    let f: UnaryFunction
    let before: Tensor?              // u
    let plus: GradientTarget?
    let N: Int

    func backward(_ dy: Tensor, on tape: Tape) {
        if let plus { tape.passGradient(dy, to: plus) }
        let du = tape.addBiasGradient(dy: dy, of: f, at: before, rows: N, columns: weights.outputs, to: bias)
        tape.addInputGradient(dy: du, weight: .quantized(weights), to: x)
    }
}
