package import Testing

/// How far two numbers may be apart: |found − expected| ≤ absolute + relative·|expected| + scale·(the largest |expected| of the tensor).
package struct Tolerance: Sendable {
    package let absolute, relative, scale: Double

    fileprivate init(absolute: Double = 1e-7, relative: Double, scale: Double = 0) {
        self.absolute = absolute
        self.relative = relative
        self.scale = scale
    }
}

/// Every tolerance of the tests. A sum is as wrong as its largest terms, not as its result: so what may be lost where
/// numbers cancel is a share of the tensor's scale.
extension Tolerance {
    /// f32, one operation: sums of up to 4,101 products, polynomials for exp and tanh.
    package static let forward = Tolerance(relative: 1e-5, scale: 1e-6)
    /// f32, derivatives, and whatever comes through all layers of a small GPT and twenty steps of AdamW.
    package static let gradient = Tolerance(relative: 1e-4, scale: 1e-5)
    /// bf16 against f32: each factor of a product, and what is stored between operations, is rounded by up to 2⁻⁹ of itself. That
    /// is lost from terms, not from sums: a small element is allowed what terms of the usual size lose, the largest twice that.
    package static let bfloat16 = Tolerance(relative: 8e-3, scale: 7e-3)
    /// The same for derivatives, where rounded results are multiplied by rounded results and norms take a mean away: 2e-2 for the largest.
    package static let bfloat16Gradient = Tolerance(relative: 7e-3, scale: 1.3e-2)
    /// f32 arithmetic whose result is stored in bf16: half of its last place is 2⁻⁹, and what was added to had been rounded before.
    package static let stored = Tolerance(relative: 4e-3, scale: 2e-3)
    /// Functions where they leave the range of f32: exp and the tails of the normal distribution have absolute accuracy.
    package static let range = Tolerance(absolute: 4e-7, relative: 2e-5)
    /// Softmax of scores in the thousands, of which f32 keeps four digits behind the point.
    package static let hugeLogits = Tolerance(absolute: 1e-3, relative: 1e-3)
    /// Sums of ten million numbers, made in f64 and rounded once at the end.
    package static let longSum = Tolerance(absolute: 0, relative: 1e-6)
    /// Slopes by differences of four points 0.02 apart: f32 has 1e-7 of a sum, divided by the step, and the four points leave an error of
    /// the
    /// fifth derivative times 0.02⁴/30.
    package static let slope = Tolerance(absolute: 5e-4, relative: 2e-3)
    /// What no rounding excuses.
    package static let exact = Tolerance(absolute: 0, relative: 0)
}

extension Tolerance {
    /// How many times what is allowed these two are apart; NaN is near NaN alone, and infinity only itself.
    package func excess(_ found: Double, _ expected: Double, scale largest: Double = 0) -> Double {
        if found == expected || found.isNaN && expected.isNaN { return 0 }
        let error = abs(found - expected), allowed = absolute + relative * abs(expected) + scale * largest
        return error.isFinite && allowed.isFinite ? error / allowed : .infinity
    }
}

/// Records an issue that names the worst element, unless every one of `found` is as near to `expected` as `tolerance` allows.
///
/// `terms` is the size of what was summed, where all that is left of it may be smaller.
package func expectClose<Number: BinaryFloatingPoint>(
    _ found: [Float], _ expected: [Number], within tolerance: Tolerance, terms: Double = 0,
    _ label: @autoclosure () -> String = "", sourceLocation: SourceLocation = #_sourceLocation
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
        \(label()): \(excess.count { $0 > 1 }) of \(found.count) are off; the worst, [\(worst)], is \(a), expected \(b): off by \(abs(Double(a) - b)), \
        \(excess[worst]) times what is allowed
        """, sourceLocation: sourceLocation)
}
