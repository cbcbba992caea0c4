import Glibc

/// A paired comparison of two models on the same conversations, with a confidence interval.
///
///     let comparison = try ModelComparison(of: a, with: b)
///     comparison.isNoise ? "neither" : comparison.difference < 0 ? "the first" : "the second"
///
/// Compares bits per byte, which do not depend on the vocabulary. The conversations are treated as a random sample. The interval
/// is Student's, with the jackknife's standard error.
package struct ModelComparison: Sendable {
    /// Bits per byte of the first model minus those of the second. Below 0, the first is better.
    package let difference: Double
    package let standardError: Double
    /// The 95 % confidence interval of the difference.
    package let interval: ClosedRange<Double>
    /// The number of pairs.
    package let count: Int
    /// The probability of a difference at least this large between models that are equally good.
    package let p: Double
    /// Pairs in which the first model needs fewer bits, and in which it needs more. A few pairs with large differences decide the mean;
    /// these numbers show what the others say.
    package let fewerBits, moreBits: Int

    /// Whether the interval contains 0.
    package var isNoise: Bool { interval.contains(0) }

    /// - Parameters: The metrics of each conversation, in the same order for both models.
    package init(of a: [Evaluation], with b: [Evaluation]) throws(EvaluationError) {
        guard a.count == b.count else { throw .differentPieces(a.count, b.count) }
        let differences = zip(a, b).map { ($0.nats - $1.nats) / M_LN2 }                    // bits
        // The mean of both, because a token may reach into the next piece of a text.
        let bytes = zip(a, b).map { Double($0.bytes + $1.bytes) / 2 }
        let paired = PairedDifference(differences, per: bytes)
        difference = paired.difference
        standardError = paired.standardError
        count = paired.count
        p = paired.p
        // Less than a thousandth of a bit per byte is no difference.
        let clear = zip(differences, bytes).filter { abs($0) > 0.001 * $1 }.map(\.0)
        fewerBits = clear.count { $0 < 0 }
        moreBits = clear.count { $0 > 0 }
        let reach = count < 2 ? .infinity : standardError * StudentDistribution.quantile(count - 1)
        interval = reach.isFinite && difference.isFinite ? difference - reach...difference + reach : -.infinity ... .infinity
    }
}
