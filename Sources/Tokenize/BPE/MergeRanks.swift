/// The rank of each pair of tokens that merges: a hash table with open addressing, built once.
///
/// Half of all lookups are for two single-byte tokens, because every word starts with those. They have a direct table, of which a text
/// touches little.
struct MergeRanks: Sendable {
    private struct Entry {
        var pair: UInt64 = .max
        var rank = MergeRanks.none
    }

    /// The rank of a pair that does not merge.
    static let none = Int32.max
    /// Pairs of tokens below this are in the direct table: nearly all vocabularies start with the bytes and a few special tokens.
    private static let small: TokenID = 512

    /// The token that each merge makes, by rank.
    private let results: [TokenID]
    /// Whether every token is made by an earlier merge than those it takes part in. True for every trained vocabulary.
    let isOrdered: Bool
    private var entries: [Entry]
    private var smallPairs: [Int32]
    private let shift: UInt64

    /// The number of ranks.
    var count: Int { results.count }

    init(_ merges: [Vocabulary.Merge]) {
        var bits: UInt64 = 4
        while 1 << bits < 2 * merges.count { bits += 1 }
        shift = 64 - bits
        entries = Array(repeating: Entry(), count: 1 << bits)
        smallPairs = Array(repeating: Self.none, count: merges.isEmpty ? 0 : Int(Self.small * Self.small))
        results = merges.map(\.result)
        let largest = merges.lazy.map { max($0.left, $0.right, $0.result) }.max() ?? 0
        var made = [Int](repeating: -1, count: Int(largest) + 1)
        for (rank, merge) in merges.enumerated() { made[Int(merge.result)] = rank }
        isOrdered = merges.enumerated().allSatisfy { rank, merge in made[Int(merge.left)] < rank && made[Int(merge.right)] < rank }
        // The first of duplicate merges counts.
        for (rank, merge) in merges.enumerated() where self.rank(merge.left, merge.right) == Self.none {
            if merge.left < Self.small, merge.right < Self.small {
                smallPairs[Int(merge.left * Self.small + merge.right)] = Int32(rank)
            } else {
                let pair = Self.pair(merge.left, merge.right)
                entries[slot(of: pair)] = Entry(pair: pair, rank: Int32(rank))
            }
        }
    }

    /// The index of a pair's merge: the lower, the earlier it merges. `none` if it does not merge.
    @inline(__always)
    func rank(_ left: TokenID, _ right: TokenID) -> Int32 {
        if UInt32(bitPattern: left | right) < UInt32(Self.small) {
            return smallPairs.isEmpty ? Self.none : smallPairs[Int(left * Self.small + right)]
        }
        return entries[slot(of: Self.pair(left, right))].rank
    }

    /// The token that the pair of a rank merges into.
    @inline(__always)
    func result(of rank: Int32) -> TokenID { results[Int(rank)] }

    @inline(__always)
    private static func pair(_ left: TokenID, _ right: TokenID) -> UInt64 {
        UInt64(UInt32(bitPattern: left)) << 32 | UInt64(UInt32(bitPattern: right))
    }

    /// The slot of a pair, or the empty slot where it belongs.
    @inline(__always)
    private func slot(of pair: UInt64) -> Int {
        var slot = Int(truncatingIfNeeded: (pair &* 0x9E37_79B9_7F4A_7C15) >> shift)
        while entries[slot].pair != pair, entries[slot].pair != .max { slot = (slot + 1) & (entries.count - 1) }
        return slot
    }
}
