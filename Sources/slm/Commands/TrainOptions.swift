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
    var resume = Resume.no
    var dryRun = false
    /// Replaces the user's cache of token files.
    var cacheRoot: String?
    var layers: Int?
    var heads: Int?
    var width: Int?
    var context: Int?
    var dropout: Double?
    var noBias: Bool?
    var tied: Bool?
    var norm: Norm.Kind?
    var activation: UnaryFunction?
    var positions: GPTConfiguration.Positions?
    var qkNorm: Bool?
    var validation: [String] = []
    var validationShare: Double?
    var keyValueHeads: Int?
    var hiddenWidth: Int?
    var gated: Bool?
    var experts: Int?
    var activeExperts: Int?
    var expertBalance: Double?
    /// Whether to suggest a command after the run.
    var hasNextStep = true
}

extension Norm.Kind: OptionValue {}
extension GPTConfiguration.Positions: OptionValue {}

/// The activations of an MLP, by their names in a checkpoint.
extension UnaryFunction: OptionValue {
    private static let activations: [UnaryFunction] = [.gelu, .exactGELU, .relu, .reluSquared, .silu]

    init?(optionText: String) {
        guard let f = Self.activations.first(where: { $0.optionText == optionText }) else { return nil }
        self = f
    }

    var optionText: String { "\(self)" }
    static var metavariable: String { "NAME" }
    static var choices: [String] { activations.map(\.optionText) }
    static var expectation: String { "one of " + choices.joined(separator: ", ") }
}

extension TrainOptions {
    static var groups: [OptionGroup<TrainOptions>] {
        [
            mainGroup, dataGroup, modelGroup, recipeGroup, scheduleGroup, evaluationGroup, machineGroup, processesGroup, outputGroup,
        ]
    }

    private static var mainGroup: OptionGroup<TrainOptions> {
        OptionGroup("Main options", [
            .list("data", \.data, value: "FILE", "Train on chats or text: files, directories, or one directory of token files.").short("d"),
            .option("preset", \.preset, value: "NAME", "Choose the size of the model.", default: defaultPreset)
                .choices(GPTConfiguration.presets.map(\.name)),
            .option("out", \.out, value: "DIR", "Write the run to DIR: last.h5, best.h5, log.jsonl, report.html.",
                    default: "checkpoints/PRESET").short("o"),
        ] + mainRunOptions + [
            .option("context", \.context, in: 1...1_048_576, "Set the context length in tokens.", default: "the preset's"),
            .option("resume", \.resume, "Continue RUN, or the run of --out, with the settings stored in its checkpoint."),
            .option("dry-run", \.dryRun, "Print parameters, tokens, steps, memory and time, and write nothing."),
        ])
    }

    private static var dataGroup: OptionGroup<TrainOptions> {
        OptionGroup("Data", [
            .option("tokenizer", \.tokenizer, value: "FILE", "Use this tokenizer.", default: "that of the token files")
                .excluding("vocabulary"),
        ] + settings(.vocabulary).map { $0.excluding("vocabulary") } + [
            .chatTemplate(\.chatTemplate, "Render conversations with this chat template, or with a Jinja file.", default: "markers"),
            .list("val", \.validation, value: "FILE", "Validate on these chats instead of a share of the data.").excluding("validation"),
            .option("val-share", \.validationShare, in: 0...1, "Hold out this share of the conversations for validation.", default: "0.1")
                .excluding("validation"),
        ] + settings(.windows) + dataOptions)
    }

    private static var modelGroup: OptionGroup<TrainOptions> {
        OptionGroup("Model (default: the preset's)", [
            .option("layers", \.layers, in: 0...1_000, "Set the number of layers."),
            .option("heads", \.heads, in: 1...1_000, "Set the number of attention heads."),
            .option("width", \.width, in: 1...100_000, "Set the number of channels."),
            .option("dropout", \.dropout, in: 0...0.99, "Set the dropout rate.", default: "0"),
            .option("no-bias", \.noBias, "Omit biases in linear layers and norms."),
            .option("tied", \.tied, "Tie the output head to the token embedding."),
            .option("norm", \.norm, "Choose layer norm or RMS norm.", default: "layer"),
            .option("activation", \.activation, "Choose the activation of the MLP.", default: "gelu"),
            .option("positions", \.positions, "Choose the position encoding.", default: "learned"),
            .option("qk-norm", \.qkNorm, "Normalize queries and keys."),
            .option("kv-heads", \.keyValueHeads, in: 1...1_000, "Share N heads of keys and values among the heads of queries."),
            .option("hidden", \.hiddenWidth, in: 1...400_000, "Set the number of channels inside the MLP.", default: "4 times the width"),
            .option("experts", \.experts, in: 0...1_024, "Replace the MLP by N experts, of which each token uses some (0: none).",
                    default: "the preset's"),
            .option("active-experts", \.activeExperts, in: 1...1_024, "Let N experts process each token.", default: "2"),
            .option("expert-balance", \.expertBalance, in: 0...1_000, "Set the factor of the load-balancing loss.", default: "0.01"),
            .option("gated", \.gated, "Multiply the MLP's activations by a second projection (SwiGLU with --activation silu)."),
        ])
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
            "batch": "4 with --recipe counts, else 12",
            "optimizer": "muon; adamw with a recipe",
            "lr": "1e-3; without --recipe 2.5e-3 up to 256 channels, 5e-3 up to 128",
            "weight-decay": "0.1",
        ]
    }
}

