/// Merges long words by ranks in which a token may be made after a merge it takes part in: those of SentencePiece vocabularies, which have
/// a merge for each way to split a token.
///
/// The tokens are a linked list, and the pairs that merge are in a binary heap: N tokens cost N·log N steps. A pair that another merge has
/// changed stays in the heap and is skipped when its turn comes.
struct UnorderedWordMerger {
    private struct Node {
        var token: TokenID
        /// The nodes before and after this one; -1 at the ends.
        var previous, next: Int32
        /// The rank of this token and the next; `MergeRanks.none` if they do not merge.
        var rank: Int32
    }

    private var nodes: [Node] = []
    /// The rank in the upper 32 bits, the node in the lower ones, so that of equal ranks the leftmost merges first.
    private var heap = MinHeap<UInt64>()

    mutating func merge(_ tokens: inout [TokenID], by ranks: MergeRanks) {
        nodes.removeAll(keepingCapacity: true)
        heap.removeAll()
        nodes.reserveCapacity(tokens.count)
        for (i, token) in tokens.enumerated() {
            let isLast = i + 1 == tokens.count
            let rank = isLast ? MergeRanks.none : ranks.rank(token, tokens[i + 1])
            nodes.append(Node(token: token, previous: Int32(i) - 1, next: isLast ? -1 : Int32(i) + 1, rank: rank))
            if rank != MergeRanks.none { push(i) }
        }
        while let first = heap.pop() {
            let i = Int(first & 0xFFFF_FFFF)
            guard nodes[i].rank == Int32(first >> 32) else { continue }
            let removed = Int(nodes[i].next)
            nodes[i].token = ranks.result(of: nodes[i].rank)
            nodes[i].next = nodes[removed].next
            nodes[removed].rank = MergeRanks.none
            if nodes[i].next >= 0 { nodes[Int(nodes[i].next)].previous = Int32(i) }
            updateRank(of: i, by: ranks)
            if nodes[i].previous >= 0 { updateRank(of: Int(nodes[i].previous), by: ranks) }
        }
        tokens.removeAll(keepingCapacity: true)
        var at = 0
        while at >= 0 {
            tokens.append(nodes[at].token)
            at = Int(nodes[at].next)
        }
        if nodes.count > 1 << 16 { (nodes, heap) = ([], MinHeap()) }   // frees the memory of an exceptionally long word
    }

    private mutating func updateRank(of i: Int, by ranks: MergeRanks) {
        let next = nodes[i].next
        nodes[i].rank = next < 0 ? MergeRanks.none : ranks.rank(nodes[i].token, nodes[Int(next)].token)
        if nodes[i].rank != MergeRanks.none { push(i) }
    }

    private mutating func push(_ node: Int) { heap.push(UInt64(UInt32(bitPattern: nodes[node].rank)) << 32 | UInt64(node)) }
}
