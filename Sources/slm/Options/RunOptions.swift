import Kernels
import Model
import Threads
import Train

/// The options that `slm train` and `slm finetune` share.
struct RunOptions: MachineOptions {
    /// The settings that options set.
    var plan = PlanOptions()
    var machine = MachineSettings()
    var precision = TrainingPrecisionOption.auto
    var recompute: Bool?
    /// The machine of a new run with a model of this width, if it was opened to measure its speed.
    var opened: (width: Int, processor: Processor, machine: TrainingMachine)?
    var stopAfter: Int?
    var skipsBad = false
    var ask: [String] = []
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
    /// The options of the settings of a group.
    static func settings(_ group: SettingGroup) -> [CommandOption<Self>] {
        func options<Whole>(_ settings: [Setting<Whole>]) -> [CommandOption<Self>] {
            settings.filter { $0.group == group }.map { .setting($0) }
        }
        return options(TrainingPlan.lengths).map { $0.excluding("length") } + options(TrainingPlan.settings)
            + options(GPTConfiguration.settings) + options(Finetuning.Settings.settings) + options(AdapterSettings.settings)
            + options(PreferenceObjective.settings)
    }

    static var scheduleGroup: OptionGroup<Self> {
        OptionGroup("Schedule and optimizer", settings(.schedule) + [
            .option("stop-after", \.run.stopAfter, in: 1...1_000_000_000, "Stop at step N as Ctrl-C does, without changing the schedule."),
        ])
    }

    static var evaluationGroup: OptionGroup<Self> {
        OptionGroup("Evaluation and saving", settings(.evaluation) + [
            .list("ask", \.run.ask, value: "TEXT",
                  "Print the model's answer to TEXT at each evaluation, instead of to a validation question.", separator: "\n"),
        ])
    }

    static var machineRunOptions: [CommandOption<Self>] {
        [
            .option("dtype", \.run.precision, "Store activations in this data type, and multiply matrices in it where the CPU can."),
        ] + RunOptions.machineOptions.map { $0.inside(\.run) } + [
            .option("recompute", \.run.recompute, "Recompute activations in the backward pass: uses less memory, takes a third longer."),
        ]
    }

    static var processesGroup: OptionGroup<Self> {
        OptionGroup("Several processes (mpirun)", settings(.processes))
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
        plan.patience = TrainingPlan.defaultPatience
        return plan
    }
}

extension RunOptions {
    /// The length of the run, if an option sets it.
    func length(for command: String) throws -> TrainingPlan.Length? {
        let given = TrainingPlan.lengths.compactMap { setting in plan.values[setting.name].map { (setting, $0) } }
        if given.count > 1 {
            let names = TrainingPlan.lengths.map(\.option).joined(separator: ", ")
            throw UsageError("slm \(command): expected one of \(names), found \(given.count).")
        }
        return given.first.map { setting, value in
            var plan = TrainingPlan()
            setting.set(&plan, value)
            return plan.length
        }
    }

    /// `defaults`, or the plan of the run to resume, changed by the options that are set.
    func plan(basedOn defaults: TrainingPlan, for command: String) throws -> TrainingPlan {
        var plan = defaults
        if let length = try length(for: command) { plan.length = length }
        self.plan.apply(to: &plan)
        return plan
    }
}
