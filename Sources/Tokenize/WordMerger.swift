/// Byte pair encoding of one word: of all neighbouring tokens that merge, those that merge earliest, the leftmost first, until none do.
///
///     var merger = WordMerger(pairs)
///     merger.merge([116, 104, 101])      // t, h, e -> th, e -> the
///
/// A word of N tokens costs N² comparisons of neighbours in a line, or, when it is long, some N steps with the neighbours kept in lists
/// by rank. One merger belongs to one thread; its room is used again for every word.
struct WordMerger {
    private let pairs: PairTable
    /// Up to here, looking at all neighbours for the earliest is the quicker way.
    private static let short = 40
    private var ranks: [Int32] = []
    private var queue = MergeQueue()

    init(_ pairs: PairTable) { self.pairs = pairs }

    /// Merges `tokens` in place.
    mutating func merge(_ tokens: inout [TokenID]) {
        if pairs.ranks == 0 { return }
        if tokens.count > Self.short { return queue.merge(&tokens, by: pairs) }
        guard tokens.count > 1 else { return }
        let count = Self.merge(&tokens, with: &ranks, by: pairs)
        tokens.removeLast(tokens.count - count)
    }

    /// Leaves the result at the front, and returns how many tokens it has.
    private static func merge(_ tokens: inout [TokenID], with ranks: inout [Int32], by pairs: PairTable) -> Int {
        var count = tokens.count, tokens = tokens.mutableSpan
        if ranks.count < count { ranks = Array(repeating: 0, count: short) }
        var ranks = ranks.mutableSpan                           // of each token and the next
        for i in 1..<count { ranks[i - 1] = pairs.rank(tokens[i - 1], tokens[i]) }
        while count > 1 {
            var earliest = 0, rank = ranks[0]
            for i in 1..<count - 1 where ranks[i] < rank {
                earliest = i
                rank = ranks[i]
            }
            if rank == PairTable.never { break }
            tokens[earliest] = pairs.result(of: rank)
            count -= 1
            for i in earliest + 1..<count {
                tokens[i] = tokens[i + 1]
                ranks[i - 1] = ranks[i]
            }
            if earliest > 0 { ranks[earliest - 1] = pairs.rank(tokens[earliest - 1], tokens[earliest]) }
            if earliest < count - 1 { ranks[earliest] = pairs.rank(tokens[earliest], tokens[earliest + 1]) }
        }
        return count
    }
}
