import Autograd
package import Checkpoint
import Kernels
import Model
package import Tokenize

/// A training from its beginning, or from where it was left, to its end.
///
///     let run = TrainingRun(trainer, plan, training: examples, validation: others, vocabulary: vocabulary, form: .specialTokens, folder: "checkpoints/first")
///     let ending = try run.run(clock: now, shouldStop: { false }) { event in print(event) }
///
/// It keeps `last.h5`, the newest state, and `best.h5`, the state with the lowest validation loss. It prints nothing.
package final class TrainingRun {
    package enum Event {
        /// The model has begun with what counting knows of the text.
        case counted(pairs: Int, contexts: Int, state: TrainingState)
        case step(StepReport, rate: Float, state: TrainingState)
        /// Nothing was learned: the loss or the gradient was not finite.
        case skipped(step: Int)
        /// `replay` is of older data that a finetune shall not forget.
        case evaluated(training: Evaluation, validation: Evaluation?, replay: Evaluation?, isBest: Bool, state: TrainingState)
        case saved(path: String, step: Int)
    }

    package enum Ending: Equatable {
        case finished
        /// No gain for as many evaluations as the plan has patience for.
        case noGain
        /// Someone asked it to stop.
        case stopped
        /// Three steps in a row were not finite. The last good state is saved.
        case diverged
    }

    package let trainer: Trainer
    package let plan: TrainingPlan
    package let training: any TrainingBatches
    package internal(set) var state = TrainingState()
    /// What is known of the model at the last evaluation and, as `base_…`, at one before the first step.
    package private(set) var metrics: OrderedDictionary<CheckpointValue> = [:]
    /// Where what is learned is an adapter.
    package let adapter: LoRAAdapter?
    /// What whoever began the run wants to find again in its checkpoints.
    package let notes: OrderedDictionary<CheckpointValue>
    private let validation, replay: (any TrainingBatches)?
    private let lengths: [Int]
    private let tokenizer: StoredTokenizer
    private let form: ChatTemplate?
    private let identity: String?
    private let folder: String

    /// - Parameters:
    ///   - validation: with another seed than the training's, so that an evaluation sees the same rows every time.
    ///   - replay: older data, which is evaluated too.
    ///   - tokens: what tells that a training goes on with the tokens it began with: see `TokenMeta.identity`.
    package init(
        _ trainer: Trainer, _ plan: TrainingPlan, training: any TrainingBatches, validation: (any TrainingBatches)?,
        replay: (any TrainingBatches)? = nil,
        vocabulary: Vocabulary, form: ChatTemplate?, tokens: String? = nil, adapter: LoRAAdapter? = nil,
        notes: OrderedDictionary<CheckpointValue> = [:],
        folder: String
    ) throws(TrainingError) {
        self.trainer = trainer
        self.plan = plan
        self.training = training
        self.validation = validation
        self.form = form
        self.folder = folder
        self.replay = replay
        self.adapter = adapter
        self.notes = notes
        lengths = vocabulary.textLengths
        identity = tokens
        do throws(TokenizeError) { tokenizer = try StoredTokenizer(vocabulary) } catch { throw .tokenizer(error) }
        trainer.clipping = plan.clipping
        trainer.optimizer.decay = plan.decay
        trainer.optimizer.beta2 = plan.beta2
        if plan.nGramContexts > 0 { trainer.optimizer.learningRateScale = NGramInitialization.learningRateScale }
    }

    package var tokensPerStep: Int { plan.rows * trainer.model.configuration.context }

    /// The steps in all, where that is not a matter of time.
    package var steps: Int? { plan.steps(perEpoch: training.stepsPerEpoch, tokensPerStep: tokensPerStep) }

    /// How much of the plan is done, from 0 to 1.
    package var progress: Double {
        if case .seconds(let all) = plan.length { return state.seconds / all }
        return steps.map { $0 == 0 ? 1 : Double(state.step) / Double($0) } ?? 0
    }

    /// Learns until the plan is done, or something ends it earlier.
    ///
    /// - Parameter clock: seconds since whenever.
    package func run(clock: () -> Double, shouldStop: (TrainingState) -> Bool, _ report: (Event) throws -> Void) throws -> Ending {
        let begin = clock() - state.seconds
        if plan.evaluatesBeforeTraining, state.evaluations == 0 { try evaluate(report) }
        while progress < 1 {
            if shouldStop(state) {
                try save("last.h5", report)
                return .stopped
            }
            let rate = rateNow, step = state.step
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
            if progress < 1,
                plan.evaluateEvery.map({ state.step % $0 == 0 })
                    ?? (progress * 20 >= Double(state.evaluations + (plan.evaluatesBeforeTraining ? 0 : 1)))
            {
                try evaluate(report)
                state.seconds = clock() - begin
                try save("last.h5", report)
                if let patience = plan.patience, state.sinceBest >= patience { return .noGain }
            } else if let every = plan.saveEvery, state.step % every == 0 {
                try save("last.h5", report)
            }
        }
        try evaluate(report)
        try save("last.h5", report)
        return .finished
    }

    private var rateNow: Float {
        let schedule = LearningRateSchedule(peak: plan.rate, warmup: plan.warmup, steps: steps ?? 0, floor: plan.floor)
        return steps == nil ? schedule.rate(at: state.step, progress: progress) : schedule.rate(at: state.step)
    }

    private func evaluate(_ report: (Event) throws -> Void) throws {
        if state.evaluationBatches == 0 { state.evaluationBatches = evaluationBatches }
        // The same rows every time. Of the text that is learned from a few are enough: it is the other figure that counts.
        let known = evaluation(of: training, batches: 0..<max(1, state.evaluationBatches / 4))
        let unknown = validation.map { evaluation(of: $0, batches: 0..<state.evaluationBatches) }
        let older = replay.map { evaluation(of: $0, batches: 0..<state.evaluationBatches) }
        let loss = Float((unknown ?? known).loss), isBest = loss < state.best
        state.sinceBest = loss < state.best - plan.smallestGain ? 0 : state.sinceBest + 1
        state.best = min(state.best, loss)
        state.evaluations += 1
        note(known, unknown, older, as: state.step == 0 ? ["", "base_"] : [""])
        try report(.evaluated(training: known, validation: unknown, replay: older, isBest: isBest, state: state))
        if isBest { try save("best.h5", report) }
    }

    private func note(_ known: Evaluation, _ unknown: Evaluation?, _ older: Evaluation?, as prefixes: [String]) {
        for prefix in prefixes {
            metrics[prefix + "training_loss"] = .number(known.loss)
            metrics[prefix + "validation_loss"] = unknown.map { .number($0.loss) }
            metrics[prefix + "bits_per_byte"] = unknown.map { .number($0.bitsPerByte) }
            metrics[prefix + "replay_loss"] = older.map { .number($0.loss) }
        }
    }

    /// So many that twenty evaluations take about a tenth of the time: a batch costs a third of one that is learned from.
    private var evaluationBatches: Int {
        if plan.evaluatesBeforeTraining { return max(1, plan.evaluationTokens / tokensPerStep) }
        let all = progress > 0 ? Double(state.step) / progress : 0
        return min(max(4, Int(all * 0.1 * 3 / 20)), max(1, plan.evaluationTokens / tokensPerStep))
    }

    private func evaluation(of examples: any TrainingBatches, batches: Range<Int>) -> Evaluation {
        var sum = Evaluation()
        // No row twice, as far as that can be.
        for i in batches.prefix(max(1, Int(examples.stepsPerEpoch.rounded(.up)))) {
            sum += trainer.evaluation(of: examples.batch(at: i), lengths: lengths)
        }
        return sum
    }
}

