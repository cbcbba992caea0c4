// For Documentation/Learn/Autograd.md: the GPT does not use these operations.

import Kernels

extension Tape {
    /// The sum of all elements, as f32.
    package func sum(_ x: Tensor) -> Tensor { reduced(x, outer: 1, R: x.count, inner: 1, shape: [], scale: 1) }

    package func mean(_ x: Tensor) -> Tensor {
        require(x.count > 0, "mean: of an empty tensor \(x.shape)")
        return reduced(x, outer: 1, R: x.count, inner: 1, shape: [], scale: 1 / Float(x.count))
    }

    /// The sums along one axis, which stays with size 1 (`keepdim=True`).
    package func sum(_ x: Tensor, along axis: Int) -> Tensor { reduced(x, along: axis, scale: 1, for: "sum") }

    package func mean(_ x: Tensor, along axis: Int) -> Tensor {
        let R = x.shape.sizes(around: axis, for: "mean").R
        require(R > 0, "mean: along an empty axis of \(x.shape)")
        return reduced(x, along: axis, scale: 1 / Float(R), for: "mean")
    }

    /// The largest elements along one axis, which stays with size 1. Of equal elements, the first gets the gradient.
    /// NaN counts as the largest.
    package func max(_ x: Tensor, along axis: Int) -> Tensor {
        let x = contiguous(x)
        let (outer, R, inner) = x.shape.sizes(around: axis, for: "max")
        let y = empty(x.shape.replacing(axis, with: 1))
        let indices = processor.buffer(of: outer * inner, .int32)
        processor.maximum(x.elements, outer: outer, R: R, inner: inner, into: y.elements, at: indices)
        return record(y, from: [GradientTarget(x)]) { Maximum(x: GradientTarget(x), R: R, inner: inner, indices: indices) }
    }

    private func reduced(_ x: Tensor, along axis: Int, scale: Float, for operation: StaticString) -> Tensor {
        let (outer, R, inner) = x.shape.sizes(around: axis, for: operation)
        return reduced(x, outer: outer, R: R, inner: inner, shape: x.shape.replacing(axis, with: 1), scale: scale)
    }

    private func reduced(_ x: Tensor, outer: Int, R: Int, inner: Int, shape: Shape, scale: Float) -> Tensor {
        let x = contiguous(x)
        let y = empty(shape)
        processor.sum(x.elements, outer: outer, R: R, inner: inner, into: y.elements, scale: scale)
        return record(y, from: [GradientTarget(x)]) { Reduction(x: GradientTarget(x), outer: outer, R: R, inner: inner, scale: scale) }
    }
}

/// y = scale·Σ x:   dx += scale·dy for every element of the sum
private struct Reduction: Operation {
    let x: GradientTarget
    let outer, R, inner: Int
    let scale: Float

    func backward(_ dy: Tensor, on tape: Tape) {
        tape.addGradient(to: x) { dx, adding in
            tape.processor.copy(
                shape: [1, outer, R, inner], dy.elements, strides: [0, inner, 0, 1], into: dx, strides: [0, R * inner, inner, 1],
                scale: scale, adding: adding
            )
        }
    }
}

/// y = max x:   dx += dy at the index of the maximum
private struct Maximum: Operation {
    let x: GradientTarget
    let R, inner: Int
    let indices: Buffer

    func backward(_ dy: Tensor, on tape: Tape) {
        tape.addGradient(to: x) { dx, adding in
            let dy = tape.cast(dy, to: .float32).elements
            let scattered = tape.processor.zeros(x.shape.count)
            scattered.write { scattered in
                dy.read { dy in
                    indices.readIDs { indices in
                        for i in indices.indices { scattered[(i / inner * R + Int(indices[i])) * inner + i % inner] = dy[i] }
                    }
                }
            }
            tape.processor.copy(scattered, into: dx, adding: adding)
        }
    }
}
