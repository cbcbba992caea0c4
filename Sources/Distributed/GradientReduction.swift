package import Kernels

/// Sums a piece of the gradients over all ranks, in the order of a ``SummationTree``.
///
/// Each rank owns a slice of the piece. It receives the partial sums of the others for its slice, adds them, and sends the sum to all: a
/// reduce-scatter and an all-gather, in which a rank sends about twice the piece in all, however many ranks there are.
struct GradientReduction {
    let tree: SummationTree
    let rank, count: Int
    /// The sums of the nodes of this rank's groups, in order. The last one is replaced by the sum over all ranks.
    let partials: [UnsafeMutableBufferPointer<Float>]
    /// Whether every rank receives the whole sum, instead of its slice alone.
    let isGathered: Bool

    /// The elements of a piece of `length` that a rank owns. Slices begin at whole blocks.
    static func slice(of rank: Int, of count: Int, length: Int) -> Range<Int> {
        let block = RankGroup.block, blocks = (length + block - 1) / block
        return min(length, blocks * rank / count * block)..<min(length, blocks * (rank + 1) / count * block)
    }

    private func slice(of rank: Int) -> Range<Int> { Self.slice(of: rank, of: count, length: partials[0].count) }

    var stages: [() -> [RankMessage]] {
        let own = slice(of: rank)
        let peers = (0..<count).filter { $0 != rank }
        let staging = Staging()
        let exchange = { () -> [RankMessage] in
            var messages: [RankMessage] = []
            for peer in peers {
                for _ in tree.nodes(in: tree.groups(of: peer, of: count)) where !own.isEmpty {
                    messages.append(.from(peer, UnsafeMutableRawBufferPointer(staging.allocate(own.count, for: peer))))
                }
                for partial in partials where !slice(of: peer).isEmpty {
                    messages.append(.to(peer, UnsafeRawBufferPointer(UnsafeMutableBufferPointer(rebasing: partial[slice(of: peer)]))))
                }
            }
            return messages
        }
        let add = { () -> [RankMessage] in
            if !own.isEmpty { addUp(own, staging) }
            staging.deallocate()
            if !isGathered { return [] }
            guard let sums = partials.last else { return [] }
            var messages: [RankMessage] = []
            for peer in peers {
                let slice = slice(of: peer)
                if !slice.isEmpty { messages.append(.from(peer, UnsafeMutableRawBufferPointer(.init(rebasing: sums[slice])))) }
                if !own.isEmpty { messages.append(.to(peer, UnsafeRawBufferPointer(UnsafeMutableBufferPointer(rebasing: sums[own])))) }
            }
            return messages
        }
        return [exchange, add]
    }

    private func addUp(_ own: Range<Int>, _ staging: Staging) {
        var sums: [Range<Int>: UnsafeMutableBufferPointer<Float>] = [:]
        for peer in 0..<count {
            let parts = peer == rank ? partials.map { UnsafeMutableBufferPointer(rebasing: $0[own]) } : staging.parts[peer] ?? []
            for (node, part) in zip(tree.nodes(in: tree.groups(of: peer, of: count)), parts) { sums[node] = part }
        }
        func sum(_ node: Range<Int>) -> UnsafeMutableBufferPointer<Float> {
            if let part = sums[node] { return part }
            let middle = SummationTree.middle(node)
            let left = sum(node.lowerBound..<middle), right = sum(middle..<node.upperBound)
            for i in 0..<left.count { left[i] += right[i] }
            return left
        }
        let total = sum(0..<tree.groups)
        guard let sums = partials.last, let target = UnsafeMutableBufferPointer(rebasing: sums[own]).baseAddress,
              let source = total.baseAddress, source != target else { return }
        target.update(from: source, count: own.count)
    }
}

/// Memory for the partial sums of other ranks.
private final class Staging {
    private(set) var parts: [Int: [UnsafeMutableBufferPointer<Float>]] = [:]

    func allocate(_ count: Int, for rank: Int) -> UnsafeMutableBufferPointer<Float> {
        let part = UnsafeMutableBufferPointer<Float>.allocate(capacity: count)
        parts[rank, default: []].append(part)
        return part
    }

    func deallocate() {
        for part in parts.values.joined() { part.deallocate() }
        parts = [:]
    }
}

extension RankGroup {
    /// Pieces of the gradients, and the slices of the ranks in them, begin at multiples of this.
    package static let block = 1 << 12

    /// Begins to sum a piece of the gradients. `wait(for:)` ends it.
    ///
    /// - Parameters:
    ///   - partials: The piece in the sums of the nodes of this rank's groups. The last one is replaced by the sum.
    ///   - isGathered: Whether every rank receives the whole sum, instead of its slice alone.
    package func beginSum(of partials: [Buffer], _ tree: SummationTree, isGathered: Bool) -> PendingExchange {
        let reduction = GradientReduction(
            tree: tree, rank: rank, count: count, partials: partials.map { $0.memory.bindMemory(to: Float.self) }, isGathered: isGathered)
        return begin(reduction.stages)
    }

    /// The part of a piece of the gradients that a rank owns, by default this one.
    package func slice(ofLength length: Int, of owner: Int? = nil) -> Range<Int> {
        GradientReduction.slice(of: owner ?? rank, of: count, length: length)
    }

    /// Begins to send this rank's slice of a piece to all, and to receive theirs.
    package func beginGathering(_ piece: Buffer) -> PendingExchange {
        let own = memory(of: rank, in: piece)
        let messages = (0..<count).filter { $0 != rank }.flatMap { peer -> [RankMessage] in
            [.from(peer, memory(of: peer, in: piece)), .to(peer, UnsafeRawBufferPointer(own))]
        }
        return begin([{ messages }])
    }

    /// Begins to collect the slices of all ranks in rank 0.
    package func beginCollecting(_ piece: Buffer) -> PendingExchange {
        let messages: [RankMessage] = isFirst
            ? (1..<count).map { .from($0, memory(of: $0, in: piece)) }
            : [.to(0, UnsafeRawBufferPointer(memory(of: rank, in: piece)))]
        return begin([{ messages }])
    }

    private func memory(of owner: Int, in piece: Buffer) -> UnsafeMutableRawBufferPointer {
        let slice = slice(ofLength: piece.count, of: owner)
        return UnsafeMutableRawBufferPointer(rebasing: piece.memory[slice.lowerBound * 4..<slice.upperBound * 4])
    }
}
