package import Corpus
import Glibc
import Kernels
import Random
import Tokenize

/// Bigram counts of a text, and trigram counts for the most informative pairs of tokens. Takes a few seconds.
///
///     let counts = NGramCounts(train, vocabulary: 16_387, pairs: 12_288)
///     counts.pairs[0]                          // the most informative pair
package struct NGramCounts {
    package struct Pair: Equatable {
        package let before, last: Int
    }

    /// In descending order of the information that they add to their last token.
    package let pairs: [Pair]
    /// A context for each token that was followed by another, then one for each pair.
    let contexts: [Context]
    private let afterToken, afterPair: KneserNeyModel
    /// The backoff distribution of pairs: continuation counts after the last token, in which each preceding token counts once.
    private let pairBackoff: KneserNeyModel
    /// Tokens of the text at equal distances, as a sample of the unigram distribution.
    private let unigramSample: [Int32]

    /// The maximum number of tokens to count.
    static let maxTokens = 1 << 25

    struct Context {
        let total: Float
        fileprivate let row: Int
        /// nil for a single token.
        let pair: Int?
    }

    /// - Parameter maxPairs: The maximum number of pairs.
    package init(_ tokens: TokenFile, vocabulary: Int, pairs maxPairs: Int) {
        var ids: [TokenID] = []
        tokens.read(0..<min(tokens.count, Self.maxTokens), into: &ids)
        let bits = max(1, Int.bitWidth - (vocabulary - 1).leadingZeroBitCount)
        let mask: UInt64 = 1 << UInt64(bits) - 1
        require(3 * bits <= 64, "trigrams of a vocabulary of \(vocabulary) tokens do not fit into 64 bits")
        func nGrams(_ length: Int) -> SortedCounts {
            let numbers = (0..<max(0, ids.count - length + 1)).map { [ids] i in
                (i..<i + length).reduce(0) { $0 << UInt64(bits) | UInt64(ids[$1]) }
            }
            return SortedCounts(numbers, bits: length * bits)
        }
        afterToken = KneserNeyModel(nGrams(2), bits: bits)
        let trigrams = nGrams(3)
        let continuations = trigrams.numbers.map { $0 & (1 << UInt64(2 * bits) - 1) }
        pairBackoff = KneserNeyModel(SortedCounts(continuations, bits: 2 * bits), bits: bits)
        let allPairs = KneserNeyModel(trigrams, bits: bits)
        let gains = Self.gains(of: allPairs, over: afterToken, bits: bits, vocabulary: vocabulary)
        let best = gains.indices.sorted { (gains[$0], $1) > (gains[$1], $0) }.prefix(maxPairs)
        afterPair = allPairs.selecting(Array(best))
        pairs = afterPair.contexts.map { Pair(before: Int($0 >> UInt64(bits)), last: Int($0 & mask)) }
        contexts = afterToken.totals.enumerated().map { Context(total: $1, row: $0, pair: nil) }
            + afterPair.totals.enumerated().map { Context(total: $1, row: $0, pair: $0) }
        unigramSample = (0..<1 << 16).map { [ids] i in ids.isEmpty ? 0 : ids[i * ids.count >> 16] }
    }

    /// The information gain of each pair: by how many nats the text's loss falls when the prediction uses the pair instead of its last
    /// token.
    ///
    /// The counts are discounted: the backoff mass of a pair stands for the tokens that never followed it, whose loss rises.
    private static func gains(of pairs: KneserNeyModel, over tokens: KneserNeyModel, bits: Int, vocabulary: Int) -> [Float] {
        let mask: UInt64 = 1 << UInt64(bits) - 1
        var byLast = [[Int]](repeating: [], count: vocabulary)
        var gains = [Float](repeating: 0, count: pairs.contexts.count)
        for (row, context) in pairs.contexts.enumerated() { byLast[Int(context & mask)].append(row) }
        var bigram = [Float](repeating: 0, count: vocabulary)
        for (last, rows) in byLast.enumerated() where !rows.isEmpty {
            guard let known = tokens.index(of: UInt64(last)) else { continue }
            for i in bigram.indices { bigram[i] = tokens.backoff[known] / Float(vocabulary) }
            tokens.forEach(after: known) { bigram[Int($0)] += $1 }
            for row in rows {
                let backoff = pairs.backoff[row]
                var gain = backoff > 0 ? backoff * log(backoff) : 0
                pairs.forEach(after: row) { token, probability in
                    gain += probability * log((probability + backoff * bigram[Int(token)]) / bigram[Int(token)])
                }
                gains[row] = pairs.totals[row] * gain
            }
        }
        return gains
    }

    /// The token of a context, or the last token of its pair.
    func token(of context: Context) -> Int { context.pair.map { pairs[$0].last } ?? Int(afterToken.contexts[context.row]) }

    /// Adds the next-token distribution of a context to a row, with a total of `weight`.
    ///
    /// The remaining backoff mass goes to sampled unigrams.
    func add(after context: Context, weight: Float, to row: inout SoftTargetRows, _ random: inout SeededRandom) {
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

/// Collects rows of sparse target distributions.
struct SoftTargetRows {
    private(set) var starts: [Int32] = [0]
    private(set) var tokens: [Int32] = []
    private(set) var probabilities: [Float] = []

    mutating func add(_ token: Int32, _ probability: Float) {
        tokens.append(token)
        probabilities.append(probability)
    }

    mutating func endRow() { starts.append(Int32(tokens.count)) }

    func softTargets(on processor: Processor) -> SoftTargets {
        SoftTargets(starts: starts, tokens: tokens, weights: probabilities, on: processor)
    }
}
