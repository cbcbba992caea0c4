package import Testing

/// The allowed difference of two numbers: |found − expected| ≤ absolute + relative·|expected| + scale·(the largest |expected| of
/// the tensor).
package struct Tolerance: Sendable {
    package let absolute, relative, scale: Double

    fileprivate init(absolute: Double = 1e-7, relative: Double, scale: Double = 0) {
        self.absolute = absolute
        self.relative = relative
        self.scale = scale
    }
}

/// All tolerances of the tests. The error of a sum depends on its largest terms, not on the result: so where terms cancel, the
/// error is allowed a share of the tensor's scale.
extension Tolerance {
    /// f32, one operation: sums of up to 4,101 products, polynomials for exp and tanh.
    package static let forward = Tolerance(relative: 1e-5, scale: 1e-6)
    /// f32 gradients, and results of all layers of a small GPT or of twenty AdamW steps.
    package static let gradient = Tolerance(relative: 1e-4, scale: 1e-5)
    /// bf16 against f32: each factor of a matmul, and each value stored between operations, is rounded by up to 2⁻⁹ of itself.
    /// The error comes from terms, not from sums: a small element may have the error of typical terms, the largest one twice
    /// that.
    package static let bfloat16 = Tolerance(relative: 8e-3, scale: 7e-3)
    /// bf16 gradients, where rounded values are multiplied by rounded values and norms subtract a mean: 2e-2 for the largest.
    package static let bfloat16Gradient = Tolerance(relative: 7e-3, scale: 1.3e-2)
    /// f32 arithmetic with a result in bf16: half a unit in the last place is 2⁻⁹, and the value added to was rounded before.
    package static let stored = Tolerance(relative: 4e-3, scale: 2e-3)
    /// Softmax of logits in the thousands, of which f32 has four decimals.
    package static let hugeLogits = Tolerance(absolute: 1e-3, relative: 1e-3)
    /// Sums of ten million numbers in f64, rounded once at the end.
    package static let longSum = Tolerance(absolute: 0, relative: 1e-6)
    /// Finite differences of four points 0.02 apart: f32 has an error of 1e-7 of a sum, divided by the step, and the formula has
    /// an error of the fifth derivative times 0.02⁴/30.
    package static let finiteDifference = Tolerance(absolute: 5e-4, relative: 2e-3)
    /// No rounding at all.
    package static let exact = Tolerance(absolute: 0, relative: 0)
}

extension Tolerance {
    /// The difference divided by the allowed difference: over 1 is an error. NaN equals NaN; infinity equals itself.
    package func excess(_ found: Double, _ expected: Double, scale largest: Double = 0) -> Double {
        if found == expected || found.isNaN && expected.isNaN { return 0 }
        let error = abs(found - expected), allowed = absolute + relative * abs(expected) + scale * largest
        return error.isFinite && allowed.isFinite ? error / allowed : .infinity
    }
}

/// Expects every number of `found` within `tolerance` of `expected`. Reports the worst element.
///
/// - Parameter terms: The size of the terms of a sum, if the sum may be smaller.
package func expectClose<Number: BinaryFloatingPoint>(
    _ found: [Float],
    _ expected: [Number],
    within tolerance: Tolerance,
    terms: Double = 0,
    _ label: @autoclosure () -> String = "",
    sourceLocation: SourceLocation = #_sourceLocation
) {
    guard found.count == expected.count else {
        Issue.record("\(label()): \(found.count) numbers, expected \(expected.count)", sourceLocation: sourceLocation)
        return
    }
    let expected = expected.map { Double($0) }
    let scale = expected.reduce(terms) { $1.isFinite ? max($0, abs($1)) : $0 }
    let excess = found.indices.map { tolerance.excess(Double(found[$0]), expected[$0], scale: scale) }
    guard let worst = excess.indices.max(by: { excess[$0] < excess[$1] }), excess[worst] > 1 else { return }
    let a = found[worst]
    let b = expected[worst]
    Issue.record("""
        \(label()): \(excess.count { $0 > 1 }) of \(found.count) differ; the worst, [\(worst)], is \(a), expected \(b): \
        a difference of \(abs(Double(a) - b)), \(excess[worst]) times the tolerance
        """, sourceLocation: sourceLocation)
}
