import Tokenize
import Kernels

/// What followed each context, as modified Kneser-Ney sees it (Chen & Goodman 1999): a little is taken from every count, and what was taken goes to the
/// words that a shorter context expects.
package struct KneserNeyModel {
    /// In order. A context is a number: its tokens, the latest in the lowest bits.
    package private(set) var contexts: [UInt64] = []
    /// How often each occurred.
    private(set) var totals: [Float] = []
    /// What each leaves to a shorter context.
    package private(set) var left: [Float] = []
    private var starts: [Int32] = []
    private var words: [Int32] = []
    private var shares: [Float] = []

    /// - Parameter counts: of contexts with the word that followed, which is the lowest `bits`.
    package init(_ counts: borrowing SortedCounts, bits: Int) {
        let taken = Self.discounts(counts.counts), numbers = counts.numbers, mask: UInt64 = 1 << UInt64(bits) - 1
        words.reserveCapacity(numbers.count)
        shares.reserveCapacity(numbers.count)
        var first = 0
        while first < numbers.count {
            let context = numbers[first] >> UInt64(bits)
            var end = first, total: Float = 0, sum: Float = 0
            while end < numbers.count, numbers[end] >> UInt64(bits) == context {
                total += Float(counts.counts[end])
                sum += taken[min(3, Int(counts.counts[end]))]
                end += 1
            }
            for i in first..<end {
                words.append(Int32(numbers[i] & mask))
                shares.append((Float(counts.counts[i]) - taken[min(3, Int(counts.counts[i]))]) / total)
            }
            contexts.append(context)
            totals.append(total)
            left.append(sum / total)
            starts.append(Int32(first))
            first = end
        }
        starts.append(Int32(numbers.count))
    }

    private init() {}

    /// Some of the contexts, in the order of these rows and no other: they are found by their row from then on.
    func keeping(_ rows: [Int]) -> KneserNeyModel {
        var kept = KneserNeyModel()
        for row in rows {
            kept.contexts.append(contexts[row])
            kept.totals.append(totals[row])
            kept.left.append(left[row])
            kept.starts.append(Int32(kept.words.count))
            kept.words += words[Int(starts[row])..<Int(starts[row + 1])]
            kept.shares += shares[Int(starts[row])..<Int(starts[row + 1])]
        }
        kept.starts.append(Int32(kept.words.count))
        return kept
    }

    func index(of context: UInt64) -> Int? {
        let place = contexts.prefixCount { $0 < context }
        return place < contexts.count && contexts[place] == context ? place : nil
    }

    /// The words that followed, each with its share. With what is left they add up to one.
    package func forEach(after index: Int, _ body: (_ word: Int32, _ share: Float) -> Void) {
        for i in Int(starts[index])..<Int(starts[index + 1]) { body(words[i], shares[i]) }
    }

    /// What is taken from counts of one, of two and of more, from how many there are of one to four.
    private static func discounts(_ counts: [UInt32]) -> [Float] {
        var n = [Float](repeating: 0, count: 5)
        for count in counts where count <= 4 { n[Int(count)] += 1 }
        guard n[1] > 0, n[2] > 0, n[3] > 0 else { return [0, 0.75, 0.75, 0.75] }       // too few to tell
        let y = n[1] / (n[1] + 2 * n[2])
        let raw = [1 - 2 * y * n[2] / n[1], 2 - 3 * y * n[3] / n[2], 3 - 4 * y * n[4] / n[3]]
        return [0] + raw.enumerated().map { min(max($1, 0.1), Float($0 + 1) - 0.1) }
    }
}
