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
        var count = tokens.count
        // ranks[i] is that of tokens i and i + 1.
        ranks.removeAll(keepingCapacity: true)
        for i in 1..<count { ranks.append(pairs[tokens[i - 1], tokens[i]].rank) }
        while count > 1 {
            var earliest = 0
            for i in 1..<count - 1 where ranks[i] < ranks[earliest] { earliest = i }
            if ranks[earliest] == PairTable.never { break }
            tokens[earliest] = pairs[tokens[earliest], tokens[earliest + 1]].result
            for i in earliest + 1..<count - 1 {
                tokens[i] = tokens[i + 1]
                ranks[i - 1] = ranks[i]
            }
            count -= 1
            if earliest > 0 { ranks[earliest - 1] = pairs[tokens[earliest - 1], tokens[earliest]].rank }
            if earliest < count - 1 { ranks[earliest] = pairs[tokens[earliest], tokens[earliest + 1]].rank }
        }
        tokens.removeLast(tokens.count - count)
    }
}
