import Kernels
import Threads
import Train

/// The options that `slm train` and `slm finetune` share.
struct RunOptions: MachineOptions {
    /// The settings that options set.
    var plan = PlanOptions()
    var threads: Int?
    var cpu: String?
    var device: DeviceChoice?
    var blas: BLAS?
    var dtype = Precision.auto
    var recompute: Bool?
    var steps: Int?
    var epochs: Double?
    var tokens: Int?
    var time: Duration?
    var stopAfter: Int?
    var skipsBad = false
    var ask: [String] = []
    var shardsOptimizer = false
    var json = false
    var quiet = false
}

/// The options of a command that starts and resumes runs.
protocol RunCommandOptions {
    var run: RunOptions { get set }
    /// The defaults of settings that differ between the commands, as `--help` shows them, by the names of the settings.
    static var defaults: [String: String] { get }
    static var defaultLossScope: LossScope { get }
}

extension LossScope: OptionValue {}

extension RunCommandOptions {
    static func settings(_ group: SettingGroup) -> [CommandOption<Self>] {
        TrainingPlan.settings.filter { $0.group == group }.map { .setting($0) }
    }

    static var mainRunOptions: [CommandOption<Self>] {
        [
            .option("time", \.run.time, "Train for DURATION, such as 90s, 10m or 2h.").excluding("length"),
            .option("max-steps", \.run.steps, in: 1...1_000_000_000, "Train for N steps.").excluding("length"),
        ] + settings(.main)
    }

    static var scheduleGroup: OptionGroup<Self> {
        OptionGroup("Schedule and optimizer", [
            .option("epochs", \.run.epochs, in: 0...1_000_000, "Train for X passes over the data.").excluding("length"),
            .option("train-tokens", \.run.tokens, in: 1...1_000_000_000_000, "Train on N tokens.").excluding("length"),
            .option("stop-after", \.run.stopAfter, in: 1...1_000_000_000, "Stop at step N as Ctrl-C does, without changing the schedule."),
        ] + settings(.schedule))
    }

    static var evaluationGroup: OptionGroup<Self> {
        OptionGroup("Evaluation and saving", settings(.evaluation) + [
            .list("ask", \.run.ask, value: "TEXT",
                  "Print the model's answer to TEXT at each evaluation, instead of to a validation question.", separator: "\n"),
        ])
    }

    static var machineRunOptions: [CommandOption<Self>] {
        [
            .option("dtype", \.run.dtype, "Store activations in this data type, and multiply matrices in it where the CPU can."),
        ] + RunOptions.machineOptions.map { $0.inside(\.run) } + [
            .option("recompute", \.run.recompute, "Recompute activations in the backward pass: uses less memory, takes a third longer."),
        ]
    }

    static var processesGroup: OptionGroup<Self> {
        OptionGroup("Several processes (mpirun)", settings(.processes) + [
            .option("shard-optimizer", \.run.shardsOptimizer,
                    "Keep AdamW's moments of a part of the weights in each process (ZeRO stage 1): less memory."),
        ])
    }

    static var outputGroup: OptionGroup<Self> {
        OptionGroup("Output", [.quiet(\.run.quiet), .json(\.run.json, "Print events as JSON, one per line.")])
    }

    /// Which tokens of the data are trained on.
    static var dataOptions: [CommandOption<Self>] { settings(.data) + [.skipBad(\.run.skipsBad)] }

    /// The settings of a new run that all recipes share.
    func defaultPlan(_ plan: TrainingPlan = TrainingPlan()) -> TrainingPlan {
        var plan = plan
        plan.lossScope = Self.defaultLossScope
        plan.patience = 5
        return plan
    }
}

extension RunOptions {
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

    /// `defaults`, or the plan of the run to resume, changed by the options that are set.
    func plan(basedOn defaults: TrainingPlan, for command: String) throws -> TrainingPlan {
        var plan = defaults
        if let length = try length(for: command) { plan.length = length }
        self.plan.apply(to: &plan)
        return plan
    }
}
