/// Merging for long words, in time proportional to their length.
///
/// The tokens are a linked list. Every neighbour pair that merges lies in the list of its rank, so that the earliest is found by looking
/// for the
/// first rank whose list is not empty, and a pair that a merge destroys is taken out of its list where it lies.
struct MergeQueue {
    private struct Node {
        var token: TokenID
        var previous, next: Int32
        /// Of this token and the next; `PairTable.never` when they don't merge: then the node is in no list.
        var rank: Int32
        var before, after: Int32
    }

    private static let none: Int32 = -1
    private var nodes: [Node] = []
    /// The first node of each rank's list.
    private var heads: [Int32] = []
    /// A bit for each rank: its list is not empty.
    private var occupied: [UInt64] = []

    mutating func merge(_ tokens: inout [TokenID], by pairs: PairTable) {
        if heads.count != pairs.ranks {
            heads = Array(repeating: Self.none, count: pairs.ranks)
            occupied = Array(repeating: 0, count: (pairs.ranks + 63) / 64)
        }
        nodes.removeAll(keepingCapacity: true)
        nodes.reserveCapacity(tokens.count)
        for (i, token) in tokens.enumerated() {
            let isLast = i + 1 == tokens.count
            nodes.append(Node(token: token, previous: Int32(i) - 1, next: isLast ? Self.none : Int32(i) + 1,
                              rank: isLast ? PairTable.never : pairs.rank(token, tokens[i + 1]), before: Self.none, after: Self.none))
        }
        // From the right, so that a list runs from left to right.
        for i in nodes.indices.reversed() where nodes[i].rank != PairTable.never { enqueue(i) }

        var lowest = 0                                          // no rank of a word before this one is occupied
        while let rank = firstRank(from: &lowest) {
            var at = start(of: Int32(rank), inOrder: pairs.isOrdered)
            // A run of pairs of this rank, such as the letters of "aaaa", merges from its left end.
            while at != Self.none, nodes[Int(at)].rank == rank {
                let changed = mergeNode(at: Int(at), by: pairs)
                lowest = min(lowest, changed / 64)
                if changed < rank { break }
                at = nodes[Int(at)].next
            }
        }
        tokens.removeAll(keepingCapacity: true)
        var at = 0
        while at != Self.none {
            tokens.append(nodes[at].token)
            at = Int(nodes[at].next)
        }
        if nodes.count > 1 << 16 { nodes = [] }                 // such a word may not come again
    }

    /// Where merging a rank begins. Pairs of one rank that do not touch can merge in any order, unless merging makes pairs of lower ranks.
    private func start(of rank: Int32, inOrder: Bool) -> Int32 {
        var at = heads[Int(rank)]
        if !inOrder {
            var other = at
            while other != Self.none {
                at = min(at, other)
                other = nodes[Int(other)].after
            }
        }
        while nodes[Int(at)].previous != Self.none, nodes[Int(nodes[Int(at)].previous)].rank == rank { at = nodes[Int(at)].previous }
        return at
    }

    /// Merges a node with the next. Returns the lowest rank that came into being.
    private mutating func mergeNode(at i: Int, by pairs: PairTable) -> Int {
        let next = Int(nodes[i].next), behind = nodes[next].next, rank = nodes[i].rank
        dequeue(i)
        if nodes[next].rank != PairTable.never { dequeue(next) }
        nodes[i].token = pairs.result(of: rank)
        nodes[i].next = behind
        if behind != Self.none { nodes[Int(behind)].previous = Int32(i) }
        var lowest = PairTable.never
        setRank(of: i, by: pairs, lowest: &lowest)
        let previous = Int(nodes[i].previous)
        if previous >= 0 {
            if nodes[previous].rank != PairTable.never { dequeue(previous) }
            setRank(of: previous, by: pairs, lowest: &lowest)
        }
        return Int(lowest)
    }

    /// Gives a node that is in no list its rank, and its place.
    private mutating func setRank(of i: Int, by pairs: PairTable, lowest: inout Int32) {
        let next = nodes[i].next
        nodes[i].rank = next == Self.none ? PairTable.never : pairs.rank(nodes[i].token, nodes[Int(next)].token)
        if nodes[i].rank != PairTable.never { enqueue(i) }
        lowest = min(lowest, nodes[i].rank)
    }

    private mutating func enqueue(_ i: Int) {
        let rank = Int(nodes[i].rank), head = heads[rank]
        nodes[i].before = Self.none
        nodes[i].after = head
        if head != Self.none { nodes[Int(head)].before = Int32(i) }
        heads[rank] = Int32(i)
        occupied[rank >> 6] |= 1 << UInt64(rank & 63)
    }

    private mutating func dequeue(_ i: Int) {
        let node = nodes[i], rank = Int(node.rank)
        if node.after != Self.none { nodes[Int(node.after)].before = node.before }
        if node.before != Self.none {
            nodes[Int(node.before)].after = node.after
        } else {
            heads[rank] = node.after
            if node.after == Self.none { occupied[rank >> 6] &= ~(1 << UInt64(rank & 63)) }
        }
    }

    /// The first occupied rank. `word` is where in `occupied` to begin to look, and where it was found.
    private func firstRank(from word: inout Int) -> Int? {
        while word < occupied.count {
            if occupied[word] != 0 { return word << 6 + occupied[word].trailingZeroBitCount }
            word += 1
        }
        return nil
    }
}
