import Autograd
import Checkpoint
import Infer
import Kernels
import Model
import Tokenize

struct BenchGenerateOptions: MachineOptions {
    var threads: Int?
    var cpu: String?
    var blas: BLAS?
    var checkpoint: String?
    var preset = "eugpt"
    var dtype = PrecisionOption.auto
    var batch = 1
    var prompt = 128
    var generate = 200
    var repeats = 5
    var profile = false
    var json = false
}

extension Command {
    static var benchGenerate: Command {
        Command(
            "bench generate", "Tokens a second of a prompt, and of what follows it.", BenchGenerateOptions(),
            BenchGenerateOptions.rows + [
                .option("checkpoint", \.checkpoint, "The model; without one a new one of the preset's shape, whose weights are random."),
                .option(
                    "preset", \.preset,
                    "Size of the model where there is no checkpoint: \(GPTConfiguration.presets.map(\.name).joined(separator: ", "))."),
                .option("dtype", \.dtype, "How weights are kept."),
                .option("batch", \.batch, in: 1...4_096, "Sequences side by side."),
                .option("prompt", \.prompt, in: 1...1_048_576, "Tokens of each prompt."),
                .option("generate", \.generate, in: 1...1_048_576, "Tokens that follow it."),
                .option("repeats", \.repeats, in: 1...1_000, "How often; the median counts."),
                .option("profile", \.profile, "Where the time goes, by operation, with each one's share of its limit."),
                .option("json", \.json, "One JSON object a line."),
            ], example: "slm bench generate --checkpoint best.h5 --dtype int8 --batch 16 --prompt 128 --generate 200 --json"
        ) { options in
            let processor = try options.processor()
            var runner: ModelRunner?
            let load = try measureSeconds { runner = try open(options, on: processor) }
            guard let runner else { return }
            try measure(runner, options, load: load)
        }
    }

    private static func open(_ options: BenchGenerateOptions, on processor: Processor) throws -> ModelRunner {
        if let path = options.checkpoint {
            let checkpoint = try Checkpoint(reading: path)
            return try ModelRunner(
                of: checkpoint, on: processor,
                precision: processor.weightPrecision(for: options.dtype, stored: checkpoint.quantizedPrecision))
        }
        let configuration = try GPTConfiguration.preset(options.preset, for: "bench generate")
        var list = ParameterList()
        let model = GPT(configuration, in: &list)
        return ModelRunner(
            of: model, Parameters(list, on: processor, seed: 1), on: processor, precision: processor.weightPrecision(for: options.dtype))
    }

    /// The same as llama.cpp is measured by: each prompt for itself, then a token of every sequence at a time, and the scores that follow
    /// it.
    private static func measure(_ runner: ModelRunner, _ options: BenchGenerateOptions, load: Double) throws {
        let V = runner.model.configuration.vocabulary, context = runner.model.configuration.context
        guard options.prompt + options.generate <= context else {
            throw UsageError("slm bench generate: \(options.prompt) + \(options.generate) tokens for a model that sees \(context).")
        }
        let memories = (0..<options.batch).map { _ in runner.makeKVCache() }
        func id(_ i: Int, _ s: Int) -> TokenID { TokenID((i + s) % V) }
        var prompts: [Double] = [], answers: [Double] = []
        if options.profile { runner.processor.profile = Profile() }
        for _ in 0..<options.repeats {
            for (s, memory) in memories.enumerated() {
                let ids = (0..<options.prompt).map { id($0 * 37, s) }
                prompts.append(measureSeconds { _ = runner.logits(for: [.init(memory, from: 0, ids: ids)]) })
            }
            answers.append(
                measureSeconds {
                    for g in 0..<options.generate {
                        _ = runner.logits(
                            for: memories.enumerated().map { s, memory in .init(memory, from: options.prompt + g, ids: [id(g * 53, s)]) })
                    }
                })
        }
        let prompt = Double(options.prompt) / median(prompts), answer = Double(options.batch * options.generate) / median(answers)
        let peak = CPU.peakMemory >> 20
        if options.json {
            say(
                JSONLine([
                    "bench": "generate", "case": .text(runner.precision.rawValue), "batch": .whole(options.batch),
                    "threads": .whole(runner.processor.threads),
                    "kernels": .text(runner.processor.instructionSet), "prompt_tokens_per_s": .number(prompt),
                    "tokens_per_s": .number(answer), "load_s": .number(load),
                    "weights_mb": .whole(runner.weightBytes >> 20), "cache_mb": .whole(memories.reduce(0) { $0 + $1.byteCount } >> 20),
                    "peak_rss_mb": .whole(peak),
                ]))
        } else {
            say(
                "\(runner.precision.rawValue), \(options.batch) at a time: prompts \(Int(prompt.rounded())) tokens/s, answers \(Int(answer.rounded())) tokens/s, "
                    + "ready after \(load.fixed(2)) s, weights \(runner.weightBytes >> 20) MB, peak \(peak) MB")
        }
        guard let profile = runner.processor.profile else { return }
        runner.processor.profile = nil
        let type: DataType = runner.precision == .float32 || !runner.processor.hasBFloat16 ? .float32 : .bfloat16
        ProfileTable(
            profile, steps: options.repeats, limits: Limits(of: runner.processor, in: type), total: (prompts + answers).reduce(0, +)
        ).write(asJSON: options.json)
    }
}
