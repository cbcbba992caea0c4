// For Documentation/Learn/Autograd.md: the GPT does not use this operation.

import Kernels

extension Tape {
    /// a − b with broadcasting.
    package func subtract(_ a: Tensor, _ b: Tensor) -> Tensor {
        record(combine(.subtract, a, b, for: "subtract"), from: [GradientTarget(a), GradientTarget(b)]) {
            Addition(a: GradientTarget(a), b: GradientTarget(b), sign: -1, shape: a.shape.broadcast(with: b.shape, for: "subtract"))
        }
    }

    /// a/b, element by element, with broadcasting.
    package func divide(_ a: Tensor, by b: Tensor) -> Tensor {
        record(combine(.divide, a, b, for: "divide"), from: [GradientTarget(a), GradientTarget(b)]) { Division(a: a, b: b) }
    }
}

/// y = a/b:   da += dy/b,   db −= dy·a/b²
private struct Division: Operation {
    let a, b: Tensor

    func backward(_ dy: Tensor, on tape: Tape) {
        let dy = Tensor(dy.elements, shape: a.shape.broadcast(with: b.shape, for: "divide"))
        let da = tape.combine(.divide, dy, b, for: "divide")
        if GradientTarget(a).needsGradient { tape.addBroadcastGradient(da, to: GradientTarget(a)) }
        if GradientTarget(b).needsGradient {
            let quotient = tape.combine(.divide, a, b, for: "divide")
            tape.addBroadcastGradient(tape.combine(.multiply, da, quotient, for: "divide"), to: GradientTarget(b), sign: -1)
        }
    }
}
