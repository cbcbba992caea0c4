/// What two neighbouring tokens merge into: a hash table with open addressing, built once.
///
/// 16 bytes a place and at most half of them taken: GPT-2's 50,000 merges are 2 MB.
struct PairTable: Sendable {
    struct Entry {
        var pair: UInt64 = .max
        /// The place among all merges: the lower, the earlier it is made.
        var rank: Int32 = 0
        var result: TokenID = 0
    }

    static let never = Int32.max

    /// Every rank is below it.
    let ranks: Int
    /// Whether each token is made by an earlier merge than those that it takes part in. So it is in every vocabulary that was learned.
    let isOrdered: Bool
    private var entries: [Entry]
    private let shift: Int

    init(_ merges: [Vocabulary.Merge]) {
        var bits = 4
        while 1 << bits < 2 * merges.count { bits += 1 }
        shift = 64 - bits
        entries = Array(repeating: Entry(), count: 1 << bits)
        ranks = merges.count
        let largest = merges.lazy.map { max($0.left, $0.right, $0.result) }.max() ?? 0
        var made = [Int](repeating: -1, count: Int(largest) + 1)
        for (rank, merge) in merges.enumerated() { made[Int(merge.result)] = rank }
        isOrdered = merges.enumerated().allSatisfy { rank, merge in made[Int(merge.left)] < rank && made[Int(merge.right)] < rank }
        for (rank, merge) in merges.enumerated() {
            let pair = Self.pair(merge.left, merge.right), place = find(pair)
            // A pair that stands twice merges at its first rank.
            if entries[place].pair != pair { entries[place] = Entry(pair: pair, rank: Int32(rank), result: merge.result) }
        }
    }

    /// The rank of a merge, or `never`.
    @inline(__always)
    subscript(left: TokenID, right: TokenID) -> (rank: Int32, result: TokenID) {
        let pair = Self.pair(left, right), entry = entries[find(pair)]
        return entry.pair == pair ? (entry.rank, entry.result) : (Self.never, -1)
    }

    @inline(__always)
    private static func pair(_ left: TokenID, _ right: TokenID) -> UInt64 { UInt64(UInt32(bitPattern: left)) << 32 | UInt64(UInt32(bitPattern: right)) }

    /// Where a pair lies, or the empty place where it would.
    @inline(__always)
    private func find(_ pair: UInt64) -> Int {
        var place = Int(truncatingIfNeeded: (pair &* 0x9E37_79B9_7F4A_7C15) >> UInt64(shift))
        while entries[place].pair != pair, entries[place].pair != .max { place = (place + 1) & (entries.count - 1) }
        return place
    }
}
