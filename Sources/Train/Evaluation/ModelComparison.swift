import Glibc

/// A paired comparison of two models on the same conversations, with a confidence interval.
///
///     let comparison = try ModelComparison(of: a, with: b)
///     comparison.isNoise ? "neither" : comparison.difference < 0 ? "the first" : "the second"
///
/// Compares bits per byte, which do not depend on the vocabulary. The conversations are treated as a random sample. The difference is a
/// ratio of sums over them. Its standard error is the jackknife's (leave one out; Efron 1982), and the interval is Student's.
package struct ModelComparison: Sendable {
    /// Bits per byte of the first model minus those of the second. Below 0, the first is better.
    package let difference: Double
    package let standardError: Double
    /// The 95 % confidence interval of the difference.
    package let interval: ClosedRange<Double>
    /// The number of pairs.
    package let count: Int
    /// Pairs in which the first model needs fewer bits, and in which it needs more. A few pairs with large differences decide the mean;
    /// these numbers show what the others say.
    package let fewerBits, moreBits: Int

    /// Whether the interval contains 0.
    package var isNoise: Bool { interval.contains(0) }

    /// The probability of a difference at least this large between models that are equally good.
    package var p: Double {
        if count < 2 || !difference.isFinite { return 1 }
        return standardError == 0 ? (difference == 0 ? 1 : 0) : Self.tails(difference / standardError, count - 1)
    }

    /// - Parameters: The metrics of each conversation, in the same order for both models.
    package init(of a: [Evaluation], with b: [Evaluation]) throws(EvaluationError) {
        guard a.count == b.count else { throw .differentPieces(a.count, b.count) }
        let differences = zip(a, b).map { ($0.nats - $1.nats) / M_LN2 }                    // bits
        // The mean of both, because a token may reach into the next piece of a text.
        let bytes = zip(a, b).map { Double($0.bytes + $1.bytes) / 2 }
        let n = differences.count
        let bits = differences.reduce(0, +)
        let all = bytes.reduce(0, +)
        difference = bits / all
        count = n
        // Less than a thousandth of a bit per byte is no difference.
        let clear = zip(differences, bytes).filter { abs($0) > 0.001 * $1 }.map(\.0)
        fewerBits = clear.count { $0 < 0 }
        moreBits = clear.count { $0 > 0 }
        // The ratio without each of the pairs.
        let others = zip(differences, bytes).map { (bits - $0) / (all - $1) }
        let mean = others.reduce(0, +) / Double(n)
        let squares = others.reduce(0) { $0 + ($1 - mean) * ($1 - mean) }
        standardError = n < 2 ? .infinity : (squares * Double(n - 1) / Double(n)).squareRoot()
        let reach = n < 2 ? .infinity : standardError * Self.student(n - 1)
        interval = reach.isFinite && difference.isFinite ? difference - reach...difference + reach : -.infinity ... .infinity
    }

    /// The 97.5 % quantile of Student's t distribution, by the expansion around the normal distribution (Abramowitz & Stegun 26.7.5).
    /// Uses exact values where the expansion is too rough.
    static func student(_ freedom: Int) -> Double {
        if let exact = [12.7062, 4.3027, 3.1824, 2.7764].dropFirst(freedom - 1).first { return exact }
        let x = 1.959964
        let v = Double(freedom)
        let g1 = (pow(x, 3) + x) / 4
        let g2 = (5 * pow(x, 5) + 16 * pow(x, 3) + 3 * x) / 96
        let g3 = (3 * pow(x, 7) + 19 * pow(x, 5) + 17 * pow(x, 3) - 15 * x) / 384
        return x + g1 / v + g2 / (v * v) + g3 / (v * v * v)
    }

    /// The probability of at least |t| under Student's distribution, on both sides: the incomplete beta function I_x(v/2, 1/2) at
    /// x = v / (v + t²), by its continued fraction (Abramowitz & Stegun 26.5.8).
    package static func tails(_ t: Double, _ freedom: Int) -> Double {
        let v = Double(freedom), x = v / (v + t * t)
        // The fraction converges fast for small x only; the function has a symmetry for the others.
        return x < (v / 2 + 1) / (v / 2 + 2.5) ? incompleteBeta(x, v / 2, 0.5) : 1 - incompleteBeta(1 - x, 0.5, v / 2)
    }

    private static func incompleteBeta(_ x: Double, _ a: Double, _ b: Double) -> Double {
        if x <= 0 { return 0 }
        let powers: Double = a * log(x) + b * log(1 - x)
        let front = exp(lgamma(a + b) - lgamma(a) - lgamma(b) + powers) / a
        // Lentz's method.
        var c = 1.0, d = 1 / max(1 - (a + b) * x / (a + 1), 1e-300), fraction = d
        for m in 1...300 {
            let m = Double(m)
            let k = a + 2 * m
            let even: Double = m * (b - m) * x / ((k - 1) * k)
            let odd: Double = -(a + m) * (a + b + m) * x / (k * (k + 1))
            for term in [even, odd] {
                d = 1 + term * d
                c = 1 + term / c
                if abs(d) < 1e-300 { d = 1e-300 }
                if abs(c) < 1e-300 { c = 1e-300 }
                d = 1 / d
                fraction *= d * c
            }
            if abs(d * c - 1) < 1e-14 { break }
        }
        return front * fraction
    }
}
