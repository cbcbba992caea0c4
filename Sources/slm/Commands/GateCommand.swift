import Checkpoint
import Corpus
import Files
import Formats
import Infer
import Kernels
import Model
import Platform
import Threads
import Tokenize
import Train

struct GateOptions: MachineOptions {
    var machine = MachineSettings()
    var precision = PrecisionOption.auto
    var candidate: String?
    var active: String?
    var base: String?
    var data: [String] = []
    var replay: [String] = []
    var questions: String?
    var lossScope: LossScope?
    var gate = ModelGate()
    var answerTokens = 128
    var context: Int?
    var background = false
    var json = false
    var quiet = false
}

extension Command {
    static var gate: Command {
        Command(
            "gate",
            "Decide whether a fine-tuned model may replace the one that answers now.",
            GateOptions(),
            [
                OptionGroup("Main options", [
                    .checkpoint(\.candidate, "Judge this model."),
                    .option("against", \.active, value: "CHECKPOINT", "Compare it with this model, which answers now."),
                    .list("data", \.data, value: "FILE", "Compare on these held-out chats: files or folders.").short("d"),
                    .list("replay", \.replay, value: "FILE",
                          "Compare on these general chats, which must not be forgotten, not on text that the active model generates."),
                    .option("questions", \.questions, value: "FILE",
                            "Ask both models these questions: JSON lines with text and expected, or lines of text.",
                            default: "the first eight of --data"),
                    .quiet(\.quiet),
                    .json(\.json, "Print one JSON object."),
                ]),
                OptionGroup("Gate", [
                    .option("max-replay-loss-rise", \.gate.maxReplayLossRise, in: 0...10,
                            "Fail if the loss on --replay rises by more than this share of the active model's."),
                    .option("min-held-out-gain", \.gate.minHeldOutGain, in: 0...100,
                            "Call the candidate better only if it needs at least X bits per byte fewer on --data."),
                    .option("min-right-answers", \.gate.minRightAnswers, in: 0...1,
                            "Fail if the candidate answers less than this share of the --questions with expected answers right."),
                    .option("significance", \.gate.significance, in: 0.0001...0.5,
                            "Accept this chance of taking noise for a difference."),
                    .option("require-better", \.gate.requiresBetter, "Fail if the candidate is no worse, but not better either."),
                ]),
                OptionGroup("Data", [
                    .option("loss-scope", \.lossScope, "Count the tokens of this role.",
                            default: "those that the models were trained on"),
                    .option("context", \.context, value: "N", in: 1...1_048_576, "Predict each token from at most N tokens.",
                            default: "1,024, or the model's context"),
                    .option("max-tokens", \.answerTokens, in: 1...1_048_576, "Generate at most N tokens per answer."),
                ]),
                OptionGroup("Machine", [
                    .option("base", \.base, value: "CHECKPOINT", "Take the base model of LoRA adapters from this file.",
                            default: "the path stored in the adapter"),
                    .background(\.background),
                    .option("dtype", \.precision, "Compute matmuls in this data type; int8, int6 and int4 quantize the weights first."),
                ] + GateOptions.machineOptions),
            ],
            examples: ["slm gate checkpoints/tuned/best.h5 --against checkpoints/first/best.h5 --data held-out.jsonl --replay general.txt"]
        ) { options in
            if options.background { ProcessPriority.lower() }
            try GateCommand(options).run()
        }
    }
}

/// `slm gate`: compares a candidate with the active model, and exits with 1 if it fails.
struct GateCommand {
    let options: GateOptions
    let candidate, active: String

    init(_ options: GateOptions) throws {
        guard let candidate = options.candidate, let active = options.active else {
            throw UsageError("slm gate: expected two models: slm gate CANDIDATE --against ACTIVE --data FILE.")
        }
        self.options = options
        self.candidate = candidate
        self.active = active
    }

