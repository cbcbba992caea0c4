// For Documentation/Learn/Autograd.md: the GPT's kernels read q, k and v where they are, so it needs no views.

import Kernels

extension Tape {
    /// The same elements in another shape. One size may be −1 and is inferred.
    package func reshape(_ x: Tensor, _ sizes: [Int]) -> Tensor {
        let known = sizes.filter { $0 != -1 }.reduce(1, *)
        require(sizes.count { $0 == -1 } <= 1 && (known > 0 || !sizes.contains(-1)), "reshape: \(x.shape) to \(sizes)")
        let shape = Shape(sizes.map { $0 == -1 ? x.count / known : $0 })
        require(shape.count == x.count, "reshape: \(x.shape) has \(x.count) elements, \(shape) has \(shape.count)")
        let x = contiguous(x)
        return record(x.view(shape, origin: .constant), from: [GradientTarget(x)]) { Identity(x: GradientTarget(x)) }
    }

    /// Swaps two axes. Returns a view.
    package func transpose(_ x: Tensor, _ a: Int = -2, _ b: Int = -1) -> Tensor {
        let a = x.shape.axisIndex(a, for: "transpose")
        let b = x.shape.axisIndex(b, for: "transpose")
        var sizes = x.shape.sizes
        var strides = x.strides
        sizes.swapAt(a, b)
        strides.swapAt(a, b)
        let y = x.view(Shape(sizes), strides: strides, origin: .constant)
        return record(y, from: [GradientTarget(x)]) { View(x: GradientTarget(x), shape: y.shape, of: { $0.transpose($1, a, b) }) }
    }

    /// Selects a range along an axis. Returns a view.
    package func slice(_ x: Tensor, along axis: Int, _ range: Range<Int>) -> Tensor {
        let axis = x.shape.axisIndex(axis, for: "slice")
        require(range.lowerBound >= 0 && range.upperBound <= x.shape[axis], "slice: \(range) along axis \(axis) of \(x.shape)")
        let y = x.view(
            x.shape.replacing(axis, with: range.count), strides: x.strides, from: range.lowerBound * x.strides[axis], origin: .constant
        )
        return record(y, from: [GradientTarget(x)]) { View(x: GradientTarget(x), shape: y.shape, of: { $0.slice($1, along: axis, range) }) }
    }

    /// Concatenates tensors along an axis.
    package func concat(_ parts: [Tensor], along axis: Int) -> Tensor {
        guard let first = parts.first else { fatalError("concat: expected at least one tensor, found none") }
        let axis = first.shape.axisIndex(axis, for: "concat")
        for part in parts {
            require(
                part.shape.rank == first.shape.rank && part.shape.replacing(axis, with: 0) == first.shape.replacing(axis, with: 0),
                "concat: \(first.shape) and \(part.shape) along axis \(axis)"
            )
        }
        let type = parts.allSatisfy { $0.type == first.type } ? first.type : .float32
        let y = empty(first.shape.replacing(axis, with: parts.reduce(0) { $0 + $1.shape[axis] }), type)
        var start = 0
        for part in parts {
            copy(part, into: y.view(part.shape, strides: y.strides, from: start * y.strides[axis], origin: .constant))
            start += part.shape[axis]
        }
        return record(y, from: parts.map { GradientTarget($0) }) {
            Concatenation(parts: parts.map { GradientTarget($0) }, axis: axis, shape: y.shape)
        }
    }

    /// Selects rows of a matrix by index: y[i] = x[ids[i]].
    package func gather(_ x: Tensor, rows ids: Tensor) -> Tensor { embed(ids, in: x, for: "gather") }
}

/// A view of x:   the same view of dx += dy
private struct View: Operation {
    let x: GradientTarget
    let shape: Shape
    let of: (Tape, Tensor) -> Tensor

    func backward(_ dy: Tensor, on tape: Tape) {
        tape.addGradient(to: x) { dx, adding in
            if !adding { tape.processor.clear(dx) }
            tape.copy(Tensor(dy.elements, shape: shape), into: of(tape, Tensor(dx, shape: x.shape)), adding: true)
        }
    }
}

/// dxᵢ += part i of dy
private struct Concatenation: Operation {
    let parts: [GradientTarget]
    let axis: Int
    let shape: Shape

    func backward(_ dy: Tensor, on tape: Tape) {
        let dy = Tensor(dy.elements, shape: shape)
        var start = 0
        for part in parts {
            let size = part.shape[axis]
            tape.addGradient(to: part) { dx, adding in
                tape.copy(tape.slice(dy, along: axis, start..<start + size), into: Tensor(dx, shape: part.shape), adding: adding)
            }
            start += size
        }
    }
}
