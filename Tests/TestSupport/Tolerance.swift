package import Testing

/// How far two numbers may be apart: |found − expected| ≤ absolute + relative·|expected| + scale·(the largest |expected| of the tensor).
package struct Tolerance: Sendable {
    package let absolute, relative, scale: Float

    package init(absolute: Float = 0, relative: Float, scale: Float = 0) {
        (self.absolute, self.relative, self.scale) = (absolute, relative, scale)
    }
}

/// Every tolerance of the tests. A sum is as wrong as its largest terms, not as its result: so what may be lost where
/// numbers cancel is a share of the tensor's scale.
extension Tolerance {
    /// f32, one operation: sums of up to 1,025 products, polynomials for exp and tanh.
    package static let forward = Tolerance(absolute: 1e-7, relative: 1e-5, scale: 1e-6)
    /// f32, derivatives, and whatever comes through all layers of a small GPT and twenty steps of AdamW.
    package static let gradient = Tolerance(absolute: 1e-7, relative: 1e-4, scale: 1e-5)
    /// bf16 against f32: 8 bits of significand in the factors and in what is stored between operations. A wrong bit is as
    /// large as the largest number that went into a sum, so only the tensor's scale counts.
    package static let bfloat16 = Tolerance(absolute: 1e-7, relative: 0, scale: 2e-2)
    /// f32 central differences with a step of 1e-2: the third derivative remains, and the rounding of f32 over the step.
    package static let slope = Tolerance(absolute: 1e-3, relative: 1e-2)
}

/// Records an issue that names the worst element, unless every one of `found` is as near to `expected` as `tolerance` allows.
///
/// NaN is near NaN alone, and infinity only itself.
package func expectClose(_ found: [Float], _ expected: [Float], within tolerance: Tolerance, _ label: @autoclosure () -> String,
                         sourceLocation: SourceLocation = #_sourceLocation) {
    guard found.count == expected.count else {
        Issue.record("\(label()): \(found.count) numbers, expected \(expected.count)", sourceLocation: sourceLocation)
        return
    }
    let scale = expected.reduce(0) { $1.isFinite ? max($0, abs($1)) : $0 }
    var worst: (index: Int, excess: Float)?, wrong = 0
    for i in found.indices where !(found[i] == expected[i] || found[i].isNaN && expected[i].isNaN) {
        let allowed = tolerance.absolute + tolerance.relative * abs(expected[i]) + tolerance.scale * scale
        let error = abs(found[i] - expected[i])
        let excess = error.isFinite && allowed.isFinite ? error / allowed : .infinity
        if excess > 1 { wrong += 1 }
        if excess > worst?.excess ?? 1 { worst = (i, excess) }
    }
    guard let worst else { return }
    let (a, b) = (found[worst.index], expected[worst.index])
    Issue.record("""
        \(label()): \(wrong) of \(found.count) are off; the worst, [\(worst.index)], is \(a), expected \(b): off by \(abs(a - b)), \
        \(worst.excess) times what is allowed
        """, sourceLocation: sourceLocation)
}
