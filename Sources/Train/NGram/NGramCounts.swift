import Checkpoint
import Glibc
import Kernels
package import Random
import Tokenize

/// Bigram counts of a text, and trigram counts for the most informative pairs of tokens.
///
///     let counts = NGramCounts(of: counting, vocabulary: 16_387, pairs: 12_288)
///     counts?.pairs[0]                         // the most informative pair
package struct NGramCounts: Sendable {
    package struct Pair: Equatable, Sendable {
        package let before, last: Int
    }

    /// In descending order of the information that they add to their last token.
    package let pairs: [Pair]
    /// A context for each token that was followed by another, then one for each pair.
    package let contexts: [Context]
    package let afterToken: KneserNeyModel
    private let afterPair: KneserNeyModel
    /// The backoff distribution of pairs: continuation counts after the last token, in which each preceding token counts once.
    private let pairBackoff: KneserNeyModel
    /// Tokens with the frequencies of the text, as a sample of the unigram distribution.
    private let unigramSample: [Int32]

    package struct Context: Sendable {
        let total: Int
        fileprivate let row: Int
        /// nil for a single token.
        package let pair: Int?
    }

    /// nil if it was stopped.
    ///
    /// - Parameters:
    ///   - counting: The complete counts.
    ///   - maxPairs: The maximum number of pairs.
    ///   - shouldStop: Called several times a second.
    package init?(
        of counting: NGramCounting, vocabulary: Int, pairs maxPairs: Int, shouldStop: () -> Bool = { false }
    ) {
        let bits = counting.bits
        let afterToken = KneserNeyModel(counting.bigrams, bits: bits)
        guard let continuations = Self.continuations(of: counting.trigrams.numbers, bits: bits, shouldStop) else { return nil }
        let allPairs = KneserNeyModel(counting.trigrams, bits: bits)
        let gains = Self.gains(of: allPairs, over: afterToken, bits: bits, vocabulary: vocabulary, shouldStop)
        guard let gains, let best = Self.highest(maxPairs, of: gains, shouldStop) else { return nil }
        self.init(
            afterToken, allPairs.selecting(best), backoff: KneserNeyModel(continuations, bits: bits), bits: bits
        )
    }

    private init(_ afterToken: KneserNeyModel, _ afterPair: KneserNeyModel, backoff: KneserNeyModel, bits: Int) {
        let mask: UInt64 = 1 << UInt64(bits) - 1
        self.afterToken = afterToken
        self.afterPair = afterPair
        pairBackoff = backoff
        pairs = afterPair.contexts.map { Pair(before: Int($0 >> UInt64(bits)), last: Int($0 & mask)) }
        contexts = afterToken.totals.enumerated().map { Context(total: $1, row: $0, pair: nil) }
            + afterPair.totals.enumerated().map { Context(total: $1, row: $0, pair: $0) }
        unigramSample = Self.unigramSample(of: afterToken)
    }

    /// Counts in how many distinct trigrams each bigram is the end.
    private static func continuations(of trigrams: [UInt64], bits: Int, _ shouldStop: () -> Bool) -> SortedCounts? {
        let mask: UInt64 = 1 << UInt64(2 * bits) - 1
        var counts = SortedCounts()
        for start in stride(from: 0, to: trigrams.count, by: 1 << 20) {
            if shouldStop() { return nil }
            counts.add(SortedCounts(trigrams[start..<min(start + 1 << 20, trigrams.count)].map { $0 & mask }, bits: 2 * bits))
        }
        return counts
    }

    /// The rows of the highest gains, in descending order. The first of equal ones comes first.
    private static func highest(_ count: Int, of gains: [Float], _ shouldStop: () -> Bool) -> [Int]? {
        var best: [Int] = []
        var threshold = -Float.infinity
        for start in stride(from: 0, to: gains.count, by: 1 << 18) {
            if shouldStop() { return nil }
            let candidates = (start..<min(start + 1 << 18, gains.count)).filter { gains[$0] > threshold }
            best = Array((best + candidates).sorted { (gains[$0], $1) > (gains[$1], $0) }.prefix(count))
            if let last = best.last, best.count == count { threshold = gains[last] }
        }
        return best
    }

    private static func unigramSample(of model: KneserNeyModel) -> [Int32] {
        let size = 1 << 16
        let total = model.totals.reduce(0, +)
        var sample: [Int32] = []
        var sum = 0
        for (row, count) in model.totals.enumerated() {
            sum += count
            while sample.count * total < sum * size, sample.count < size { sample.append(Int32(model.contexts[row])) }
        }
        return sample.isEmpty ? [0] : sample
    }

    /// The information gain of each pair: by how many nats the text's loss falls when the prediction uses the pair instead of its last
    /// token. nil if it was stopped.
    ///
    /// The counts are discounted: the backoff mass of a pair stands for the tokens that never followed it, whose loss rises.
    private static func gains(
        of pairs: KneserNeyModel, over tokens: KneserNeyModel, bits: Int, vocabulary: Int, _ shouldStop: () -> Bool
    ) -> [Float]? {
        let mask: UInt64 = 1 << UInt64(bits) - 1
        var byLast = [[Int]](repeating: [], count: vocabulary)
        var gains = [Float](repeating: 0, count: pairs.contexts.count)
        for (row, context) in pairs.contexts.enumerated() { byLast[Int(context & mask)].append(row) }
        var bigram = [Float](repeating: 0, count: vocabulary)
        for (last, rows) in byLast.enumerated() where !rows.isEmpty {
            if last % 64 == 0, shouldStop() { return nil }
            guard let known = tokens.index(of: UInt64(last)) else { continue }
            for i in bigram.indices { bigram[i] = tokens.backoff[known] / Float(vocabulary) }
            tokens.forEach(after: known) { bigram[Int($0)] += $1 }
            for row in rows {
                let backoff = pairs.backoff[row]
                var gain = backoff > 0 ? backoff * log(backoff) : 0
                pairs.forEach(after: row) { token, probability in
                    gain += probability * log((probability + backoff * bigram[Int(token)]) / bigram[Int(token)])
                }
                gains[row] = Float(pairs.totals[row]) * gain
            }
        }
        return gains
    }

    /// The token of a context, or the last token of its pair.
    func token(of context: Context) -> Int { context.pair.map { pairs[$0].last } ?? Int(afterToken.contexts[context.row]) }

    /// Adds the next-token distribution of a context to a row, with a total of `weight`.
    ///
    /// The remaining backoff mass goes to sampled unigrams.
    package func add(after context: Context, weight: Float, to row: inout SoftTargetRows, _ random: inout SeededRandom) {
        var rest = weight
        var shorterRow: Int? = context.row
        if let pair = context.pair {
            afterPair.forEach(after: context.row) { row.add($0, $1 * weight) }
            rest *= afterPair.backoff[context.row]
            shorterRow = pairBackoff.index(of: UInt64(pairs[pair].last))
        }
        let shorter = context.pair == nil ? afterToken : pairBackoff
        if let shorterRow {
            shorter.forEach(after: shorterRow) { [rest] in row.add($0, $1 * rest) }
            rest *= shorter.backoff[shorterRow]
        }
        let samples = 8
        for _ in 0..<samples { row.add(unigramSample[Int(random.uniform() * Double(unigramSample.count))], rest / Float(samples)) }
    }
}

