import Checkpoint

extension TrainingRun {
    /// Trains until the plan is done or the run ends early.
    ///
    /// - Parameters:
    ///   - clock: Monotonic seconds.
    ///   - shouldStop: Called before each step.
    ///   - report: Receives the events.
    package func run(clock: () -> Double, shouldStop: (TrainingState) -> Bool, _ report: (Event) throws -> Void) throws -> Ending {
        let begin = clock() - state.seconds
        if plan.evaluatesBeforeTraining, state.evaluations == 0 { try evaluate(report) }
        while progress < 1 {
            if shouldStop(state) {
                try save("last.h5", report)
                return .stopped
            }
            let rate = currentRate
            let step = state.step
            let result = trainer.step(training.batch(at: step), rate: rate)
            state.step += 1
            state.seconds = clock() - begin
            guard result.loss.isFinite, result.gradientNorm.isFinite else {
                state.skipped += 1
                state.skippedInARow += 1
                try report(.skipped(step: step))
                if state.skippedInARow == 3 {
                    try save("last.h5", report)
                    return .diverged
                }
                continue
            }
            state.skippedInARow = 0
            state.tokens += tokensPerStep
            try report(.step(result, rate: rate, state: state))
            if progress < 1, isEvaluationDue {
                try evaluate(report)
                state.seconds = clock() - begin
                try save("last.h5", report)
                if let patience = plan.patience, state.evaluationsSinceBest >= patience { return .earlyStopped }
            } else if let every = plan.saveEvery, state.step % every == 0 {
                try save("last.h5", report)
            }
        }
        try evaluate(report)
        try save("last.h5", report)
        return .finished
    }

    private var currentRate: Float {
        let schedule = LearningRateSchedule(peak: plan.rate, warmup: plan.warmup, steps: steps ?? 0, floor: plan.minimumRateFraction)
        return steps == nil ? schedule.rate(at: state.step, progress: progress) : schedule.rate(at: state.step)
    }

    private var isEvaluationDue: Bool {
        if let every = plan.evaluateEvery { return state.step % every == 0 }
        return progress * 20 >= Double(state.evaluations + (plan.evaluatesBeforeTraining ? 0 : 1))
    }

    private func evaluate(_ report: (Event) throws -> Void) throws {
        if state.evaluationBatches == 0 { state.evaluationBatches = evaluationBatches }
        // The same rows in every evaluation. Fewer of the training set, because decisions depend on the validation loss.
        let training = evaluation(of: training, batches: 0..<max(1, state.evaluationBatches / 4))
        let validation = validation.map { evaluation(of: $0, batches: 0..<state.evaluationBatches) }
        let replay = replay.map { evaluation(of: $0, batches: 0..<state.evaluationBatches) }
        let loss = Float((validation ?? training).loss)
        let isBest = loss < state.best
        state.evaluationsSinceBest = loss < state.best - plan.minDelta ? 0 : state.evaluationsSinceBest + 1
        state.best = min(state.best, loss)
        state.evaluations += 1
        for prefix in state.step == 0 ? ["", "base_"] : [""] {
            metrics[prefix + "training_loss"] = .number(training.loss)
            metrics[prefix + "validation_loss"] = validation.map { .number($0.loss) }
            metrics[prefix + "bits_per_byte"] = validation.map { .number($0.bitsPerByte) }
            metrics[prefix + "replay_loss"] = replay.map { .number($0.loss) }
        }
        try report(.evaluated(training: training, validation: validation, replay: replay, isBest: isBest, state: state))
        if isBest { try save("best.h5", report) }
    }

    /// The number of batches per evaluation, chosen so that twenty evaluations take about a tenth of the time: evaluating a batch takes a
    /// third of the time of training on it.
    private var evaluationBatches: Int {
        if plan.evaluatesBeforeTraining { return max(1, plan.evaluationTokens / tokensPerStep) }
        let totalSteps = progress > 0 ? Double(state.step) / progress : 0
        return min(max(4, Int(totalSteps * 0.1 * 3 / 20)), max(1, plan.evaluationTokens / tokensPerStep))
    }

    private func evaluation(of data: any TrainingBatches, batches: Range<Int>) -> Evaluation {
        var sum = Evaluation()
        // At most one epoch.
        for i in batches.prefix(max(1, Int(data.stepsPerEpoch.rounded(.up)))) {
            sum += trainer.evaluation(of: data.batch(at: i), lengths: lengths)
        }
        return sum
    }
}
