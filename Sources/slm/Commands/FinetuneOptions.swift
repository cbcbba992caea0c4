import Autograd
import Checkpoint
import Files
import Infer
import Kernels
import Model
import Tokenize
import Train

struct FinetuneOptions: RunCommandOptions {
    var run = RunOptions()
    var base: String?
    var data: [String] = []
    /// nil for `checkpoints`.
    var out: String?
    var name: String?
    var resume: Resume?
    var force = false
    var background = false
    var estimate: EstimateChoice?
    var replay: [String] = []
    var initAdapter: String?
    var preferences: PreferenceChoice?
    var chatTemplate: ChatTemplateChoice?
    var addTokens: AddedTokenChoice?
}

extension FinetuneOptions {
    static var groups: [OptionGroup<FinetuneOptions>] {
        [
            OptionGroup("Main options", [
                .option("base", \.base, value: "CHECKPOINT", "Fine-tune this model: a checkpoint, a Hugging Face folder or a GGUF file.")
                    .short("c").positional(),
                .list("data", \.data, value: "FILE", "Train on these chats: files or folders.").short("d"),
                .option("out", \.out, value: "DIR", "Create the run's folder in DIR.", default: "checkpoints").short("o"),
                .option("name", \.name, value: "NAME", "Name the run's folder.", default: "finetuned_YYYYMMDD_HHMMSS"),
            ] + settings(.rank) + settings(.main) + [
                .option("resume", \.resume, "Continue RUN, or the newest fine-tuning run in --out."),
            ]),
            OptionGroup("Data", [
                .list("replay", \.replay, value: "FILE",
                      "Mix in older chats, so that the model does not forget them; generated: chats that the base model generates."),
            ] + settings(.replay) + [
                .option("force", \.force, "Accept fewer than 10 chats."),
                .chatTemplate(\.chatTemplate, "Render the chats with this chat template, or with a Jinja file."),
                .addTokens(\.addTokens),
            ] + dataOptions),
            OptionGroup("LoRA adapter", settings(.newAdapter) + [
                .option("init-adapter", \.initAdapter, value: "ADAPTER",
                        "Train this adapter of the base model further: a checkpoint, or a PEFT folder."),
            ] + settings(.frozen) + settings(.adapter)),
            preferenceGroup,
            scheduleGroup,
            OptionGroup("Model", settings(.rows) + settings(.noise)),
            evaluationGroup,
            OptionGroup("Machine", machineRunOptions + [
                .background(\.background),
                .option("estimate", \.estimate,
                        "Print the memory, disk space and time that the run would need, and do not train; memory: without measuring."),
            ]),
            processesGroup,
            outputGroup,
        ]
    }

    static var defaultLossScope: LossScope { .assistant }
    static var defaults: [String: String] {
        [
            "loss-scope": defaultLossScope.rawValue,
            "batch": "4, or fewer for few chats; 8 preferences",
            "lr": "1e-3 for an adapter; otherwise 3e-4, or 1e-4 with --preferences",
            "weight-decay": "0.1; 0 with --lora or --preferences",
        ]
    }

    var newPlan: TrainingPlan {
        get throws {
            var defaults = defaultPlan()
            defaults.batch = 4
            defaults.lr = trainsAdapter ? 1e-3 : 3e-4
            defaults.weightDecay = trainsAdapter ? 0 : 0.1
            if preferences != nil {
                defaults.batch = 8
                if !trainsAdapter { defaults.lr = 1e-4 }
                defaults.weightDecay = 0
            }
            if run.plan.has("lora-plus-ratio"), !trainsAdapter {
                throw UsageError("slm finetune: --lora-plus-ratio needs an adapter: --lora RANK or --init-adapter ADAPTER.")
            }
            return try run.plan(basedOn: defaults, for: "finetune")
        }
    }

    private var trainsAdapter: Bool { run.plan.has("lora") || initAdapter != nil }

    private var adapter: AdapterSettings {
        var adapter = AdapterSettings()
        run.plan.apply(to: &adapter)
        return adapter
    }

    /// - Parameter configuration: The base model's.
    func settings(for configuration: GPTConfiguration) throws -> Finetuning.Settings {
        try checkAdapterOptions()
        var settings = Finetuning.Settings(data: data)
        settings.replayShare = GeneratedText.replayShare(of: replay, otherwise: Finetuning.Settings.defaultReplayShare)
        settings.preferences = try preferenceSettings
        run.plan.apply(to: &settings)
        settings.fitsBatchToChats = !run.plan.has("batch")
        settings.lora = try loraConfiguration(for: configuration)
        settings.loraInitialization = adapter.initialization
        try checkBasePrecision(settings.basePrecision)
        settings.length = try run.length(for: "finetune")
        settings.warmup = run.plan[integer: "warmup"]
        if force { settings.minimumChats = 1 }
        settings.skipsBad = run.skipsBad
        return settings
    }

