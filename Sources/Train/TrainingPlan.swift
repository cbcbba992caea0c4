package import Checkpoint

/// What a training shall be: all numbers of it but the model's own.
///
///     var plan = TrainingPlan()
///     plan.length = .seconds(600)
package struct TrainingPlan: Sendable, Equatable {
    package enum Length: Sendable, Equatable {
        case steps(Int), epochs(Double), tokens(Int), seconds(Double)
    }

    /// How far the schedule reaches.
    package var length = Length.steps(5_000)
    /// Rows of a batch, each as long as the model's context.
    package var rows = 12
    package var rate: Float = 1e-3
    package var warmup = 100
    /// The lowest rate, as a share of the highest.
    package var floor: Float = 0.1
    package var decay: Float = 0.1
    package var beta2: Float = 0.95
    package var clipping: Float = 1
    package var seed = 1
    /// Whole conversations in a row, instead of windows at random places.
    package var packs = true
    package var learned = LossScope.all
    /// Steps between two evaluations; nil for twenty of them in all.
    package var evaluateEvery: Int?
    /// How much of the validation text an evaluation looks at, in tokens.
    package var evaluationTokens = 65_536
    /// Whether the first evaluation comes before the first step, as where a model is trained on.
    package var evaluatesBeforeTraining = false
    /// Steps between two times that the state is saved, besides those of the evaluations.
    package var saveEvery: Int?
    /// So many evaluations without a gain end the training; nil for none.
    package var patience: Int?
    /// What counts as a gain, in nats a token.
    package var smallestGain: Float = 0.001

    /// Contexts that are counted and fitted before the first step, so that the model begins with what counting knows; 0 for a start by
    /// chance.
    package var nGramContexts = 0

    package init() {}

    /// The steps in all, where that is not a matter of time.
    package func steps(perEpoch: Double, tokensPerStep: Int) -> Int? {
        switch length {
        case .steps(let count): count
        case .epochs(let count): Int((count * perEpoch).rounded(.up))
        case .tokens(let count): (count + tokensPerStep - 1) / tokensPerStep
        case .seconds: nil
        }
    }

    /// A short training cannot spend a hundred steps on warming up.
    package static func usualWarmup(for steps: Int?) -> Int { max(1, min(100, (steps ?? 1_000) / 10)) }
}

/// How a model is learned: named sets of numbers, each of which can still be said for itself.
package enum Recipe: String, Sendable, CaseIterable {
    /// A start from counts, small batches, a rate that falls to nothing (Documentation/decisions/start.md).
    case counts
    /// nanoGPT's: windows at random places in large batches, from weights drawn by chance.
    case nanogpt

    package var plan: TrainingPlan {
        var plan = TrainingPlan()
        switch self {
        case .counts: (plan.rows, plan.rate, plan.floor, plan.nGramContexts) = (4, 1e-3, 0, 819_200)
        case .nanogpt: plan.packs = false
        }
        return plan
    }
}

extension TrainingPlan {
    /// The plan as a checkpoint keeps it.
    var values: OrderedDictionary<CheckpointValue> {
        var values: OrderedDictionary<CheckpointValue> = [
            "plan/rows": .integer(rows), "plan/rate": .number(Double(rate)), "plan/warmup": .integer(warmup),
            "plan/floor": .number(Double(floor)),
            "plan/decay": .number(Double(decay)), "plan/beta2": .number(Double(beta2)), "plan/clipping": .number(Double(clipping)),
            "plan/seed": .integer(seed),
            "plan/packs": .integer(packs ? 1 : 0), "plan/evaluates_first": .integer(evaluatesBeforeTraining ? 1 : 0),
            "plan/learned": .text(learned.rawValue),
            "plan/evaluation_tokens": .integer(evaluationTokens), "plan/smallest_gain": .number(Double(smallestGain)),
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
        return values
    }

    /// The plan that a checkpoint's run follows.
    package init(from checkpoint: Checkpoint) throws(CheckpointError) {
        let has = { (name: String) in checkpoint.training["plan/" + name] != nil }
        rows = try checkpoint.integer("plan/rows")
        rate = Float(try checkpoint.number("plan/rate"))
        warmup = try checkpoint.integer("plan/warmup")
        floor = Float(try checkpoint.number("plan/floor"))
        decay = Float(try checkpoint.number("plan/decay"))
        if has("beta2") { beta2 = Float(try checkpoint.number("plan/beta2")) }      // older runs have none
        clipping = Float(try checkpoint.number("plan/clipping"))
        seed = try checkpoint.integer("plan/seed")
        packs = try checkpoint.integer("plan/packs") != 0
        if has("evaluates_first") { evaluatesBeforeTraining = try checkpoint.integer("plan/evaluates_first") != 0 }      // nor this
        learned = LossScope(rawValue: try checkpoint.text("plan/learned")) ?? .all
        evaluationTokens = try checkpoint.integer("plan/evaluation_tokens")
        smallestGain = Float(try checkpoint.number("plan/smallest_gain"))
        if has("start_contexts") { nGramContexts = try checkpoint.integer("plan/start_contexts") }
        if has("epochs") {
            length = .epochs(try checkpoint.number("plan/epochs"))
        } else if has("tokens") {
            length = .tokens(try checkpoint.integer("plan/tokens"))
        } else if has("seconds") {
            length = .seconds(try checkpoint.number("plan/seconds"))
        } else {
            length = .steps(try checkpoint.integer("plan/steps"))
        }
        if has("evaluate_every") { evaluateEvery = try checkpoint.integer("plan/evaluate_every") }
        if has("save_every") { saveEvery = try checkpoint.integer("plan/save_every") }
        if has("patience") { patience = try checkpoint.integer("plan/patience") }
    }
}
