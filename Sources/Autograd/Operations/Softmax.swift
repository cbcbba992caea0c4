import Kernels

extension Tape {
    /// Along the last axis.
    package func softmax(_ x: Tensor) -> Tensor { softmax(x, logarithm: false) }

    package func logSoftmax(_ x: Tensor) -> Tensor { softmax(x, logarithm: true) }

    private func softmax(_ x: Tensor, logarithm: Bool) -> Tensor {
        let x = contiguous(x), (N, C) = x.shape.rows
        let y = empty(x.shape, x.type)
        processor.softmax(x.elements, N: N, C: C, into: y.elements, logarithm: logarithm)
        return record(y, from: [Slot(x)]) { Softmax(x: Slot(x), y: y, logarithm: logarithm) }
    }
}

/// dx += y·(dy − Σ dy·y);   for the logarithm dx += dy − eʸ·Σ dy
private struct Softmax: Operation {
    let x: Slot
    let y: Tensor
    let logarithm: Bool

    func backward(_ dy: Tensor, on tape: Tape) {
        let (N, C) = y.shape.rows
        tape.addGradient(to: x) { dx, adding in
            tape.processor.softmaxGradient(dy: dy.elements, y: y.elements, N: N, C: C, dx: dx, logarithm: logarithm, adding: adding)
        }
    }
}