extension NGramCounts {
    var values: OrderedDictionary<CheckpointValue> {
        var values: OrderedDictionary<CheckpointValue> = [:]
        let models = [("after_token", afterToken), ("after_pair", afterPair), ("pair_backoff", pairBackoff)]
        for (name, model) in models { for (name, value) in model.values("ngrams/" + name) { values[name] = value } }
        return values
    }

    /// Reads stored counts of the same text.
    ///
    /// - Parameter bits: The number of bits of a token id.
    init(from checkpoint: Checkpoint, vocabulary V: Int, bits: Int) throws(CheckpointError) {
        func model(_ name: String, isContext: (UInt64) -> Bool) throws(CheckpointError) -> KneserNeyModel {
            try KneserNeyModel("ngrams/" + name, of: checkpoint, vocabulary: V, isContext: isContext)
        }
        let mask: UInt64 = 1 << UInt64(bits) - 1
        let isToken = { (number: UInt64) in number < V }
        self.init(
            try model("after_token", isContext: isToken),
            try model("after_pair") { isToken($0 >> UInt64(bits)) && isToken($0 & mask) },
            backoff: try model("pair_backoff", isContext: isToken), bits: bits
        )
    }
}

/// Collects rows of sparse target distributions.
package struct SoftTargetRows {
    private var starts: [Int32] = [0]
    package private(set) var tokens: [Int32] = []
    package private(set) var probabilities: [Float] = []

    package init() {}

    mutating func add(_ token: Int32, _ probability: Float) {
        tokens.append(token)
        probabilities.append(probability)
    }

    mutating func endRow() { starts.append(Int32(tokens.count)) }

    func softTargets(on processor: Processor) -> SoftTargets {
        SoftTargets(starts: starts, tokens: tokens, weights: probabilities, on: processor)
    }
}
