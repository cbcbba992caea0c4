import Autograd
import Checkpoint
import Formats
import Infer
import Kernels
import Model
import Terminal
import Tokenize

struct BenchGenerateOptions: MachineOptions {
    var machine = MachineSettings()
    var checkpoint: String?
    var preset = "eugpt"
    var precision = PrecisionOption.auto
    var kvPrecision = KVPrecisionOption.auto
    var batch = 1
    var adapters = 0
    var prompt: Int?
    var generate: Int?
    var runs = 5
    var profile = false
    var json = false
}

extension Command {
    static var benchGenerate: Command {
        Command(
            "bench generate",
            "Measure prompt processing and generation.",
            BenchGenerateOptions(),
            [
                OptionGroup("Main options", [
                    .checkpoint(\.checkpoint, "Measure this model.", default: "random weights of the --preset"),
                    .option("preset", \.preset, value: "NAME", "Choose the size of the model if there is no checkpoint.")
                        .choices(GPTConfiguration.presets.map(\.name)),
                    .option("dtype", \.precision, "Store the weights in this data type."),
                    .kvPrecision(\.kvPrecision),
                    .option("batch", \.batch, in: 1...4_096, "Generate N sequences at once."),
                    .option("adapters", \.adapters, in: 0...4_096,
                            "Divide the sequences among N LoRA adapters with random weights, rank 16."),
                    .option("prompt", \.prompt, in: 1...1_048_576, "Use prompts of N tokens.", default: "128, or less in a short context"),
                    .option("generate", \.generate, in: 1...1_048_576, "Generate N tokens per sequence.",
                            default: "200, or less in a short context"),
                    .runs(\.runs, in: 1...1_000),
                    .profile(\.profile),
                    .json(\.json),
                ]),
                OptionGroup("Machine", BenchGenerateOptions.machineOptions),
            ],
            examples: ["slm bench generate best.h5 --dtype int8 --batch 16 --prompt 128 --generate 200 --json"]
        ) { options in
            let tuned = try options.tunedInference(options.precision, isQuiet: false)()
            var runner: ModelRunner?
            let load = try measureSeconds { runner = try options.open(tuned) }
            guard let runner else { return }
            try options.measure(runner, load: load)
        }
    }
}

extension BenchGenerateOptions {
    fileprivate func open(_ tuned: TunedInference?) throws -> ModelRunner {
        Processor.returnLargeBlocks()                         // as every command that answers does
        let file = try checkpoint.map { try ModelFile($0) }
        let stored = file?.storedPrecision
        let tuned = stored == nil ? tuned : nil
        let processor = try tuned?.makeProcessor() ?? processor()
        let precision = tuned?.precision ?? self.precision.resolved(on: processor, stored: stored)
        let configuration = try file?.checkpoint.configuration ?? GPTConfiguration.preset(preset, for: "bench generate")
        let adapters = (0..<adapters).map { Self.randomAdapter(of: configuration, seed: UInt64($0), on: processor) }
        if let file {
            // Every command that answers reads the tokenizer first.
            if file.checkpoint.tokenizer != nil { _ = try ModelInfo(of: file.checkpoint, name: file.checkpoint.name) }
            processor.trim()
            let runner = try ModelRunner(
                of: file.checkpoint, over: file.base, adapters: adapters, on: processor, precision: precision, cache: kvPrecision)
            try file.verify()
            processor.trim()
            return runner
        }
        var list = ParameterList()
        let model = GPT(configuration, in: &list)
        let parameters = Parameters(list, on: processor, seed: 1)
        let runner = ModelRunner(of: model, parameters, adapters: adapters, on: processor, precision: precision, cache: kvPrecision)
        runner.saveMemoryOfSmallModel()
        return runner
    }

    private static func randomAdapter(of configuration: GPTConfiguration, seed: UInt64, on processor: Processor) -> [LoRAUpdate] {
        var list = ParameterList(lora: LoRAConfiguration(rank: 16))
        _ = GPT(configuration, in: &list)
        let values = processor.zeros(list.count)
        processor.normal(into: values, seed: seed)
        for parameter in list.parameters { values[parameter.range].write { span in for i in span.indices { span[i] *= 0.02 } } }
        return list.loraLayers.map { layer in
            LoRAUpdate(
                weight: layer.weight.name, a: FloatArray(values[layer.a.range], shape: layer.a.shape),
                b: FloatArray(values[layer.b.range], shape: layer.b.shape), scale: layer.scale)
        }
    }

    /// The adapter of a sequence: sequences with the same one are neighbors, as in an engine.
    private func adapter(of sequence: Int) -> Int? { adapters == 0 ? nil : sequence * adapters / batch }

