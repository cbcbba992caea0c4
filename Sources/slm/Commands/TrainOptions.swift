import Autograd
import Kernels
import Model
import Tokenize
import Train

struct TrainOptions: RunCommandOptions {
    var run = RunOptions()
    var data: [String] = []
    var tokenizer: String?
    var chatTemplate: ChatTemplateChoice?
    var out: String?
    /// nil for the default preset.
    var preset: String?
    var resume: Resume?
    var estimates = false
    /// Replaces the user's cache of token files.
    var cacheRoot: String?
    var validation: [String] = []
    var validationShare: Double?
    /// Whether to suggest a command after the run.
    var hasNextStep = true
}

extension TrainOptions {
    static var groups: [OptionGroup<TrainOptions>] {
        [
            mainGroup, dataGroup, modelGroup, recipeGroup, scheduleGroup, evaluationGroup, machineGroup, processesGroup, outputGroup,
        ]
    }

    private static var mainGroup: OptionGroup<TrainOptions> {
        OptionGroup("Main options", [
            .list("data", \.data, value: "FILE", "Train on chats or text: files, folders, or one folder of token files.").short("d"),
            .option(
                "preset", \.preset, value: "NAME", "Choose the size of the model. With --time, tiny or small is chosen.",
                default: defaultPreset
            ).choices(GPTConfiguration.presets.map(\.name)),
            .option("out", \.out, value: "DIR", "Write the run to DIR: last.h5, best.h5, log.jsonl, report.html.",
                    default: "checkpoints/PRESET").short("o"),
        ] + settings(.main) + settings(.context) + [
            .option("resume", \.resume, "Continue RUN, or the run of --out, with the settings stored in its checkpoint."),
            .option("estimate", \.estimates, "Print parameters, tokens, steps, memory and time, and write nothing."),
        ])
    }

    private static var dataGroup: OptionGroup<TrainOptions> {
        OptionGroup("Data", [
            .option("tokenizer", \.tokenizer, value: "FILE", "Use this tokenizer.", default: "that of the token files")
                .excluding("vocabulary"),
        ] + settings(.vocabulary).map { $0.excluding("vocabulary") } + [
            .chatTemplate(\.chatTemplate, "Render conversations with this chat template, or with a Jinja file.", default: "markers"),
            .list("val", \.validation, value: "FILE", "Validate on these chats instead of a share of the data.").excluding("validation"),
            .option("val-share", \.validationShare, in: 0...1, "Hold out this share of the conversations for validation.",
                    default: TrainingData.Source([]).validationShare.optionText)
                .excluding("validation"),
        ] + settings(.windows) + dataOptions)
    }

    private static var modelGroup: OptionGroup<TrainOptions> {
        OptionGroup("Model (default: the preset's)", settings(.model))
    }

    private static var recipeGroup: OptionGroup<TrainOptions> {
        OptionGroup("Recipe", settings(.recipe))
    }

    private static var machineGroup: OptionGroup<TrainOptions> {
        OptionGroup("Machine", machineRunOptions)
    }

    static var defaultLossScope: LossScope { .all }
    static var defaults: [String: String] {
        [
            "vocab-size": "the preset's",
            "loss-scope": defaultLossScope.rawValue,
            "batch": "4 or 12 with a recipe; else 12 up to a context of 128, about 6,144 tokens above, 1,536 with --optimizer adamw",
            "optimizer": "muon; adamw with a recipe",
            "lr": "1e-3; without --recipe 1e-2 up to 256 channels and 2e-2 up to 128, a quarter with --optimizer adamw",
            "weight-decay": "0.1; 0.025 with Muon up to 256 channels",
        ]
    }
}

extension TrainOptions {
    static var defaultPreset: String { "tiny" }
    var presetName: String { preset ?? Self.defaultPreset }

    /// The folder of the run.
    var folder: String {
        if case .run(let folder)? = resume { return folder }
        return out ?? "checkpoints/\(presetName)"
    }

