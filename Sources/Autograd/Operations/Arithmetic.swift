import Kernels

extension Tape {
    /// a + b, either stretched along axes where it has size 1 or none.
    package func add(_ a: Tensor, _ b: Tensor) -> Tensor {
        record(combine(.add, a, b, for: "add"), from: [Slot(a), Slot(b)]) {
            Sum(a: Slot(a), b: Slot(b), sign: 1, shape: a.shape.broadcast(with: b.shape, for: "add"))
        }
    }

    package func subtract(_ a: Tensor, _ b: Tensor) -> Tensor {
        record(combine(.subtract, a, b, for: "subtract"), from: [Slot(a), Slot(b)]) {
            Sum(a: Slot(a), b: Slot(b), sign: -1, shape: a.shape.broadcast(with: b.shape, for: "subtract"))
        }
    }

    package func multiply(_ a: Tensor, _ b: Tensor) -> Tensor {
        record(combine(.multiply, a, b, for: "multiply"), from: [Slot(a), Slot(b)]) { Product(a: a, b: b) }
    }

    package func divide(_ a: Tensor, by b: Tensor) -> Tensor {
        record(combine(.divide, a, b, for: "divide"), from: [Slot(a), Slot(b)]) { Quotient(a: a, b: b) }
    }

    /// x times a number that is not learned.
    package func scale(_ x: Tensor, by factor: Float) -> Tensor { multiply(x, constant([factor], [])) }

    /// a ∘ b, stretched to a common shape; bf16 where both are.
    fileprivate func combine(_ f: Arithmetic, _ a: Tensor, _ b: Tensor, for operation: StaticString) -> Tensor {
        let shape = a.shape.broadcast(with: b.shape, for: operation)
        let y = empty(shape, a.type == .bfloat16 && b.type == .bfloat16 ? .bfloat16 : .float32)
        processor.combine(f, shape: shape.padded(to: 4), a.buffer, strides: a.stretched(to: shape), b.buffer, strides: b.stretched(to: shape), into: y.elements)
        return y
    }

    /// Adds `part`, which has the stretched shape, to x's gradient: along stretched axes it is summed.
    fileprivate func addStretched(_ part: Tensor, to x: Slot, sign: Float = 1) {
        if part.shape.count == x.shape.count, sign == 1 { return pass(part, to: x) }
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
}

extension Tensor {
    /// Strides in four dimensions that walk this tensor as if it had `shape`.
    func stretched(to shape: Shape) -> [Int] {
        let missing = shape.rank - self.shape.rank
        return (0..<4).map { place in
            let axis = place - (4 - shape.rank) - missing
            return axis < 0 || self.shape.sizes[axis] == 1 ? 0 : strides[axis]
        }
    }
}

/// y = a ± b:   da += dy,   db += ±dy
private struct Sum: Operation {
    let a, b: Slot
    let sign: Float
    let shape: Shape

    func backward(_ dy: Tensor, on tape: Tape) {
        let dy = Tensor(dy.elements, shape: shape)
        tape.addStretched(dy, to: a)
        tape.addStretched(dy, to: b, sign: sign)
    }
}

/// y = a·b:   da += dy·b,   db += dy·a
private struct Product: Operation {
    let a, b: Tensor

    func backward(_ dy: Tensor, on tape: Tape) {
        let dy = Tensor(dy.elements, shape: a.shape.broadcast(with: b.shape, for: "multiply"))
        if Slot(a).isWanted { tape.addStretched(tape.combine(.multiply, dy, b, for: "multiply"), to: Slot(a)) }
        if Slot(b).isWanted { tape.addStretched(tape.combine(.multiply, dy, a, for: "multiply"), to: Slot(b)) }
    }
}

/// y = a/b:   da += dy/b,   db −= dy·a/b²
private struct Quotient: Operation {
    let a, b: Tensor

    func backward(_ dy: Tensor, on tape: Tape) {
        let dy = Tensor(dy.elements, shape: a.shape.broadcast(with: b.shape, for: "divide"))
        let share = tape.combine(.divide, dy, b, for: "divide")
        if Slot(a).isWanted { tape.addStretched(share, to: Slot(a)) }
        if Slot(b).isWanted {
            let quotient = tape.combine(.divide, a, b, for: "divide")
            tape.addStretched(tape.combine(.multiply, share, quotient, for: "divide"), to: Slot(b), sign: -1)
        }
    }
}