    func run() throws {
        var report = GateReport(candidate: candidate, active: active, gate: options.gate)
        var evidence = ModelGate.Evidence()
        do {
            // An error in the second model is reported before the first is evaluated.
            let models = try [candidate, active].map { try ModelFile($0, base: options.base) }
            for model in models { try model.verify() }
            report.bytes = [candidate, active].map(Self.bytes)
            report.parameters = models.map(\.base.configuration.parameterCount)
            if !options.data.isEmpty { evidence.heldOut = try compare(models, on: options.data) }
            if options.replay.isEmpty {
                evidence.replay = try compareOnOwnValidationSet(models)
                evidence.ownText = try compareOnOwnText(models)
            } else {
                evidence.replay = try compare(models, on: options.replay)
            }
        }
        let questions = try options.questions.map { try GateQuestion.read($0) } 
            ?? (options.data.isEmpty ? [] : GateQuestion.first(8, of: options.data))
        if !questions.isEmpty {
            report.answers = try ask(questions, &report)
            evidence.answers = report.answers.reduce(into: ModelGate.Answers()) { sum, answer in
                guard let a = answer.question.isRight(answer.candidate), let b = answer.question.isRight(answer.active) else { return }
                sum.add(candidate: a, active: b)
            }
            if evidence.answers?.questions == 0 { evidence.answers = nil }
        }
        report.evidence = evidence
        let decision = options.gate.decision(on: evidence)
        if options.json { printLine(report.json(decision)) } else { report.print(decision) }
        if !decision.isPassed { throw ReportedFailure() }
    }

    /// The size of a file, or of all files of a folder.
    private static func bytes(of path: String) -> Int {
        let names = Folder.names(in: path)
        return (names.map { $0.map { "\(path)/\($0)" } } ?? [path]).reduce(0) { $0 + ((try? MappedFile($1))?.count ?? 0) }
    }

    /// Evaluates both models on the same files.
    func compare(_ models: [ModelFile], on paths: [String], _ lossScope: LossScope? = nil) throws -> ModelGate.Pair {
        let scope = lossScope ?? self.lossScope(of: models)
        let command = try evaluation(of: paths), files = try EvaluationReader.files(at: paths)
        let results = try models.map { try command.pieces(of: $0, files, scope).flatMap(\.pieces) }
        return try ModelGate.Pair(candidate: results[0], active: results[1])
    }

    func lossScope(of models: [ModelFile]) -> LossScope { options.lossScope ?? EvalCommand.lossScope(of: models.map(\.checkpoint)) }

    func evaluation(of paths: [String]) throws -> EvalCommand {
        var eval = EvalOptions()
        eval.machine = options.machine
        eval.precision = options.precision
        eval.context = options.context
        eval.lossScope = options.lossScope
        eval.quiet = options.quiet || options.json
        eval.checkpoint = candidate
        eval.data = paths
        return try EvalCommand(eval)
    }

    /// Asks both models all questions in turn, so that their speeds are measured at the same time.
    private func ask(_ questions: [GateQuestion], _ report: inout GateReport) throws -> [GateReport.Answer] {
        let backends = try [candidate, active].map { path in
            try LocalBackend(
                checkpoint: path, base: options.base, options.precision, tuned: options.tunedInference(options.precision, isQuiet: true),
                on: options.makeProcessor)
        }
        let config = try GenerationConfig { $0.maxTokens = options.answerTokens; $0.temperature = 0 }
        let progress = ProgressBar("asking", isVisible: !options.quiet && !options.json)
        defer { progress.clear() }
        var tokens = [0, 0], seconds = [0.0, 0.0]
        let answers = try questions.enumerated().map { index, question in
            progress.show(fraction: Double(index) / Double(questions.count), "question \(index + 1) of \(questions.count)")
            var texts: [String] = []
            for (side, backend) in backends.enumerated() {
                let request = GenerationRequest(.chat([.init(.user, question.text)]), config)
                try backend.generate([request], concurrency: 1) { _, result in
                    // A model without finite logits has no answer.
                    if case .failure(.invalidLogits) = result { return texts.append("") }
                    let answer = try result.get()
                    texts.append(answer.text)
                    // The first token of an answer is part of the prefill.
                    tokens[side] += max(0, answer.end.answerTokens - 1)
                    seconds[side] += answer.end.timings.decode
                }
            }
            return GateReport.Answer(question: question, candidate: texts[0], active: texts[1])
        }
        report.tokensPerSecond = zip(tokens, seconds).map { $1 > 0 ? Double($0) / $1 : nil }
        return answers
    }
}
