import Kernels
import Tokenize

/// An n-gram model of one order with modified Kneser-Ney smoothing (Chen & Goodman 1999).
///
/// A discount is subtracted from every count, and its mass backs off to a shorter context.
package struct KneserNeyModel {
    /// In ascending order. A context is a number made of its token ids, the latest in the lowest bits.
    package private(set) var contexts: [UInt64] = []
    /// The count of each context.
    private(set) var totals: [Float] = []
    /// The backoff mass of each context.
    package private(set) var backoff: [Float] = []
    private var starts: [Int32] = []
    private var tokens: [Int32] = []
    private var probabilities: [Float] = []

    /// - Parameter counts: Counts of n-grams: a context and the next token, which is in the lowest `bits`.
    package init(_ counts: borrowing SortedCounts, bits: Int) {
        let discounts = Self.discounts(counts.counts)
        let numbers = counts.numbers
        let mask: UInt64 = 1 << UInt64(bits) - 1
        tokens.reserveCapacity(numbers.count)
        probabilities.reserveCapacity(numbers.count)
        var first = 0
        while first < numbers.count {
            let context = numbers[first] >> UInt64(bits)
            var end = first
            var total: Float = 0
            var discounted: Float = 0
            while end < numbers.count, numbers[end] >> UInt64(bits) == context {
                total += Float(counts.counts[end])
                discounted += discounts[min(3, Int(counts.counts[end]))]
                end += 1
            }
            for i in first..<end {
                tokens.append(Int32(numbers[i] & mask))
                probabilities.append((Float(counts.counts[i]) - discounts[min(3, Int(counts.counts[i]))]) / total)
            }
            contexts.append(context)
            totals.append(total)
            backoff.append(discounted / total)
            starts.append(Int32(first))
            first = end
        }
        starts.append(Int32(numbers.count))
    }

    private init() {}

    /// A model of only these rows, in this order. Its contexts are found by row, not with `index(of:)`.
    func selecting(_ rows: [Int]) -> KneserNeyModel {
        var selected = KneserNeyModel()
        for row in rows {
            selected.contexts.append(contexts[row])
            selected.totals.append(totals[row])
            selected.backoff.append(backoff[row])
            selected.starts.append(Int32(selected.tokens.count))
            selected.tokens += tokens[Int(starts[row])..<Int(starts[row + 1])]
            selected.probabilities += probabilities[Int(starts[row])..<Int(starts[row + 1])]
        }
        selected.starts.append(Int32(selected.tokens.count))
        return selected
    }

    func index(of context: UInt64) -> Int? {
        let index = contexts.prefixCount { $0 < context }
        return index < contexts.count && contexts[index] == context ? index : nil
    }

    /// The tokens that followed a context, with their discounted probabilities. Together with the backoff mass they add up to 1.
    package func forEach(after index: Int, _ body: (_ token: Int32, _ probability: Float) -> Void) {
        for i in Int(starts[index])..<Int(starts[index + 1]) { body(tokens[i], probabilities[i]) }
    }

    /// The discounts of counts 1, 2 and 3 or more, estimated from the numbers of n-grams with counts 1 to 4.
    private static func discounts(_ counts: [UInt32]) -> [Float] {
        var n = [Float](repeating: 0, count: 5)
        for count in counts where count <= 4 { n[Int(count)] += 1 }
        guard n[1] > 0, n[2] > 0, n[3] > 0 else { return [0, 0.75, 0.75, 0.75] }       // too few for an estimate
        let y = n[1] / (n[1] + 2 * n[2])
        let raw = [1 - 2 * y * n[2] / n[1], 2 - 3 * y * n[3] / n[2], 3 - 4 * y * n[4] / n[3]]
        return [0] + raw.enumerated().map { min(max($1, 0.1), Float($0 + 1) - 0.1) }
    }
}
