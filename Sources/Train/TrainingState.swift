import Checkpoint

/// The progress of a training run. Together with the weights and the optimizer moments, it allows a run to resume bit for bit.
package struct TrainingState: Sendable, Equatable {
    /// The number of batches used, including skipped ones.
    package var step = 0
    /// The training time so far, for plans of limited time.
    package var seconds = 0.0
    /// The number of tokens processed: the positions of all rows, padding and masked targets included.
    package var tokens = 0
    /// The number of targets whose loss was trained on.
    package var lossTokens = 0
    /// The number of steps whose loss or gradient was not finite.
    package var skipped = 0
    package var skippedInARow = 0
    /// The number of such steps in a row that end the run.
    static let skippedLimit = 3
    /// The number of pairs of the n-gram initialization; nil before it, and for other initial weights.
    package var nGramPairs: Int?
    /// The lowest validation loss so far.
    package var best = Float.infinity
    /// The losses by conversation of that evaluation: of the validation set and of the older data. nil without validation data.
    package var bestValidation, bestReplay: LossSamples?
    /// The number of evaluations since then that show no improvement.
    package var evaluationsSinceBest = 0
    package var evaluations = 0
    /// The step of the last evaluation; nil before the first.
    package var evaluatedStep: Int?
    /// The number of validation tokens per evaluation; 0 before the first one, which sets it, so that all are comparable.
    package var evaluationTokens = 0
    /// Identifies the tokens of `best`; nil without validation data.
    package var validationSet: String?
    /// The number of training batches that an evaluation reads, the last one in part.
    package var evaluationBatches = 0
    /// The time of all evaluations.
    package var evaluationSeconds = 0.0

    package init() {}
}

extension TrainingState {
    var values: OrderedDictionary<CheckpointValue> {
        var values: OrderedDictionary<CheckpointValue> = [
            "step": .integer(step), "seconds": .number(seconds), "tokens": .integer(tokens), "skipped": .integer(skipped),
            "skipped_in_a_row": .integer(skippedInARow), "best": .number(Double(best)), "since_best": .integer(evaluationsSinceBest),
            "evaluations": .integer(evaluations), "evaluation_batches": .integer(evaluationBatches),
            "evaluation_tokens": .integer(evaluationTokens), "evaluation_seconds": .number(evaluationSeconds),
            "loss_tokens": .integer(lossTokens),
        ]
        bestValidation?.write(to: &values, "best_validation")
        bestReplay?.write(to: &values, "best_replay")
        if let validationSet { values["validation_set"] = .text(validationSet) }
        if let evaluatedStep { values["evaluated_step"] = .integer(evaluatedStep) }
        if let nGramPairs { values["ngram_pairs"] = .integer(nGramPairs) }
        return values
    }

    private static let counts = 0...(1 << 60)

    init(from checkpoint: Checkpoint) throws(CheckpointError) {
        step = try checkpoint.integer("step", in: Self.counts)
        seconds = try checkpoint.number("seconds", in: 0...1e12)
        tokens = try checkpoint.integer("tokens", in: Self.counts)
        skipped = try checkpoint.integer("skipped", in: Self.counts)
        skippedInARow = try checkpoint.integer("skipped_in_a_row", in: Self.counts)
        best = Float(try checkpoint.number("best"))
        bestValidation = try LossSamples(from: checkpoint, "best_validation")
        bestReplay = try LossSamples(from: checkpoint, "best_replay")
        evaluationsSinceBest = try checkpoint.integer("since_best", in: Self.counts)
        evaluations = try checkpoint.integer("evaluations", in: Self.counts)
        evaluationBatches = try checkpoint.integer("evaluation_batches", in: Self.counts)
        evaluationTokens = try checkpoint.integer("evaluation_tokens", in: Self.counts)
        evaluationSeconds = try checkpoint.number("evaluation_seconds", in: 0...1e12)
        lossTokens = try checkpoint.integer("loss_tokens", in: Self.counts)
        let has = { (name: String) in checkpoint.training[name] != nil }
        if has("validation_set") { validationSet = try checkpoint.text("validation_set") }
        if has("ngram_pairs") { nGramPairs = try checkpoint.integer("ngram_pairs", in: Self.counts) }
        if has("evaluated_step") { evaluatedStep = try checkpoint.integer("evaluated_step", in: Self.counts) }
    }
}
