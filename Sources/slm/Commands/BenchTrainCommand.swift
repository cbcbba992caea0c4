import Autograd
import Distributed
import Kernels
import Model
import Train
import Tuning

struct BenchTrainOptions: MachineOptions {
    var machine = MachineSettings()
    var synthetic = false
    var preset = "eugpt"
    var precision = TrainingPrecisionOption.auto
    var batch = 12
    var context: Int?
    var positions: GPTConfiguration.Positions?
    var qkNorm = false
    var optimizer = OptimizerKind.adamw
    var steps = 8
    var warmup = 3
    var tokensAtOnce: Int?
    var recompute = false
    var lora: Int?
    var basePrecision = WeightPrecision.float32
    var gradientGroups: Int?
    var shardsOptimizer = false
    var profile = false
    var json = false
}

extension Command {
    static var benchTrain: Command {
        Command(
            "bench train",
            "Measure training steps, from the forward pass to the optimizer.",
            BenchTrainOptions(),
            [
                OptionGroup("Main options", [
                    .option("synthetic", \.synthetic, "Train on random tokens: the speed depends on shapes only. Required."),
                    .option("preset", \.preset, value: "NAME", "Choose the size of the model.")
                        .choices(GPTConfiguration.presets.map(\.name)),
                    .option("dtype", \.precision, "Store activations in this data type, and multiply matrices in it where the CPU can."),
                    .option("optimizer", \.optimizer, "Choose the optimizer of the linear layers' weights."),
                    .option("batch", \.batch, in: 1...65_536, "Set the sequences per batch."),
                    .option("context", \.context, in: 1...1_048_576, "Set the context length in tokens.", default: "the preset's"),
                    .option("steps", \.steps, in: 1...100_000, "Time N steps and report the median."),
                    .option("warmup", \.warmup, in: 0...100_000, "Run N steps before those."),
                    .profile(\.profile),
                    .json(\.json),
                ]),
                OptionGroup("Model", [
                    .option("positions", \.positions, "Choose the position encoding.", default: "the preset's"),
                    .option("qk-norm", \.qkNorm, "Normalize queries and keys."),
                ]),
                OptionGroup("LoRA adapter", [
                    .option("lora", \.lora, in: 1...65_536, "Train a LoRA adapter of rank N, on frozen weights."),
                    .option("base-dtype", \.basePrecision, "Keep the frozen weights in this data type."),
                ]),
                OptionGroup("Machine", [
                    .option("tokens-at-once", \.tokensAtOnce, in: 1...1_073_741_824, "Compute batches in parts of about N tokens.",
                            default: "1536"),
                    .option("recompute", \.recompute, "Recompute activations in the backward pass instead of storing them."),
                ] + BenchTrainOptions.machineOptions),
                OptionGroup("Several processes (mpirun)", [
                    .option("gradient-groups", \.gradientGroups, in: 1...65_536, "Sum the gradients of a batch in N groups.",
                            default: "1; with mpirun 4, or a power of two for more processes"),
                    .option("shard-optimizer", \.shardsOptimizer, "Keep AdamW's moments of a part of the weights in each process."),
                ]),
            ],
            examples: ["slm bench train --synthetic --preset eugpt --dtype bf16 --batch 12 --json"]
        ) { options in
            guard options.synthetic else {
                throw UsageError("slm bench train: expected --synthetic. To measure real data: slm train --estimate --data FILE")
            }
            var options = options
            try options.joinRanks()
            try options.measure()
        }
    }
}

extension OptimizerKind: OptionValue {}
extension GPTConfiguration.Positions: OptionValue {}

extension BenchTrainOptions {
    private var configuration: GPTConfiguration {
        get throws {
            var configuration = try GPTConfiguration.preset(preset, for: "bench train")
            if let context { configuration.context = context }
            if let positions { configuration.positions = positions }
            if qkNorm { configuration.qkNorm = .unit }
            return configuration
        }
    }

