import Checkpoint
import Kernels
import Tokenize

/// An n-gram model of one order with modified Kneser-Ney smoothing (Chen & Goodman 1999).
///
/// A discount is subtracted from every count, and its mass backs off to a shorter context.
package struct KneserNeyModel: Sendable {
    /// In ascending order. A context is a number made of its token ids, the latest in the lowest bits.
    package private(set) var contexts: [UInt64] = []
    /// The count of each context.
    package private(set) var totals: [Int] = []
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
            var total = 0
            var discounted = 0.0
            while end < numbers.count, numbers[end] >> UInt64(bits) == context {
                total += Int(counts.counts[end])
                discounted += discounts[min(3, Int(counts.counts[end]))]
                end += 1
            }
            for i in first..<end {
                tokens.append(Int32(numbers[i] & mask))
                probabilities.append(Float((Double(counts.counts[i]) - discounts[min(3, Int(counts.counts[i]))]) / Double(total)))
            }
            contexts.append(context)
            totals.append(total)
            backoff.append(Float(discounted / Double(total)))
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
    private static func discounts(_ counts: [UInt32]) -> [Double] {
        var occurrences = [Int](repeating: 0, count: 5)
        for count in counts where count <= 4 { occurrences[Int(count)] += 1 }
        let n = occurrences.map { Double($0) }
        guard n[1] > 0, n[2] > 0, n[3] > 0 else { return [0, 0.75, 0.75, 0.75] }       // too few for an estimate
        let y = n[1] / (n[1] + 2 * n[2])
        let raw = [1 - 2 * y * n[2] / n[1], 2 - 3 * y * n[3] / n[2], 3 - 4 * y * n[4] / n[3]]
        return [0] + raw.enumerated().map { min(max($1, 0.1), Double($0 + 1) - 0.1) }
    }
}

extension KneserNeyModel {
    func values(_ name: String) -> OrderedDictionary<CheckpointValue> {
        [
            "\(name)/contexts": .integers(contexts.map { Int($0) }), "\(name)/totals": .integers(totals),
            "\(name)/backoff": .floats(backoff),
            "\(name)/starts": .integers(starts.map { Int($0) }), "\(name)/tokens": .integers(tokens.map { Int($0) }),
            "\(name)/probabilities": .floats(probabilities),
        ]
    }

    /// - Parameter isContext: Whether a number can be a context.
    init(
        _ name: String, of checkpoint: Checkpoint, vocabulary: Int, isContext: (UInt64) -> Bool
    ) throws(CheckpointError) {
        let contexts = try checkpoint.integers(name + "/contexts")
        let starts = try checkpoint.integers(name + "/starts")
        let tokens = try checkpoint.integers(name + "/tokens")
        totals = try checkpoint.integers(name + "/totals")
        backoff = try checkpoint.floats(name + "/backoff")
        probabilities = try checkpoint.floats(name + "/probabilities")
        let isConsistent = totals.count == contexts.count && backoff.count == contexts.count && starts.count == contexts.count + 1
            && probabilities.count == tokens.count && starts.first == 0 && starts.last == tokens.count
            && zip(starts, starts.dropFirst()).allSatisfy { $0 <= $1 } && tokens.count <= Int(Int32.max)
            && totals.allSatisfy { $0 > 0 } && tokens.allSatisfy { 0..<vocabulary ~= $0 }
            && contexts.allSatisfy { $0 >= 0 && isContext(UInt64($0)) }
        guard isConsistent else {
            throw .mismatch(path: checkpoint.name, name: name, expected: "an n-gram model of \(vocabulary) tokens", found: "other numbers")
        }
        self.contexts = contexts.map { UInt64($0) }
        self.starts = starts.map { Int32($0) }
        self.tokens = tokens.map { Int32($0) }
    }
}
