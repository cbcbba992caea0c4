import Checkpoint

/// The progress of a training run. Together with the weights and the optimizer moments, it allows a run to resume bit for bit.
package struct TrainingState: Sendable, Equatable {
    /// The number of batches used, including skipped ones.
    package var step = 0
    /// The training time so far, for plans of limited time.
    package var seconds = 0.0
    /// The number of positions trained on.
    package var tokens = 0
    /// The number of steps whose loss or gradient was not finite.
    package var skipped = 0
    package var skippedInARow = 0
    /// The lowest validation loss so far.
    package var best = Float.infinity
    /// The number of evaluations since the last improvement.
    package var evaluationsSinceBest = 0
    package var evaluations = 0
    /// The number of batches per evaluation. The first evaluation sets it, so that all are comparable.
    package var evaluationBatches = 0

    package init() {}
}

extension TrainingState {
    var values: OrderedDictionary<CheckpointValue> {
        [
            "step": .integer(step), "seconds": .number(seconds), "tokens": .integer(tokens), "skipped": .integer(skipped),
            "skipped_in_a_row": .integer(skippedInARow), "best": .number(Double(best)), "since_best": .integer(evaluationsSinceBest),
            "evaluations": .integer(evaluations), "evaluation_batches": .integer(evaluationBatches),
        ]
    }

    init(from checkpoint: Checkpoint) throws(CheckpointError) {
        step = try checkpoint.integer("step")
        seconds = try checkpoint.number("seconds")
        tokens = try checkpoint.integer("tokens")
        skipped = try checkpoint.integer("skipped")
        skippedInARow = try checkpoint.integer("skipped_in_a_row")
        best = Float(try checkpoint.number("best"))
        evaluationsSinceBest = try checkpoint.integer("since_best")
        evaluations = try checkpoint.integer("evaluations")
        evaluationBatches = try checkpoint.integer("evaluation_batches")
    }
}
