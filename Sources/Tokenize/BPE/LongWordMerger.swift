/// Merges long words in time proportional to their length, by ranks that are in order: every token is made by an earlier merge than those
/// it takes part in (`MergeRanks.isOrdered`).
///
/// The tokens are a linked list. Every adjacent pair that merges is also in a list for its rank: the next merge is in the first rank whose
/// list is not empty, and a pair that a merge destroys is removed from its list in constant time.
struct LongWordMerger {
    private struct Node {
        var token: TokenID
        /// The nodes before and after this one in the word.
        var previous, next: Int32
        /// The rank of this token and the next; `MergeRanks.none` if they do not merge: then the node is in no rank list.
        var rank: Int32
        /// The nodes before and after this one in its rank list.
        var before, after: Int32
    }

    private static let none: Int32 = -1
    private var nodes: [Node] = []
    /// The first node of each rank's list.
    private var heads: [Int32] = []
    /// One bit per rank: its list is not empty.
    private var occupied: [UInt64] = []

    mutating func merge(_ tokens: inout [TokenID], by ranks: MergeRanks) {
        if heads.count != ranks.count {
            heads = Array(repeating: Self.none, count: ranks.count)
            occupied = Array(repeating: 0, count: (ranks.count + 63) / 64)
        }
        nodes.removeAll(keepingCapacity: true)
        nodes.reserveCapacity(tokens.count)
        for (i, token) in tokens.enumerated() {
            let isLast = i + 1 == tokens.count
            nodes.append(Node(
                token: token,
                previous: Int32(i) - 1,
                next: isLast ? Self.none : Int32(i) + 1,
                rank: isLast ? MergeRanks.none : ranks.rank(token, tokens[i + 1]),
                before: Self.none,
                after: Self.none
            ))
        }
        // From the right, so that each rank list runs from left to right.
        for i in nodes.indices.reversed() where nodes[i].rank != MergeRanks.none { enqueue(i) }

        var lowest = 0                                          // no element of `occupied` before this one is nonzero
        while let rank = firstRank(from: &lowest) {
            var at = start(of: Int32(rank))
            // A run of pairs of this rank, such as the letters of "aaaa", merges from its left end.
            while at != Self.none, nodes[Int(at)].rank == rank {
                let changed = mergeNode(at: Int(at), by: ranks)
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
        if nodes.count > 1 << 16 { nodes = [] }                 // frees the memory of an exceptionally long word
    }

    /// The node where merging starts for one rank. Pairs of one rank that do not touch can merge in any order, because no merge makes pairs
    /// of lower ranks.
    private func start(of rank: Int32) -> Int32 {
        var at = heads[Int(rank)]
        while nodes[Int(at)].previous != Self.none, nodes[Int(nodes[Int(at)].previous)].rank == rank { at = nodes[Int(at)].previous }
        return at
    }

    /// Merges a node with the next one. Returns the lowest rank of the new pairs.
    private mutating func mergeNode(at i: Int, by ranks: MergeRanks) -> Int {
        let next = Int(nodes[i].next)
        let following = nodes[next].next
        let rank = nodes[i].rank
        dequeue(i)
        if nodes[next].rank != MergeRanks.none { dequeue(next) }
        nodes[i].token = ranks.result(of: rank)
        nodes[i].next = following
        if following != Self.none { nodes[Int(following)].previous = Int32(i) }
        var lowest = MergeRanks.none
        updateRank(of: i, by: ranks, lowest: &lowest)
        let previous = Int(nodes[i].previous)
        if previous >= 0 {
            if nodes[previous].rank != MergeRanks.none { dequeue(previous) }
            updateRank(of: previous, by: ranks, lowest: &lowest)
        }
        return Int(lowest)
    }

    /// Looks up the rank of a node that is in no list, and adds it to its list.
    private mutating func updateRank(of i: Int, by ranks: MergeRanks, lowest: inout Int32) {
        let next = nodes[i].next
        nodes[i].rank = next == Self.none ? MergeRanks.none : ranks.rank(nodes[i].token, nodes[Int(next)].token)
        if nodes[i].rank != MergeRanks.none { enqueue(i) }
        lowest = min(lowest, nodes[i].rank)
    }

    private mutating func enqueue(_ i: Int) {
        let rank = Int(nodes[i].rank)
        let head = heads[rank]
        nodes[i].before = Self.none
        nodes[i].after = head
        if head != Self.none { nodes[Int(head)].before = Int32(i) }
        heads[rank] = Int32(i)
        occupied[rank >> 6] |= 1 << UInt64(rank & 63)
    }

    private mutating func dequeue(_ i: Int) {
        let node = nodes[i]
        let rank = Int(node.rank)
        if node.after != Self.none { nodes[Int(node.after)].before = node.before }
        if node.before != Self.none {
            nodes[Int(node.before)].after = node.after
        } else {
            heads[rank] = node.after
            if node.after == Self.none { occupied[rank >> 6] &= ~(1 << UInt64(rank & 63)) }
        }
    }

    /// The first rank whose list is not empty. `word` is the element of `occupied` at which the search starts and ends.
    private func firstRank(from word: inout Int) -> Int? {
        while word < occupied.count {
            if occupied[word] != 0 { return word << 6 + occupied[word].trailingZeroBitCount }
            word += 1
        }
        return nil
    }
}