    fileprivate func measure() throws {
        let configuration = try configuration
        var tunedOptions = self
        if let tuned = try tunedTraining(width: configuration.width, self.precision, isQuiet: false) {
            tunedOptions.machine.use(tuned)
            tunedOptions.precision = TrainingPrecisionOption(tuned.precision)
        }
        let processor = try tunedOptions.processor()
        let precision = processor.precision(for: tunedOptions.precision, isChosen: self.precision == .bf16)
        let trainer = try trainer(of: configuration, on: processor, precision)
        let randomBatch = Batch.random(rows: batch, of: configuration)
        let tokens = Double(randomBatch.inputs.count)
        var loss: Float = 0
        var waited: [Double] = []
        func step() -> Double {
            measureSeconds {
                let report = trainer.step(randomBatch, rate: 3e-4)
                loss = report.loss
                waited.append(report.waitedSeconds ?? 0)
            }
        }
        for _ in 0..<warmup { _ = step() }
        let growths = processor.arena.growths
        if profile { processor.profile = Profile() }
        let seconds = (0..<steps).map { _ in step() }
        let speed = tokens / median(seconds)
        let best = tokens / (seconds.min() ?? 1)
        let peak = CPU.peakMemory >> 20
        // Without a backward pass at the same time.
        let exchange = Ranks.current == nil ? nil : median((0..<5).compactMap { _ in trainer.groups?.measureExchange() })
        let name = "\(preset) \(precision.rawValue)" + (lora.map { ", LoRA \($0) on \(basePrecision.rawValue)" } ?? "")
        if !Ranks.isFirst { return }
        if json {
            printLine(JSONLine([
                "bench": "train",
                "case": .text(name),
                "params": .whole(trainer.parameters.count),
                "batch": .whole(batch),
                "context": .whole(configuration.context),
                "optimizer": .text(optimizer.rawValue),
                "threads": .whole(processor.threads),
                "kernels": .text(processor.instructionSet),
                "blas": .text(processor.blas.rawValue),
                "tokens_per_s": .number(speed),
                "best": .number(best),
                "peak_rss_mb": .whole(peak),
                "growths_after_warmup": .whole(processor.arena.growths - growths),
                "loss": .number(Double(loss)),
                "ranks": Ranks.current.map { .whole($0.count) },
                "waited_s": exchange.map { _ in .number(median(Array(waited.suffix(steps)))) },
                "exchange_s": exchange.map { .number($0) },
            ]))
        } else {
            printLine("\(name): \(Int(speed.rounded())) tokens/s (best \(Int(best.rounded()))), peak memory \(peak) MB, "
                + "\(trainer.parameters.count) parameters, loss \(loss)")
        }
        guard let profile = processor.profile else { return }
        processor.profile = nil
        let limits = MachineLimits(of: processor, in: processor.hasBFloat16 ? precision : .float32)
        ProfileTable(profile, steps: steps, limits: limits, total: seconds.reduce(0, +)).write(asJSON: json)
    }

    /// A trainer of random weights.
    private func trainer(of configuration: GPTConfiguration, on processor: Processor, _ precision: DataType) throws -> Trainer {
        if lora != nil, optimizer == .muon { throw UsageError("slm bench train: --optimizer muon updates no adapter: remove --lora.") }
        if lora == nil, basePrecision != .float32 { throw UsageError("slm bench train: --base-dtype needs --lora RANK.") }
        let adapter = lora.map { LoRAConfiguration(rank: $0) }
        var memory = TrainingMemory(
            precision, rows: batch, microBatchTokens: tokensAtOnce, recomputesBlocks: recompute, lora: adapter)
        memory.frozenPrecision = basePrecision
        try check(memory, for: configuration)
        var list = ParameterList(lora: adapter)
        var model = GPT(configuration, in: &list)
        model.recomputesBlocks = recompute
        let parameters: Parameters
        if adapter == nil {
            parameters = Parameters(list, on: processor, seed: 1)
        } else {
            let (frozen, quantized) = processor.randomWeights(of: list.frozen, keptIn: basePrecision)
            parameters = Parameters(list, over: frozen, quantized: quantized, on: processor, seed: 1)
        }
        let trainer = Trainer(model, parameters, on: processor, precision: precision, seed: 1)
        if optimizer == .muon { trainer.useMuon(rateRatio: 1) }
        if let tokensAtOnce { trainer.microBatchTokens = tokensAtOnce }
        let groups = gradientGroups ?? Ranks.current.map { Ranks.gradientGroups(of: $0.count, rows: batch) } ?? 1
        if groups > 1 {
            guard (Ranks.current?.count ?? 1)...batch ~= groups else {
                throw UsageError("slm bench train: --gradient-groups: expected \(Ranks.current?.count ?? 1) to \(batch), found \(groups).")
            }
            trainer.groups = GradientGroups(groups, of: trainer, over: Ranks.current, sharding: shardsOptimizer)
        }
        return trainer
    }
}

extension Processor {
    /// Random frozen weights: matrices in a data type, everything else at its initial value.
    fileprivate func randomWeights(
        of layout: ParameterList.Layout, keptIn precision: WeightPrecision
    ) -> (values: Buffer, quantized: [Int: QuantizedWeights]) {
        let values = buffer(of: layout.count, .float32)
        values.disableHugePages()
        var matrices: [Int: QuantizedWeights] = [:]
        for parameter in layout.parameters {
            let isMatrix = parameter.shape.rank == 2 && parameter.shape[0] > 2
            let isQuantized = isMatrix && precision != .float32
            let target = isQuantized ? buffer(of: parameter.shape.count, .float32) : values[parameter.range]
            var initial: Float = 0
            if case .constant(let value) = parameter.initialization { initial = value }
            if isMatrix { normal(into: target, seed: UInt64(parameter.index)) }
            target.write { span in for i in span.indices { span[i] = isMatrix ? 0.02 * span[i] : initial } }
            if isQuantized {
                matrices[parameter.index] = quantize(target, outputs: parameter.shape[0], inputs: parameter.shape[1], to: precision)
                target.discard()
            }
        }
        return (values, matrices)
    }
}

extension Batch {
    static func random(rows: Int, of configuration: GPTConfiguration) -> Batch {
        var state: UInt64 = 1        // Knuth's linear congruential generator: the same tokens every time
        let tokens = (0...rows * configuration.context).map { _ in
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return Int32(state >> 33) % Int32(configuration.vocabulary)
        }
        return Batch(inputs: Array(tokens.dropLast()), targets: Array(tokens.dropFirst()), rows: rows)
    }
}
