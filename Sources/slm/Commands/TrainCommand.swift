import Autograd
import Checkpoint
import Corpus
import Files
import Kernels
import Model
import Report
import Tokenize
import Train

extension Command {
    static var train: Command {
        Command(
            "train",
            "Train a model on chats or text.",
            TrainOptions(),
            TrainOptions.groups,
            examples: [
                "slm train --data chats.txt --preset tiny --out checkpoints/first --time 2m",
                "slm train --data data --preset eugpt --time 2h --ask \"Who are you?\"",
                "slm train --resume checkpoints/first --data chats.txt",
            ]
        ) { options in
            try TrainCommand(options).run()
        }
    }
}

/// `slm train`: prepares the data and the model, and trains.
struct TrainCommand {
    private let options: TrainOptions
    private let folder: String

    init(_ options: TrainOptions) {
        self.options = options
        folder = options.folder
    }

    func run() throws {
        if !options.compare.isEmpty { return try RunsCompareOptions(runs: options.compare, out: options.out ?? "report.html").run() }
        if options.dryRun {
            // Token files that are not cached yet are written to a directory that is removed afterwards.
            let scratch = try ScratchFolder()
            var dryOptions = options
            dryOptions.cacheRoot = scratch.path
            dryOptions.quiet = true
            return try TrainCommand(dryOptions).prepareAndTrain()
        }
        try prepareAndTrain()
    }

    private func prepareAndTrain() throws {
        let stored = try storedCheckpoint()
        let tokens = try options.trainingData(resuming: stored)
        let configuration = try stored?.configuration ?? options.configuration(vocabulary: tokens.vocabulary.count)
        var plan = try stored.map { checkpoint in try TrainingPlan(from: checkpoint) } ?? options.plan(for: configuration)
        let processor = try options.processor()
        let type = processor.dataType(for: options.dtype)
        var memory = TrainingMemory(type, rows: plan.rows, isRecomputing: options.recompute)
        memory.dataBytes = tokens.memoryBytes
        if plan.nGramContexts > 0, stored == nil { memory.nGramTokens = tokens.meta.counts(of: .train).tokens }
        try check(memory, for: configuration)
        let trainer = Trainer(
            configuration, on: processor, precision: type, recomputing: options.recompute, seed: UInt64(bitPattern: Int64(plan.seed)))
        let training = try tokens.batches(.train, plan, context: configuration.context)
        let validation = try tokens.validationBatches(plan, context: configuration.context)
        if stored == nil {
            let steps = plan.steps(perEpoch: training.stepsPerEpoch, tokensPerStep: plan.rows * configuration.context)
            plan.warmup = options.warmup ?? TrainingPlan.usualWarmup(for: steps)
            plan.nGramContexts = nGramContexts(for: plan, training, trainer)
        }
        let run = try TrainingRun(
            trainer,
            plan,
            training: training,
            validation: validation,
            vocabulary: tokens.vocabulary,
            chatTemplate: tokens.meta.template,
            dataIdentity: tokens.meta.identity,
            folder: folder)
        if let stored { try run.restore(stored) }
        let summary = summary(of: run, tokens.meta, hasValidation: validation != nil)
        if options.dryRun {
            return DryRun(run, tokens.meta, memory, type, threads: processor.threads).report(summary, json: options.json)
        }
        try Folder.create(folder)
        if !options.json {
            printLine(summary)
            printLine(run.summary(type, processor.threads, memory, .estimated(for: run), in: folder))
        }
        try train(run, tokens, processor, type, hasValidation: validation != nil)
    }

    private func train(
        _ run: TrainingRun,
        _ tokens: TrainingData,
        _ processor: Processor,
        _ type: DataType,
        hasValidation: Bool
    ) throws {
        let samples = try SampleAnswers(
            options.ask,
            else: hasValidation ? tokens.validation : tokens.training,
            tokens.meta.template,
            tokens.vocabulary,
            context: run.trainer.model.configuration.context,
            complete: greedyCompletion(of: run.trainer, on: processor, type))
        let best = "\(folder)/best.h5".shellWord
        let finetuning = RunPage.Command(to: "fine-tune it on your own chats", "slm finetune \(best) --data CHATS")
        let recorder = try RunRecorder(
            folder,
            run.settings(settings(tokens.meta), type, processor),
            resumingAfter: run.state.step,
            commands: nextCommands(
                in: folder, resume: resumeCommand, [finetuning]))
        let ending = try options.train(run, recorder, samples, in: folder, resumeCommand: resumeCommand) { clock, report in
            try initializeFromNGrams(tokens.training, run, processor, type, clock, report)
        }
        if ending == .stopped || !options.hasNextStep { return }
        let isSilent = options.quiet || options.json
        if tokens.meta.template == nil {
            printNextStep("Generate text with it", "slm generate \(best) --prompt TEXT", unless: isSilent)
        } else {
            printNextStep("Chat with it", "slm chat \(best)", unless: isSilent)
        }
    }

    /// The last checkpoint of the run to resume; nil for a new run.
    private func storedCheckpoint() throws -> Checkpoint? {
        if options.resume == .no {
            guard Folder.contains("last.h5", in: folder) else { return nil }
            if options.dryRun { return nil }
            throw CommandError(description: "\(folder) holds a training run already. Continue it with --resume, or choose another "
                + "directory with --out.")
        }
        let stored = try Checkpoint(reading: folder + "/last.h5")
        if stored.training["finetune/data/0"] != nil {
            throw CommandError(description: "\(folder) holds a fine-tuning run. Continue it with: slm finetune --resume \(folder)")
        }
        return stored
    }

