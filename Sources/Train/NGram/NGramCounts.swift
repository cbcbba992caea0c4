package import Corpus
import Glibc
import Kernels
import Tokenize
import Random

/// Which word follows each token, and each of the pairs of tokens that say most: what counting knows of a text, in a few seconds.
///
///     let counts = NGramCounts(train, vocabulary: 16_387, pairs: 12_288)
///     counts.pairs[0]                          // the one that says most: the token before, and the token
package struct NGramCounts {
    package struct Pair: Equatable {
        package let before, last: Int
    }

    /// The one that tells most beyond its last token first.
    package let pairs: [Pair]
    /// A context for each token that was followed by one, then one for each pair.
    let contexts: [Context]
    private let afterToken, afterPair: KneserNeyModel
    /// What a pair leaves goes to what followed its last token, counted once for each token before it.
    private let behindPair: KneserNeyModel
    /// Tokens of the text, evenly from all of it.
    private let drawn: [Int32]

    /// Of longer texts, so many are counted.
    static let mostTokens = 1 << 25

    struct Context {
        let total: Float
        fileprivate let row: Int
        /// nil for a token by itself.
        let pair: Int?
    }

    /// - Parameter most: pairs, at most.
    package init(_ tokens: TokenFile, vocabulary: Int, pairs most: Int) {
        var ids: [TokenID] = []
        tokens.read(0..<min(tokens.count, Self.mostTokens), into: &ids)
        let bits = max(1, Int.bitWidth - (vocabulary - 1).leadingZeroBitCount), mask: UInt64 = 1 << UInt64(bits) - 1
        require(3 * bits <= 64, "phrases of a vocabulary of \(vocabulary)")
        func phrases(_ length: Int) -> SortedCounts {
            SortedCounts((0..<max(0, ids.count - length + 1)).map { [ids] i in (i..<i + length).reduce(0) { $0 << UInt64(bits) | UInt64(ids[$1]) } }, bits: length * bits)
        }
        afterToken = KneserNeyModel(phrases(2), bits: bits)
        let triples = phrases(3)
        behindPair = KneserNeyModel(SortedCounts(triples.numbers.map { $0 & (1 << UInt64(2 * bits) - 1) }, bits: 2 * bits), bits: bits)
        let allPairs = KneserNeyModel(triples, bits: bits), gains = Self.gains(of: allPairs, over: afterToken, bits: bits, vocabulary: vocabulary)
        let best = gains.indices.sorted { (gains[$0], $1) > (gains[$1], $0) }.prefix(most)
        afterPair = allPairs.keeping(Array(best))
        pairs = afterPair.contexts.map { Pair(before: Int($0 >> UInt64(bits)), last: Int($0 & mask)) }
        contexts = afterToken.totals.enumerated().map { Context(total: $1, row: $0, pair: nil) } + afterPair.totals.enumerated().map { Context(total: $1, row: $0, pair: $0) }
        drawn = (0..<1 << 16).map { [ids] i in ids.isEmpty ? 0 : ids[i * ids.count >> 16] }
    }

    /// By how many nats the text is less surprising, in all, to who knows what follows a pair and not only what follows its last token.
    ///
    /// As counts have been discounted, what is left of a pair stands for the words that nobody has seen after it: those become more surprising.
    private static func gains(of pairs: KneserNeyModel, over tokens: KneserNeyModel, bits: Int, vocabulary: Int) -> [Float] {
        let mask: UInt64 = 1 << UInt64(bits) - 1
        var byLast = [[Int]](repeating: [], count: vocabulary), gains = [Float](repeating: 0, count: pairs.contexts.count)
        for (row, context) in pairs.contexts.enumerated() { byLast[Int(context & mask)].append(row) }
        var chance = [Float](repeating: 0, count: vocabulary)
        for (last, rows) in byLast.enumerated() where !rows.isEmpty {
            guard let known = tokens.index(of: UInt64(last)) else { continue }
            for i in chance.indices { chance[i] = tokens.left[known] / Float(vocabulary) }
            tokens.forEach(after: known) { chance[Int($0)] += $1 }
            for row in rows {
                let left = pairs.left[row]
                var gain = left > 0 ? left * log(left) : 0
                pairs.forEach(after: row) { word, share in gain += share * log((share + left * chance[Int(word)]) / chance[Int(word)]) }
                gains[row] = pairs.totals[row] * gain
            }
        }
        return gains
    }

    /// The token of a context, or the last of its pair.
    func token(of context: Context) -> Int { context.pair.map { pairs[$0].last } ?? Int(afterToken.contexts[context.row]) }

    /// Adds what follows a context, `weight` in all. What no count decides goes to words drawn from the text.
    func add(after context: Context, weight: Float, to expected: inout SoftTargetRows, _ random: inout SeededRandom) {
        var rest = weight, row: Int? = context.row
        if let pair = context.pair {
            afterPair.forEach(after: context.row) { expected.add($0, $1 * weight) }
            rest *= afterPair.left[context.row]
            row = behindPair.index(of: UInt64(pairs[pair].last))
        }
        let shorter = context.pair == nil ? afterToken : behindPair
        if let row {
            shorter.forEach(after: row) { [rest] in expected.add($0, $1 * rest) }
            rest *= shorter.left[row]
        }
        let draws = 8
        for _ in 0..<draws { expected.add(drawn[Int(random.uniform() * Double(drawn.count))], rest / Float(draws)) }
    }
}

/// Rows of words with shares, as they come together.
struct SoftTargetRows {
    private(set) var starts: [Int32] = [0]
    private(set) var words: [Int32] = []
    private(set) var shares: [Float] = []

    mutating func add(_ word: Int32, _ share: Float) {
        words.append(word)
        shares.append(share)
    }

    mutating func endRow() { starts.append(Int32(words.count)) }

    func onProcessor(_ processor: Processor) -> SoftTargets { SoftTargets(starts: starts, words: words, shares: shares, on: processor) }
}
