package import Autograd
package import Kernels
package import Testing

/// An input of a gradient check: a shape, and a range of numbers in which the operation is differentiable.
package struct GradientInput: Sendable {
    private enum Kind { case anything, positive, awayFromZero, apart }
    private let kind: Kind
    package let shape: Shape

    package static func anything(_ shape: Shape) -> GradientInput { GradientInput(kind: .anything, shape: shape) }
    /// 0.6 ..< 1.4: for logarithms, roots and divisors.
    package static func positive(_ shape: Shape) -> GradientInput { GradientInput(kind: .positive, shape: shape) }
    /// At least 0.2 from 0, the kink of a ReLU.
    package static func awayFromZero(_ shape: Shape) -> GradientInput { GradientInput(kind: .awayFromZero, shape: shape) }
    /// At least 0.25 from each other, so that a small step does not change the largest.
    package static func apart(_ shape: Shape) -> GradientInput { GradientInput(kind: .apart, shape: shape) }

    fileprivate func numbers(_ noise: inout TestRandom) -> [Float] {
        switch kind {
        case .anything: noise.numbers(shape.count)
        case .positive: noise.numbers(shape.count).map { 1 + 0.4 * $0 }
        case .awayFromZero: noise.numbers(shape.count).map { $0 < 0 ? $0 - 0.2 : $0 + 0.2 }
        case .apart: (0..<shape.count).shuffled(using: &noise).map { 0.25 * Float($0) - 1 }
        }
    }
}

/// Compares the gradients of `body` with finite differences (PyTorch's gradcheck): with y = body(inputs) and a fixed random r,
/// d⟨y, r⟩/dx of every input from four points. Of large inputs only some elements are checked.
///
///     expectGradientCheck(of: [.anything([3, 17]), .anything([17, 5])], on: processor) { tape, x in tape.matmul(x[0], x[1]) }
package func expectGradientCheck(
    of inputs: [GradientInput],
    on processor: Processor,
    elements most: Int = 24,
    _ comment: String = "",
    sourceLocation: SourceLocation = #_sourceLocation,
    _ body: (Tape, [Tensor]) -> Tensor
) {
    var noise = TestRandom(UInt64(inputs.count) &* 31 &+ UInt64(inputs.reduce(0) { $0 + $1.shape.count }))
    let tape = Tape(processor, seed: 5)
    let values = inputs.map { $0.numbers(&noise) }
    func variables(_ values: [[Float]]) -> [Tensor] { zip(values, inputs).map { tape.variable($0, $1.shape) } }

    let x = variables(values), y = body(tape, x), r = noise.numbers(y.count)
    tape.backward(from: y, gradient: tape.constant(r, y.shape))
    let gradients = x.map { tape.gradient(of: $0)?.floats ?? [Float](repeating: 0, count: $0.count) }

    func loss(_ values: [[Float]]) -> Double {
        tape.reset()
        return zip(tape.contiguous(body(tape, variables(values)).detached).floats, r).reduce(0) { $0 + Double($1.0) * Double($1.1) }
    }
    for input in inputs.indices {
        let indices = (0..<values[input].count).shuffled(using: &noise).prefix(most)
        for i in indices {
            func point(_ step: Float) -> (x: Double, loss: Double) {
                var moved = values
                moved[input][i] += step
                return (Double(moved[input][i]), loss(moved))
            }
            let a = point(-0.04)
            let b = point(-0.02)
            let c = point(0.02)
            let d = point(0.04)
            // Divides by the steps as rounded to f32.
            let expected = 4 / 3 * (c.loss - b.loss) / (c.x - b.x) - 1 / 3 * (d.loss - a.loss) / (d.x - a.x)
            let found = Double(gradients[input][i])
            if Tolerance.finiteDifference.excess(found, expected) > 1 {
                Issue.record(
                    "\(comment) input \(input) \(inputs[input].shape), element \(i): gradient \(found), finite difference \(expected)",
                    sourceLocation: sourceLocation
                )
                break
            }
        }
    }
}
