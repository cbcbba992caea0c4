import Autograd
import Checkpoint
import Corpus
import Files
import Formats
import JSON
import Kernels
import Model
import Platform
import Report
import Train

/// The value of `--estimate [WHAT]`.
enum EstimateChoice: String, CaseIterable, OptionValue {
    case memory
    /// Also measures a step.
    case time

    static var standalone: EstimateChoice? { .time }
    static var metavariable: String { "WHAT" }
    static var expectation: String { "memory or time" }
}

/// What `slm finetune` knows before it creates a run.
struct RunParts {
    let base: FinetuningBase
    let settings: Finetuning.Settings
    let plan: TrainingPlan
    let memory: TrainingMemory
    let configuration: GPTConfiguration
    let processor: Processor
}

extension FinetuneOptions {
    /// The machine of an estimate that measures nothing.
    var untunedMachine: (processor: Processor, machine: TrainingMachine) {
        get throws {
            let processor = try run.processor()
            let precision = processor.precision(for: run.precision, isChosen: run.precision == .bf16)
            return (processor, TrainingMachine(processor, precision, recomputesBlocks: run.recompute ?? false))
        }
    }
}

/// What a run would need. `slm serve` reads it as JSON before it starts one.
private struct RunEstimate {
    var memoryBytes, diskBytes: Int
    /// The memory of the machine or the control group, and what of it is free.
    let totalBytes = CPU.memoryBytes
    let availableBytes = CPU.availableMemory
    var freeDiskBytes: Int?
    var parameters: Int
    /// What the run would train: an adapter's parameters, or all.
    var trained: Int
    /// A smaller setting that fits.
    var advice: String?
    /// The files that the base was trained on, as far as they are known and still there.
    var knownData: [String]
    var time: (seconds: Double, steps: Int, tokensPerSecond: Double)?
    var chats: (training: Int, validation: Int, tokens: Int)?

    var fits: Bool { memoryBytes < totalBytes }

    var json: String {
        JSONWriter.text { object in
            object["event"] = "estimate"
            object["parameters"] = parameters
            object["trained_parameters"] = trained
            object["memory_bytes"] = memoryBytes
            object["total_bytes"] = totalBytes
            object["available_bytes"] = availableBytes ?? totalBytes
            object["fits"] = fits
            object["advice"] = advice
            object["disk_bytes"] = diskBytes
            if let freeDiskBytes { object["free_disk_bytes"] = freeDiskBytes }
            object["known_data"] = knownData
            if let time {
                object["seconds"] = time.seconds
                object["steps"] = time.steps
                object["tokens_per_s"] = time.tokensPerSecond
            }
            if let chats {
                object["chats"] = chats.training
                object["val_chats"] = chats.validation
                object["tokens"] = chats.tokens
            }
        }
    }

    var text: String {
        func gigabytes(_ bytes: Int) -> String { "\((Double(bytes) / 1e9).fixed(2)) GB" }
        var lines = ["memory   about \(gigabytes(memoryBytes)) of \(gigabytes(totalBytes))"
            + (availableBytes.map { ", \(gigabytes($0)) are free" } ?? "") + (fits ? "" : ": too little")]
        if let advice { lines.append("advice   \(advice)") }
        lines.append("disk     about \(gigabytes(diskBytes))" + (freeDiskBytes.map { ", \(gigabytes($0)) are free" } ?? ""))
        if let chats {
            lines.append("data     \(chats.training) chats (\(chats.tokens) tokens) for training, \(chats.validation) for validation")
        }
        if let time {
            lines.append("time     about \(clockText(time.seconds)): \(time.steps) steps at \(Int(time.tokensPerSecond)) tokens/s")
        }
        return lines.joined(separator: "\n")
    }
}

extension FinetuneCommand {
    /// Prints what the run would need.
    func printEstimate(of parts: RunParts) throws {
        var list = ParameterList(lora: parts.settings.lora)
        _ = GPT(parts.configuration, in: &list)
        // Two checkpoints with two moments, and one that is being written; a report and a log beside them.
        let disk = 3 * 12 * Double(list.count) + 20e6
        let needed = parts.memory.bytes(for: parts.configuration)
        var estimate = RunEstimate(
            memoryBytes: Int(needed), diskBytes: Int(disk), parameters: parts.base.checkpoint.configuration.parameterCount,
            trained: list.count,
            knownData: KnownTrainingData.paths(of: parts.base.path, parts.base.checkpoint))
        estimate.freeDiskBytes = DiskSpace.free(at: options.runs)
        if !estimate.fits {
            let smaller = parts.memory.advice(for: parts.configuration, within: 0.9 * Double(estimate.totalBytes)).first?.setting
            estimate.advice = parts.settings.lora == nil
                ? "Train a LoRA adapter: --lora 16." : smaller.map { "It fits with \($0)." } ?? "Use a smaller --lora."
        }
        if options.estimate == .time, estimate.fits { try measure(parts, into: &estimate) }
        printLine(options.run.json ? estimate.json : estimate.text)
    }

    private func measure(_ parts: RunParts, into estimate: inout RunEstimate) throws {
        let scratch = try ScratchFolder()
        let finetuning = try Finetuning(of: parts.base, parts.settings, parts.plan, in: scratch.path, on: parts.processor, clock: now)
        let run = finetuning.run
        let step = try StepTime.measured(for: run).seconds, total = run.estimate(secondsPerStep: step)
        let context = run.trainer.context
        estimate.time = (total.seconds, total.steps, Double(run.tokensPerStep) / step)
        if let preferences = finetuning.preferences {
            let tokens = preferences.sequences.reduce(0) { $0 + $1.inputs.count }
            estimate.chats = (preferences.training.count, preferences.validation.count, tokens)
        } else {
            let data = finetuning.data
            estimate.chats = (
                data.exampleCount(.train, context: context), data.exampleCount(.val, context: context),
                data.training.count + data.validation.count)
        }
    }
}
