import Autograd
import Checkpoint
import Corpus
import Distributed
import Formats
import Infer
import Kernels
import Model
import Train

struct EvalOptions: MachineOptions {
    var machine = MachineSettings()
    var precision = PrecisionOption.auto
    var kvPrecision = KVPrecisionOption.auto
    var checkpoint: String?
    var base: String?
    var compare: [String] = []
    var data: [String] = []
    var tasks: [String] = []
    var backend: String?
    var backendModel: String?
    var questionForm: QuestionForm?
    var answerTokens = 256
    var stop: [String] = []
    var documents = DocumentOptions()
    var samples: String?
    var resumesTask = false
    var report: String?
    var format: ChatFileFormat?
    var skipsBad = false
    var lossScope: LossScope?
    var isStream = false
    var stride: Int?
    var context: Int?
    var batch: Int?
    var json = false
    var quiet = false
}

extension Command {
    static var eval: Command {
        Command(
            "eval",
            "Evaluate a model: loss, perplexity, bits per byte, preferences, right answers.",
            EvalOptions(),
            [
                OptionGroup("Main options", [
                    .checkpoint(\.checkpoint, "Evaluate this model."),
                    .list("data", \.data, value: "FILE",
                            "Evaluate on chats, text or preferences: files, folders, - for standard input, or token files.").short("d"),
                    .list("task", \.tasks, value: "FILE", "Count right answers to these questions: JSON lines with choices or an answer."),
                    .list("compare", \.compare, value: "CHECKPOINT", "Evaluate a second model and test whether the difference is noise."),
                    .option("loss-scope", \.lossScope, "Count the tokens of this role.",
                            default: "those that the model was trained on"),
                    .quiet(\.quiet),
                    .json(\.json),
                ]),
                OptionGroup("Data", [
                    .option("format", \.format, "Read the data in this format.", default: "detected"),
                    .skipBad(\.skipsBad),
                    .option("stream", \.isStream,
                            "Read each file as one stream, across conversations, instead of each conversation on its own."),
                    .option("stride", \.stride, in: 1...1_048_576, "Move the window by N tokens in texts longer than the context.",
                            default: "half the context"),
                    .option("context", \.context, value: "N", in: 1...1_048_576, "Predict each token from at most N tokens.",
                            default: "1,024, or the model's context"),
                ]),
                OptionGroup("Tasks", [
                    .option("as", \.questionForm, "Ask the questions of --task as messages of a chat, or as text to complete.",
                            default: "chat if the model has a chat template"),
                    .option("backend", \.backend, value: "openai:URL",
                            "Ask a model behind an OpenAI-compatible API; choices need its log-probabilities of prompts."),
                    .option("backend-model", \.backendModel, value: "NAME", "Choose a model of the --backend.", default: "its first"),
                    .option("max-tokens", \.answerTokens, in: 1...1_048_576, "Generate at most N tokens per answer."),
                    .list("stop", \.stop, value: "TEXT", "Stop before any of these texts; by default, before an empty line in text.",
                          separator: "\n"),
                    .option("samples", \.samples, value: "FILE", "Write each question with the model's answer to FILE: JSON lines.",
                            default: "none"),
                    .option("report", \.report, value: "FILE", "Write the shares of right answers and the answers to FILE: a web page.",
                            default: "none"),
                    .option("resume", \.resumesTask, "Keep the answers in the file of --samples, and ask the questions that are missing."),
                ]),
                OptionGroup("Documents", ([DocumentOptions.index] + DocumentOptions.searchOptions).map { $0.inside(\.documents) }),
                OptionGroup("Machine", [
                    .option("base", \.base, value: "CHECKPOINT", "Take the base model of a LoRA adapter from this file.",
                            default: "the path stored in the adapter"),
                    .option("dtype", \.precision, "Compute matmuls in this data type; int8, int6 and int4 quantize the weights first."),
                    .option("kv-dtype", \.kvPrecision,
                            "Read the text in order through a KV cache of this data type; auto does so only with quantized weights."),
                    .option("batch", \.batch, in: 1...65_536, "Evaluate N sequences at once.", default: "what fits the cache"),
                ] + EvalOptions.machineOptions),
            ],
            examples: [
                "slm eval checkpoints/tiny/best.h5 --data data/sample-val.txt",
                "slm eval checkpoints/a/best.h5 --compare checkpoints/b/best.h5 --data chats.jsonl --loss-scope assistant",
                "slm eval checkpoints/tiny/best.h5 --task questions.jsonl --report answers.html",
            ]
        ) { options in
            var options = options
            try options.joinRanks()
            try EvalCommand(options).run()
        }
    }
}

