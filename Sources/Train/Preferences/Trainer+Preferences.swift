import Autograd
import Model

extension PreferenceBatches {
    /// Takes one optimizer step on the examples of a step.
    func takeStep(_ step: Int, with trainer: Trainer, rate: Float) -> StepReport {
        let (metrics, targets) = accumulateGradients(at: step, with: trainer)
        return trainer.update(loss: Float(metrics.loss), targets: targets, rate: rate, metrics)
    }

    /// Adds the gradients of the mean loss of a step's examples to those of the parameters.
    package func accumulateGradients(at step: Int, with trainer: Trainer) -> (metrics: PreferenceMetrics, targets: Int) {
        let examples = examples(at: step).map { data.examples[$0] }
        var metrics = PreferenceMetrics()
        if objective.method == .kto { estimateKL(of: examples, with: trainer, into: &metrics) }
        let kl = metrics.kl ?? 0
        let groups = PackedSequences.microBatches(examples.map(\.sequences), of: data, tokens: trainer.microBatchTokens)
        var targets = 0
        for (part, group) in groups.enumerated() {
            let members = group.map { examples[$0] }
            let packed = PackedSequences(members.flatMap(\.sequences), of: data, sharesRows: true)
            targets += packed.batch.targetCount
            trainer.accumulateGradients(of: packed.batch, part: part) { losses in
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
                        for i in ranges[sequence] ?? 0..<0 { slopes[i] -= Float(slope / Double(examples.count)) }
                    }
                }
                return slopes
            }
        }
        return (metrics, targets)
    }

    /// KTO's KL term: the mean log-ratio of the batch's prompts with answers of other conversations, without a gradient.
    private func estimateKL(of examples: [PreferenceExample], with trainer: Trainer, into metrics: inout PreferenceMetrics) {
        let mismatched = examples.compactMap(\.mismatched)
        let found = data.logProbabilities(
            of: mismatched, tokens: trainer.microBatchTokens, progress: { _ in }, trainer.tokenLosses(of:))
        metrics.mismatched = mismatched.count
        metrics.mismatchedLogRatios = mismatched.reduce(0) { $0 + (found[$1] ?? .nan) - reference[$1] }
    }
}

extension Trainer {
    /// Adds the gradients of a loss that is a function of all token losses of a micro-batch.
    ///
    /// - Parameters:
    ///   - part: The index of the micro-batch in its step.
    ///   - slopes: The derivatives of the loss by the token losses, which are 0 where there is no target.
    func accumulateGradients(of batch: Batch, part: Int, _ slopes: (_ losses: [Float]) -> [Float]) {
        reset(forPart: part)
        let (inputs, targets, documentStarts) = batch.tensors(of: 0..<batch.rows, on: tape)
        let losses = model.targetLosses(of: inputs, predicting: targets, documentStarts: documentStarts, on: tape)
        let slopes = slopes(losses.floats)
        guard slopes.allSatisfy(\.isFinite) else { return }
        tape.backward(from: losses, gradient: tape.constant(slopes, losses.shape))
    }
}
