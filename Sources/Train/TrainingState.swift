import Checkpoint

/// How far a training has come: with the weights and their moments, all that it needs to go on bit for bit.
package struct TrainingState: Sendable, Equatable {
    /// Batches seen, those included that were skipped.
    package var step = 0
    /// Time spent, for schedules that end with it.
    package var seconds = 0.0
    /// Targets learned from.
    package var tokens = 0
    /// Steps whose gradients were not finite, and how many of them were the last ones.
    package var skipped = 0, skippedInARow = 0
    /// The lowest validation loss of an evaluation, and how many there were since.
    package var best = Float.infinity
    package var sinceBest = 0
    package var evaluations = 0
    /// How many batches an evaluation looks at: settled by the first, so that all can be compared.
    package var evaluationBatches = 0

    package init() {}
}

extension TrainingState {
    var values: OrderedDictionary<CheckpointValue> {
        ["step": .integer(step), "seconds": .number(seconds), "tokens": .integer(tokens), "skipped": .integer(skipped),
         "skipped_in_a_row": .integer(skippedInARow), "best": .number(Double(best)), "since_best": .integer(sinceBest),
         "evaluations": .integer(evaluations), "evaluation_batches": .integer(evaluationBatches)]
    }

    init(from checkpoint: Checkpoint) throws(CheckpointError) {
        step = try checkpoint.integer("step")
        seconds = try checkpoint.number("seconds")
        tokens = try checkpoint.integer("tokens")
        skipped = try checkpoint.integer("skipped")
        skippedInARow = try checkpoint.integer("skipped_in_a_row")
        best = Float(try checkpoint.number("best"))
        sinceBest = try checkpoint.integer("since_best")
        evaluations = try checkpoint.integer("evaluations")
        evaluationBatches = try checkpoint.integer("evaluation_batches")
    }
}