/// `slm eval`: evaluates one model, or compares two.
struct EvalCommand {
    let options: EvalOptions
    let checkpoints: [String]

    init(_ options: EvalOptions) throws {
        self.options = options
        if options.backend != nil, options.checkpoint != nil {
            throw UsageError("slm eval: expected --checkpoint or --backend, found both.")
        }
        if options.backend != nil, !options.data.isEmpty {
            throw UsageError("slm eval: --data: expected with a checkpoint, found with --backend, which has --task only.")
        }
        checkpoints = ((options.backend ?? options.checkpoint).map { [$0] } ?? []) + options.compare
        guard !checkpoints.isEmpty else {
            throw UsageError("slm eval: expected a model: slm eval CHECKPOINT, or two: slm eval A --compare B.")
        }
        guard options.compare.isEmpty || checkpoints.count == 2 else {
            throw UsageError("slm eval: --compare: expected two checkpoints, as in slm eval A --compare B, found \(checkpoints.count).")
        }
        guard !options.data.isEmpty || !options.tasks.isEmpty else {
            throw UsageError("slm eval: expected chats or text to evaluate on: --data FILE, or questions: --task FILE.")
        }
        if options.resumesTask, options.samples == nil || options.tasks.isEmpty {
            throw UsageError("slm eval: --resume: expected --task FILE and --samples FILE, which has the answers so far.")
        }
        if options.documents.path != nil, options.tasks.isEmpty {
            throw UsageError("slm eval: --documents: expected questions to find passages for: --task FILE.")
        }
        if options.report != nil, options.tasks.isEmpty {
            throw UsageError("slm eval: --report: expected questions to report on: --task FILE.")
        }
        if let report = options.report, report == options.samples || options.tasks.contains(report) {
            throw UsageError("slm eval: --report: expected a file of its own, found \(report), which another option names.")
        }
        guard options.compare.isEmpty || !options.data.contains("-") else {
            throw UsageError("slm eval: --compare reads the data twice: expected a file, found - (standard input).")
        }
    }

    func run() throws {
        try evaluateTasks()
        if options.data.isEmpty { return }
        let all = try EvaluationReader.files(at: options.data)
        // An error in the second model is reported before the first is evaluated.
        let models = try checkpoints.map { path in try ModelFile(path, base: options.base) }
        for model in models { try model.verify() }
        let preferences = try all.filter { try isPreferences($0) }
        try checkRanks(models, files: all.count, preferences: preferences.count)
        try evaluatePreferences(models, preferences)
        let files = all.filter { !preferences.contains($0) }
        if files.isEmpty { return }
        let scope = options.lossScope ?? Self.lossScope(of: models.map(\.checkpoint))
        var results: [[Evaluation]] = []
        var hasChats = true
        for model in models {
            if !options.json, models.count > 1 { printLine("\(results.isEmpty ? "" : "\n")\(model.checkpoint.name)") }
            let (pieces, areChats) = try evaluate(model, files, scope)
            results.append(pieces)
            hasChats = hasChats && areChats
        }
        if results.count == 2 { try printComparison(of: results[0], with: results[1], hasChats: hasChats) }
    }

