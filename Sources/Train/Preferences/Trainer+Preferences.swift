import Autograd
import Distributed
import Model

extension PreferenceBatches {
    /// Takes one optimizer step on the examples of a step.
    func takeStep(_ step: Int, with trainer: Trainer, rate: Float) -> StepReport {
        trainer.measuringWait {
            let (metrics, targets) = accumulateGradients(at: step, with: trainer)
            return trainer.update(loss: Float(metrics.loss), targets: targets, rate: rate, metrics)
        }
    }

    /// Adds the gradients of the mean loss of a step's examples to those of the parameters, on all ranks.
    package func accumulateGradients(at step: Int, with trainer: Trainer) -> (metrics: PreferenceMetrics, targets: Int) {
        let examples = examples(at: step).map { data.examples[$0] }
        var metrics = PreferenceMetrics()
        if objective.method == .kto { estimateKL(of: examples, with: trainer, into: &metrics) }
        let kl = metrics.kl ?? 0
        let groups = trainer.groups?.tree.groups ?? 1
        let microBatches = (0..<groups).map { group in
            let members = Array(examples[examples.count * group / groups..<examples.count * (group + 1) / groups])
            return PackedSequences.microBatches(members.map(\.sequences), of: data, tokens: trainer.microBatchTokens).map {
                $0.map { members[$0] }
            }
        }
        var found = [PreferenceMetrics](repeating: PreferenceMetrics(), count: groups)
        let forward = { (members: [PreferenceExample], group: Int, part: Int) -> () -> Void in
            let packed = PackedSequences(members.flatMap(\.sequences), of: data, sharesRows: true)
            let losses = trainer.targetLosses(of: packed.batch, part: part)
            let slopes = slopes(of: members, in: packed, losses.floats, batch: examples.count, kl: kl, into: &found[group])
            let isFinite = slopes.allSatisfy(\.isFinite)
            return { if isFinite { trainer.tape.backward(from: losses, gradient: trainer.tape.constant(slopes, losses.shape)) } }
        }
        if let groups = trainer.groups {
            // The targets of a micro-batch differ, and with them the passes over the head.
            groups.accumulate(microBatches, kind: { _ in nil }, forward)
            found = groups.shared(found)
        } else {
            for (part, members) in microBatches[0].enumerated() { forward(members, 0, part)() }
        }
        let targets = examples.flatMap(\.sequences).reduce(0) { $0 + data.sequences[$1].answerTokens }
        return (found.reduce(into: metrics, +=), targets)
    }

    /// The derivatives of the mean loss by the token losses of a micro-batch, which are 0 where there is no target.
    private func slopes(
        of members: [PreferenceExample], in packed: PackedSequences, _ losses: [Float], batch: Int, kl: Double,
        into metrics: inout PreferenceMetrics
    ) -> [Float] {
        var found: [Int: Double] = [:], ranges: [Int: Range<Int>] = [:]
        for segment in packed.segments {
            found[segment.sequence] = losses[segment.range].reduce(0) { $0 - Double($1) }
            ranges[segment.sequence] = segment.range
        }
        var slopes = [Float](repeating: 0, count: losses.count)
        for member in members {
            let derivatives = metrics.add(member.answers, objective, kl: kl) { score($0, found[$0] ?? .nan) }
            for (sequence, slope) in derivatives {
                // A loss is the negative log-probability. A small epoch can have an example twice in a batch.
                for i in ranges[sequence] ?? 0..<0 { slopes[i] -= Float(slope / Double(batch)) }
            }
        }
        return slopes
    }

    /// KTO's KL term: the mean log-ratio of the batch's prompts with answers of other conversations, without a gradient.
    private func estimateKL(of examples: [PreferenceExample], with trainer: Trainer, into metrics: inout PreferenceMetrics) {
        let mismatched = examples.compactMap(\.mismatched)
        let found = data.logProbabilities(
            of: mismatched, tokens: trainer.microBatchTokens, over: trainer.groups?.ranks, progress: { _ in }, trainer.tokenLosses(of:))
        metrics.mismatched = mismatched.count
        metrics.mismatchedLogRatios = mismatched.reduce(0) { $0 + (found[$1] ?? .nan) - reference[$1] }
    }
}

extension Trainer {
    /// The losses of a micro-batch, 0 where there is no target, with gradients.
    ///
    /// - Parameter part: The index of the micro-batch in its step.
    fileprivate func targetLosses(of batch: Batch, part: Int) -> Tensor {
        reset(forPart: part)
        let (inputs, targets, documentStarts) = batch.tensors(of: 0..<batch.rows, on: tape)
        return model.targetLosses(of: inputs, predicting: targets, documentStarts: documentStarts, on: tape)
    }
}
