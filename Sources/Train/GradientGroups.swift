import Autograd
package import Distributed
import Kernels
import Model

/// Sums the gradients of a batch in groups of rows, in an order that depends only on the number of groups. The ranks share the groups.
///
///     trainer.groups = GradientGroups(4, of: trainer, over: ranks)
///     trainer.step(batch, rate: 3e-4)                          // the same weights with 1, 2 or 4 ranks, bit for bit
///
/// The sums over the ranks begin during the backward pass of a rank's last micro-batch: the gradients of the last layers are complete
/// first.
package final class GradientGroups {
    package let tree: SummationTree
    /// nil in a process of its own.
    package let ranks: RankGroup?
    /// Whether each rank has the optimizer's moments of a part of the weights only (ZeRO, stage 1).
    package let isSharded: Bool
    /// The groups of this rank.
    let own: Range<Int>
    let parameters: Parameters
    let processor: Processor

    /// The sums of nodes of the tree that wait for their other half, and copies of them that are free.
    private var nodes: [(groups: Range<Int>, sum: Buffer)] = []
    private var freeBuffers: [Buffer] = []
    /// The pieces that are being summed over the ranks.
    private var pending: [PendingExchange] = []
    /// The start of the pieces that are.
    private var begun: Int
    private var passes = BackwardPasses()

    package init(_ count: Int, of trainer: Trainer, over ranks: RankGroup? = nil, sharding isSharded: Bool = false) {
        tree = SummationTree(groups: count)
        self.ranks = ranks
        self.isSharded = isSharded && ranks != nil
        own = tree.groups(of: ranks?.rank ?? 0, of: ranks?.count ?? 1)
        parameters = trainer.parameters
        processor = trainer.tape.processor
        begun = parameters.gradients.count
    }
}

extension GradientGroups {
    /// Adds the gradients of a group, which are those of `parameters`, to the groups of the same node.
    private func add(_ group: Int) {
        let gradients = parameters.allGradients()
        var node = group..<group + 1
        while let left = nodes.last, tree.isNode(left.groups.lowerBound..<node.upperBound) {
            processor.copy(left.sum, into: gradients, adding: true)
            node = left.groups.lowerBound..<node.upperBound
            freeBuffers.append(left.sum)
            nodes.removeLast()
        }
        let copy = freeBuffers.popLast() ?? processor.buffer(of: gradients.count, .float32)
        copy.copy(from: gradients)
        nodes.append((node, copy))
        parameters.zeroGradients()
    }

    /// Adds up the gradients of a step over all groups and ranks.
    ///
    /// - Parameters:
    ///   - microBatches: Those of each group, the same on all ranks.
    ///   - kind: Micro-batches of the same kind write each gradient equally often; nil if that is not known.
    ///   - forward: Computes a micro-batch of a group, which is a part of the step, and returns its backward pass.
    func accumulate<MicroBatch>(
        _ microBatches: [[MicroBatch]], kind: (MicroBatch) -> Int?,
        _ forward: (MicroBatch, _ group: Int, _ part: Int) -> () -> Void
    ) {
        var part = microBatches[..<own.lowerBound].reduce(0) { $0 + $1.count }
        for group in own {
            for (i, micro) in microBatches[group].enumerated() {
                let backward = forward(micro, group, part)
                part += 1
                if group + 1 == own.upperBound, i + 1 == microBatches[group].count { finish(kind(micro), backward) } else { backward() }
            }
            if group + 1 < own.upperBound { add(group) }
        }
        waitForSums()
    }

    /// Results of all groups, of which this process has computed its own.
    func shared<Result: SharedResult>(_ results: [Result]) -> [Result] {
        ranks.map { $0.gatherResults(Array(results[own])).flatMap(\.self) } ?? results
    }

    /// Runs the last backward pass of this rank, and begins to sum what it completes over the ranks.
    private func finish(_ kind: Int?, _ backward: () -> Void) {
        begun = parameters.gradients.count
        defer { beginSums(from: 0) }
        guard let kind else { return backward() }
        passes.begin(kind)
        parameters.willWriteGradient = { [unowned self] index in
            passes.willWrite(index)
            if ranks != nil { beginSums(from: passes.frontier(in: parameters.list)) }
        }
        backward()
        parameters.willWriteGradient = nil
        passes.end()
    }

