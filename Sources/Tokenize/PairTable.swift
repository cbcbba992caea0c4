/// The order in which pairs of neighbouring tokens merge: a hash table with open addressing, built once.
///
/// Half of all lookups are for tokens of a byte each, as every word begins with those: they have a table of their own, of which a text
/// touches little.
struct PairTable: Sendable {
    private struct Entry {
        var pair: UInt64 = .max
        var rank = PairTable.never
    }

    static let never = Int32.max
    /// Both tokens of a pair in the small table are below it: bytes and a few special tokens have the first ids nearly everywhere.
    private static let small: TokenID = 512

    /// The token that each merge makes, by its rank.
    private let results: [TokenID]
    /// Whether each token is made by an earlier merge than those that it takes part in. So it is in every vocabulary that was learned.
    let isOrdered: Bool
    private var entries: [Entry]
    private var smallPairs: [Int32]
    private let shift: UInt64

    /// Every rank is below it.
    var ranks: Int { results.count }

    init(_ merges: [Vocabulary.Merge]) {
        var bits: UInt64 = 4
        while 1 << bits < 2 * merges.count { bits += 1 }
        shift = 64 - bits
        entries = Array(repeating: Entry(), count: 1 << bits)
        smallPairs = Array(repeating: Self.never, count: merges.isEmpty ? 0 : Int(Self.small * Self.small))
        results = merges.map(\.result)
        let largest = merges.lazy.map { max($0.left, $0.right, $0.result) }.max() ?? 0
        var made = [Int](repeating: -1, count: Int(largest) + 1)
        for (rank, merge) in merges.enumerated() { made[Int(merge.result)] = rank }
        isOrdered = merges.enumerated().allSatisfy { rank, merge in made[Int(merge.left)] < rank && made[Int(merge.right)] < rank }
        // what stands twice merges at its first rank
        for (rank, merge) in merges.enumerated() where self.rank(merge.left, merge.right) == Self.never {
            if merge.left < Self.small, merge.right < Self.small {
                smallPairs[Int(merge.left * Self.small + merge.right)] = Int32(rank)
            } else {
                entries[find(Self.pair(merge.left, merge.right))] = Entry(pair: Self.pair(merge.left, merge.right), rank: Int32(rank))
            }
        }
    }

    /// The place of a pair among all merges: the lower, the earlier it merges. `never` if it does not.
    @inline(__always)
    func rank(_ left: TokenID, _ right: TokenID) -> Int32 {
        if UInt32(bitPattern: left | right) < UInt32(Self.small) {
            return smallPairs.isEmpty ? Self.never : smallPairs[Int(left * Self.small + right)]
        }
        return entries[find(Self.pair(left, right))].rank
    }

    /// What the pair of a rank becomes.
    @inline(__always)
    func result(of rank: Int32) -> TokenID { results[Int(rank)] }

    @inline(__always)
    private static func pair(_ left: TokenID, _ right: TokenID) -> UInt64 {
        UInt64(UInt32(bitPattern: left)) << 32 | UInt64(UInt32(bitPattern: right))
    }

    /// Where a pair lies, or the empty place where it would.
    @inline(__always)
    private func find(_ pair: UInt64) -> Int {
        var place = Int(truncatingIfNeeded: (pair &* 0x9E37_79B9_7F4A_7C15) >> shift)
        while entries[place].pair != pair, entries[place].pair != .max { place = (place + 1) & (entries.count - 1) }
        return place
    }
}