    private func isPreferences(_ file: String) throws -> Bool {
        if let format = options.format { return format == .preferences }
        // Standard input cannot be read twice.
        return try file != "-" && !file.hasSuffix(".bin") && ConversationReader.isPreferences(file)
    }

    /// The tokens that all of the models were trained on.
    static func lossScope(of models: [Checkpoint]) -> LossScope {
        models.contains { $0.lossScope == .assistant } ? .assistant : .all
    }

    /// A model's evaluations of a file.
    struct FileEvaluation {
        let file: String
        let conversations: Int
        let pieces: [Evaluation]
        let hasChats: Bool
    }

    /// The evaluations of all pieces of text, printed file by file.
    private func evaluate(
        _ model: ModelFile, _ files: [String], _ scope: LossScope
    ) throws -> (pieces: [Evaluation], hasChats: Bool) {
        let origin: EvaluationReport.ScopeOrigin = options.lossScope != nil ? .option : checkpoints.count > 1 ? .models : .model
        var report = EvaluationReport(model.checkpoint.name, files, scope, origin, json: options.json)
        let evaluations = try pieces(of: model, files, scope) { evaluation in
            report.printRow(evaluation.file, evaluation.conversations, evaluation.pieces, hasChats: evaluation.hasChats)
        }
        let all = evaluations.flatMap(\.pieces), hasChats = evaluations.allSatisfy(\.hasChats)
        if files.count > 1 { report.printRow(nil, evaluations.reduce(0) { $0 + $1.conversations }, all, hasChats: hasChats) }
        report.printNotes()
        return (all, hasChats)
    }

    /// Evaluates a model on files.
    ///
    /// - Parameter body: Called after each file.
    func pieces(
        of model: ModelFile, _ files: [String], _ scope: LossScope, _ body: (FileEvaluation) -> Void = { _ in }
    ) throws -> [FileEvaluation] {
        let processor = try options.processor()
        var reader = try EvaluationReader(model.checkpoint, on: WorkerPool(threads: processor.threads))
        reader.lossScope = scope
        reader.readsAsOneStream = options.isStream
        reader.format = options.format
        reader.skipsBad = options.skipsBad
        var evaluator = try evaluator(of: model, on: processor)
        evaluator.stride = options.stride
        evaluator.rows = options.batch
        evaluator.ranks = Ranks.current
        return try files.enumerated().map { i, file in
            let progress = ProgressBar("evaluating", isVisible: !options.quiet)
            let text = try reader.text(at: file)
            let pieces = try evaluator.pieces(of: text) { share in
                progress.show(fraction: share, files.count == 1 ? file : "file \(i + 1) of \(files.count)")
            }
            progress.clear()
            let evaluation = FileEvaluation(file: file, conversations: text.conversations, pieces: pieces, hasChats: text.hasChats)
            body(evaluation)
            return evaluation
        }
    }

    /// Throws on all ranks if one has other models or computes in another way: then its results would not belong to those of the others.
    private func checkRanks(_ models: [ModelFile], files: Int, preferences: Int) throws {
        guard let ranks = Ranks.current, ranks.count > 1 else { return }
        let processor = try options.processor()
        func list(_ value: (ModelFile) -> String) -> String { models.map(value).joined(separator: ", ") }
        try ranks.check([
            ("number of files", "\(files)"), ("number of files with preferences", "\(preferences)"),
            ("--kv-dtype", options.kvPrecision.rawValue),
            ("--dtype", list { options.precision.resolved(on: processor, stored: $0.storedPrecision).rawValue }),
            ("kernels", processor.instructionSet), ("matmul library", processor.blas.rawValue),
            ("models", list(\.base.weightsDigest)),
            ("adapters", list { $0.checkpoint.adapter == nil ? "none" : $0.checkpoint.weightsDigest }),
        ])
    }