    /// Sums the gradients over the ranks once more, and returns the seconds that this takes when nothing else is computed. Changes the
    /// gradients.
    package func measureExchange() -> Double {
        ranks?.wait()
        let waited = ranks?.waitedSeconds ?? 0
        begun = parameters.gradients.count
        // As many sums as in a step.
        nodes = tree.nodes(in: own).dropLast().map { ($0, freeBuffers.popLast() ?? processor.zeros(parameters.gradients.count)) }
        beginSums(from: 0)
        waitForSums()
        parameters.zeroGradients()
        return (ranks?.waitedSeconds ?? 0) - waited
    }

    /// Waits for the sums over the ranks. The gradients of `parameters` are those of the whole batch then, or of this rank's shard.
    private func waitForSums() {
        for exchange in pending { ranks?.wait(for: exchange) }
        pending = []
        freeBuffers += nodes.map(\.sum)
        nodes = []
    }

    /// Sums the pieces whose gradients are complete: those from an element on.
    private func beginSums(from complete: Int) {
        while begun > 0, pieceStart(before: begun) >= complete {
            let piece = pieceStart(before: begun)..<begun
            begun = piece.lowerBound
            for parameter in parameters.list where parameter.range.overlaps(piece) { _ = parameters.gradient(of: parameter) }
            sum(piece)
        }
    }

    private func pieceStart(before end: Int) -> Int { (end - 1) / RankGroup.pieceLength * RankGroup.pieceLength }

    private func sum(_ piece: Range<Int>) {
        let gradients = parameters.gradients[piece]
        var first = own.upperBound - 1
        var rest = nodes[...]
        while let left = rest.last, tree.isNode(left.groups.lowerBound..<own.upperBound) {
            processor.copy(left.sum[piece], into: gradients, adding: true)
            first = left.groups.lowerBound
            rest.removeLast()
        }
        assert(tree.isNode(first..<own.upperBound))
        if let ranks {
            pending.append(ranks.beginSum(of: rest.map { $0.sum[piece] } + [gradients], tree, isGathered: !isSharded))
        }
    }
}

extension Trainer {
    /// Returns the memory of the moments that other ranks update.
    func discardMomentsOfOthers() {
        groups?.discardOthers(of: optimizer.first)
        groups?.discardOthers(of: optimizer.second)
    }

    /// Takes one optimizer step with the gradients of groups, which the ranks share. `batch` is the same on all ranks.
    func step(_ batch: Batch, rate: Float, _ groups: GradientGroups) -> StepReport {
        let count = batch.targetCount
        let microBatches = (0..<groups.tree.groups).map { group in
            let rows = batch.rows * group / groups.tree.groups..<batch.rows * (group + 1) / groups.tree.groups
            return Self.microBatches(rows: rows.count, length: batch.length, microBatchTokens: microBatchTokens).map {
                rows.lowerBound + $0.lowerBound..<rows.lowerBound + $0.upperBound
            }
        }
        var losses = [Float](repeating: 0, count: groups.tree.groups)
        // Each micro-batch chooses its own experts, whose gradients it writes.
        let hasExperts = model.configuration.experts != nil
        groups.accumulate(microBatches, kind: { hasExperts ? nil : $0.count }) { rows, group, part in
            reset(forPart: part)
            let loss = loss(of: rows, in: batch, count: count)
            losses[group] += loss.scalar
            return { self.tape.backward(from: loss) }
        }
        return update(loss: groups.shared(losses).reduce(0, +), targets: count, rate: rate)
    }

    /// Takes a step, and notes in its report how long it waited for other ranks.
    func measuringWait(_ step: () -> StepReport) -> StepReport {
        guard let ranks = groups?.ranks else { return step() }
        let waited = ranks.waitedSeconds
        var report = step()
        report.waitedSeconds = ranks.waitedSeconds - waited
        return report
    }
}
