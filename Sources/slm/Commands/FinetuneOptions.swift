import Autograd
import Kernels
import Model
import Train

struct FinetuneOptions: RunOptions {
    var threads: Int?
    var cpu: String?
    var blas: BLAS?
    var dtype = Precision.auto
    var base: String?
    var data: [String] = []
    var out = "checkpoints"
    var name: String?
    var resume = Resume.no
    var force = false
    var replay: [String] = []
    var replayShare = 0.2
    var dropout = 0.1
    var lora: Int?
    var loraAlpha: Double?
    var loraTargets = GPT.loraTargets.joined(separator: ",")
    var loraInit = LoRAInitialization.plain
    var merge: String?
    var steps: Int?
    var epochs: Double?
    var tokens: Int?
    var time: Duration?
    var stopAfter: Int?
    var batch: Int?
    var learningRate: Double?
    var warmup: Int?
    var weightDecay: Double?
    var beta2: Double?
    var clip = 1.0
    var skipsBad = false
    var lossScope = LossScope.assistant
    var evaluateEvery: Int?
    var saveEvery: Int?
    var patience = 5
    var minGain = 0.001
    var ask: [String] = []
    var seed = 1
    var json = false
    var quiet = false
}

/// The initial weights of a LoRA adapter: B = 0, or the largest singular values of the adapted matrix (PiSSA).
enum LoRAInitialization: String, CaseIterable, OptionValue {
    case plain, pissa
}

extension FinetuneOptions {
    static var groups: [OptionGroup<FinetuneOptions>] {
        [
            OptionGroup("Main options", [
                .option("base", \.base, value: "CHECKPOINT", "Fine-tune this model.").alias("checkpoint").short("c").positional(),
                .list("data", \.data, value: "FILE", "Train on these chats: files or directories.").short("d"),
                .option("out", \.out, value: "DIR", "Create the run's directory in DIR.").short("o"),
                .option("name", \.name, value: "NAME", "Name the run's directory.", default: "finetuned_YYYYMMDD_HHMMSS"),
                .option("lora", \.lora, value: "RANK", in: 1...65_536, "Train a LoRA adapter of this rank, in less than half the memory."),
            ] + mainRunOptions + [
                .option("resume", \.resume, "Continue RUN, or the newest fine-tuning run in --out."),
            ]),
            OptionGroup("Data", [
                .list("replay", \.replay, value: "FILE", "Mix in older chats, so that the model does not forget them."),
                .option("replay-share", \.replayShare, in: 0.01...0.9, "Take this share of each batch from the --replay chats."),
                .option("force", \.force, "Accept fewer than 10 chats."),
            ] + dataOptions),
            OptionGroup("LoRA adapter", [
                .option("lora-alpha", \.loraAlpha, in: 0.001...1e6, "Scale the adapter by X / rank.", default: "the rank"),
                .option("lora-targets", \.loraTargets, value: "NAMES", "Adapt these layers, separated by commas."),
                .option("lora-init", \.loraInit, "Initialize the adapter at zero, or with the largest singular values (PiSSA)."),
                .option("merge", \.merge, value: "CHECKPOINT",
                        "Merge this adapter into its base model and write it to --out (see slm adapter merge)."),
            ]),
            scheduleGroup,
            OptionGroup("Model", [.option("dropout", \.dropout, in: 0...0.99, "Set the dropout rate.")]),
            evaluationGroup,
            OptionGroup("Machine", [precisionOption] + machineOptions),
            outputGroup,
        ]
    }

    static var defaultBatch: String { "4" }
    static var defaultRate: String { "3e-4" }
    static var defaultDecay: String { "0.1; 0 with --lora" }

    var plan: TrainingPlan {
        get throws {
            var defaults = TrainingPlan()
            defaults.rows = 4
            defaults.rate = 3e-4
            defaults.decay = lora == nil ? 0.1 : 0
            return try plan(basedOn: defaults, for: "finetune")
        }
    }

    var settings: Finetuning.Settings {
        get throws {
            var settings = Finetuning.Settings(data: data)
            settings.replay = replay
            settings.replayShare = replayShare
            settings.dropout = Float(dropout)
            settings.lora = try loraConfiguration
            settings.usesPiSSA = loraInit == .pissa
            settings.length = try length(for: "finetune")
            settings.warmup = warmup
            if force { settings.minimumChats = 1 }
            settings.skipsBad = skipsBad
            return settings
        }
    }

    private var loraConfiguration: LoRAConfiguration? {
        get throws {
            let targets = loraTargets.split(separator: ",").map(String.init)
            let known = GPT.loraTargets
            let unknown = targets.first { !known.contains($0) }
            if unknown != nil || targets.isEmpty {
                let layers = known.joined(separator: ",")
                throw UsageError("slm finetune: --lora-targets: expected some of \(layers), found '\(unknown ?? "")'.")
            }
            return lora.map { LoRAConfiguration(rank: $0, alpha: loraAlpha.map { Float($0) }, targets: targets) }
        }
    }
}
