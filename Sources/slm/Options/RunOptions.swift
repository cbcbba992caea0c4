import Threads
import Train

/// The options that `slm train` and `slm finetune` share.
protocol RunOptions: MachineOptions {
    /// The settings that options set.
    var plan: PlanOptions { get set }
    var dtype: Precision { get set }
    var steps: Int? { get set }
    var epochs: Double? { get set }
    var tokens: Int? { get set }
    var time: Duration? { get set }
    var stopAfter: Int? { get set }
    var skipsBad: Bool { get set }
    var ask: [String] { get set }
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

extension RunOptions {
    static var mainRunOptions: [CommandOption<Self>] {
        [
            .option("time", \.time, "Train for DURATION, such as 90s, 10m or 2h.").excluding("length"),
            .option("max-steps", \.steps, in: 1...1_000_000_000, "Train for N steps.").excluding("length"),
            .setting("batch", default: defaultBatch),
            .setting("lr", default: defaultRate),
        ]
    }

    static var scheduleGroup: OptionGroup<Self> {
        OptionGroup("Schedule and optimizer", [
            .option("epochs", \.epochs, in: 0...1_000_000, "Train for X passes over the data.").excluding("length"),
            .option("train-tokens", \.tokens, in: 1...1_000_000_000_000, "Train on N tokens.").excluding("length"),
            .option("stop-after", \.stopAfter, in: 1...1_000_000_000, "Stop at step N as Ctrl-C does, without changing the schedule."),
            .setting("schedule"), .setting("warmup"), .setting("min-lr"), .setting("weight-decay", default: defaultDecay),
            .setting("beta2"), .setting("clip"), .setting("patience"), .setting("min-gain"), .setting("seed"),
        ])
    }

    static var evaluationGroup: OptionGroup<Self> {
        OptionGroup("Evaluation and saving", [
            .setting("eval-every"), .setting("eval-tokens"), .setting("save-every"),
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
            .setting("loss-scope", default: defaultLossScope.rawValue),
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
        self.plan.apply(to: &plan)
        return plan
    }
}
