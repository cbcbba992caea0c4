import Autograd
package import Checkpoint
package import Distributed
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
/// Writes `last.h5`, the newest state, and `best.h5`, the last state whose loss on validation data is not clearly
/// above the lowest one. Prints nothing.
package final class TrainingRun {
    package enum Event {
        /// The model was initialized from n-gram counts.
        case initializedFromNGrams(pairs: Int, contexts: Int, state: TrainingState)
        case step(StepReport, rate: Float, state: TrainingState)
        /// The loss or the gradient was not finite, so the weights did not change.
        case skipped(step: Int)
        /// `replay` is the evaluation of the older data of a fine-tuning run with replay.
        case evaluated(training: Evaluation, validation: Evaluation?, replay: Evaluation?, Selection, state: TrainingState)
        case saved(path: String, step: Int)
        /// An evaluation has done so many of its tokens.
        case evaluating(tokens: Int, of: Int)
        /// The last event of a run that has ended: the figure to compare it by.
        case validated(Result)
    }

    /// Whether `best.h5` gets the weights of an evaluation.
    package enum Selection: Equatable {
        /// Their loss is the lowest so far.
        case lowest
        /// They are later than those with the lowest loss, and not clearly worse.
        case notClearlyWorse
        case worse
    }

    package enum Ending: Equatable {
        case finished
        /// Early stopping: too many evaluations that show no improvement.
        case earlyStopped
        /// `shouldStop` returned true.
        case stopped
        /// Three steps in a row were not finite. `last.h5`, if it exists, holds the last state with a finite loss.
        case diverged
    }

    package let trainer: Trainer
    package let plan: TrainingPlan
    package let training: any TrainingBatches
    package internal(set) var state = TrainingState()
    /// The metrics of the last evaluation and, with the prefix `base_`, of the evaluation before the first step.
    package internal(set) var metrics: OrderedDictionary<CheckpointValue> = [:]
    /// The fields of an n-gram initialization that was stopped; nil if there is none.
    var nGramProgress: Checkpoint?
    /// The LoRA adapter that is trained; nil if the whole model is.
    package let adapter: LoRAAdapter?
    /// Additional fields of the checkpoints' `training` group.
    package let extraFields: OrderedDictionary<CheckpointValue>
    package let servingDefaults: ServingDefaults
    let validation, replay: (any HeldOutSet)?
    let turnEnds: [TokenID]
    /// The result of the best weights, if this process has evaluated them.
    var best: Result?
    /// The time of an evaluation during the run, with its sample answers and checkpoint; 0 if it is not known yet.
    var secondsPerEvaluation = 0.0
    var secondsPerEvaluatedToken = 0.0
    let tokenizer: StoredTokenizer
    private let chatTemplate: ChatTemplate?
    let dataIdentity: String?
    let folder: String

    /// - Parameters:
    ///   - validation: nil if there are no validation data: then the training loss selects the best weights.
    ///   - replay: The validation set of older data.
    ///   - dataIdentity: Identifies the training data, so that a resumed run can check it: see `TokenMeta.identity`.
    ///   - extraFields: Additional fields of the checkpoints' `training` group.
    ///   - ranks: The processes that train together; nil for one process.
    package init(
        _ trainer: Trainer, _ plan: TrainingPlan, training: any TrainingBatches, validation: (any HeldOutSet)?,
        replay: (any HeldOutSet)? = nil, vocabulary: Vocabulary, chatTemplate: ChatTemplate?, dataIdentity: String? = nil,
        adapter: LoRAAdapter? = nil, extraFields: OrderedDictionary<CheckpointValue> = [:],
        servingDefaults: ServingDefaults = ServingDefaults(), folder: String, over ranks: RankGroup? = nil
    ) throws(TrainingError) {
        var plan = plan
        plan.gradientGroups = min(plan.gradientGroups, plan.batch)
        if let ranks, ranks.count > plan.gradientGroups {
            throw .ranks(.tooManyRanks(ranks.count, groups: plan.gradientGroups))
        }
        if plan.gradientGroups > 1 || ranks != nil {
            trainer.groups = GradientGroups(plan.gradientGroups, of: trainer, over: ranks, sharding: plan.shardsOptimizer)
        }
        self.trainer = trainer
        self.plan = plan
        self.training = training
        self.validation = validation
        self.replay = replay
        self.chatTemplate = chatTemplate
        self.dataIdentity = dataIdentity
        self.adapter = adapter
        self.extraFields = extraFields
        self.servingDefaults = servingDefaults
        self.folder = folder
        turnEnds = vocabulary.turnEnds(of: chatTemplate)
        do throws(TokenizeError) { tokenizer = try StoredTokenizer(vocabulary) } catch { throw .tokenizer(error) }
        trainer.clipping = plan.clip
        trainer.optimizer.decay = plan.weightDecay
        trainer.optimizer.beta1 = plan.beta1
        trainer.optimizer.beta2 = plan.beta2
        if plan.optimizer == .muon {
            trainer.useMuon(rateRatio: plan.lr > 0 ? plan.muonLR / plan.lr : 0)
            trainer.optimizer.decaysEmbeddings = false
            let isTied = trainer.model.configuration.isTied
            trainer.optimizer.learningRateScale = { Optimizer.scaleBesideMuon(of: $0, isTied: isTied) }
        }
        trainer.discardMomentsOfOthers()
        trainer.model.noiseAlpha = plan.neftune
        let ratio = plan.loraPlusRatio
        if ratio != 1 { trainer.optimizer.learningRateScale = { Optimizer.loraPlusScale(of: $0, ratio: ratio) } }
        if plan.nGramContexts > 0 { trainer.optimizer.learningRateScale = NGramInitialization.learningRateScale }
    }

    /// The processes that train together; nil for one process.
    package var ranks: RankGroup? { trainer.groups?.ranks }

    /// The batches of a run on preferences.
    package var preferences: PreferenceBatches? { training as? PreferenceBatches }

    /// The mean in a run on preferences.
    package var tokensPerStep: Int { preferences?.tokensPerStep ?? plan.batch * trainer.context }

    /// The total number of steps; nil if the plan's length is a time.
    package var steps: Int? { plan.steps(perEpoch: training.stepsPerEpoch, tokensPerStep: tokensPerStep) }

    /// The share of the plan that is done, from 0 to 1.
    package var progress: Double {
        if case .seconds(let all) = plan.length { return state.seconds / all }
        return steps.map { $0 == 0 ? 1 : Double(state.step) / Double($0) } ?? 0
    }
}

