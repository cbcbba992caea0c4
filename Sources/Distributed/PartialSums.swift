/// The order in which the gradients of the groups of a batch are summed: pairwise, in a binary tree that depends only on the number of
/// groups. So the sum has the same bits, however many ranks have computed its parts.
///
/// With four groups: (0 + 1) + (2 + 3).
package struct SummationTree: Sendable {
    package let groups: Int

    package init(groups: Int) { self.groups = groups }

    /// The groups of a rank: nearly equally many for all.
    package func groups(of rank: Int, of count: Int) -> Range<Int> { groups * rank / count..<groups * (rank + 1) / count }

    static func middle(_ range: Range<Int>) -> Int { range.lowerBound + range.count / 2 }

    /// Whether the sum of these groups is a node of the tree.
    package func isNode(_ range: Range<Int>) -> Bool {
        var node = 0..<groups
        while node.count > range.count {
            let middle = Self.middle(node)
            if range.upperBound <= middle {
                node = node.lowerBound..<middle
            } else if range.lowerBound >= middle {
                node = middle..<node.upperBound
            } else {
                return false
            }
        }
        return node == range
    }

    /// The fewest nodes that together are the groups of a range, in order: what a rank sends for it.
    package func nodes(in range: Range<Int>) -> [Range<Int>] { nodes(in: range, below: 0..<groups) }

    private func nodes(in range: Range<Int>, below node: Range<Int>) -> [Range<Int>] {
        if range.isEmpty || !range.overlaps(node) { return [] }
        if range.lowerBound <= node.lowerBound, node.upperBound <= range.upperBound { return [node] }
        let middle = Self.middle(node)
        return nodes(in: range, below: node.lowerBound..<middle) + nodes(in: range, below: middle..<node.upperBound)
    }
}
