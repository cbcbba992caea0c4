package import Kernels

extension Tape {
    /// f of every element. After a linear layer, the fused `then:` is cheaper: see ``linear(_:weight:bias:then:plus:)``.
    package func apply(_ f: UnaryFunction, to x: Tensor) -> Tensor {
        let x = contiguous(x)
        let y = empty(x.shape, x.type)
        processor.apply(f, x.elements, into: y.elements)
        return record(y, from: [GradientTarget(x)]) { Elementwise(f: f, x: x) }
    }

    /// y = cap·tanh(x/cap), which keeps y within ±cap.
    package func softCap(_ x: Tensor, at cap: Float) -> Tensor {
        let x = contiguous(x)
        let y = empty(x.shape, x.type)
        processor.softCap(x.elements, at: cap, into: y.elements)
        return record(y, from: [GradientTarget(x)]) { SoftCap(cap: cap, x: GradientTarget(x), y: y) }
    }
}

/// y = cap·tanh(x/cap):   dx += dy·(1 − (y/cap)²)
private struct SoftCap: Operation {
    let cap: Float
    let x: GradientTarget
    let y: Tensor

    func backward(_ dy: Tensor, on tape: Tape) {
        tape.writeGradient(to: x) { dx in tape.processor.softCapGradient(dy: dy.elements, y: y.elements, cap: cap, into: dx) }
    }
}

/// y = f(x):   dx += dy·f'(x)
private struct Elementwise: Operation {
    let f: UnaryFunction
    let x: Tensor

    func backward(_ dy: Tensor, on tape: Tape) {
        tape.addGradient(to: GradientTarget(x)) { dx, adding in
            tape.processor.applyGradient(f, dy: dy.elements, x: x.elements, into: dx, adding: adding)
        }
    }
}
