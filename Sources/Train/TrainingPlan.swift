package import Checkpoint

/// The hyperparameters of a training run, except those of the model.
///
///     var plan = TrainingPlan()
///     plan.length = .seconds(600)
package struct TrainingPlan: Sendable, Equatable {
    package enum Length: Sendable, Equatable {
        case steps(Int), epochs(Double), tokens(Int), seconds(Double)
    }

    /// The length of the run and of its learning rate schedule.
    package var length = Length.steps(5_000)
    /// Rows per batch, each as long as the model's context.
    package var batch = 12
    /// The peak learning rate.
    package var lr: Float = 1e-3
    /// Steps until the peak.
    package var warmup = 100
    package var schedule = LearningRateSchedule.Shape.cosine
    /// The minimum learning rate as a share of the peak.
    package var minLR: Float = 0.1
    package var optimizer = OptimizerKind.adamw
    /// The peak learning rate of Muon. That of the other weights is ``lr``, and both have the same schedule.
    package var muonLR: Float = 0.02
    package var weightDecay: Float = 0.1
    package var beta1: Float = 0.9
    package var beta2: Float = 0.95
    /// The learning rate of an adapter's B, relative to that of A (LoRA+, Hayou et al. 2024).
    package var loraPlusRatio: Float = 1
    /// α of the noise that embeddings get: see ``GPT/noiseAlpha``.
    package var neftune: Float = 0
    /// The maximum gradient norm.
    package var clip: Float = 1
    package var seed = 1
    /// The groups of rows whose gradients are summed pairwise, and which the ranks of a run share: see ``GradientGroups``.
    package var gradientGroups = 1
    /// Whether each rank has the optimizer's moments of a part of the weights only. Changes memory and time, but no bits.
    package var shardsOptimizer = false
    /// Whether rows are windows at random positions instead of whole packed conversations.
    package var usesWindows = false
    package var lossScope = LossScope.all
    /// Steps between evaluations; nil for twenty evaluations in all.
    package var evalEvery: Int?
    /// The number of validation tokens per evaluation.
    package var evalTokens = 65_536
    /// Whether to evaluate before the first step, as fine-tuning does.
    package var evaluatesFirst = false
    /// Steps between checkpoints, in addition to those at evaluations.
    package var saveEvery: Int?
    /// Early stopping: the number of evaluations without improvement that ends the run; nil for no early stopping.
    package var patience: Int?
    /// The minimum improvement in nats per token.
    package var minGain: Float = 0.001
    /// The number of examples for the n-gram initialization; 0 for random initialization.
    package var nGramContexts = 0
    /// The recipe that the plan began with; nil for none.
    package var recipe: Recipe?
    /// The preset of the model; nil if it is not known.
    package var preset: String?
    /// The number of tokens that the trained tokenizer should have; nil if the run did not train one.
    package var vocabularySize: Int?
    /// nil if it is not known.
    package var machine: TrainingMachine?

    package init() {}

    package var randomSeed: UInt64 { UInt64(bitPattern: Int64(seed)) }

    /// The total number of steps; nil if the length is a time.
    package func steps(perEpoch: Double, tokensPerStep: Int) -> Int? {
        switch length {
        case .steps(let count): count
        case .epochs(let count): Int((count * perEpoch).rounded(.up))
        case .tokens(let count): (count + tokensPerStep - 1) / tokensPerStep
        case .seconds: nil
        }
    }

    /// The peak learning rate of a model that starts at random without a recipe. Narrow models end at a lower loss with a higher one, and
    /// beside Muon, which has a rate of its own, with a still higher one (Documentation/decisions/rate.md).
    package static func defaultRate(width: Int, _ optimizer: OptimizerKind) -> Float {
        let alone: Float = width <= 128 ? 5e-3 : width <= 256 ? 2.5e-3 : 1e-3
        return isTuned(width, beside: optimizer) ? 4 * alone : alone
    }

    /// The weight decay of such a model. A step decays weights by this times the learning rate.
    package static func defaultDecay(width: Int, _ optimizer: OptimizerKind) -> Float { isTuned(width, beside: optimizer) ? 0.025 : 0.1 }

    /// Wider models were not trained with other rates beside Muon.
    private static func isTuned(_ width: Int, beside optimizer: OptimizerKind) -> Bool { optimizer == .muon && width <= 256 }

    /// The batch of a model that starts at random without a recipe: about 1,536 tokens, at most 12 rows. Models with a longer context than
    /// 128 have four times as many beside Muon, which then takes a smaller share of the time (Documentation/decisions/muon.md).
    package static func defaultBatch(context: Int, _ optimizer: OptimizerKind) -> Int {
        optimizer == .muon && context > 128 ? max(1, 6_144 / context) : min(12, max(1, 1_536 / context))
    }

    /// 100 steps, or a tenth of a short run.
    package static func defaultWarmup(for steps: Int?) -> Int { max(1, min(100, (steps ?? 1_000) / 10)) }
}

/// How the weights of linear layers are updated. All others are updated by AdamW.
package enum OptimizerKind: String, Sendable, CaseIterable {
    case adamw, muon
}

/// A named set of hyperparameters, each of which can be overridden.
package enum Recipe: String, Sendable, CaseIterable {
    /// N-gram initialization, small batches, a learning rate that decays to 0 (Documentation/decisions/start.md).
    case counts
    /// nanoGPT's: random initialization, random windows in large batches.
    case nanogpt

    package var plan: TrainingPlan {
        var plan = TrainingPlan()
        plan.recipe = self
        switch self {
        case .counts:
            plan.batch = 4
            plan.lr = 1e-3
            plan.minLR = 0
            plan.nGramContexts = 819_200
        case .nanogpt: plan.usesWindows = true
        }
        return plan
    }
}

extension TrainingPlan {
    /// The plan as fields of a checkpoint.
    package var values: OrderedDictionary<CheckpointValue> {
        var values: OrderedDictionary<CheckpointValue> = ["plan/evaluates_first": .integer(evaluatesFirst ? 1 : 0)]
        for setting in Self.lengths + Self.settings { setting.write(self, to: &values) }
        if let machine { for setting in TrainingMachine.settings { setting.write(machine, to: &values) } }
        return values
    }

    /// The plan of a checkpoint's run. Settings that it does not store have their defaults.
    package init(from checkpoint: Checkpoint) throws(CheckpointError) {
        evaluatesFirst = try checkpoint.integer("plan/evaluates_first") != 0
        _ = try checkpoint.integer("plan/batch")                            // each run has it
        for setting in Self.lengths + Self.settings { try setting.read(from: checkpoint, into: &self) }
        machine = try TrainingMachine(from: checkpoint)
    }
}
