/// Applies the merges to one word: repeatedly merges the adjacent pair of the lowest rank, leftmost first, until no pair merges.
///
///     var merger = WordMerger(ranks)
///     merger.merge(&tokens)              // t, h, e -> th, e -> the
///
/// A short word of N tokens costs N² comparisons of adjacent ranks in an array; a long word about N steps, with pairs in lists by rank.
/// One per thread; buffers are reused for every word.
struct WordMerger {
    private let ranks: MergeRanks
    /// Up to this many tokens, a linear search for the lowest rank is faster.
    private static let short = 40
    private var pairRanks: [Int32] = []
    private var longWords = LongWordMerger()
    private var unorderedLongWords = UnorderedWordMerger()

    init(_ ranks: MergeRanks) { self.ranks = ranks }

    /// Merges `tokens` in place.
    mutating func merge(_ tokens: inout [TokenID]) {
        if ranks.count == 0 { return }
        if tokens.count > Self.short {
            return ranks.isOrdered ? longWords.merge(&tokens, by: ranks) : unorderedLongWords.merge(&tokens, by: ranks)
        }
        guard tokens.count > 1 else { return }
        let count = Self.merge(&tokens, pairRanks: &pairRanks, by: ranks)
        tokens.removeLast(tokens.count - count)
    }

    /// Leaves the result at the start of `tokens` and returns its length.
    private static func merge(_ tokens: inout [TokenID], pairRanks: inout [Int32], by ranks: MergeRanks) -> Int {
        var count = tokens.count
        var tokens = tokens.mutableSpan
        if pairRanks.count < count { pairRanks = Array(repeating: 0, count: short) }
        var pairRanks = pairRanks.mutableSpan                   // of each token and the next
        for i in 1..<count { pairRanks[i - 1] = ranks.rank(tokens[i - 1], tokens[i]) }
        while count > 1 {
            var first = 0
            var rank = pairRanks[0]
            for i in 1..<count - 1 where pairRanks[i] < rank {
                first = i
                rank = pairRanks[i]
            }
            if rank == MergeRanks.none { break }
            tokens[first] = ranks.result(of: rank)
            count -= 1
            for i in first + 1..<count {
                tokens[i] = tokens[i + 1]
                pairRanks[i - 1] = pairRanks[i]
            }
            if first > 0 { pairRanks[first - 1] = ranks.rank(tokens[first - 1], tokens[first]) }
            if first < count - 1 { pairRanks[first] = ranks.rank(tokens[first], tokens[first + 1]) }
        }
        return count
    }
}
