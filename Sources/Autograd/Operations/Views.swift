package import Kernels

// What moves elements, or only looks at them differently.
extension Tape {
    /// The same elements in another shape; one size may be −1 and is worked out.
    package func reshape(_ x: Tensor, _ sizes: [Int]) -> Tensor {
        let known = sizes.filter { $0 != -1 }.reduce(1, *)
        require(sizes.count { $0 == -1 } <= 1 && (known > 0 || !sizes.contains(-1)), "reshape: \(x.shape) to \(sizes)")
        let shape = Shape(sizes.map { $0 == -1 ? x.count / known : $0 })
        require(shape.count == x.count, "reshape: \(x.shape) has \(x.count) elements, \(shape) has \(shape.count)")
        let x = contiguous(x)
        return record(x.view(shape, origin: .constant), from: [Slot(x)]) { Reshape(x: Slot(x)) }
    }

    /// Two axes change places. No element moves.
    package func transpose(_ x: Tensor, _ a: Int = -2, _ b: Int = -1) -> Tensor {
        let (a, b) = (x.shape.place(of: a, for: "transpose"), x.shape.place(of: b, for: "transpose"))
        var sizes = x.shape.sizes, strides = x.strides
        sizes.swapAt(a, b)
        strides.swapAt(a, b)
        let y = x.view(Shape(sizes), strides: strides, origin: .constant)
        return record(y, from: [Slot(x)]) { View(x: Slot(x), shape: y.shape, of: { $0.transpose($1, a, b) }) }
    }

    /// Part of an axis. No element moves.
    package func slice(_ x: Tensor, along axis: Int, _ range: Range<Int>) -> Tensor {
        let axis = x.shape.place(of: axis, for: "slice")
        require(range.lowerBound >= 0 && range.upperBound <= x.shape[axis], "slice: \(range) along axis \(axis) of \(x.shape)")
        let y = x.view(x.shape.replacing(axis, with: range.count), strides: x.strides, from: range.lowerBound * x.strides[axis], origin: .constant)
        return record(y, from: [Slot(x)]) { View(x: Slot(x), shape: y.shape, of: { $0.slice($1, along: axis, range) }) }
    }

    /// Tensors behind each other along an axis.
    package func concat(_ parts: [Tensor], along axis: Int) -> Tensor {
        guard let first = parts.first else { fatalError("concat: of nothing") }
        let axis = first.shape.place(of: axis, for: "concat")
        for part in parts {
            require(part.shape.rank == first.shape.rank && part.shape.replacing(axis, with: 0) == first.shape.replacing(axis, with: 0),
                    "concat: \(first.shape) and \(part.shape) along axis \(axis)")
        }
        let type = parts.allSatisfy { $0.type == first.type } ? first.type : .float32
        let y = empty(first.shape.replacing(axis, with: parts.reduce(0) { $0 + $1.shape[axis] }), type)
        var place = 0
        for part in parts {
            let target = y.view(part.shape, strides: y.strides, from: place * y.strides[axis], origin: .constant)
            copy(part, into: target)
            place += part.shape[axis]
        }
        return record(y, from: parts.map { Slot($0) }) { Concatenation(parts: parts.map { Slot($0) }, axis: axis, shape: y.shape) }
    }

    /// Rows of a matrix, by number: y[i] = x[ids[i]].
    package func gather(_ x: Tensor, rows ids: Tensor) -> Tensor { embed(ids, in: x, for: "gather") }

    /// The elements in order. Costs nothing when they are.
    package func contiguous(_ x: Tensor) -> Tensor {
        if x.isContiguous { return x }
        let y = empty(x.shape, x.type)
        copy(x, into: y)
        return record(y, from: [Slot(x)]) { Reshape(x: Slot(x)) }
    }

    /// The same numbers, stored as another type.
    package func cast(_ x: Tensor, to type: DataType) -> Tensor {
        if x.type == type { return x }
        let y = empty(x.shape, type)
        copy(x, into: y)
        return record(y, from: [Slot(x)]) { Reshape(x: Slot(x)) }
    }

    /// y = x, or y += x; both as they lie. A shape of their own does not matter to the kernel.
    fileprivate func copy(_ x: Tensor, into y: Tensor, adding: Bool = false) {
        if x.type == .int32, y.type == .int32 { return copyIDs(x, into: y) }
        processor.copy(shape: x.shape.padded(to: 4), x.buffer, strides: x.stretched(to: x.shape), into: y.buffer, strides: y.stretched(to: x.shape),
                       adding: adding)
    }
}

extension Tape {
    private func copyIDs(_ x: Tensor, into y: Tensor) {
        let shape = x.shape.padded(to: 4), from = x.stretched(to: x.shape), to = y.stretched(to: x.shape)
        y.buffer.writeIDs { target in
            x.buffer.readIDs { source in
                for i in 0..<shape[0] { for j in 0..<shape[1] { for k in 0..<shape[2] { for l in 0..<shape[3] {
                    target[i * to[0] + j * to[1] + k * to[2] + l * to[3]] = source[i * from[0] + j * from[1] + k * from[2] + l * from[3]]
                } } } }
            }
        }
    }
}

/// The same elements in the same order:   dx += dy
private struct Reshape: Operation {
    let x: Slot

    func backward(_ dy: Tensor, on tape: Tape) { tape.pass(dy, to: x) }
}

/// Some of x's elements, in some order:   the same view of dx += dy
private struct View: Operation {
    let x: Slot
    let shape: Shape
    let of: (Tape, Tensor) -> Tensor

    func backward(_ dy: Tensor, on tape: Tape) {
        tape.addGradient(to: x) { dx, adding in
            if !adding { tape.processor.clear(dx) }
            tape.copy(Tensor(dy.elements, shape: shape), into: of(tape, Tensor(dx, shape: x.shape)), adding: true)
        }
    }
}

/// dxᵢ += dy's part i
private struct Concatenation: Operation {
    let parts: [Slot]
    let axis: Int
    let shape: Shape

    func backward(_ dy: Tensor, on tape: Tape) {
        let dy = Tensor(dy.elements, shape: shape)
        var place = 0
        for part in parts {
            let size = part.shape[axis]
            tape.addGradient(to: part) { dx, adding in
                tape.copy(tape.slice(dy, along: axis, place..<place + size), into: Tensor(dx, shape: part.shape), adding: adding)
            }
            place += size
        }
    }
}
