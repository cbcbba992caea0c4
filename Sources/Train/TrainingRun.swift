import Autograd
package import Checkpoint
import Kernels
import Model
package import Tokenize

/// The training loop: steps, evaluations, checkpoints and early stopping.
///
///     let run = try TrainingRun(
///         trainer, plan, training: batches, validation: others, vocabulary: vocabulary, chatTemplate: .specialTokens,
///         folder: "checkpoints/first"
///     )
///     let ending = try run.run(clock: now, shouldStop: { _ in false }) { event in print(event) }
///
/// Writes `last.h5`, the newest state, and `best.h5`, the state with the lowest validation loss. Prints nothing.
package final class TrainingRun {
    package enum Event {
        /// The model was initialized from n-gram counts.
        case initialized(pairs: Int, contexts: Int, state: TrainingState)
        case step(StepReport, rate: Float, state: TrainingState)
        /// The loss or the gradient was not finite, so the weights did not change.
        case skipped(step: Int)
        /// `replay` is the evaluation of the older data of a fine-tuning run with replay.
        case evaluated(training: Evaluation, validation: Evaluation?, replay: Evaluation?, isBest: Bool, state: TrainingState)
        case saved(path: String, step: Int)
    }

    package enum Ending: Equatable {
        case finished
        /// Early stopping: too many evaluations without improvement.
        case noGain
        /// `shouldStop` returned true.
        case stopped
        /// Three steps in a row were not finite. `last.h5` holds the last finite state.
        case diverged
    }

    package let trainer: Trainer
    package let plan: TrainingPlan
    package let training: any TrainingBatches
    package internal(set) var state = TrainingState()
    /// The metrics of the last evaluation and, with the prefix `base_`, of the evaluation before the first step.
    package private(set) var metrics: OrderedDictionary<CheckpointValue> = [:]
    /// The LoRA adapter that is trained; nil if the whole model is.
    package let adapter: LoRAAdapter?
    /// Additional fields of the checkpoints' `training` group.
    private let extraFields: OrderedDictionary<CheckpointValue>
    private let validation, replay: (any TrainingBatches)?
    private let lengths: [Int]
    private let tokenizer: StoredTokenizer
    private let chatTemplate: ChatTemplate?
    private let dataIdentity: String?
    private let folder: String

    /// - Parameters:
    ///   - validation: Has a seed other than that of the training batches.
    ///   - replay: Validation batches of older data.
    ///   - dataIdentity: Identifies the training data, so that a resumed run can check it: see `TokenMeta.identity`.
    ///   - extraFields: Additional fields of the checkpoints' `training` group.
    package init(
        _ trainer: Trainer, _ plan: TrainingPlan, training: any TrainingBatches, validation: (any TrainingBatches)?,
        replay: (any TrainingBatches)? = nil, vocabulary: Vocabulary, chatTemplate: ChatTemplate?, dataIdentity: String? = nil,
        adapter: LoRAAdapter? = nil, extraFields: OrderedDictionary<CheckpointValue> = [:], folder: String
    ) throws(TrainingError) {
        self.trainer = trainer
        self.plan = plan
        self.training = training
        self.validation = validation
        self.replay = replay
        self.chatTemplate = chatTemplate
        self.dataIdentity = dataIdentity
        self.adapter = adapter
        self.extraFields = extraFields
        self.folder = folder
        lengths = vocabulary.textLengths
        do throws(TokenizeError) { tokenizer = try StoredTokenizer(vocabulary) } catch { throw .tokenizer(error) }
        trainer.clipping = plan.clipping
        trainer.optimizer.decay = plan.decay
        trainer.optimizer.beta2 = plan.beta2
        if plan.nGramContexts > 0 { trainer.optimizer.learningRateScale = NGramInitialization.learningRateScale }
    }

    package var tokensPerStep: Int { plan.rows * trainer.model.configuration.context }

    /// The total number of steps; nil if the plan's length is a time.
    package var steps: Int? { plan.steps(perEpoch: training.stepsPerEpoch, tokensPerStep: tokensPerStep) }

    /// The share of the plan that is done, from 0 to 1.
    package var progress: Double {
        if case .seconds(let all) = plan.length { return state.seconds / all }
        return steps.map { $0 == 0 ? 1 : Double(state.step) / Double($0) } ?? 0
    }

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
                if let patience = plan.patience, state.sinceBest >= patience { return .noGain }
            } else if let every = plan.saveEvery, state.step % every == 0 {
                try save("last.h5", report)
            }
        }
        try evaluate(report)
        try save("last.h5", report)
        return .finished
    }

    private var currentRate: Float {
        let schedule = LearningRateSchedule(peak: plan.rate, warmup: plan.warmup, steps: steps ?? 0, floor: plan.floor)
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
        state.sinceBest = loss < state.best - plan.smallestGain ? 0 : state.sinceBest + 1
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

extension TrainingRun {
    /// The complete state of the run, from which it can resume.
    package var checkpoint: Checkpoint {
        let parameters = trainer.parameters
        var checkpoint = Checkpoint(trainer.model.configuration, weights: OrderedDictionary(parameters.values, of: parameters.list))
        checkpoint.optimizer.add(trainer.optimizer.first, of: parameters.list, in: "first")
        checkpoint.optimizer.add(trainer.optimizer.second, of: parameters.list, in: "second")
        checkpoint.tokenizer = tokenizer
        checkpoint.chatTemplate = chatTemplate
        checkpoint.training = state.values
        for (name, value) in plan.values { checkpoint.training[name] = value }
        checkpoint.training["updates"] = .integer(trainer.optimizer.steps)
        checkpoint.training["seed"] = .integer(plan.seed)
        if let dataIdentity { checkpoint.training["data"] = .text(dataIdentity) }
        for (name, value) in extraFields { checkpoint.training[name] = value }
        checkpoint.metrics = metrics
        checkpoint.adapter = adapter
        return checkpoint
    }

    /// Restores the state of a checkpoint of the same model and vocabulary.
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
