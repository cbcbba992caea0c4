import Checkpoint

extension TrainingRun {
    /// Decides whether `best.h5` gets the current weights, and whether the evaluation counts towards early stopping.
    ///
    /// A loss on few conversations is a rough measure. So `best.h5` gets the last weights whose loss is not clearly above the lowest
    /// one, as long as it is below that of the base; and only evaluations count that rule a gain out (decisions/finetuning.md).
    ///
    /// - Parameters:
    ///   - validation: The losses by conversation; nil without validation data.
    ///   - replay: Those of older data.
    func select(loss: Float, _ validation: LossSamples?, _ replay: LossSamples?) -> Selection {
        let rise = validation.flatMap { differenceFromBest($0, replay) }
        /// Whether the loss is clearly above the lowest one so far, minus a gain.
        func isAbove(_ gain: Float) -> Bool {
            let isNear = loss <= state.best + max(Self.clearRise * state.best, Self.clearRise)
            if let rise, isNear { return rise.isClearly(above: -Double(gain)) }
            return !(loss < state.best - gain)
        }
        if loss < state.best - plan.minGain {
            state.evaluationsSinceBest = 0
        } else if countsTowardsPatience, isAbove(plan.minGain) {
            state.evaluationsSinceBest += 1
        }
        if loss < state.best {
            state.best = loss
            state.bestValidation = validation
            state.bestReplay = replay
            return .lowest
        }
        return loss < Float(storedSelectionLoss("base_") ?? .infinity) && !isAbove(0) ? .notClearlyWorse : .worse
    }

    /// Evaluations count only after the warmup and the first tenth of the run: before, the loss may rise.
    private var countsTowardsPatience: Bool { state.step >= plan.warmup && progress >= 0.1 }

    /// The loss that selects the best weights minus that of the lowest one; nil if they are not of the same data.
    private func differenceFromBest(_ validation: LossSamples, _ replay: LossSamples?) -> PairedDifference? {
        guard let best = state.bestValidation, let difference = validation.difference(from: best) else { return nil }
        guard let replay, let replayShare else { return difference }
        guard let bestReplay = state.bestReplay, let other = replay.difference(from: bestReplay) else { return nil }
        return .sum(difference, times: 1 - replayShare, other, times: replayShare)
    }

    /// The share of older data in the run, if there is any.
    private var replayShare: Double? { (training as? ReplayMixture)?.share }

    /// The loss that selects the best weights: of new and older held-out data in the proportion in which the run trains on them.
    func selectionLoss(_ loss: Double, _ replay: Double?) -> Double {
        guard let replay, let replayShare else { return loss }
        return (1 - replayShare) * loss + replayShare * replay
    }

    /// The best loss so far, and that of the base, cannot be compared with losses on other tokens.
    func forgetBest(unlessValidatedOn part: ValidationSet.Part?) {
        defer { state.validationSet = part?.fingerprint }
        guard let part, state.evaluations > 0, state.validationSet != part.fingerprint else { return }
        state.best = .infinity
        state.bestValidation = nil
        state.bestReplay = nil
        state.evaluationsSinceBest = 0
        for name in ["base_val_loss", "base_replay_loss"] { metrics[name] = nil }
    }

    /// Whether early stopping ends the run.
    var isOutOfPatience: Bool {
        plan.patience.map { state.evaluationsSinceBest >= (isGettingWorse ? min($0, Self.patienceWhileWorse) : $0) } ?? false
    }

    /// Evaluations that end a run that has only made its base worse.
    private static let patienceWhileWorse = 2
    /// The rise of the validation loss that is no noise, however few conversations show it: as a share of the loss, and in nats.
    private static let clearRise: Float = 0.05

    /// Whether no evaluation was better than the one before the first step.
    package var hasLearnedNothing: Bool {
        guard let base = storedSelectionLoss("base_") else { return false }
        return state.step > 0 && state.best >= Float(base)
    }

    /// Whether the run has learned nothing, and now predicts held-out data clearly worse than its base: it learns its data by heart,
    /// or its rate is too high.
    private var isGettingWorse: Bool {
        guard hasLearnedNothing, let base = storedSelectionLoss("base_"), let last = storedSelectionLoss("") else { return false }
        return last > (1 + Double(Self.clearRise)) * base
    }

    private func storedSelectionLoss(_ prefix: String) -> Double? {
        guard case .number(let loss)? = metrics[prefix + "val_loss"] else { return nil }
        guard case .number(let replay)? = metrics[prefix + "replay_loss"] else { return loss }
        return selectionLoss(loss, replay)
    }
}