    func evaluator(of model: ModelFile, on processor: Processor) throws -> Evaluator {
        let checkpoint = model.checkpoint, precision = options.precision.resolved(on: processor, stored: model.storedPrecision)
        if options.kvPrecision == .auto, precision == .float32 || precision == .bfloat16 {
            return try Evaluator(
                checkpoint, over: model.base, context: options.context, on: processor,
                precision: processor.precision(for: precision == .float32 ? .f32 : .bf16))
        }
        let runner = try ModelRunner(
            of: checkpoint, over: model.base, on: processor, precision: precision, cache: options.kvPrecision)
        return Evaluator(context: Evaluator.context(options.context, of: checkpoint.configuration)) { batch in
            let length = batch.inputs.count / batch.rows
            return (0..<batch.rows).reduce(into: TokenLosses()) { sum, row in
                let range = row * length..<(row + 1) * length
                let alternatives = batch.alternatives.map { Array($0[range]) }
                let losses = runner.tokenLosses(of: Array(batch.inputs[range]), predicting: [Array(batch.targets[range])] + alternatives)
                sum += TokenLosses(losses, of: batch.targets[range], alternatives)
            }
        }
    }

    private func printComparison(of first: [Evaluation], with second: [Evaluation], hasChats: Bool) throws {
        let comparison = try ModelComparison(of: first, with: second)
        let (a, b) = (checkpoints[0], checkpoints[1])
        let isFirst = comparison.difference < 0
        let pieces = hasChats ? "conversations" : "pieces of text"
        if options.json {
            return printLine(JSONLine([
                "a": .text(a),
                "b": .text(b),
                "better": comparison.isNoise ? "neither" : isFirst ? "a" : "b",
                "difference": .exact(comparison.difference),
                "standard_error": .exact(comparison.standardError),
                "low": .exact(comparison.interval.lowerBound),
                "high": .exact(comparison.interval.upperBound),
                "paired": .whole(comparison.count),
                "pairs": .text(pieces),
                "text_difference": .exact(textBits(first) - textBits(second)),
                "turn_end_difference": .exact(turnEndBits(first) - turnEndBits(second)),
            ]))
        }
        guard comparison.count > 1 else {
            return printLine("\nOne \(hasChats ? "conversation" : "piece of text") is too little to compare models: use more data.")
        }
        let sign = isFirst ? -1.0 : 1.0
        let ends = [comparison.interval.lowerBound * sign, comparison.interval.upperBound * sign].sorted()
        let amount = comparison.difference * sign
        if amount == 0 {
            return printLine("\nThe difference is within noise: both models have the same bits per byte (\(comparison.count) \(pieces)).")
        }
        let difference = "has \(amount < 0.00005 ? "less than 0.0001" : amount.fixed(4)) fewer bits per byte "
            + "(95 %: \(ends[0].fixed(4)) … \(ends[1].fixed(4)), \(comparison.count) \(pieces))"
        let better = isFirst ? a : b
        let verdict = comparison.isNoise ? "The difference is within noise: \(better)" : "\(better) is better: it"
        printLine("\n\(verdict) \(difference).")
        guard first.contains(where: { $0.turnEnds > 0 }) else { return }
        func part(_ name: String, _ difference: Double) -> String {
            "\(name) \(difference * sign < 0 ? "−" : "+")\(abs(difference).fixed(4))"
        }
        printLine("Of these: \(part("text", textBits(first) - textBits(second))), "
            + "\(part("ends of turns", turnEndBits(first) - turnEndBits(second))).")
    }

    /// Bits per byte of the tokens that end no turn, and of those that do. The sum is the bits per byte of all.
    private func textBits(_ pieces: [Evaluation]) -> Double {
        let sum = pieces.reduce(into: Evaluation(), +=)
        return sum.bitsPerByte - turnEndBits(pieces)
    }

    private func turnEndBits(_ pieces: [Evaluation]) -> Double {
        let sum = pieces.reduce(into: Evaluation(), +=)
        return sum.turnEndNats == 0 ? 0 : sum.bitsPerByte * sum.turnEndNats / sum.nats
    }
}
