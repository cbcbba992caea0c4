import Autograd
import Distributed
package import Kernels

/// What each rank updates: with `isSharded`, a slice of each piece of the weights.
extension GradientGroups {
    /// The pieces of the flat buffers, from the first on.
    private var pieces: [Range<Int>] {
        let count = parameters.gradients.count
        return stride(from: 0, to: count, by: RankGroup.pieceLength).map { $0..<min($0 + RankGroup.pieceLength, count) }
    }

    /// The elements that this rank's optimizer updates, in ascending order.
    var shard: [Range<Int>]? { isSharded ? shard(of: ranks?.rank ?? 0) : nil }

    private func shard(of rank: Int) -> [Range<Int>] {
        guard let ranks else { return [] }
        return pieces.map { piece in
            let slice = ranks.slice(ofLength: piece.count, of: rank)
            return piece.lowerBound + slice.lowerBound..<piece.lowerBound + slice.upperBound
        }
    }

    /// The norm of the gradients of the whole batch. Its bits do not depend on the number of ranks.
    var gradientNorm: Float {
        let gradients = parameters.allGradients()
        guard let ranks, isSharded else { return Self.norm(processor.sumsOfSquares(gradients, block: RankGroup.block)) }
        let own = pieces.map { piece in
            processor.sumsOfSquares(gradients[piece][ranks.slice(ofLength: piece.count)], block: RankGroup.block)
        }
        var all = ranks.gather(Array(own.joined())).map { $0[...] }
        var sums: [Double] = []
        for piece in pieces {
            for rank in 0..<ranks.count {
                let blocks = (ranks.slice(ofLength: piece.count, of: rank).count + RankGroup.block - 1) / RankGroup.block
                sums += all[rank].prefix(blocks)
                all[rank] = all[rank].dropFirst(blocks)
            }
        }
        return Self.norm(sums)
    }

    private static func norm(_ sums: [Double]) -> Float { Float(sums.reduce(0, +).squareRoot()) }

    /// Sends the weights that this rank has updated to the others, and receives theirs.
    func gatherWeights() { gather(parameters.values, [0..<parameters.values.count]) }

    /// Sends this rank's slices of some ranges of a buffer to the others, and receives theirs.
    func gather(_ buffer: Buffer, _ ranges: [Range<Int>]) {
        guard let ranks, isSharded else { return }
        let pieces = pieces.filter { piece in ranges.contains { $0.overlaps(piece) } }
        for exchange in pieces.map({ ranks.beginGathering(buffer[$0]) }) { ranks.wait(for: exchange) }
    }

    /// Collects the moments of all ranks in rank 0, before a checkpoint.
    package func collect(_ moments: Buffer) {
        guard let ranks, isSharded else { return }
        for exchange in pieces.map({ ranks.beginCollecting(moments[$0]) }) { ranks.wait(for: exchange) }
    }

    /// Returns the memory of moments that this rank does not need.
    func discardOthers(of moments: Buffer) {
        guard let ranks, isSharded else { return }
        moments.disableHugePages()
        for rank in 0..<ranks.count where rank != ranks.rank {
            for range in shard(of: rank) where !range.isEmpty { moments[range].discard() }
        }
    }
}

