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
    var resume: String?
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
    var rate: Double?
    var warmup: Int?
    var decay: Double?
    var beta2: Double?
    var clip = 1.0
    var skipsBad = false
    var learn = LossScope.assistant
    var evaluateEvery: Int?
    var saveEvery: Int?
    var patience = 5
    var smallestGain = 0.001
    var ask: [String] = []
    var seed = 1
    var json = false
}

/// How an adapter begins: at 0, or with the greatest singular values of what it adapts.
enum LoRAInitialization: String, CaseIterable, OptionValue {
    case plain, pissa
}

extension Command {
    static var finetune: Command {
        Command(
            "finetune", "Teaches a trained model your chats: all of it, or an adapter (--lora).", FinetuneOptions(),
            FinetuneOptions.rows + [
                .option("base", \.base, "The checkpoint to begin with."),
                .list("data", \.data, "FILE", "Chats to learn: files or folders, in any format that slm tokenize reads."),
                .option("out", \.out, "Folder for the run's folder; with --merge, the file to write."),
                .option("name", \.name, "Name of the run's folder. [finetuned_YYYYMMDD_HHMMSS]"),
                .option("resume", \.resume, "Go on with a run, given its folder."),
                .option("force", \.force, "Also with fewer than 10 chats."),
                .list("replay", \.replay, "FILE", "Older chats to mix in, so that they are not forgotten."),
                .option("replay-share", \.replayShare, in: 0.01...0.9, "Share of the rows that are older chats."),
                .option("dropout", \.dropout, in: 0...0.99, "Share of the activations that are dropped."),
                .option("lora", \.lora, in: 1...65_536, "Learn an adapter of this rank alone, in less than half the memory."),
                .option("lora-alpha", \.loraAlpha, in: 0.001...1e6, "How much it counts: alpha / rank. [the rank]"),
                .option("lora-targets", \.loraTargets, "The layers that it changes."),
                .option("lora-init", \.loraInit, "How it begins: at 0, or with the greatest singular values (PiSSA)."),
                .option("merge", \.merge, "Fold this adapter into its model, and write that to --out FILE."),
            ] + FinetuneOptions.runRows, example: "slm finetune --base checkpoints/first/best.h5 --data chat_history.jsonl --lora 16"
        ) { options in
            try FinetuneCommand(options).run()
        }
    }
}

extension FinetuneOptions {
    static var usualBatch: String { "4" }
    static var usualRate: String { "3e-4" }
    static var usualDecay: String { "0.1; of an adapter 0" }

    var plan: TrainingPlan {
        get throws {
            var usual = TrainingPlan()
            usual.rows = 4
            usual.rate = 3e-4
            usual.decay = lora == nil ? 0.1 : 0
            return try plan(beginningWith: usual, for: "finetune")
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
            let targets = loraTargets.split(separator: ",").map(String.init), known = GPT.loraTargets
            if let unknown = targets.first(where: { !known.contains($0) }) {
                throw UsageError("slm finetune: --lora-targets: no layer '\(unknown)'. Layers: \(known.joined(separator: ",")).")
            }
            if targets.isEmpty {
                throw UsageError("slm finetune: --lora-targets: name one layer at least, of \(known.joined(separator: ",")).")
            }
            return lora.map { LoRAConfiguration(rank: $0, alpha: loraAlpha.map { Float($0) }, targets: targets) }
        }
    }
}
