import Autograd
import Kernels
import Model
import Train

/// What cannot be done here.
struct Refusal: Error, CustomStringConvertible {
    let description: String
}

/// Refuses here what the system would refuse later, after work was done.
///
/// - Parameter advice: what would help, where the settings of a new model do not.
func check(_ memory: TrainingMemory, for configuration: GPTConfiguration, advice: String? = nil) throws {
    let needed = memory.bytes(for: configuration), there = Double(CPU.memoryBytes),
        gigabytes = { (bytes: Double) in "\((bytes / 1e9).fixed(1)) GB" }
    if needed < there {
        if let free = CPU.availableMemory, needed > Double(free) {
            note("this needs some \(gigabytes(needed)), and of the machine's memory \(gigabytes(Double(free))) are free now.")
        }
        return
    }
    let settings = memory.advice(for: configuration, within: 0.9 * there).prefix(3).map { "\($0.setting) (\(gigabytes($0.bytes)))" }
    throw Refusal(
        description: "this needs some \(gigabytes(needed)) and the machine has \(gigabytes(there)). "
            + (advice
                ?? (settings.isEmpty
                    ? "Take fewer --layers and less --width." : "It would fit with \(settings.joined(separator: ", or "))."))
            + " A smaller --batch changes little: a batch is learned from in parts.")
}

struct BenchTrainOptions: MachineOptions {
    var threads: Int?
    var cpu: String?
    var blas: BLAS?
    var synthetic = false
    var preset = "eugpt"
    var dtype = Precision.auto
    var batch = 12
    var context: Int?
    var positions: GPTConfiguration.Positions?
    var qkNorm = false
    var steps = 8
    var warmup = 3
    var tokensAtOnce: Int?
    var recompute = false
    var profile = false
    var json = false
}

extension Command {
    static var benchTrain: Command {
        Command(
            "bench train", "Tokens a second of the whole training step: forward, backward, clip, AdamW.", BenchTrainOptions(),
            BenchTrainOptions.rows + [
                .option("synthetic", \.synthetic, "Random tokens: the figure depends on shapes alone."),
                .option("preset", \.preset, "Size of the model: \(GPTConfiguration.presets.map(\.name).joined(separator: ", "))."),
                .option("dtype", \.dtype, "What products are computed in."),
                .option("batch", \.batch, in: 1...65_536, "Rows of a batch."),
                .option("context", \.context, in: 1...1_048_576, "Tokens of a row; the preset's when not given."),
                .option("positions", \.positions, "Instead of the preset's."),
                .option("qk-norm", \.qkNorm, "Questions and keys are made equally long."),
                .option("steps", \.steps, in: 1...100_000, "Timed steps; the median counts."),
                .option("warmup", \.warmup, in: 0...100_000, "Steps before those."),
                .option(
                    "tokens-at-once", \.tokensAtOnce, in: 1...1_073_741_824,
                    "About how many tokens of a batch go through the model together."),
                .option("recompute", \.recompute, "Compute each block again on the way back instead of keeping its activations."),
                .option("profile", \.profile, "Where the time goes, by operation, with each one's share of its limit."),
                .option("json", \.json, "One JSON object a line."),
            ], example: "slm bench train --synthetic --preset eugpt --dtype bf16 --batch 12 --json"
        ) { options in
            guard options.synthetic else {
                throw UsageError("slm bench train: needs --synthetic; other data is measured by slm train itself.")
            }
            var configuration = try GPTConfiguration.preset(options.preset, for: "bench train")
            if let context = options.context { configuration.context = context }
            if let positions = options.positions { configuration.positions = positions }
            if options.qkNorm { configuration.hasQKNorm = true }
            try measure(options, configuration)
        }
    }

    private static func measure(_ options: BenchTrainOptions, _ configuration: GPTConfiguration) throws {
        let processor = try options.processor(), type = processor.dataType(for: options.dtype)
        try check(TrainingMemory(type, rows: options.batch, microBatchTokens: options.tokensAtOnce, isRecomputing: options.recompute),
                  for: configuration)
        let trainer = Trainer(configuration, on: processor, precision: type, recomputing: options.recompute, seed: 1)
        if let tokens = options.tokensAtOnce { trainer.microBatchTokens = tokens }
        let batch = Batch.random(rows: options.batch, of: configuration), tokens = batch.inputs.count
        var loss: Float = 0
        func step() -> Double { measureSeconds { loss = trainer.step(batch, rate: 3e-4).loss } }
        for _ in 0..<options.warmup { _ = step() }
        let growths = processor.arena.growths
        if options.profile { processor.profile = Profile() }
        let seconds = (0..<options.steps).map { _ in step() }
        let speed = Double(tokens) / median(seconds), best = Double(tokens) / (seconds.min() ?? 1)
        let peak = CPU.peakMemory >> 20, name = "\(options.preset) \(type.rawValue)"
        if options.json {
            say(
                JSONLine([
                    "bench": "train", "case": .text(name), "params": .whole(trainer.parameters.count), "batch": .whole(options.batch),
                    "context": .whole(configuration.context), "threads": .whole(processor.threads),
                    "kernels": .text(processor.instructionSet),
                    "blas": .text(processor.blas.rawValue), "tokens_per_s": .number(speed), "best": .number(best),
                    "peak_rss_mb": .whole(peak),
                    "growths_after_warmup": .whole(processor.arena.growths - growths), "loss": .number(Double(loss)),
                ]))
        } else {
            say("\(name): \(Int(speed.rounded())) tokens/s (best \(Int(best.rounded()))), peak \(peak) MB, "
                + "\(trainer.parameters.count) parameters, loss \(loss)")
        }
        guard let profile = processor.profile else { return }
        processor.profile = nil
        ProfileTable(profile, steps: options.steps, limits: Limits(of: processor, in: type), total: seconds.reduce(0, +)).write(
            asJSON: options.json)
    }
}

extension Batch {
    fileprivate static func random(rows: Int, of configuration: GPTConfiguration) -> Batch {
        var state: UInt64 = 1        // Knuth's linear congruential generator: the same tokens every time
        let tokens = (0...rows * configuration.context).map { _ in
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return Int32(state >> 33) % Int32(configuration.vocabulary)
        }
        return Batch(inputs: Array(tokens.dropLast()), targets: Array(tokens.dropFirst()), rows: rows)
    }
}
