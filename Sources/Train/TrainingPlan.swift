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
    package var rows = 12
    /// The peak learning rate.
    package var rate: Float = 1e-3
    /// Steps until the peak.
    package var warmup = 100
    package var schedule = LearningRateSchedule.Shape.cosine
    /// The minimum learning rate as a share of the peak.
    package var minimumRateFraction: Float = 0.1
    /// Weight decay.
    package var decay: Float = 0.1
    package var beta2: Float = 0.95
    /// The learning rate of an adapter's B, relative to that of A (LoRA+, Hayou et al. 2024).
    package var loraPlusRatio: Float = 1
    /// α of the noise that embeddings get: see ``GPT/noiseAlpha``.
    package var noiseAlpha: Float = 0
    /// The maximum gradient norm.
    package var clipping: Float = 1
    package var seed = 1
    /// The groups of rows whose gradients are summed pairwise, and which the ranks of a run share: see ``GradientGroups``.
    package var gradientGroups = 1
    /// Whether each rank has the optimizer's moments of a part of the weights only. Changes memory and time, but no bits.
    package var shardsOptimizer = false
    /// Whether rows contain whole packed conversations instead of random windows.
    package var packsConversations = true
    /// Whether learned positions count from the start of each conversation. In runs of older versions, they count from that of the row.
    package var restartsPositions = true
    package var lossScope = LossScope.all
    /// Steps between evaluations; nil for twenty evaluations in all.
    package var evaluateEvery: Int?
    /// The number of validation tokens per evaluation.
    package var evaluationTokens = 65_536
    /// Whether to evaluate before the first step, as fine-tuning does.
    package var evaluatesBeforeTraining = false
    /// Steps between checkpoints, in addition to those at evaluations.
    package var saveEvery: Int?
    /// Early stopping: the number of evaluations without improvement that ends the run; nil for no early stopping.
    package var patience: Int?
    /// The minimum improvement in nats per token.
    package var minDelta: Float = 0.001
    /// The number of examples for the n-gram initialization; 0 for random initialization.
    package var nGramContexts = 0
    /// The recipe that the plan began with; nil for none.
    package var recipe: Recipe?
    /// The preset of the model; nil if it is not known.
    package var preset: String?
    /// The number of tokens that the trained tokenizer should have; nil if the run did not train one.
    package var requestedVocabulary: Int?
    /// nil if it is not known, as in checkpoints of older versions.
    package var machine: TrainingMachine?

    package init() {}

    /// The total number of steps; nil if the length is a time.
    package func steps(perEpoch: Double, tokensPerStep: Int) -> Int? {
        switch length {
        case .steps(let count): count
        case .epochs(let count): Int((count * perEpoch).rounded(.up))
        case .tokens(let count): (count + tokensPerStep - 1) / tokensPerStep
        case .seconds: nil
        }
    }

    /// The peak learning rate of a model that starts at random without a recipe. Narrow models end at a lower loss with a higher one
    /// (Documentation/decisions/rate.md).
    package static func usualRate(width: Int) -> Float { width <= 128 ? 5e-3 : width <= 256 ? 2.5e-3 : 1e-3 }

    /// 100 steps, or a tenth of a short run.
    package static func usualWarmup(for steps: Int?) -> Int { max(1, min(100, (steps ?? 1_000) / 10)) }
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
            plan.rows = 4
            plan.rate = 1e-3
            plan.minimumRateFraction = 0
            plan.nGramContexts = 819_200
        case .nanogpt: plan.packsConversations = false
        }
        return plan
    }
}

extension TrainingPlan {
    /// The plan as fields of a checkpoint.
    package var values: OrderedDictionary<CheckpointValue> {
        var values: OrderedDictionary<CheckpointValue> = [
            "plan/rows": .integer(rows), "plan/rate": .number(Double(rate)), "plan/warmup": .integer(warmup),
            "plan/schedule": .text(schedule.rawValue), "plan/floor": .number(Double(minimumRateFraction)),
            "plan/decay": .number(Double(decay)), "plan/beta2": .number(Double(beta2)), "plan/clipping": .number(Double(clipping)),
            "plan/seed": .integer(seed),
            "plan/packs": .integer(packsConversations ? 1 : 0), "plan/restarts_positions": .integer(restartsPositions ? 1 : 0),
            "plan/evaluates_first": .integer(evaluatesBeforeTraining ? 1 : 0),
            "plan/learned": .text(lossScope.rawValue),
            "plan/evaluation_tokens": .integer(evaluationTokens), "plan/smallest_gain": .number(Double(minDelta)),
            "plan/start_contexts": .integer(nGramContexts),
        ]
        switch length {
        case .steps(let n): values["plan/steps"] = .integer(n)
        case .epochs(let x): values["plan/epochs"] = .number(x)
        case .tokens(let n): values["plan/tokens"] = .integer(n)
        case .seconds(let x): values["plan/seconds"] = .number(x)
        }
        if let evaluateEvery { values["plan/evaluate_every"] = .integer(evaluateEvery) }
        if let saveEvery { values["plan/save_every"] = .integer(saveEvery) }
        if let patience { values["plan/patience"] = .integer(patience) }
        if let recipe { values["plan/recipe"] = .text(recipe.rawValue) }
        if let preset { values["plan/preset"] = .text(preset) }
        if let requestedVocabulary { values["plan/vocab_size"] = .integer(requestedVocabulary) }
        if loraPlusRatio != 1 { values["plan/lora_plus_ratio"] = .number(Double(loraPlusRatio)) }
        if noiseAlpha != 0 { values["plan/neftune"] = .number(Double(noiseAlpha)) }
        if gradientGroups > 1 { values["plan/gradient_groups"] = .integer(gradientGroups) }
        for (name, value) in machine?.values ?? [:] { values[name] = value }
        return values
    }