    /// Initializes the weights from n-gram counts, if the plan says so, with a progress bar of its own.
    private func initializeFromNGrams(
        _ tokens: TokenFile,
        _ run: TrainingRun,
        _ processor: Processor,
        _ type: DataType,
        _ clock: () -> Double,
        _ report: (TrainingRun.Event) throws -> Void
    ) throws {
        let progress = ProgressBar("initializing from n-grams", isVisible: !options.quiet && !options.json)
        try run.initializeFromNGrams(of: tokens, on: processor, precision: type, clock: clock, progress: { share in
            progress.show(fraction: share, "of the work")
        }) { event in
            progress.clear()
            try report(event)
        }
    }

    /// Fitting one context takes a fifth of the time of training on one token, so the initialization takes about an eighth of the run.
    private func nGramContexts(for plan: TrainingPlan, _ training: any TrainingBatches, _ trainer: Trainer) -> Int {
        let perStep = Double(plan.rows * trainer.model.configuration.context)
        let tokens: Double = switch plan.length {
        case .steps(let count): Double(count) * perStep
        case .epochs(let count): count * training.stepsPerEpoch * perStep
        case .tokens(let count): Double(count)
        case .seconds(let seconds): seconds / max(1e-6, trainer.estimatedStepSeconds(for: training.batch(at: 0), clock: now)) * perStep
        }
        return options.nGramContexts == nil ? min(plan.nGramContexts, Int(tokens * 2 / 3) / 1_024 * 1_024) : plan.nGramContexts
    }

    /// The command that continues this run.
    private var resumeCommand: String {
        let validation = options.validation.isEmpty ? "" : " --val \(options.validation.shellWords)"
        let share = options.validationShare.map { " --val-share \($0)" } ?? ""
        return "slm train --data \(options.data.shellWords)\(validation)\(share)\(options.skipsBad ? " --skip-bad" : "")"
            + " --out \(folder.shellWord) --resume"
    }

    /// The lines about the model, the data and the initial weights.
    private func summary(of run: TrainingRun, _ meta: TokenMeta, hasValidation: Bool) -> String {
        let c = run.trainer.model.configuration
        let validation = hasValidation ? "\(meta.counts(of: .val).tokens) validation tokens" : "no validation tokens"
        return """
            model    \(run.trainer.parameters.count) parameters: \(c.layers) layers, \(c.heads) heads, width \(c.width), \
            context \(c.context), vocabulary \(c.vocabulary)
            data     \(meta.counts(of: .train).tokens) training tokens, \(validation); \(packing(meta, run.training))
            weights  \(initialization(of: run))
            """
    }

    private func initialization(of run: TrainingRun) -> String {
        if run.state.step > 0 { return "from \(folder)/last.h5" }
        if run.plan.nGramContexts > 0 { return "from n-gram counts, fitted to \(run.plan.nGramContexts) contexts" }
        if options.recipe == .nanogpt { return "random (--recipe nanogpt)" }
        return "random: " + (NGramInitialization.obstacle(for: run.trainer.model.configuration).map { "n-gram counts need \($0)" }
            ?? "the run is too short for n-gram counts")
    }

    /// The tokens that are dropped, and the share of the rows that is padding.
    private func packing(_ meta: TokenMeta, _ training: any TrainingBatches) -> String {
        let dropped = meta.report.truncated == 0 ? "no tokens dropped" : "\(meta.report.truncated) long conversations cut by --max-length"
        return (training as? PackedConversations).map { "packed with \(($0.padded * 100).fixed(2)) % padding, \(dropped)" }
            ?? "windows at random positions, \(dropped)"
    }

    /// The entries of the log and the report about the data.
    private func settings(_ meta: TokenMeta) -> [RunSetting] {
        [RunSetting("data", "source", .text(options.data.joined(separator: " ")))] + DatasetSplit.allCases.flatMap { split in
            let counts = meta.counts(of: split)
            return [
                RunSetting("data", "\(split.rawValue)_tokens", .whole(counts.tokens)),
                RunSetting("data", "\(split.rawValue)_conversations", .whole(counts.conversations)),
            ]
        } + [
            RunSetting("data", "form", .text(meta.template?.rawValue ?? "text")),
            RunSetting("data", "vocabulary_hash", .text(meta.fingerprint)),
        ]
    }
}

/// `slm train --dry-run`: measures a few training steps and reports what the run would take.
private struct DryRun {
    private let run: TrainingRun
    private let meta: TokenMeta
    private let memory: TrainingMemory
    private let type: DataType
    private let threads: Int

    init(_ run: TrainingRun, _ meta: TokenMeta, _ memory: TrainingMemory, _ type: DataType, threads: Int) {
        self.run = run
        self.meta = meta
        self.memory = memory
        self.type = type
        self.threads = threads
    }

    func report(_ summary: String, json: Bool) {
        let time = StepTime.measured(for: run)
        guard json else {
            printLine(summary)
            printLine(run.summary(type, threads, memory, time, in: nil))
            return printNote("dry run: nothing was written.")
        }
        let estimate = run.estimate(time)
        printLine(JSONLine([
            "dry_run": .flag(true),
            "parameters": .whole(run.trainer.parameters.count),
            "train_tokens": .whole(meta.counts(of: .train).tokens),
            "val_tokens": .whole(meta.counts(of: .val).tokens),
            "steps": .whole(estimate.steps),
            "tokens_per_step": .whole(run.tokensPerStep),
            "memory_mb": .whole(Int(memory.bytes(for: run.trainer.model.configuration) / 1e6)),
            "seconds": .number(estimate.seconds),
            "tokens_per_s": .number(Double(run.tokensPerStep) / time.seconds),
            "time_from": .text(time.origin),
        ]))
    }
}