extension TrainingRun {
    /// The complete state of the run, from which it can resume.
    package var checkpoint: Checkpoint {
        let parameters = trainer.parameters
        var checkpoint = Checkpoint(trainer.model.configuration, weights: OrderedDictionary(parameters.values, of: parameters.list))
        checkpoint.optimizer.add(trainer.optimizer.first, of: parameters.list, in: "first")
        checkpoint.optimizer.add(trainer.optimizer.second, of: trainer.optimizer.withSecondMoment, in: "second")
        checkpoint.tokenizer = tokenizer
        checkpoint.chatTemplate = chatTemplate
        checkpoint.training = state.values
        for (name, value) in plan.values { checkpoint.training[name] = value }
        checkpoint.training["updates"] = .integer(trainer.optimizer.steps)
        checkpoint.training["seed"] = .integer(plan.seed)
        if let dataIdentity { checkpoint.training["data"] = .text(dataIdentity) }
        for (name, value) in extraFields { checkpoint.training[name] = value }
        for (name, value) in nGramProgress?.training ?? [:] where name.hasPrefix("ngrams/") { checkpoint.training[name] = value }
        checkpoint.metrics = metrics
        checkpoint.adapter = adapter
        checkpoint.servingDefaults = servingDefaults
        return checkpoint
    }

    /// Restores the state of a checkpoint of the same model and vocabulary.
    package func restore(_ checkpoint: Checkpoint) throws(CheckpointError) {
        try checkpoint.check(fingerprint: tokenizer.fingerprint)
        try checkpoint.copyWeights(into: trainer.parameters)
        try checkpoint.copyOptimizer("first", into: trainer.optimizer.first, like: trainer.parameters.list)
        try checkpoint.copyOptimizer("second", into: trainer.optimizer.second, like: trainer.optimizer.withSecondMoment)
        trainer.optimizer.steps = try checkpoint.integer("updates", in: 0...(1 << 60))
        state = try TrainingState(from: checkpoint)
        metrics = checkpoint.metrics
        nGramProgress = NGramPreparation.isStored(in: checkpoint) ? checkpoint : nil
        trainer.discardMomentsOfOthers()
    }

    func save(_ name: String, _ report: (Event) throws -> Void) throws {
        let path = folder + "/" + name
        trainer.groups?.collect(trainer.optimizer.first)
        trainer.groups?.collect(trainer.optimizer.second)
        defer { trainer.discardMomentsOfOthers() }
        if let ranks, !ranks.isFirst { return }
        do throws(CheckpointError) { try checkpoint.write(to: path) } catch { throw TrainingError.checkpoint(error) }
        try report(.saved(path: path, step: state.step))
    }
}