    var presetConfiguration: GPTConfiguration {
        get throws { try .preset(presetName, for: "train") }
    }

    func configuration(vocabulary: Int) throws -> GPTConfiguration {
        let preset = try presetConfiguration
        var configuration = preset
        run.plan.apply(to: &configuration)
        configuration.vocabulary = vocabulary
        let heads = configuration.heads, width = configuration.width
        // The preset's heads can be wider or narrower than width / heads.
        let isResized = heads != preset.heads || width != preset.width
        guard !isResized || width % heads == 0 else {
            throw UsageError("slm train: expected a --width that is a multiple of --heads, found \(width) and \(heads).")
        }
        if isResized {
            configuration.headWidth = width / heads
            if !run.plan.has("hidden") { configuration.hiddenWidth = max(1, preset.hiddenWidth * width / preset.width) }
            configuration.attentionScale = nil
        }
        let group = preset.heads / preset.keyValueHeads
        if !run.plan.has("kv-heads") { configuration.keyValueHeads = heads % group == 0 ? heads / group : heads }
        guard heads % configuration.keyValueHeads == 0 else {
            throw UsageError("slm train: expected --kv-heads that divide the \(heads) heads, found \(configuration.keyValueHeads).")
        }
        guard configuration.positions != .rotary || configuration.headWidth % 2 == 0 else {
            throw UsageError("slm train: rotary positions need an even number of channels per head, "
                + "found \(configuration.headWidth) (--width \(width), --heads \(heads)).")
        }
        try check(configuration.experts)
        return configuration
    }

    private func check(_ experts: Experts?) throws {
        guard let experts else {
            if run.plan.has("active-experts") || run.plan.has("expert-balance") {
                throw UsageError("slm train: --active-experts needs --experts N.")
            }
            return
        }
        guard experts.count > 1, experts.active <= experts.count else {
            throw UsageError(
                "slm train: expected --active-experts of at most the --experts, found \(experts.active) of \(experts.count).")
        }
    }

    /// The recipe that is set, else n-gram counts if the model is large enough for them.
    func recipe(for configuration: GPTConfiguration) throws -> Recipe? {
        let obstacle = NGramInitialization.obstacle(for: configuration), recipe = run.plan[text: "recipe"].flatMap { Recipe(rawValue: $0) }
        if recipe == .counts, let obstacle { throw UsageError("slm train: --recipe counts needs \(obstacle). Use --recipe nanogpt.") }
        return recipe ?? (obstacle == nil ? .counts : nil)
    }

    /// The plan of a new run.
    func plan(for configuration: GPTConfiguration) throws -> TrainingPlan {
        let recipe = try recipe(for: configuration)
        var plan = defaultPlan(recipe?.plan ?? TrainingPlan())
        if recipe == nil {
            plan.optimizer = run.plan[text: "optimizer"].flatMap { OptimizerKind(rawValue: $0) } ?? .muon
            plan.lr = TrainingPlan.defaultRate(width: configuration.width, plan.optimizer)
            plan.weightDecay = TrainingPlan.defaultDecay(width: configuration.width, plan.optimizer)
            plan.batch = TrainingPlan.defaultBatch(context: configuration.context, plan.optimizer)
        }
        plan.preset = presetName
        return try changed(plan)
    }

    /// The plan of a run to resume, with the options that are set.
    func plan(resuming stored: TrainingPlan) throws -> TrainingPlan {
        var plan = try changed(stored)
        if let preset { plan.preset = preset }
        return plan
    }

    private func changed(_ old: TrainingPlan) throws -> TrainingPlan {
        let plan = try run.plan(basedOn: old, for: "train")
        if old.nGramContexts == 0, plan.nGramContexts > 0 { throw UsageError("slm train: --ngram-contexts needs --recipe counts.") }
        if run.plan.has("muon-lr"), plan.optimizer != .muon { throw UsageError("slm train: --muon-lr needs --optimizer muon.") }
        return plan
    }
}
