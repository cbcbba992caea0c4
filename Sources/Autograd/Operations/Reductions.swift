import Kernels

extension Tape {
    /// The sum of all elements, as f32.
    package func sum(_ x: Tensor) -> Tensor { reduced(x, outer: 1, R: x.count, inner: 1, shape: [], scale: 1) }

    package func mean(_ x: Tensor) -> Tensor {
        require(x.count > 0, "mean: of an empty tensor \(x.shape)")
        return reduced(x, outer: 1, R: x.count, inner: 1, shape: [], scale: 1 / Float(x.count))
    }

    /// Sums along one axis, which stays with size 1.
    package func sum(_ x: Tensor, along axis: Int) -> Tensor { reduced(x, along: axis, scale: 1, for: "sum") }

    package func mean(_ x: Tensor, along axis: Int) -> Tensor {
        let R = x.shape.around(axis, for: "mean").R
        require(R > 0, "mean: along an empty axis of \(x.shape)")
        return reduced(x, along: axis, scale: 1 / Float(R), for: "mean")
    }

    /// The largest elements along one axis, which stays with size 1. Of equal ones the first gets the gradient; NaN is the largest of all.
    package func max(_ x: Tensor, along axis: Int) -> Tensor {
        let x = contiguous(x)
        let (outer, R, inner) = x.shape.around(axis, for: "max")
        let y = empty(x.shape.replacing(axis, with: 1)), places = processor.buffer(of: outer * inner, .int32)
        processor.maximum(x.elements, outer: outer, R: R, inner: inner, into: y.elements, at: places)
        return record(y, from: [Slot(x)]) { Largest(x: Slot(x), R: R, inner: inner, places: places) }
    }

    private func reduced(_ x: Tensor, along axis: Int, scale: Float, for operation: StaticString) -> Tensor {
        let (outer, R, inner) = x.shape.around(axis, for: operation)
        return reduced(x, outer: outer, R: R, inner: inner, shape: x.shape.replacing(axis, with: 1), scale: scale)
    }

    private func reduced(_ x: Tensor, outer: Int, R: Int, inner: Int, shape: Shape, scale: Float) -> Tensor {
        let x = contiguous(x)
        let y = empty(shape)
        processor.sum(x.elements, outer: outer, R: R, inner: inner, into: y.elements, scale: scale)
        return record(y, from: [Slot(x)]) { Reduction(x: Slot(x), outer: outer, R: R, inner: inner, scale: scale) }
    }

    /// The same without a trace, for derivatives.
    func summed(_ x: Tensor, along axis: Int, scale: Float = 1) -> Tensor {
        withoutRecording { reduced(x.detached, along: axis, scale: scale, for: "sum") }
    }
}

extension Shape {
    /// The elements before, along and behind an axis.
    func around(_ axis: Int, for operation: StaticString) -> (outer: Int, R: Int, inner: Int) {
        let place = place(of: axis, for: operation)
        return (sizes[..<place].reduce(1, *), sizes[place], sizes[(place + 1)...].reduce(1, *))
    }
}

/// y = scale·Σ x:   dx += scale·dy, the same for every element of the sum
private struct Reduction: Operation {
    let x: Slot
    let outer, R, inner: Int
    let scale: Float

    func backward(_ dy: Tensor, on tape: Tape) {
        tape.addGradient(to: x) { dx, adding in
            tape.processor.copy(shape: [1, outer, R, inner], dy.elements, strides: [0, inner, 0, 1], into: dx, strides: [0, R * inner, inner, 1],
                                scale: scale, adding: adding)
        }
    }
}

/// y = max x:   dx += dy where the largest stood
private struct Largest: Operation {
    let x: Slot
    let R, inner: Int
    let places: Buffer

    func backward(_ dy: Tensor, on tape: Tape) {
        tape.addGradient(to: x) { dx, adding in
            let dy = tape.cast(dy, to: .float32).elements
            let one = tape.processor.zeros(x.shape.count)
            one.write { one in
                dy.read { dy in
                    places.readIDs { places in
                        for i in places.indices { one[(i / inner * R + Int(places[i])) * inner + i % inner] = dy[i] }
                    }
                }
            }
            tape.processor.copy(one, into: dx, adding: adding)
        }
    }
}
