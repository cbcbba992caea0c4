import Autograd
import Checkpoint
import Corpus
import Files
import Kernels
import Model
import Report
import Tokenize
import Train

/// `slm train`: brings the parts together.
struct TrainCommand {
    let options: TrainOptions
    let folder: String

    init(_ options: TrainOptions) {
        self.options = options
        folder = options.out ?? "checkpoints/\(options.preset)"
    }

    func run() throws {
        if !options.compare.isEmpty { return try compare() }
        let stored = options.resume ? try Checkpoint(reading: folder + "/last.h5") : nil
        if stored == nil, Folder.contains("last.h5", in: folder) {
            throw Refusal(description: "\(folder) holds a training. Go on with it: --resume; or take another folder: --out.")
        }
        if stored?.training["finetune/data/0"] != nil {
            throw Refusal(description: "\(folder) holds a finetune. Go on with it: slm finetune --resume \(folder)")
        }
        let tokens = try TrainingTokens(options, goingOnFrom: stored)
        let configuration = try stored?.configuration ?? options.configuration(vocabulary: tokens.vocabulary.count)
        var plan = try stored.map { checkpoint in try TrainingPlan(from: checkpoint) } ?? options.plan(for: configuration)
        let processor = try options.processor(), type = processor.dataType(for: options.dtype)
        var memory = TrainingMemory(type, rows: plan.rows, isRecomputing: options.recompute)
        memory.examples = tokens.bytes
        if plan.nGramContexts > 0, stored == nil { memory.nGramTokens = tokens.meta.counts(of: .train).tokens }
        try check(memory, for: configuration)
        let trainer = Trainer(
            configuration, on: processor, precision: type, recomputing: options.recompute, seed: UInt64(bitPattern: Int64(plan.seed)))
        let training = try tokens.examples(.train, plan, configuration), validation = try tokens.validation(plan, configuration)
        if stored == nil {
            let steps = plan.steps(perEpoch: training.stepsPerEpoch, tokensPerStep: plan.rows * configuration.context)
            plan.warmup = options.warmup ?? TrainingPlan.usualWarmup(for: steps)
            plan.nGramContexts = nGramContexts(for: plan, training, trainer)
        }
        try Folder.create(folder)
        let run = try TrainingRun(
            trainer, plan, training: training, validation: validation, vocabulary: tokens.vocabulary, form: tokens.meta.template,
            tokens: tokens.meta.identity, folder: folder)
        if let stored { try run.restore(stored) }
        let samples = try SampleAnswers(
            options.ask, else: TokenFile(validation == nil ? .train : .val, in: tokens.folder, tokens.meta), tokens.meta.template,
            tokens.vocabulary, trainer, processor, type)
        announce(run, tokens.meta, type, processor.threads, memory, hasValidation: validation != nil)
        let record = try RunRecorder(
            folder, run.settings(settings(tokens.meta), type, processor), goingOnAfter: run.state.step,
            commands: nextCommands(
                in: folder, goOn: goOn,
                [.init(to: "teach it your own chats", "slm finetune --base \("\(folder)/best.h5".shellWord) --data CHATS")]))
        try options.learn(run, record, samples, in: folder, goOn: goOn) { clock, report in
            try count(TokenFile(.train, in: tokens.folder, tokens.meta), for: run, processor, type, clock, report)
        }
    }

    /// A start from counts, where the plan says so, with a bar of its own.
    private func count(_ tokens: TokenFile, for run: TrainingRun, _ processor: Processor, _ type: DataType, _ clock: () -> Double,
                       _ report: (TrainingRun.Event) throws -> Void) throws {
        let bar = Progress("counting")
        try run.initializeFromNGrams(of: tokens, on: processor, precision: type, clock: clock, progress: { share in
            if !options.json { bar.show(share: share, "what follows what") }
        }) { event in
            bar.clear()
            try report(event)
        }
    }

