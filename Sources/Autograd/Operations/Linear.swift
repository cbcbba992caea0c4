package import Kernels

extension Tape {
    /// y = f(x·Wᵀ + b) + plus in one pass over memory.   x [.., I], W [O, I], b [O], plus [.., O] in f32; y [.., O]
    ///
    /// y is stored in the tape's ``precision``, or in f32 when something is added to it.
    package func linear(_ x: Tensor, weight: Tensor, bias: Tensor? = nil, then f: Function = .identity, plus: Tensor? = nil) -> Tensor {
        require(weight.shape.rank == 2 && x.shape.rank >= 1 && x.shape[-1] == weight.shape[1], "linear: \(x.shape) through a weight \(weight.shape)")
        let (I, O) = (weight.shape[1], weight.shape[0]), N = x.shape.count / Swift.max(I, 1)
        require(bias.map { $0.shape == [O] } ?? true, "linear: a bias \(bias?.shape ?? []) for a weight \(weight.shape)")
        let shape = x.shape.replacing(-1, with: O)
        require(plus.map { $0.shape == shape && $0.type == .float32 } ?? true, "linear: \(plus?.shape ?? []) cannot be added to \(shape)")
        require(I > 0, "linear: \(x.shape) has no inputs")
        let x = contiguous(x), weight = contiguous(weight), bias = bias.map(contiguous)
        let y = empty(shape, plus == nil ? precision : .float32)
        let inputs = [Slot(x), Slot(weight)] + [bias, plus].compactMap { $0.map { Slot($0) } }
        let before = f != .identity && wantsGradient(of: inputs) ? empty(shape, y.type) : nil
        var product = Kernels.Product(of: Matrix(x.elements, rows: N, columns: I), weight.matrix.transposed, into: Matrix(y.elements, rows: N, columns: O))
        (product.precision, product.bias, product.activation) = (precision, bias?.elements, f)
        (product.before, product.plus) = (before?.elements, plus.map { contiguous($0).elements })
        processor.multiply(product, as: "linear")
        return record(y, from: inputs) {
            LinearStep(x: x, weight: weight, bias: bias.map { Slot($0) }, f: f, before: before, plus: plus.map { Slot($0) }, N: N, I: I, O: O)
        }
    }

    /// dx (+)= dy·W
    func addInputGradient(dy: Matrix, weight: Tensor, to x: Slot) {
        addGradient(to: x) { dx, adding in
            // A sum in bf16 would round twice; f32 targets, as in the residual stream, are added to directly.
            let direct = !adding || x.type == .float32
            let target = direct ? dx : processor.buffer(of: dx.count, .float32)
            var product = Kernels.Product(of: dy, weight.matrix, into: Matrix(target, rows: dy.rows, columns: weight.shape[1]))
            (product.precision, product.accumulates) = (precision, adding && direct)
            processor.multiply(product, as: "linear dx")
            if !direct {
                processor.copy(target, into: dx, adding: true)
            }
        }
    }

    /// dW (+)= dyᵀ·x
    func addWeightGradient(dy: Matrix, x: Matrix, to weight: Slot) {
        addGradient(to: weight) { dw, adding in
            var product = Kernels.Product(of: dy.transposed, x, into: Matrix(dw, rows: dy.columns, columns: x.columns))
            (product.precision, product.accumulates) = (precision, adding)
            processor.multiply(product, as: "linear dW")
        }
    }
}

/// With du = dy·f'(u) and u = x·Wᵀ + b:   dx += du·W,   dW += duᵀ·x,   db += Σₙ du,   dplus += dy
private struct LinearStep: Operation {
    let x, weight: Tensor
    let bias: Slot?
    let f: Function
    let before: Tensor?              // u, kept where f' needs it
    let plus: Slot?
    let N, I, O: Int

    func backward(_ dy: Tensor, on tape: Tape) {
        if let plus { tape.pass(dy, to: plus) }
        var du = dy
        if let before {
            du = tape.empty([N * O], dy.type)
            tape.processor.applyGradient(f, dy: dy.elements, x: before.elements, into: du.elements, adding: false)
        }
        let slope = Matrix(du.elements, rows: N, columns: O)
        tape.addWeightGradient(dy: slope, x: Matrix(x.elements, rows: N, columns: I), to: Slot(weight))
        if let bias {
            tape.addGradient(to: bias) { db, adding in
                tape.processor.sum(du.elements, outer: 1, R: N, inner: O, into: db, adding: adding)
            }
        }
        tape.addInputGradient(dy: slope, weight: weight, to: Slot(x))
    }
}
