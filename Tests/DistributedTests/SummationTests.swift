import Distributed
import Kernels
import Random
import TestSupport
import Testing

struct SummationTests {
    @Test func `the tree halves the groups`() {
        let tree = SummationTree(groups: 6)
        for node in [0..<6, 0..<3, 3..<6, 0..<1, 1..<3, 1..<2, 4..<6] { #expect(tree.isNode(node), "\(node)") }
        for node in [0..<2, 2..<4, 0..<4, 3..<5] { #expect(!tree.isNode(node), "\(node)") }
        #expect(tree.nodes(in: 0..<6) == [0..<6])
        #expect(tree.nodes(in: 2..<4) == [2..<3, 3..<4])
        #expect(tree.nodes(in: 1..<6) == [1..<3, 3..<6])
    }

    /// The sum of all groups by the definition of the tree.
    private static func expected(_ groups: [[Float]]) -> [Float] {
        if groups.count == 1 { return groups[0] }
        let middle = groups.count / 2
        return zip(expected(Array(groups[..<middle])), expected(Array(groups[middle...]))).map { $0 + $1 }
    }

    /// The nodes that a rank sends, as it computes them from its groups.
    private static func partials(_ groups: [[Float]], _ tree: SummationTree, rank: Int, of count: Int) -> [Buffer] {
        tree.nodes(in: tree.groups(of: rank, of: count)).map { node in
            let sum = expected(Array(groups[node])), buffer = Buffer(zeros: sum.count)
            buffer.write { span in for i in span.indices { span[i] = sum[i] } }
            return buffer
        }
    }

    @Test(arguments: [(1, 4), (2, 4), (4, 4), (3, 4), (3, 7), (5, 8), (2, 2)], [1, 5_000, 20_001])
    func `the sum has the same bits for any number of ranks`(_ ranksAndGroups: (Int, Int), _ length: Int) throws {
        let (count, groupCount) = ranksAndGroups
        var random = SeededRandom(seed: 7, stream: 0)
        let groups = (0..<groupCount).map { _ in (0..<length).map { _ in Float.random(in: -1...1, using: &random) } }
        let tree = SummationTree(groups: groupCount), expected = Self.expected(groups)
        let found = try withRanks(count) { ranks -> ([Float], [Float], Range<Int>) in
            let whole = Self.partials(groups, tree, rank: ranks.rank, of: count)
            ranks.wait(for: ranks.beginSum(of: whole, tree, isGathered: true))
            let sliced = Self.partials(groups, tree, rank: ranks.rank, of: count)
            ranks.wait(for: ranks.beginSum(of: sliced, tree, isGathered: false))
            guard let last = whole.last, let slice = sliced.last else { return ([], [], 0..<0) }
            return (last.array, slice.array, ranks.slice(ofLength: length))
        }
        for (whole, sliced, slice) in found {
            #expect(whole == expected)
            #expect(Array(sliced[slice]) == Array(expected[slice]))
        }
        #expect(found.map(\.2.count).reduce(0, +) == length)
    }

    @Test func `many pieces are summed at the same time`() throws {
        let tree = SummationTree(groups: 2)
        let found = try withRanks(2) { ranks -> [Float] in
            let pieces = (0..<20).map { _ in Buffer(zeros: 9_000) }
            for (i, piece) in pieces.enumerated() {
                piece.write { span in for j in span.indices { span[j] = Float(i * 10 + ranks.rank) } }
            }
            for exchange in pieces.map({ ranks.beginSum(of: [$0], tree, isGathered: true) }) { ranks.wait(for: exchange) }
            return pieces.map { piece in piece.read { span in span[span.count - 1] } }
        }
        let expected: [Float] = (0..<20).map { Float($0 * 20 + 1) }
        for sums in found { #expect(sums == expected) }
    }

    @Test func `slices are gathered by all, and collected by the first rank`() throws {
        let length = 20_000
        let found = try withRanks(3) { ranks -> ([Float], [Float]) in
            func filled() -> Buffer {
                let buffer = Buffer(zeros: length), own = ranks.slice(ofLength: length)
                buffer.write { span in for i in own { span[i] = Float(ranks.rank + 1) } }
                return buffer
            }
            let gathered = filled(), collected = filled()
            ranks.wait(for: ranks.beginGathering(gathered))
            ranks.wait(for: ranks.beginCollecting(collected))
            return (gathered.array, collected.array)
        }
        for (gathered, _) in found { #expect(gathered == found[0].0 && Set(gathered) == [1, 2, 3]) }
        #expect(found[0].1 == found[0].0)
    }
}
