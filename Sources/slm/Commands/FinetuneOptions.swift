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
    var resume = Resume.no
    var force = false
    var background = false
    var estimate = EstimateOption.off
    var replay: [String] = []
    var lora: Int?
    var loraAlpha: Double?
    var rankStabilized: Bool?
    var usesDoRA: Bool?
    var loraDropout: Double?
    var loraTargets: String?
    var loraInit: LoRAInitialization?
    var initAdapter: String?
    var preferences = PreferenceOption.off
    var chatTemplate: ChatTemplateChoice?
    var addTokens = AddTokens.none
}

/// The initial weights of a LoRA adapter: B = 0, or the largest singular values of the adapted matrix (PiSSA).
enum LoRAInitialization: String, CaseIterable, OptionValue {
    case plain, pissa
}

extension FinetuneOptions {
    static var groups: [OptionGroup<FinetuneOptions>] {
        [
            OptionGroup("Main options", [
                .option("base", \.base, value: "CHECKPOINT", "Fine-tune this model: a checkpoint, a Hugging Face folder or a GGUF file.")
                    .alias("checkpoint").short("c").positional(),
                .list("data", \.data, value: "FILE", "Train on these chats: files or directories.").short("d"),
                .option("out", \.out, value: "DIR", "Create the run's directory in DIR.", default: "checkpoints").short("o"),
                .option("name", \.name, value: "NAME", "Name the run's directory.", default: "finetuned_YYYYMMDD_HHMMSS"),
                .option("lora", \.lora, value: "RANK", in: 1...65_536, "Train a LoRA adapter of this rank, in less than half the memory."),
            ] + settings(.main) + [
                .option("resume", \.resume, "Continue RUN, or the newest fine-tuning run in --out."),
            ]),
            OptionGroup("Data", [
                .list("replay", \.replay, value: "FILE",
                      "Mix in older chats, so that the model does not forget them; generated: chats that the base model generates."),
            ] + finetuningSettings(.replay) + [
                .option("force", \.force, "Accept fewer than 10 chats."),
                .chatTemplate(\.chatTemplate, "Render the chats with this chat template, or with a Jinja file."),
                .addTokens(\.addTokens),
            ] + dataOptions),
            OptionGroup("LoRA adapter", [
                .option("lora-alpha", \.loraAlpha, in: 0.001...1e6, "Scale the adapter by X / rank.", default: "the rank"),
                .option("rslora", \.rankStabilized, "Scale the adapter by X / √rank instead (rank-stabilized LoRA)."),
                .option("dora", \.usesDoRA, "Train the norms of the adapted rows as well (DoRA): slower, closer to full fine-tuning."),
                .option("lora-targets", \.loraTargets, value: "NAMES",
                        "Adapt these of \(GPT.loraTargetNames.joined(separator: ",")); q, k and v are parts of qkv.",
                        default: GPT.loraTargets.joined(separator: ",")),
                .option("lora-dropout", \.loraDropout, in: 0...0.99, "Drop this share of the adapter's inputs in training.", default: "0"),
                .option("lora-init", \.loraInit, "Initialize the adapter at zero, or with the largest singular values (PiSSA).",
                        default: "plain"),
                .option("init-adapter", \.initAdapter, value: "ADAPTER",
                        "Train this adapter of the base model further: a checkpoint, or a directory of PEFT."),
            ] + finetuningSettings(.frozen) + settings(.adapter)),
            preferenceGroup,
            scheduleGroup,
            OptionGroup("Model", finetuningSettings(.rows) + settings(.noise)),
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

    private static func finetuningSettings(_ group: SettingGroup) -> [CommandOption<FinetuneOptions>] {
        Finetuning.Settings.settings.filter { $0.group == group }.map { .setting($0) }
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
            defaults.rows = 4
            let isAdapter = lora != nil || initAdapter != nil
            defaults.rate = isAdapter ? 1e-3 : 3e-4
            defaults.weightDecay = isAdapter ? 0 : 0.1
            if preferences != .off {
                defaults.rows = 8
                if !isAdapter { defaults.rate = 1e-4 }
                defaults.weightDecay = 0
            }
            if run.plan.has("lora-plus-ratio"), !isAdapter {
                throw UsageError("slm finetune: --lora-plus-ratio needs an adapter: --lora RANK or --init-adapter ADAPTER.")
            }
            return try run.plan(basedOn: defaults, for: "finetune")
        }
    }

    /// - Parameter configuration: The base model's.
    func settings(for configuration: GPTConfiguration) throws -> Finetuning.Settings {
        try checkAdapterOptions()
        var settings = Finetuning.Settings(data: data)
        settings.replayShare = GeneratedText.replayShare(of: replay, otherwise: Finetuning.Settings.usualReplayShare)
        settings.preferences = try preferenceSettings
        run.plan.apply(to: &settings)
        settings.fitsBatchToChats = !run.plan.has("batch")
        settings.lora = try loraConfiguration(for: configuration)
        settings.usesPiSSA = loraInit == .pissa
        try checkBasePrecision(settings.basePrecision)
        settings.length = try run.length(for: "finetune")
        settings.warmup = run.plan[integer: "warmup"]
        if force { settings.minimumChats = 1 }
        settings.skipsBad = run.skipsBad
        return settings
    }

    /// Throws if an option is set that only a new adapter has.
    private func checkAdapterOptions() throws {
        let options = [
            ("--lora-alpha", loraAlpha != nil), ("--rslora", rankStabilized ?? false), ("--dora", usesDoRA ?? false),
            ("--lora-dropout", loraDropout != nil), ("--lora-targets", loraTargets != nil), ("--lora-init", loraInit != nil),
        ]
        if initAdapter != nil {
            for (option, isSet) in [("--lora", lora != nil), ("--add-tokens", addTokens != .none)] + options where isSet {
                throw UsageError("slm finetune: --init-adapter: the adapter has its own rank, alpha and layers; remove \(option).")
            }
        } else if lora == nil, let (option, _) = options.first(where: { $0.1 }) {
            throw UsageError("slm finetune: \(option) needs an adapter: --lora RANK.")
        }
    }

    private func checkBasePrecision(_ precision: WeightPrecision?) throws {
        guard let precision else { return }
        if lora == nil, initAdapter == nil {
            throw UsageError("slm finetune: --base-dtype needs an adapter: --lora RANK or --init-adapter ADAPTER.")
        }
        if loraInit == .pissa, precision != .float32 {
            throw UsageError("slm finetune: --base-dtype: PiSSA changes the base's weights, so they are kept in f32.")
        }
    }

    private func loraConfiguration(for configuration: GPTConfiguration) throws -> LoRAConfiguration? {
        let known = GPT.loraTargetNames
        let names = loraTargets?.split(separator: ",").map(String.init) ?? GPT.loraTargets(of: configuration)
        let unknown = names.first { !known.contains($0) }
        if unknown != nil || names.isEmpty {
            let layers = known.joined(separator: ",")
            throw UsageError("slm finetune: --lora-targets: expected some of \(layers), found '\(unknown ?? "")'.")
        }
        if configuration.experts != nil, names.contains(where: ["up", "down"].contains) {
            throw UsageError("slm finetune: --lora-targets: LoRA does not adapt experts. Name some of qkv,q,k,v,output,head,embedding.")
        }
        if names.contains("qkv"), let part = names.first(where: { ["q", "k", "v"].contains($0) }) {
            throw UsageError("slm finetune: --lora-targets: expected qkv or some of q,k,v, found both qkv and \(part).")
        }
        guard let lora else { return nil }
        var shape = LoRAConfiguration(rank: lora, alpha: loraAlpha(rank: lora), names: names, of: configuration)
        if loraInit == .pissa, shape.adaptsVocabulary {
            throw UsageError("slm finetune: --lora-init pissa: it changes the base's weights, and cannot adapt the head or the embedding.")
        }
        if addTokens != .none, loraInit == .pissa || shape.adaptsVocabulary {
            let other = loraInit == .pissa ? "--lora-init pissa" : "--lora-targets head,embedding"
            throw UsageError("slm finetune: --add-tokens cannot be combined with \(other).")
        }
        shape.dropout = Float(loraDropout ?? 0)
        if usesDoRA ?? false {
            shape.usesDoRA = true
            if loraInit == .pissa || shape.adaptsVocabulary || shape.dropout > 0 {
                let other = loraInit == .pissa ? "--lora-init pissa" : shape.dropout > 0 ? "--lora-dropout"
                    : "--lora-targets head,embedding"
                throw UsageError("slm finetune: --dora cannot be combined with \(other).")
            }
        }
        return shape
    }

    /// α, such that α/r is the scale: with rank-stabilized LoRA, --lora-alpha times √r.
    private func loraAlpha(rank: Int) -> Float? {
        let alpha = loraAlpha.map { Float($0) }
        return rankStabilized ?? false ? (alpha ?? Float(rank)) * Float(rank).squareRoot() : alpha
    }
}

extension FinetuneOptions {
    /// The directory in which runs are created.
    var runs: String { out ?? "checkpoints" }