/// Saving, and going on.
extension TrainingRun {
    /// All there is to know, as a file can keep it.
    package var checkpoint: Checkpoint {
        let parameters = trainer.parameters
        var checkpoint = Checkpoint(trainer.model.configuration, weights: OrderedDictionary(parameters.values, of: parameters.list))
        checkpoint.optimizer.add(trainer.optimizer.first, of: parameters.list, in: "first")
        checkpoint.optimizer.add(trainer.optimizer.second, of: parameters.list, in: "second")
        checkpoint.tokenizer = tokenizer
        checkpoint.chatTemplate = form
        checkpoint.training = state.values
        for (name, value) in plan.values { checkpoint.training[name] = value }
        checkpoint.training["updates"] = .integer(trainer.optimizer.steps)
        checkpoint.training["seed"] = .integer(plan.seed)
        if let identity { checkpoint.training["data"] = .text(identity) }
        for (name, value) in notes { checkpoint.training[name] = value }
        checkpoint.metrics = metrics
        checkpoint.adapter = adapter
        return checkpoint
    }

    /// Goes on where a checkpoint was left, which has to be one of the same model and vocabulary.
    package func restore(_ checkpoint: Checkpoint) throws(CheckpointError) {
        try checkpoint.check(fingerprint: tokenizer.fingerprint)
        try checkpoint.copyWeights(into: trainer.parameters)
        try checkpoint.copyOptimizer("first", into: trainer.optimizer.first, like: trainer.parameters.list)
        try checkpoint.copyOptimizer("second", into: trainer.optimizer.second, like: trainer.parameters.list)
        trainer.optimizer.steps = try checkpoint.integer("updates")
        state = try TrainingState(from: checkpoint)
        metrics = checkpoint.metrics
    }

    private func save(_ name: String, _ report: (Event) throws -> Void) throws {
        let path = folder + "/" + name
        do throws(CheckpointError) { try checkpoint.write(to: path) } catch { throw TrainingError.checkpoint(error) }
        try report(.saved(path: path, step: state.step))
    }
}