    /// Several trainings in one report.
    private func compare() throws {
        let path = options.out ?? "report.html"
        try RunComparison(of: options.compare).write(to: path)
        say(path)
    }

    /// The fit of a start takes as long for a context as a step for a fifth of a token: an eighth of the plan, then.
    private func nGramContexts(for plan: TrainingPlan, _ training: any TrainingBatches, _ trainer: Trainer) -> Int {
        let perStep = Double(plan.rows * trainer.model.configuration.context)
        let tokens: Double = switch plan.length {
        case .steps(let count): Double(count) * perStep
        case .epochs(let count): count * training.stepsPerEpoch * perStep
        case .tokens(let count): Double(count)
        case .seconds(let seconds): seconds / max(1e-6, trainer.estimatedStepSeconds(for: training.batch(at: 0), clock: now)) * perStep
        }
        return options.counted == nil ? min(plan.nGramContexts, Int(tokens * 2 / 3) / 1_024 * 1_024) : plan.nGramContexts
    }

    /// The line that goes on with this training.
    private var goOn: String {
        let validation = options.validation.isEmpty ? "" : " --val \(options.validation.shellWords)"
        let share = options.validationShare.map { " --val-share \($0)" } ?? ""
        return
            "slm train --data \(options.data.shellWords)\(validation)\(share)\(options.skipsBad ? " --skip-bad" : "") --out \(folder.shellWord) --resume"
    }

    private func announce(
        _ run: TrainingRun, _ meta: TokenMeta, _ type: DataType, _ threads: Int, _ memory: TrainingMemory, hasValidation: Bool
    ) {
        if options.json { return }
        let c = run.trainer.model.configuration, counts = meta.counts(of: .train)
        say("""
            model    \(run.trainer.parameters.count) parameters: \(c.layers) layers, \(c.heads) heads, \(c.width) wide, context \(c.context), vocabulary \(c.vocabulary)
            data     \(counts.tokens) tokens to learn from, \(hasValidation ? "\(meta.counts(of: .val).tokens) to check with" : "none to check with"); \(waste(meta, run.training))
            start    \(start(of: run))
            \(run.announcement(type, threads, memory, in: folder))
            """)
    }

    /// What the weights are before the first step.
    private func start(of run: TrainingRun) -> String {
        if run.state.step > 0 { return "from \(folder)/last.h5" }
        if run.plan.nGramContexts > 0 { return "from counts of the text, fitted to \(run.plan.nGramContexts) contexts" }
        if options.recipe == .nanogpt { return "by chance, as --recipe nanogpt says" }
        return "by chance: "
            + (NGramInitialization.obstacle(for: run.trainer.model.configuration).map { "a start from counts needs \($0)" }
                ?? "the training is too short for counting")
    }

    /// What of the tokens is not learned from, and what of the rows is not tokens.
    private func waste(_ meta: TokenMeta, _ training: any TrainingBatches) -> String {
        let cut =
            meta.report.cut == 0 ? "none dropped" : "the ends of \(meta.report.cut) long conversations dropped by slm tokenize --max-length"
        return (training as? PackedConversations).map { "packed: \(($0.padded * 100).fixed(2)) % padding, \(cut)" }
            ?? "windows at random places: no padding, \(cut)"
    }

    /// What a report tells of the data.
    private func settings(_ meta: TokenMeta) -> [RunSetting] {
        [RunSetting("data", "source", .text(options.data.joined(separator: " ")))]
            + DatasetSplit.allCases.flatMap { part in
                let counts = meta.counts(of: part)
                return [
                    RunSetting("data", "\(part.rawValue)_tokens", .whole(counts.tokens)),
                    RunSetting("data", "\(part.rawValue)_conversations", .whole(counts.conversations)),
                ]
            } + [
                RunSetting("data", "form", .text(meta.template?.rawValue ?? "text")),
                RunSetting("data", "vocabulary_hash", .text(meta.fingerprint)),
            ]
    }
}
