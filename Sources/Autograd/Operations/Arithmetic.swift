import Kernels

extension Tape {
    /// a + b with broadcasting.
    package func add(_ a: Tensor, _ b: Tensor) -> Tensor {
        record(combine(.add, a, b, for: "add"), from: [GradientTarget(a), GradientTarget(b)]) {
            Addition(a: GradientTarget(a), b: GradientTarget(b), sign: 1, shape: a.shape.broadcast(with: b.shape, for: "add"))
        }
    }

    /// a·b, element by element, with broadcasting.
    package func multiply(_ a: Tensor, _ b: Tensor) -> Tensor {
        record(combine(.multiply, a, b, for: "multiply"), from: [GradientTarget(a), GradientTarget(b)]) { Multiplication(a: a, b: b) }
    }

    /// x times a constant.
    package func scale(_ x: Tensor, by factor: Float) -> Tensor { multiply(x, constant([factor], [])) }

    /// a ∘ b, broadcast to a common shape; bf16 if both are.
    func combine(_ f: ArithmeticOperator, _ a: Tensor, _ b: Tensor, for operation: StaticString) -> Tensor {
        let shape = a.shape.broadcast(with: b.shape, for: operation)
        let y = empty(shape, a.type == .bfloat16 && b.type == .bfloat16 ? .bfloat16 : .float32)
        processor.combine(
            f, shape: shape.padded(to: 4), a.buffer, strides: a.broadcastStrides(to: shape), b.buffer,
            strides: b.broadcastStrides(to: shape), into: y.elements
        )
        return y
    }

    /// Adds `part`, which has the broadcast shape, to the gradient of x, summed along the axes that were broadcast.
    func addBroadcastGradient(_ part: Tensor, to x: GradientTarget, sign: Float = 1) {
        if part.shape.count == x.shape.count, sign == 1 { return passGradient(part, to: x) }
        addGradient(to: x) { target, adding in
            var rest = part, scale = sign
            let sizes = x.shape.padded(to: part.shape.rank)
            for axis in 0..<part.shape.rank where sizes[axis] == 1 && rest.shape[axis] != 1 {
                rest = summed(rest, along: axis, scale: scale)
                scale = 1
            }
            processor.copy(rest.elements, into: target, scale: scale, adding: adding)
        }
    }

    /// scale·Σ x along an axis, which stays with size 1. For derivatives: nothing is recorded.
    func summed(_ x: Tensor, along axis: Int, scale: Float = 1) -> Tensor {
        withoutRecording {
            let (outer, R, inner) = x.shape.sizes(around: axis, for: "sum")
            let x = contiguous(x.detached)
            let y = empty(x.shape.replacing(axis, with: 1))
            processor.sum(x.elements, outer: outer, R: R, inner: inner, into: y.elements, scale: scale)
            return y
        }
    }
}

extension Shape {
    /// The number of elements before an axis, along it and after it.
    func sizes(around axis: Int, for operation: StaticString) -> (outer: Int, R: Int, inner: Int) {
        let index = axisIndex(axis, for: operation)
        return (sizes[..<index].reduce(1, *), sizes[index], sizes[(index + 1)...].reduce(1, *))
    }
}

/// y = a ± b:   da += dy,   db += ±dy
struct Addition: Operation {
    let a, b: GradientTarget
    let sign: Float
    let shape: Shape

    func backward(_ dy: Tensor, on tape: Tape) {
        let dy = Tensor(dy.elements, shape: shape)
        tape.addBroadcastGradient(dy, to: a)
        tape.addBroadcastGradient(dy, to: b, sign: sign)
    }
}

/// y = a·b:   da += dy·b,   db += dy·a
private struct Multiplication: Operation {
    let a, b: Tensor

    func backward(_ dy: Tensor, on tape: Tape) {
        let dy = Tensor(dy.elements, shape: a.shape.broadcast(with: b.shape, for: "multiply"))
        if GradientTarget(a).needsGradient {
            tape.addBroadcastGradient(tape.combine(.multiply, dy, b, for: "multiply"), to: GradientTarget(a))
        }
        if GradientTarget(b).needsGradient {
            tape.addBroadcastGradient(tape.combine(.multiply, dy, a, for: "multiply"), to: GradientTarget(b))
        }
    }
}