    /// The plan of a run to resume, with the options that are set.
    func plan(resuming stored: TrainingPlan) throws -> TrainingPlan { try run.plan(basedOn: stored, for: "finetune") }

    /// Throws if an option contradicts the run to resume, which cannot change.
    func check(_ stored: Checkpoint, in folder: String) throws {
        let relative = { (paths: [String]) in try paths.map { try RelativePath.of($0, from: folder) }.joined(separator: " ") }
        func storedPaths(_ name: String) throws -> String { try relative(stored.finetuningPaths(name, from: folder)) }
        let shape = stored.adapter?.shape
        var settings: [(option: String, given: String?, stored: String)] = [
            ("--data", data.isEmpty ? nil : try relative(data), try storedPaths("data")),
            ("--replay", replay.isEmpty ? nil : try relative(replayPaths(in: folder)), try storedPaths("replay")),
            ("--skip-bad", run.skipsBad ? "on" : nil, stored.training["finetune/skips_bad"] == nil ? "off" : "on"),
            ("--lora", lora.map(String.init), shape.map { "\($0.rank)" } ?? "no adapter"),
            ("--lora-alpha", loraAlpha.flatMap { _ in (lora ?? shape?.rank).flatMap(loraAlpha) }.map { "\($0)" },
             shape.map { "\($0.alpha)" } ?? "no adapter"),
            ("--lora-dropout", loraDropout.map { "\(Float($0))" }, shape.map { "\($0.dropout)" } ?? "no adapter"),
            ("--dora", usesDoRA.map { $0 ? "on" : "off" }, shape?.usesDoRA ?? false ? "on" : "off"),
            ("--lora-targets", loraTargets, shape?.targetNames.joined(separator: ",") ?? "no adapter"),
            ("--init-adapter", initAdapter, "the adapter of the run"),
            ("--lora-init", loraInit?.rawValue, stored.adapter?.principals.count ?? 0 > 0 ? "pissa" : "plain"),
        ]
        if case .texts(let texts) = addTokens {
            let vocabulary = try stored.vocabulary(), known = texts.filter { vocabulary.specialTokenID($0) != nil }
            settings.append(("--add-tokens", texts.joined(separator: ","), known.joined(separator: ",")))
        }
        settings += preferenceChecks(try stored.finetuningPreferences)
        if let chatTemplate { try stored.check(chatTemplate) }
        // The base model of an adapter may have moved; that of a whole model is needed no more.
        if let base, shape == nil, case .text(let path)? = stored.training["finetune/base"] {
            settings.append(("--base", try relative([base]), path))
        }
        var own = try Finetuning.Settings(of: stored)
        own.dropout = stored.configuration.dropout
        own.rowLength = own.rowLength ?? stored.configuration.context
        try run.plan.check(own)
        for (option, given, stored) in settings {
            if let given, given != stored {
                throw TrainingError.cannotChange(option: option, stored: stored.isEmpty ? "none" : stored, given: given)
            }
        }
    }
}
