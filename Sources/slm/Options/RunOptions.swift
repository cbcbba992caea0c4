import Threads
import Train

/// The options that `slm train` and `slm finetune` share.
protocol RunOptions: MachineOptions {
    var dtype: Precision { get set }
    var steps: Int? { get set }
    var epochs: Double? { get set }
    var tokens: Int? { get set }
    var time: Duration? { get set }
    var stopAfter: Int? { get set }
    var batch: Int? { get set }
    var learningRate: Double? { get set }
    var schedule: LearningRateSchedule.Shape? { get set }
    var warmup: Int? { get set }
    var weightDecay: Double? { get set }
    var beta2: Double? { get set }
    var clip: Double? { get set }
    var skipsBad: Bool { get set }
    var lossScope: LossScope? { get set }
    var evaluateEvery: Int? { get set }
    var evaluationTokens: Int? { get set }
    var saveEvery: Int? { get set }
    var patience: Int? { get set }
    var minGain: Double? { get set }
    var ask: [String] { get set }
    var seed: Int? { get set }
    var gradientGroups: Int? { get set }
    var shardsOptimizer: Bool { get set }
    var json: Bool { get set }
    var quiet: Bool { get set }
    /// Defaults as `--help` shows them.
    static var defaultBatch: String { get }
    static var defaultRate: String { get }
    static var defaultDecay: String { get }
    static var defaultLossScope: LossScope { get }
}

extension LossScope: OptionValue {}
extension LearningRateSchedule.Shape: OptionValue {}

extension RunOptions {
    static var mainRunOptions: [CommandOption<Self>] {
        [
            .option("time", \.time, "Train for DURATION, such as 90s, 10m or 2h.").excluding("length"),
            .option("max-steps", \.steps, in: 1...1_000_000_000, "Train for N steps.").excluding("length"),
            .option("batch", \.batch, in: 1...65_536, "Set the sequences per batch.", default: defaultBatch),
            .option("lr", \.learningRate, value: "RATE", in: 0...10, "Set the peak learning rate.", default: defaultRate),
        ]
    }

    static var scheduleGroup: OptionGroup<Self> {
        OptionGroup("Schedule and optimizer", [
            .option("epochs", \.epochs, in: 0...1_000_000, "Train for X passes over the data.").excluding("length"),
            .option("train-tokens", \.tokens, in: 1...1_000_000_000_000, "Train on N tokens.").alias("tokens").excluding("length"),
            .option("stop-after", \.stopAfter, in: 1...1_000_000_000, "Stop at step N as Ctrl-C does, without changing the schedule."),
            .option("schedule", \.schedule, "Choose how the learning rate falls after the warmup; wsd keeps it until the last fifth.",
                    default: "cosine"),
            .option("warmup", \.warmup, in: 0...1_000_000_000, "Warm the learning rate up over N steps.",
                    default: "100, or a tenth of all steps"),
            .option("weight-decay", \.weightDecay, in: 0...10, "Set AdamW's weight decay for matrices.", default: defaultDecay),
            .option("beta2", \.beta2, in: 0...0.99999, "Set AdamW's beta2; 0.99 suits small batches.", default: "0.95"),
            .option("clip", \.clip, in: 0...1e9, "Clip the gradient norm to X; 0 for no clipping.", default: "1"),
            .option("patience", \.patience, in: 0...1_000_000, "Stop after N evaluations without improvement; 0 for never.",
                    default: "\(defaultPatience)"),
            .option("min-gain", \.minGain, in: 0...100, "Ignore improvements below X nats per token (early stopping).",
                    default: "0.001"),
            .option("seed", \.seed, "Seed the weights, the order of the data and dropout.", default: "1"),
        ])
    }

    static var evaluationGroup: OptionGroup<Self> {
        OptionGroup("Evaluation and saving", [
            .option("eval-every", \.evaluateEvery, in: 1...1_000_000_000, "Evaluate every N steps.", default: "a twentieth of the run"),
            .option("eval-tokens", \.evaluationTokens, in: 1...1_000_000_000_000,
                    "Evaluate on at most N validation tokens during the run, the same in every run on the data.", default: "65536"),
            .option("save-every", \.saveEvery, in: 1...1_000_000_000, "Save every N steps, besides at evaluations."),
            .list("ask", \.ask, value: "TEXT", "Print the model's answer to TEXT at each evaluation, instead of to a validation question.",
                    separator: "\n"),
        ])
    }

    static var outputGroup: OptionGroup<Self> {
        OptionGroup("Output", [.quiet(\.quiet), .json(\.json, "Print events as JSON, one per line.")])
    }

    /// Which tokens of the data are trained on.
    static var dataOptions: [CommandOption<Self>] {
        [
            .option("learn-from", \.lossScope, value: "ROLE", "Compute the loss on the tokens of this role.",
                    default: defaultLossScope.rawValue),
            .skipBad(\.skipsBad),
        ]
    }

    static var precisionOption: CommandOption<Self> {
        .option("dtype", \.dtype, "Store activations in this data type, and multiply matrices in it where the CPU can.")
    }

    /// The length of the run, if an option sets it.
    func length(for command: String) throws -> TrainingPlan.Length? {
        let lengths: [TrainingPlan.Length] = [
            steps.map { .steps($0) },
            epochs.map { .epochs($0) },
            tokens.map { .tokens($0) },
            time.map { .seconds($0.inSeconds) },
        ].compactMap { $0 }
        if lengths.count > 1 {
            throw UsageError("slm \(command): expected one of --max-steps, --epochs, --train-tokens and --time, found \(lengths.count).")
        }
        return lengths.first
    }

    private static var defaultPatience: Int { 5 }

    /// The settings of a new run that all recipes share.
    func defaultPlan(_ plan: TrainingPlan = TrainingPlan()) -> TrainingPlan {
        var plan = plan
        plan.lossScope = Self.defaultLossScope
        plan.patience = Self.defaultPatience
        return plan
    }

    /// `defaults`, or the plan of the run to resume, changed by the options that are set.
    func plan(basedOn defaults: TrainingPlan, for command: String) throws -> TrainingPlan {
        var plan = defaults
        if let length = try length(for: command) { plan.length = length }
        if let clip { plan.clipping = clip > 0 ? Float(clip) : .infinity }
        if let seed { plan.seed = seed }
        if let lossScope { plan.lossScope = lossScope }
        if let evaluateEvery { plan.evaluateEvery = evaluateEvery }
        if let evaluationTokens { plan.evaluationTokens = evaluationTokens }
        if let saveEvery { plan.saveEvery = saveEvery }
        if let patience { plan.patience = patience == 0 ? nil : patience }
        if let minGain { plan.minDelta = Float(minGain) }
        if let batch { plan.rows = batch }
        if let beta2 { plan.beta2 = Float(beta2) }
        if let schedule { plan.schedule = schedule }
        if let learningRate { plan.rate = Float(learningRate) }
        if let weightDecay { plan.decay = Float(weightDecay) }
        return plan
    }
}
