package import Autograd
package import Kernels
package import Testing

/// Numbers that are the same in every run (SplitMix64).
package struct TestRandom: RandomNumberGenerator {
    private var state: UInt64

    package init(_ seed: UInt64) { state = seed &* 0xD134_2543_DE82_EF95 &+ 1 }

    package mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }

    package mutating func below(_ bound: Int) -> Int { Int(next() % UInt64(bound)) }

    /// Evenly in −1 ..< 1.
    package mutating func number() -> Float { Float(next() >> 40) / 8_388_608 - 1 }
    package mutating func numbers(_ count: Int) -> [Float] { (0..<count).map { _ in number() } }
}

/// What an operation is given: a shape, and numbers for which it has a slope.
package struct GradientInput: Sendable {
    private enum Kind { case anything, positive, awayFromZero, apart }
    private let kind: Kind
    package let shape: Shape

    package static func anything(_ shape: Shape) -> GradientInput { GradientInput(kind: .anything, shape: shape) }
    /// 0.6 ..< 1.4: for logarithms, roots and divisors.
    package static func positive(_ shape: Shape) -> GradientInput { GradientInput(kind: .positive, shape: shape) }
    /// At least 0.2 from the corner of a ReLU.
    package static func awayFromZero(_ shape: Shape) -> GradientInput { GradientInput(kind: .awayFromZero, shape: shape) }
    /// A quarter from each other: which is the largest does not change by a small step.
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

/// The gradients of `body` are its slopes: with y = body(inputs) and a fixed random r, d⟨y, r⟩/dx at every input, measured by
/// differences of four points. Of large inputs some elements are taken.
///
///     expectGradientsMatchSlopes(of: [.anything([3, 17]), .anything([17, 5])], on: processor) { tape, x in tape.matmul(x[0], x[1]) }
package func expectGradientsMatchSlopes(
    of inputs: [GradientInput], on processor: Processor, elements most: Int = 24, _ comment: String = "",
    sourceLocation: SourceLocation = #_sourceLocation, _ body: (Tape, [Tensor]) -> Tensor
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
        let places = (0..<values[input].count).shuffled(using: &noise).prefix(most)
        for i in places {
            func point(_ step: Float) -> (x: Double, loss: Double) {
                var moved = values
                moved[input][i] += step
                return (Double(moved[input][i]), loss(moved))
            }
            let a = point(-0.04)
            let b = point(-0.02)
            let c = point(0.02)
            let d = point(0.04)
            // Each difference by the distance that f32 made of the step.
            let slope = 4 / 3 * (c.loss - b.loss) / (c.x - b.x) - 1 / 3 * (d.loss - a.loss) / (d.x - a.x)
            let found = Double(gradients[input][i])
            if Tolerance.slope.excess(found, slope) > 1 {
                Issue.record("\(comment) input \(input) \(inputs[input].shape), element \(i): gradient \(found), slope \(slope)",
                             sourceLocation: sourceLocation)
                break
            }
        }
    }
}

/// What is promised bit for bit. Names the first number that differs: two long lists side by side show nobody anything.
package func expectSame(_ found: [Float], _ wanted: [Float], _ what: @autoclosure () -> String = "",
                        sourceLocation: SourceLocation = #_sourceLocation) {
    let places = found.indices.filter { $0 < wanted.count && found[$0].bitPattern != wanted[$0].bitPattern }
    if found.count != wanted.count || !places.isEmpty {
        let first = places.first.map { "number \($0) is \(found[$0]), expected \(wanted[$0])" } ?? ""
        Issue.record("\(what()): \(places.count) of \(found.count) numbers differ from the \(wanted.count) expected; \(first)",
                     sourceLocation: sourceLocation)
    }
}

package func expectSame(_ found: [[Float]], _ wanted: [[Float]], _ what: @autoclosure () -> String = "",
                        sourceLocation: SourceLocation = #_sourceLocation) {
    #expect(found.count == wanted.count, sourceLocation: sourceLocation)
    for (i, (a, b)) in zip(found, wanted).enumerated() { expectSame(a, b, "\(what()) list \(i)", sourceLocation: sourceLocation) }
}
