package import Kernels

extension Tape {
    /// y = f(x·Wᵀ + b) + plus in one pass over memory.   x [.., I], W [O, I], b [O], plus [.., O] in f32; y [.., O]
    ///
    /// y is stored in the tape's ``precision``, or in f32 if `plus` is added.
    package func linear(
        _ x: Tensor, weight: Tensor, bias: Tensor? = nil, then f: UnaryFunction = .identity, plus: Tensor? = nil
    ) -> Tensor { linear(x, .tensor(contiguous(weight)), bias: bias, then: f, plus: plus) }

    /// The same for frozen weights in bf16, int8, int6 or int4: W has no gradient and is widened block by block.
    package func linear(
        _ x: Tensor, frozen weights: QuantizedWeights, bias: Tensor? = nil, then f: UnaryFunction = .identity, plus: Tensor? = nil
    ) -> Tensor { linear(x, .quantized(weights), bias: bias, then: f, plus: plus) }

    private func linear(_ x: Tensor, _ weight: WeightMatrix, bias: Tensor?, then f: UnaryFunction, plus: Tensor?) -> Tensor {
        require(
            weight.shape.rank == 2 && x.shape.rank >= 1 && x.shape[-1] == weight.shape[1],
            "linear: \(x.shape) through a weight \(weight.shape)"
        )
        let I = weight.shape[1]
        let O = weight.shape[0]
        let N = x.shape.count / Swift.max(I, 1)
        require(bias.map { $0.shape == [O] } ?? true, "linear: a bias \(bias?.shape ?? []) for a weight \(weight.shape)")
        let shape = x.shape.replacing(-1, with: O)
        require(
            plus.map { $0.shape == shape && $0.type == .float32 } ?? true,
            "linear: \(plus?.shape ?? []) cannot be added to \(shape)"
        )
        require(I > 0, "linear: \(x.shape) has no inputs")
        let x = contiguous(x)
        let bias = bias.map(contiguous)
        let y = empty(shape, plus == nil ? precision : .float32)
        let others = [weight.gradient, bias.map { GradientTarget($0) }, plus.map { GradientTarget($0) }]
        let inputs = [GradientTarget(x)] + others.compactMap(\.self)
        let before = f != .identity && needsGradient(for: inputs) ? empty(shape, y.type) : nil
        let sum = plus.map(contiguous)
        if !omitsLinear(plus: plus, before: before) {
            weight.forEachBlockOfRows(on: processor, as: matmulPrecision) { rows, block in
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
            LinearOperation(
                x: GradientTarget(x), input: weight.gradient == nil ? nil : x, weight: weight, bias: bias.map { GradientTarget($0) }, f: f,
                before: before, plus: plus.map { GradientTarget($0) }, N: N
            )
        }
    }

    /// Returns du = dy·f'(u), and adds it to the gradient of the bias: db (+)= Σₙ du.
    ///
    /// - Parameter before: u; nil for du = dy.
    func addBiasGradient(
        dy: Tensor, of f: UnaryFunction, at before: Tensor?, rows N: Int, columns O: Int, to bias: GradientTarget?
    ) -> Matrix {
        var du = dy
        if let before {
            du = empty(dy.shape, dy.type)
            processor.applyGradient(f, dy: dy.elements, x: before.elements, into: du.elements, adding: false)
        }
        if let bias {
            addGradient(to: bias) { db, adding in processor.sum(du.elements, outer: 1, R: N, inner: O, into: db, adding: adding) }
        }
        return Matrix(du.elements, rows: N, columns: O)
    }

    /// dx (+)= dy·W
    func addInputGradient(dy: Matrix, weight: WeightMatrix, to x: GradientTarget) {
        addGradient(to: x) { dx, adding in
            // Accumulating in bf16 would round twice. f32 targets, as in the residual stream, are accumulated directly.
            let direct = (!adding && !weight.isSummedInBlocks) || x.type == .float32
            let target = direct ? dx : processor.buffer(of: dx.count, .float32)
            let result = Matrix(target, rows: dy.rows, columns: weight.shape[1])
            multiply(dy, by: weight, into: result, adding: adding && direct, as: "linear dx")
            if !direct {
                processor.copy(target, into: dx, adding: adding)
            }
        }
    }

    /// y (+)= x·W. If W ``WeightMatrix/isSummedInBlocks``, y must be f32.
    func multiply(_ x: Matrix, by weight: WeightMatrix, into y: Matrix, adding: Bool = false, as name: StaticString) {
        weight.forEachSummedBlock(on: processor, as: matmulPrecision) { rows, columns, block in
            var matmul = Matmul(of: x.columns(rows), block, into: y.columns(columns))
            matmul.precision = matmulPrecision
            matmul.accumulates = adding || rows.lowerBound > 0
            processor.run(matmul, as: name)
        }
    }

    /// dW (+)= dyᵀ·x
    func addWeightGradient(dy: Matrix, x: Matrix, to weight: GradientTarget) {
        addGradient(to: weight) { dw, adding in
            var matmul = Matmul(of: dy.transposed, x, into: Matrix(dw, rows: dy.columns, columns: x.columns))
            matmul.precision = matmulPrecision
            matmul.accumulates = adding
            processor.run(matmul, as: "linear dW")
        }
    }
}

/// With du = dy·f'(u) and u = x·Wᵀ + b:   dx += du·W,   dW += duᵀ·x,   db += Σₙ du,   dplus += dy
private struct LinearOperation: Operation {
    let x: GradientTarget
    let input: Tensor?               // x, kept only for dW
    let weight: WeightMatrix
    let bias: GradientTarget?
    let f: UnaryFunction
    let before: Tensor?              // u, stored only if f' needs it
    let plus: GradientTarget?
    let N: Int

    func backward(_ dy: Tensor, on tape: Tape) {
        if let plus { tape.passGradient(dy, to: plus) }
        let du = tape.addBiasGradient(dy: dy, of: f, at: before, rows: N, columns: weight.shape[0], to: bias)
        if let input, let target = weight.gradient {
            tape.addWeightGradient(dy: du, x: Matrix(input.elements, rows: N, columns: weight.shape[1]), to: target)
        }
        tape.addInputGradient(dy: du, weight: weight, to: x)
    }
}
