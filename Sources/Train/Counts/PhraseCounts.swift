package import Corpus
import Kernels
import Tokenize

/// Which word follows each token, and each of the most frequent pairs of tokens: what counting says about a text, in a second or two.
///
///     let counts = PhraseCounts(train, vocabulary: 16_387, pairs: 12_288)
///     counts.pairs[0]                          // the most frequent: the token before, and the token
package struct PhraseCounts {
    package struct Pair: Equatable {
        package let before, last: Int
    }

    /// The most frequent first.
    package let pairs: [Pair]
    /// A context for each token that was followed by one, then one for each pair.
    let contexts: [Context]
    private let afterToken, afterPair: Followers
    /// What a pair leaves goes to what followed its last token, counted once for each token before it.
    private let behindPair: Followers
    private let drawn: [Int32]

    struct Context {
        let total: Float
        fileprivate let row: Int
        /// nil for a token by itself.
        let pair: Int?
    }

    /// - Parameters:
    ///   - pairs: at most so many.
    ///   - most: of longer texts, so many tokens are counted.
    package init(_ tokens: TokenFile, vocabulary: Int, pairs most: Int, tokens limit: Int = 1 << 25) {
        var ids: [TokenID] = []
        tokens.read(0..<min(tokens.count, limit), into: &ids)
        let bits = max(1, Int.bitWidth - (vocabulary - 1).leadingZeroBitCount), b = UInt64(bits)
        require(3 * bits <= 64, "phrases of a vocabulary of \(vocabulary)")
        let known = ids.map { UInt64($0) }
        func keys(_ length: Int) -> [UInt64] {
            (0..<max(0, known.count - length + 1)).map { i in (i..<i + length).reduce(0) { $0 << b | known[$1] } }
        }
        let triples = SortedCounts(keys(3), bits: 3 * bits), twos = SortedCounts(keys(2), bits: 2 * bits)
        afterToken = Followers(twos, bits: bits)
        afterPair = Followers(triples, bits: bits)
        behindPair = Followers(SortedCounts(triples.numbers.map { $0 & (1 << (2 * b) - 1) }, bits: 2 * bits), bits: bits)
        let totals = afterPair.totals
        let best = totals.indices.sorted { (totals[$0], $1) > (totals[$1], $0) }.prefix(most)
        self.pairs = best.map { [contexts = afterPair.contexts] row in Pair(before: Int(contexts[row] >> b), last: Int(contexts[row] & (1 << b - 1))) }
        contexts = afterToken.totals.indices.map { [totals = afterToken.totals] in Context(total: totals[$0], row: $0, pair: nil) }
            + best.enumerated().map { Context(total: totals[$1], row: $1, pair: $0) }
        drawn = ids
    }

    /// The token of a context, or the last of its pair.
    func token(of context: Context) -> Int { context.pair.map { pairs[$0].last } ?? Int(afterToken.contexts[context.row]) }

    /// Adds what follows a context, `weight` in all. What no count decides goes to words drawn from the text.
    func add(after context: Context, weight: Float, to expected: inout ExpectedWords, _ random: inout CountedRandom) {
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
        for _ in 0..<draws { expected.add(drawn[Int(random.share() * Double(drawn.count))], rest / Float(draws)) }
    }
}

/// Rows of words with shares, as they come together.
struct ExpectedWords {
    private(set) var starts: [Int32] = [0]
    private(set) var words: [Int32] = []
    private(set) var shares: [Float] = []

    mutating func add(_ word: Int32, _ share: Float) {
        words.append(word)
        shares.append(share)
    }

    mutating func endRow() { starts.append(Int32(words.count)) }

    func onProcessor(_ processor: Processor) -> WordShares { WordShares(starts: starts, words: words, shares: shares, on: processor) }
}