    /// The number of tokens of prompts, and of those generated after each. The defaults are shortened to the context.
    private func lengths(in context: Int) throws -> (prompt: Int, generate: Int) {
        let usual = (prompt: prompt ?? 128, generate: generate ?? 200)
        if usual.prompt + usual.generate <= context { return usual }
        let part = max(1, context * usual.prompt / (usual.prompt + usual.generate))
        let lengths = switch (prompt, generate) {
        case (nil, nil): (prompt: part, generate: context - part)
        case (let prompt?, nil): (prompt: prompt, generate: context - prompt)
        case (nil, let generate?): (prompt: context - generate, generate: generate)
        case (let prompt?, let generate?): (prompt: prompt, generate: generate)
        }
        guard lengths.prompt + lengths.generate <= context, lengths.prompt > 0, lengths.generate > 0 else {
            throw UsageError("slm bench generate: expected at most \(context) tokens (the context), "
                + "found \(usual.prompt) (--prompt) + \(usual.generate) (--generate).")
        }
        printNote("the context is \(context) tokens: measuring prompts of \(lengths.prompt) and \(lengths.generate) generated tokens, "
            + "not \(usual.prompt) and \(usual.generate).")
        return lengths
    }

    /// Measures as llama.cpp does: each prompt on its own, then one token of every sequence at a time, with the logits that follow it.
    fileprivate func measure(_ runner: ModelRunner, load: Double) throws {
        let V = runner.model.configuration.vocabulary
        let (prompt, generate) = try lengths(in: runner.model.configuration.context)
        let caches = (0..<batch).map { _ in runner.makeKVCache() }
        func id(_ i: Int, _ s: Int) -> TokenID { TokenID((i + s) % V) }
        var promptSeconds: [Double] = []
        var answerSeconds: [Double] = []
        if profile { runner.processor.profile = Profile() }
        for _ in 0..<runs {
            for (s, cache) in caches.enumerated() {
                let ids = (0..<prompt).map { id($0 * 37, s) }
                promptSeconds.append(measureSeconds { _ = runner.logits(for: [.init(cache, from: 0, ids: ids, adapter: adapter(of: s))]) })
            }
            answerSeconds.append(measureSeconds {
                for g in 0..<generate {
                    _ = runner.logits(for: caches.enumerated().map { s, cache in
                        .init(cache, from: prompt + g, ids: [id(g * 53, s)], adapter: adapter(of: s))
                    })
                }
            })
        }
        let cacheBytes = caches.reduce(0) { $0 + $1.size.bytes(forPositions: $1.capacity) }
        report(runner, cacheBytes, load, (prompt, promptSeconds), (generate, answerSeconds))
        guard let profile = runner.processor.profile else { return }
        runner.processor.profile = nil
        let precision: DataType = runner.precision == .float32 || !runner.processor.hasBFloat16 ? .float32 : .bfloat16
        let total = (promptSeconds + answerSeconds).reduce(0, +)
        ProfileTable(profile, steps: runs, limits: MachineLimits(of: runner.processor, in: precision), total: total).write(asJSON: json)
    }

    private func report(
        _ runner: ModelRunner, _ cacheBytes: Int, _ load: Double, _ prompt: (tokens: Int, seconds: [Double]),
        _ answer: (tokens: Int, seconds: [Double])
    ) {
        let promptSpeed = Double(prompt.tokens) / median(prompt.seconds)
        let speed = Double(batch * answer.tokens) / median(answer.seconds)
        let peak = CPU.peakMemory >> 20
        if json {
            return printLine(JSONLine([
                "bench": "generate",
                "case": .text(runner.precision.rawValue),
                "kv_dtype": .text(runner.cachePrecision.rawValue),
                "batch": .whole(batch),
                "adapters": .whole(adapters),
                "threads": .whole(runner.processor.threads),
                "kernels": .text(runner.processor.instructionSet),
                "prompt_tokens": .whole(prompt.tokens),
                "answer_tokens": .whole(answer.tokens),
                "prompt_tokens_per_s": .number(promptSpeed),
                "tokens_per_s": .number(speed),
                "load_s": .number(load),
                "weights_mb": .whole(runner.weightBytes >> 20),
                "bits_per_weight": runner.bitsPerWeight.map { .number($0) },
                "cache_mb": .whole(cacheBytes >> 20),
                "peak_rss_mb": .whole(peak),
            ]))
        }
        let bits = runner.bitsPerWeight.map { " (\($0.fixed(1)) bits per weight)" } ?? ""
        let among = adapters > 0 ? ", \(adapters) adapters" : ""
        printLine("\(runner.precision.rawValue), batch \(batch)\(among): prompt \(Int(promptSpeed.rounded())) tokens/s, "
            + "generation \(Int(speed.rounded())) tokens/s, "
            + "loaded in \(load.durationText), weights \(runner.weightBytes >> 20) MB\(bits), peak memory \(peak) MB")
    }
}
