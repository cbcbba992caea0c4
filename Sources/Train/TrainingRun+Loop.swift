import Checkpoint
import Distributed

extension TrainingRun {
    /// Trains until the plan is done or the run ends early.
    ///
    /// - Parameters:
    ///   - clock: Monotonic seconds.
    ///   - shouldStop: Called before each step.
    ///   - report: Receives the events. Of the ranks of a run, only the first one reports.
    package func run(clock: () -> Double, shouldStop: (TrainingState) -> Bool, _ report: (Event) throws -> Void) throws -> Ending {
        // All ranks decide alike: by the clock of the first one, and whether any of them should stop.
        guard let ranks else { return try runSteps(clock, shouldStop, report) }
        return try runSteps({ ranks.fromFirst(clock()) }, { ranks.any(shouldStop($0)) }, { if ranks.isFirst { try report($0) } })
    }

    private func runSteps(_ clock: () -> Double, _ shouldStop: (TrainingState) -> Bool, _ report: (Event) throws -> Void) throws -> Ending {
        if let ending { return ending }
        if nGramProgress != nil {
            // Stopped during the initialization.
            try save("last.h5", report)
            return .stopped
        }
        let begin = clock() - state.seconds
        if plan.evaluatesFirst, state.evaluations == 0 { try evaluate(clock, report) }
        while progress < 1 {
            if shouldStop(state) {
                try saveIfFinite(report)
                return .stopped
            }
            let rate = currentRate
            let step = state.step
            let result = try preferences?.takeStep(step, with: trainer, rate: rate) ?? trainer.step(training.batch(at: step), rate: rate)
            state.step += 1
            state.seconds = clock() - begin
            guard result.loss.isFinite, result.gradientNorm.isFinite else {
                state.skipped += 1
                state.skippedInARow += 1
                try report(.skipped(step: step))
                // last.h5 stays as it was: the weights are finite, but their loss is not.
                if state.skippedInARow >= TrainingState.skippedLimit { return .diverged }
                continue
            }
            state.skippedInARow = 0
            state.tokens += tokensPerStep
            state.lossTokens += result.targets
            try report(.step(result, rate: rate, state: state))
            if progress < 1, try isEvaluationDue(clock, report) {
                try evaluate(clock, report)
                state.seconds = clock() - begin
                try saveIfFinite(report)
                if isOutOfPatience {
                    try evaluateResult(clock, report)
                    return .earlyStopped
                }
            } else if let every = plan.saveEvery, state.step % every == 0 {
                try saveIfFinite(report)
            }
        }
        try evaluate(clock, report)
        try saveIfFinite(report)
        try evaluateResult(clock, report)
        return .finished
    }

    /// Writes `last.h5`, unless the weights give no finite loss: then the older file stays, from which the run can resume.
    private func saveIfFinite(_ report: (Event) throws -> Void) throws {
        if trainer.hasFiniteLoss(on: try training.batch(at: state.step)) { try save("last.h5", report) }
    }

    private var currentRate: Float {
        let schedule = LearningRateSchedule(
            plan.schedule, peak: plan.lr, warmup: plan.warmup, steps: steps ?? 0, floor: plan.minLR)
        return steps == nil ? schedule.rate(at: state.step, progress: progress) : schedule.rate(at: state.step)
    }
}