    /// Throws if an option is set that only a new adapter has.
    private func checkAdapterOptions() throws {
        let chosen = AdapterSettings.settings.filter { run.plan.has($0.name) && run.plan[flag: $0.name] != false }
        if initAdapter != nil {
            if let option = chosen.first?.option ?? (addTokens == nil ? nil : "--add-tokens") {
                throw UsageError("slm finetune: --init-adapter: the adapter has its own rank, alpha and layers; remove \(option).")
            }
        } else if !run.plan.has("lora"), let setting = chosen.first {
            throw UsageError("slm finetune: \(setting.option) needs an adapter: --lora RANK.")
        }
    }

    private func checkBasePrecision(_ precision: WeightPrecision?) throws {
        guard let precision else { return }
        if !trainsAdapter {
            throw UsageError("slm finetune: --base-dtype needs an adapter: --lora RANK or --init-adapter ADAPTER.")
        }
        if adapter.initialization == .pissa, precision != .float32 {
            throw UsageError("slm finetune: --base-dtype: PiSSA changes the base's weights, so they are kept in f32.")
        }
    }

    private func loraConfiguration(for configuration: GPTConfiguration) throws -> LoRAConfiguration? {
        let adapter = adapter, isPiSSA = adapter.initialization == .pissa
        guard let rank = adapter.rank else { return nil }
        let known = GPT.loraTargetNames
        let names = adapter.targets?.split(separator: ",").map(String.init) ?? GPT.loraTargets(of: configuration)
        let unknown = names.first { !known.contains($0) }
        if unknown != nil || names.isEmpty {
            let layers = known.joined(separator: ",")
            throw UsageError("slm finetune: --lora-targets: expected some of \(layers), found '\(unknown ?? "")'.")
        }
        if let experts = configuration.experts, experts.shared == nil, names.contains(where: ["up", "down"].contains) {
            throw UsageError(
                "slm finetune: --lora-targets: LoRA adapts no experts but a shared one. Name some of qkv,q,k,v,output,head,embedding.")
        }
        if names.contains("qkv"), let part = names.first(where: { ["q", "k", "v"].contains($0) }) {
            throw UsageError("slm finetune: --lora-targets: expected qkv or some of q,k,v, found both qkv and \(part).")
        }
        var shape = LoRAConfiguration(rank: rank, alpha: adapter.scaledAlpha, names: names, of: configuration)
        shape.dropout = adapter.dropout
        shape.usesDoRA = adapter.usesDoRA
        if isPiSSA, shape.adaptsVocabulary {
            throw UsageError("slm finetune: --lora-init pissa: it changes the base's weights, and cannot adapt the head or the embedding.")
        }
        let special = isPiSSA ? "--lora-init pissa" : shape.adaptsVocabulary ? "--lora-targets head,embedding" : nil
        if addTokens != nil, let special { throw UsageError("slm finetune: --add-tokens cannot be combined with \(special).") }
        if shape.usesDoRA, let other = special ?? (shape.dropout > 0 ? "--lora-dropout" : nil) {
            throw UsageError("slm finetune: --dora cannot be combined with \(other).")
        }
        return shape
    }
}

extension FinetuneOptions {
    /// The folder in which runs are created.
    var runs: String { out ?? "checkpoints" }

    /// The plan of a run to resume, with the options that are set.
    func plan(resuming stored: TrainingPlan) throws -> TrainingPlan { try run.plan(basedOn: stored, for: "finetune") }

    /// Throws if an option contradicts the run to resume, which cannot change.
    func check(_ stored: Checkpoint, in folder: String) throws {
        let relative = { (paths: [String]) in try paths.map { try RelativePath.of($0, from: folder) }.joined(separator: " ") }
        var own = try Finetuning.Settings(of: stored, in: folder)
        var settings: [(option: String, given: String?, stored: String)] = [
            ("--data", data.isEmpty ? nil : try relative(data), try relative(own.data)),
            ("--replay", replay.isEmpty ? nil : try relative(replayPaths(in: folder)), try relative(own.replay)),
            ("--skip-bad", run.skipsBad ? "on" : nil, own.skipsBad ? "on" : "off"),
            ("--init-adapter", initAdapter, "the adapter of the run"),
        ]
        if case .texts(let texts)? = addTokens {
            let vocabulary = try stored.vocabulary(), known = texts.filter { vocabulary.specialTokenID($0) != nil }
            settings.append(("--add-tokens", texts.joined(separator: ","), known.joined(separator: ",")))
        }
        settings += preferenceChecks(own.preferences)
        if let chatTemplate { try stored.check(chatTemplate) }
        // The base model of an adapter may have moved; that of a whole model is needed no more.
        if let base, stored.adapter == nil, case .text(let path)? = stored.training["finetune/base"] {
            settings.append(("--base", try relative([base]), path))
        }
        own.dropout = stored.configuration.dropout
        own.context = own.context ?? stored.configuration.context
        try run.plan.check(own)
        try run.plan.check(AdapterSettings(of: stored.adapter, isRankStabilized: run.plan[flag: "rslora"] ?? false))
        for (option, given, stored) in settings {
            if let given, given != stored {
                throw TrainingError.cannotChange(option: option, stored: stored.isEmpty ? "none" : stored, given: given)
            }
        }
    }
}
