import Checkpoint

extension TrainingPlan: StoredSettings {
    package static let fieldGroup = "plan"
    private static let initial = TrainingPlan()
    /// The evaluations without improvement that end a run of `slm train` and `slm finetune`.
    package static let defaultPatience = 5
    /// All settings but the length of the run: see ``lengths``.
    package static let settings: [Setting<TrainingPlan>] = [
        .text("preset", .fixed, nil, \.preset),
        .integer("vocab-size", .fixed, .vocabulary, \.vocabularySize, in: 256...100_000_000,
                 "Train a tokenizer with N tokens on the data."),
        .choice("recipe", .fixed, .recipe, \.recipe, "Initialize the weights from n-gram counts, or train as nanoGPT does.",
                default: "counts if the model is large enough"),
        .integer("ngram-contexts", .fixed, .recipe, \.nGramContexts, in: 0...1_000_000_000, "Fit the n-gram initialization to N contexts.",
                 default: "\(Recipe.counts.plan.nGramContexts), at most 2/3 of the tokens"),
        .integer("batch", .fixed, .main, \.batch, in: 1...65_536, "Set the sequences per batch."),
        .flag("windows", .fixed, .windows, \.usesWindows,
              "Train on windows at random positions, like nanoGPT, instead of packed conversations."),
        .choice("loss-scope", .fixed, .data, \.lossScope, "Compute the loss on the tokens of this role.", default: ""),
        .integer("seed", .fixed, .schedule, \.seed, in: Int.min...Int.max,
                 "Seed the weights, the order of the data and dropout.", default: "\(initial.seed)"),
        .choice("optimizer", .fixed, .recipe, \.optimizer, "Choose the optimizer of the linear layers' weights.", default: ""),
        .number("muon-lr", .changeable, .recipe, \.muonLR, in: 0...10,
                "Set the peak learning rate of Muon; --lr is that of all other weights, and a quarter of the embedding's.",
                default: initial.muonLR.defaultText),
        .number("lr", .changeable, .main, \.lr, in: 0...10, "Set the peak learning rate."),
        .choice("schedule", .changeable, .schedule, \.schedule,
                "Choose how the learning rate falls after the warmup; wsd keeps it until the last fifth.",
                default: initial.schedule.rawValue),
        .integer("warmup", .changeable, .schedule, \.warmup, in: 0...1_000_000_000, "Warm the learning rate up over N steps.",
                 default: "\(initial.warmup), or a tenth of all steps"),
        .number("min-lr", .changeable, .schedule, \.minLR, in: 0...1, "Let the learning rate fall to X times the peak.",
                default: "\(initial.minLR.defaultText); \(Recipe.counts.plan.minLR.defaultText) with --recipe counts"),
        .number("weight-decay", .changeable, .schedule, \.weightDecay, in: 0...10, "Set the weight decay of matrices."),
        .number("beta1", .changeable, .schedule, \.beta1, in: 0...0.99999, "Set AdamW's beta1.", default: initial.beta1.defaultText),
        .number("beta2", .changeable, .schedule, \.beta2, in: 0...0.99999, "Set AdamW's beta2; 0.99 suits small batches.",
                default: initial.beta2.defaultText),
        .number("lora-plus-ratio", .changeable, .adapter, \.loraPlusRatio, in: 0.01...1_000,
                "Multiply the learning rate of B by X (LoRA+).", default: initial.loraPlusRatio.defaultText),
        .number("neftune", .changeable, .noise, \.neftune, in: 0...1_000,
                "Add noise of up to X / √(tokens of a row · width) to embeddings (NEFTune).", default: initial.neftune.defaultText),
        .number("clip", .changeable, .schedule, \.clip, in: 0...1e9, infinity: 0,
                "Clip the gradient norm to X; 0 for no clipping.", default: initial.clip.defaultText),
        .number("min-gain", .changeable, .schedule, \.minGain, in: 0...100, "Ignore improvements below X nats per token (early stopping).",
                default: initial.minGain.defaultText),
        .integer("patience", .changeable, .schedule, \.patience, in: 0...1_000_000, none: 0,
                 "Stop after N evaluations that rule a gain out; 0 for never.", default: "\(defaultPatience)"),
        .integer("eval-every", .changeable, .evaluation, \.evalEvery, in: 1...1_000_000_000, "Evaluate every N steps.",
                 default: "a twentieth of the run"),
        .integer("eval-tokens", .changeable, .evaluation, \.evalTokens, in: 1...1_000_000_000_000,
                 "Evaluate on at most N validation tokens during the run, the same in every run on the data.",
                 default: "\(initial.evalTokens)"),
        .integer("save-every", .changeable, .evaluation, \.saveEvery, in: 1...1_000_000_000, "Save every N steps, besides at evaluations."),
        .integer("gradient-groups", .machine, .processes, \.gradientGroups, in: 1...65_536,
                 "Sum gradients in N groups of sequences, which the processes share. Runs with the same N have the same bits.",
                 default: "\(initial.gradientGroups); with mpirun 4, or a power of two for more processes"),
        .flag("shard-optimizer", .machine, .processes, \.shardsOptimizer,
              "Keep AdamW's moments of a part of the weights in each process (ZeRO stage 1): less memory."),
    ]

    /// The settings of which one is the length of the run. They have no value in a plan whose length is another.
    package static let lengths: [Setting<TrainingPlan>] = [
        length("time", .main, .seconds, "Train for DURATION, such as 90s, 10m or 2h."),
        length("max-steps", .main, .integer(1...1_000_000_000), "Train for N steps."),
        length("epochs", .schedule, .number(0...1_000_000), "Train for X passes over the data."),
        length("train-tokens", .schedule, .integer(1...1_000_000_000_000), "Train on N tokens."),
    ]

    private static func length(_ name: String, _ group: SettingGroup, _ type: SettingType, _ help: String) -> Setting<TrainingPlan> {
        Setting(
            name: name, kind: .changeable, group: group, type: type, help: help, defaultText: "",
            value: { plan in plan.length.setting.name == name ? plan.length.setting.value : nil },
            set: { plan, value in if let length = Length(name, value) { plan.length = length } })
    }
}

extension TrainingPlan.Length {
    fileprivate var setting: (name: String, value: CheckpointValue) {
        switch self {
        case .seconds(let seconds): ("time", .number(seconds))
        case .steps(let count): ("max-steps", .integer(count))
        case .epochs(let count): ("epochs", .number(count))
        case .tokens(let count): ("train-tokens", .integer(count))
        }
    }

    fileprivate init?(_ name: String, _ value: CheckpointValue) {
        switch (name, value) {
        case ("time", .number(let seconds)): self = .seconds(seconds)
        case ("max-steps", .integer(let count)): self = .steps(count)
        case ("epochs", .number(let count)): self = .epochs(count)
        case ("train-tokens", .integer(let count)): self = .tokens(count)
        default: return nil
        }
    }
}
