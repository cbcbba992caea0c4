package import Kernels

extension Tape {
    /// The elements in order. Copies only if x is not contiguous.
    package func contiguous(_ x: Tensor) -> Tensor {
        if x.isContiguous { return x }
        let y = empty(x.shape, x.type)
        copy(x, into: y)
        return record(y, from: [GradientTarget(x)]) { Identity(x: GradientTarget(x)) }
    }

    /// The same numbers stored as another type.
    package func cast(_ x: Tensor, to type: DataType) -> Tensor {
        if x.type == type { return x }
        let y = empty(x.shape, type)
        copy(x, into: y)
        return record(y, from: [GradientTarget(x)]) { Identity(x: GradientTarget(x)) }
    }

    /// y = x, or y += x, for any strides.
    func copy(_ x: Tensor, into y: Tensor, adding: Bool = false) {
        if x.type == .int32, y.type == .int32 { return copyIDs(x, into: y) }
        processor.copy(
            shape: x.shape.padded(to: 4), x.buffer, strides: x.broadcastStrides(to: x.shape), into: y.buffer,
            strides: y.broadcastStrides(to: x.shape), adding: adding
        )
    }

    private func copyIDs(_ x: Tensor, into y: Tensor) {
        let shape = x.shape.padded(to: 4)
        let from = x.broadcastStrides(to: x.shape)
        let to = y.broadcastStrides(to: x.shape)
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
struct Identity: Operation {
    let x: GradientTarget

    func backward(_ dy: Tensor, on tape: Tape) { tape.passGradient(dy, to: x) }
}
