// For Documentation/Learn/Autograd.md: the GPT's attention and loss compute their softmax themselves.

import Kernels

extension Tape {
    /// Softmax along the last axis.
    package func softmax(_ x: Tensor) -> Tensor { softmax(x, logarithm: false) }

    package func logSoftmax(_ x: Tensor) -> Tensor { softmax(x, logarithm: true) }

    private func softmax(_ x: Tensor, logarithm: Bool) -> Tensor {
        let x = contiguous(x)
        let (N, C) = x.shape.rows
        let y = empty(x.shape, x.type)
        processor.softmax(x.elements, N: N, C: C, into: y.elements, logarithm: logarithm)
        return record(y, from: [GradientTarget(x)]) { Softmax(x: GradientTarget(x), y: y, logarithm: logarithm) }
    }
}

/// dx += y·(dy − Σ dy·y);   for the logarithm dx += dy − eʸ·Σ dy
private struct Softmax: Operation {
    let x: GradientTarget
    let y: Tensor
    let logarithm: Bool

    func backward(_ dy: Tensor, on tape: Tape) {
        let (N, C) = y.shape.rows
        tape.addGradient(to: x) { dx, adding in
            tape.processor.softmaxGradient(dy: dy.elements, y: y.elements, N: N, C: C, dx: dx, logarithm: logarithm, adding: adding)
        }
    }
}
