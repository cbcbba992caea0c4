import Glibc

/// The difference of two ratios of sums over the same pieces, with its standard error: the jackknife's (leave one out; Efron 1982).
///
/// The pieces are treated as a random sample. The mean loss of a token, for instance, is the sum of the losses of conversations, divided
/// by the sum of their tokens.
struct PairedDifference: Sendable, Equatable {
    /// Below 0, the first is lower.
    let difference: Double
    /// Infinite if there are fewer than two pieces.
    let standardError: Double
    let count: Int

    /// - Parameters:
    ///   - differences: The differences of the numerators, one for each piece.
    ///   - weights: The denominators.
    init(_ differences: [Double], per weights: [Double]) {
        let n = differences.count
        let sum = differences.reduce(0, +), all = weights.reduce(0, +)
        difference = sum / all
        count = n
        // The ratio without each of the pieces.
        let others = zip(differences, weights).map { (sum - $0) / (all - $1) }
        let mean = others.reduce(0, +) / Double(n)
        let squares = others.reduce(0) { $0 + ($1 - mean) * ($1 - mean) }
        standardError = n < 2 ? .infinity : (squares * Double(n - 1) / Double(n)).squareRoot()
    }

    private init(_ difference: Double, _ standardError: Double, _ count: Int) {
        self.difference = difference
        self.standardError = standardError
        self.count = count
    }

    /// The sum of two independent differences, each times a factor.
    static func sum(_ a: PairedDifference, times x: Double, _ b: PairedDifference, times y: Double) -> PairedDifference {
        PairedDifference(
            x * a.difference + y * b.difference, hypot(x * a.standardError, y * b.standardError), min(a.count, b.count))
    }

    /// The probability of a difference at least this far from 0, on either side, if the true one is 0.
    var p: Double {
        if count < 2 || !difference.isFinite { return 1 }
        return standardError == 0 ? (difference == 0 ? 1 : 0) : StudentDistribution.tails(difference / standardError, count - 1)
    }

    /// Whether the true difference is above `bound`, with a probability of error of 5 %. A difference that is not finite is.
    func isClearly(above bound: Double) -> Bool {
        let excess = difference - bound
        if !excess.isFinite || standardError == 0 { return !(excess <= 0) }
        return count >= 2 && excess > 0 && StudentDistribution.tails(excess / standardError, count - 1) / 2 < 0.05
    }
}