    /// The plan of a checkpoint's run. Fields that checkpoints of older versions lack get their defaults.
    package init(from checkpoint: Checkpoint) throws(CheckpointError) {
        let has = { (name: String) in checkpoint.training["plan/" + name] != nil }
        rows = try checkpoint.integer("plan/rows", in: 1...65_536)
        rate = Float(try checkpoint.number("plan/rate", in: 0...Double(Float.greatestFiniteMagnitude)))
        warmup = try checkpoint.integer("plan/warmup", in: 0...1_000_000_000)
        if has("schedule") { schedule = try Self.schedule(of: checkpoint) }
        minimumRateFraction = Float(try checkpoint.number("plan/floor", in: 0...1))
        decay = Float(try checkpoint.number("plan/decay", in: 0...10))
        if has("beta2") { beta2 = Float(try checkpoint.number("plan/beta2", in: 0...0.99999)) }
        clipping = Float(try checkpoint.number("plan/clipping", in: 0 ... .infinity))
        seed = try checkpoint.integer("plan/seed")
        packsConversations = try checkpoint.integer("plan/packs") != 0
        restartsPositions = has("restarts_positions") ? try checkpoint.integer("plan/restarts_positions") != 0 : false
        if has("evaluates_first") { evaluatesBeforeTraining = try checkpoint.integer("plan/evaluates_first") != 0 }
        lossScope = LossScope(rawValue: try checkpoint.text("plan/learned")) ?? .all
        evaluationTokens = try checkpoint.integer("plan/evaluation_tokens", in: 0...1_000_000_000_000)
        minDelta = Float(try checkpoint.number("plan/smallest_gain", in: 0...100))
        if has("start_contexts") { nGramContexts = try checkpoint.integer("plan/start_contexts", in: 0...(1 << 40)) }
        if has("epochs") {
            length = .epochs(try checkpoint.number("plan/epochs", in: 0...1_000_000))
        } else if has("tokens") {
            length = .tokens(try checkpoint.integer("plan/tokens", in: 1...1_000_000_000_000))
        } else if has("seconds") {
            length = .seconds(try checkpoint.number("plan/seconds", in: 0...1e12))
        } else {
            length = .steps(try checkpoint.integer("plan/steps", in: 1...1_000_000_000))
        }
        if has("evaluate_every") { evaluateEvery = try checkpoint.integer("plan/evaluate_every", in: 1...1_000_000_000) }
        if has("save_every") { saveEvery = try checkpoint.integer("plan/save_every", in: 1...1_000_000_000) }
        if has("patience") { patience = try checkpoint.integer("plan/patience", in: 0...1_000_000) }
        if has("recipe") { recipe = Recipe(rawValue: try checkpoint.text("plan/recipe")) }
        if has("preset") { preset = try checkpoint.text("plan/preset") }
        if has("vocab_size") { requestedVocabulary = try checkpoint.integer("plan/vocab_size", in: 1...16_777_216) }
        if has("lora_plus_ratio") { loraPlusRatio = Float(try checkpoint.number("plan/lora_plus_ratio", in: 1e-6...1e6)) }
        if has("neftune") { noiseAlpha = Float(try checkpoint.number("plan/neftune", in: 0...1e6)) }
        if has("gradient_groups") { gradientGroups = try checkpoint.integer("plan/gradient_groups", in: 1...65_536) }
        machine = try TrainingMachine(from: checkpoint)
    }

    private static func schedule(of checkpoint: Checkpoint) throws(CheckpointError) -> LearningRateSchedule.Shape {
        let text = try checkpoint.text("plan/schedule")
        guard let schedule = LearningRateSchedule.Shape(rawValue: text) else {
            let known = LearningRateSchedule.Shape.allCases.map(\.rawValue).joined(separator: ", ")
            throw .mismatch(path: checkpoint.name, name: "training/plan/schedule", expected: "one of \(known)", found: "'\(text)'")
        }
        return schedule
    }
}
