import Glibc

/// Whether one of two models predicts the same conversations better, or whether it only looks so.
///
///     let comparison = try ModelComparison(of: a, with: b)
///     comparison.isNoise ? "who knows" : comparison.difference < 0 ? "the first" : "the second"
///
/// What is compared are bits per byte, which do not depend on the vocabulary. Conversations are taken as drawn from all that could have been held: the
/// difference is a ratio of sums over them, whose standard error is the jackknife's (leave one out; Efron 1982), and the interval Student's.
package struct ModelComparison: Sendable {
    /// Bits per byte of the first less those of the second: below 0, the first is better.
    package let difference: Double
    package let standardError: Double
    /// Holds the true difference 19 times out of 20.
    package let interval: ClosedRange<Double>
    /// How many pieces were paired.
    package let count: Int

    /// Whether the difference may as well be none.
    package var isNoise: Bool { interval.contains(0) }

    /// - Parameters: what is known of each conversation, in the same order.
    package init(of a: [Evaluation], with b: [Evaluation]) throws(EvaluationError) {
        guard a.count == b.count else { throw .notPaired(a.count, b.count) }
        let differences = zip(a, b).map { ($0.nats - $1.nats) / M_LN2 }                    // bits
        let bytes = zip(a, b).map { Double($0.bytes + $1.bytes) / 2 }                      // a token may reach into the next piece of a text
        let n = differences.count, bits = differences.reduce(0, +), all = bytes.reduce(0, +)
        (difference, count) = (bits / all, n)
        // The ratio without each of them.
        let others = zip(differences, bytes).map { (bits - $0) / (all - $1) }, mean = others.reduce(0, +) / Double(n)
        let squares = others.reduce(0) { $0 + ($1 - mean) * ($1 - mean) }
        standardError = n < 2 ? .infinity : (squares * Double(n - 1) / Double(n)).squareRoot()
        let reach = n < 2 ? .infinity : standardError * Self.student(n - 1)
        interval = reach.isFinite && difference.isFinite ? difference - reach...difference + reach : -.infinity ... .infinity
    }

    /// The 97.5 % quantile of Student's t, by the expansion about the normal distribution's (Abramowitz & Stegun 26.7.5); exact values where it is too rough.
    static func student(_ freedom: Int) -> Double {
        if let exact = [12.7062, 4.3027, 3.1824, 2.7764].dropFirst(freedom - 1).first { return exact }
        let x = 1.959964, v = Double(freedom)
        let g1 = (pow(x, 3) + x) / 4, g2 = (5 * pow(x, 5) + 16 * pow(x, 3) + 3 * x) / 96
        let g3 = (3 * pow(x, 7) + 19 * pow(x, 5) + 17 * pow(x, 3) - 15 * x) / 384
        return x + g1 / v + g2 / (v * v) + g3 / (v * v * v)
    }
}
