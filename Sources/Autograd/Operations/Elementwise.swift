package import Kernels

extension Tape {
    package func exp(_ x: Tensor) -> Tensor { apply(.exp, to: x) }
    package func log(_ x: Tensor) -> Tensor { apply(.log, to: x) }
    package func sqrt(_ x: Tensor) -> Tensor { apply(.sqrt, to: x) }
    package func tanh(_ x: Tensor) -> Tensor { apply(.tanh, to: x) }
    package func sigmoid(_ x: Tensor) -> Tensor { apply(.sigmoid, to: x) }
    package func relu(_ x: Tensor) -> Tensor { apply(.relu, to: x) }
    package func gelu(_ x: Tensor) -> Tensor { apply(.gelu, to: x) }

    /// f of every element. A linear layer takes its activation along for less: see ``linear(_:weight:bias:then:plus:)``.
    package func apply(_ f: Function, to x: Tensor) -> Tensor {
        let x = contiguous(x)
        let y = empty(x.shape, x.type)
        processor.apply(f, x.elements, into: y.elements)
        return record(y, from: [Slot(x)]) { Elementwise(f: f, x: x) }
    }
}

/// y = f(x):   dx += dy·f'(x)
private struct Elementwise: Operation {
    let f: Function
    let x: Tensor

    func backward(_ dy: Tensor, on tape: Tape) {
        tape.addGradient(to: Slot(x)) { dx, adding in
            tape.processor.applyGradient(f, dy: dy.elements, x: x.elements, into: dx, adding: adding)
        }
    }
}