extension TrainOptions {
    private static var defaultPreset: String { "tiny" }
    private var presetName: String { preset ?? Self.defaultPreset }

    /// The directory of the run.
    var folder: String {
        if case .run(let folder) = resume { return folder }
        return out ?? "checkpoints/\(presetName)"
    }

    var presetConfiguration: GPTConfiguration {
        get throws { try .preset(presetName, for: "train") }
    }

    func configuration(vocabulary: Int) throws -> GPTConfiguration {
        let preset = try presetConfiguration
        let heads = heads ?? preset.heads
        let width = width ?? preset.width
        // The preset's heads can be wider or narrower than width / heads.
        let isResized = heads != preset.heads || width != preset.width
        guard !isResized || width % heads == 0 else {
            throw UsageError("slm train: expected a --width that is a multiple of --heads, found \(width) and \(heads).")
        }
        var configuration = preset
        configuration.layers = layers ?? preset.layers
        configuration.heads = heads
        configuration.width = width
        if isResized {
            configuration.headWidth = width / heads
            configuration.hiddenWidth = max(1, preset.hiddenWidth * width / preset.width)
            configuration.attentionScale = nil
        }
        let group = preset.heads / preset.keyValueHeads
        configuration.keyValueHeads = keyValueHeads ?? (heads % group == 0 ? heads / group : heads)
        guard heads % configuration.keyValueHeads == 0 else {
            throw UsageError("slm train: expected --kv-heads that divide the \(heads) heads, found \(configuration.keyValueHeads).")
        }
        configuration.hiddenWidth = hiddenWidth ?? configuration.hiddenWidth
        configuration.isGated = preset.isGated || gated ?? false
        configuration.experts = try expertConfiguration(preset.experts)
        configuration.context = context ?? preset.context
        configuration.vocabulary = vocabulary
        configuration.dropout = Float(dropout ?? Double(preset.dropout))
        if noBias ?? false {
            configuration.hasBias = false
            configuration.hasQKVBias = false
        }
        configuration.isTied = preset.isTied || tied ?? false
        configuration.norm = norm ?? preset.norm
        configuration.activation = activation ?? preset.activation
        configuration.positions = positions ?? preset.positions
        if qkNorm ?? false, preset.qkNorm == .none { configuration.qkNorm = .unit }
        guard configuration.positions != .rotary || configuration.headWidth % 2 == 0 else {
            throw UsageError("slm train: rotary positions need an even number of channels per head, "
                + "found \(configuration.headWidth) (--width \(width), --heads \(heads)).")
        }
        return configuration
    }

    private func expertConfiguration(_ preset: Experts?) throws -> Experts? {
        let count = experts ?? preset?.count ?? 0
        guard count > 0 else {
            if activeExperts != nil || expertBalance != nil { throw UsageError("slm train: --active-experts needs --experts N.") }
            return nil
        }
        let active = activeExperts ?? preset?.active ?? 2
        guard count > 1, active <= count else {
            throw UsageError("slm train: expected --active-experts of at most the --experts, found \(active) of \(count).")
        }
        var result = preset ?? Experts(count: count, active: active)
        result.count = count
        result.active = active
        if let expertBalance { result.balance = Float(expertBalance) }
        return result
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
            plan.rate = TrainingPlan.usualRate(width: configuration.width)
            plan.optimizer = .muon
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

    /// Throws if an option contradicts the model of the run to resume.
    func check(_ stored: GPTConfiguration) throws(TrainingError) {
        let flag = { (isOn: Bool) in isOn ? "on" : "off" }
        let settings: [(option: String, given: String?, stored: String)] = [
            ("--layers", layers.map(String.init), "\(stored.layers)"),
            ("--heads", heads.map(String.init), "\(stored.heads)"),
            ("--width", width.map(String.init), "\(stored.width)"),
            ("--context", context.map(String.init), "\(stored.context)"),
            ("--dropout", dropout.map { "\(Float($0))" }, "\(stored.dropout)"),
            ("--no-bias", noBias.map(flag), flag(!stored.hasBias)),
            ("--tied", tied.map(flag), flag(stored.isTied)),
            ("--norm", norm?.rawValue, stored.norm.rawValue),
            ("--activation", activation?.optionText, stored.activation.optionText),
            ("--positions", positions?.rawValue, stored.positions.rawValue),
            ("--qk-norm", qkNorm.map(flag), flag(stored.qkNorm != .none)),
            ("--kv-heads", keyValueHeads.map(String.init), "\(stored.keyValueHeads)"),
            ("--hidden", hiddenWidth.map(String.init), "\(stored.hiddenWidth)"),
            ("--gated", gated.map(flag), flag(stored.isGated)),
            ("--experts", experts.map(String.init), "\(stored.experts?.count ?? 0)"),
            ("--active-experts", activeExperts.map(String.init), "\(stored.experts?.active ?? 0)"),
            ("--expert-balance", expertBalance.map { "\(Float($0))" }, "\(stored.experts?.balance ?? 0)"),
        ]
        for (option, given, stored) in settings {
            if let given, given != stored { throw .cannotChange(option: option, stored: stored, given: given) }
        }
    }
}
