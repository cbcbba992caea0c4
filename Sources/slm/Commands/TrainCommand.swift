import Autograd
import Checkpoint
import Corpus
import Distributed
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
                "slm train --data chats.txt --out checkpoints/first --time 1h",
                "slm train --data data --preset eugpt --time 2h --ask \"Who are you?\"",
                "slm train --resume checkpoints/first --data chats.txt",
            ]
        ) { options in
            var options = options
            if !options.estimates { try options.run.joinRanks() }
            try options.choosePreset()
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
        if options.estimates {
            // Token files that are not cached yet are written to a folder that is removed afterwards.
            let scratch = try ScratchFolder()
            var estimateOptions = options
            estimateOptions.cacheRoot = scratch.path
            estimateOptions.run.quiet = true
            return try TrainCommand(estimateOptions).prepareAndTrain()
        }
        try prepareAndTrain()
    }

    private func prepareAndTrain() throws {
        let stored = try storedCheckpoint()
        // Before the data is read: an option that cannot change throws.
        let resumed = try stored.map { checkpoint in try resume(checkpoint) }
        let tokens = try options.trainingData(resuming: stored)
        let configuration = try stored?.configuration ?? options.configuration(vocabulary: tokens.vocabulary.count)
        let (preparedPlan, machine, processor, changes) = try resumed
            ?? options.run.setup(options.plan(for: configuration), width: configuration.width)
        var plan = preparedPlan
        let precision = machine.precision
        var memory = TrainingMemory(precision, rows: plan.batch, recomputesBlocks: machine.recomputesBlocks)
        memory.dataBytes = tokens.memoryBytes
        if plan.nGramContexts > 0, try stored?.integer("step") ?? 0 == 0 { memory.nGramTokens = tokens.meta.counts(of: .train).tokens }
        try check(memory, for: configuration)
        let trainer = Trainer(
            configuration, on: processor, precision: precision, recomputesBlocks: machine.recomputesBlocks, seed: plan.randomSeed)
        let training = try tokens.batches(.train, plan, context: configuration.context)
        let validation = try tokens.validationSet(plan.lossScope)
        if stored == nil {
            let steps = try steps(of: plan, training, trainer)
            plan.warmup = options.run.plan[integer: "warmup"] ?? TrainingPlan.defaultWarmup(for: steps)
            plan.nGramContexts = nGramContexts(for: plan, steps: steps, context: configuration.context)
        }
        let run = try TrainingRun(
            trainer,
            plan,
            training: training,
            validation: validation,
            vocabulary: tokens.vocabulary,
            chatTemplate: tokens.meta.template,
            dataIdentity: tokens.meta.identity,
            servingDefaults: ServingDefaults(starterQuestions: try StarterQuestions.choose(from: tokens)),
            folder: folder,
            over: Ranks.current)
        if let stored { try run.restore(stored, options.estimates ? [] : changes) }
        printChanges(changes)
        printExtension(of: run)
        let summary = summary(of: run, tokens.meta, hasValidation: validation != nil)
        if options.estimates {
            return try printEstimate(run, tokens.meta, summary, memory, precision, threads: processor.threads)
        }
        try run.checkRanks()
        if !Ranks.isFirst {
            return try options.run.follow(run) { clock, shouldStop, report in
                try initializeFromNGrams(tokens.training, run, processor, precision, clock, shouldStop, report)
            }
        }
        try Folder.create(folder)
        if !options.run.json {
            printLine(summary)
            printLine(run.summary(precision, processor.threads, memory, try .estimated(for: run), in: folder))
        }
        try train(run, tokens, processor, precision, changes, hasValidation: validation != nil)
    }

    private func train(
        _ run: TrainingRun,
        _ tokens: TrainingData,
        _ processor: Processor,
        _ precision: DataType,
        _ changes: [PlanChange],
        hasValidation: Bool
    ) throws {
        let samples = try SampleAnswers(
            options.run.ask,
            else: hasValidation ? tokens.validation : tokens.training,
            tokens.meta.template,
            tokens.vocabulary,
            context: run.trainer.model.configuration.context,
            complete: greedyCompletion(of: run.trainer, on: processor, precision, tokens.vocabulary, tokens.meta.template))
        let best = "\(folder)/best.h5".shellWord
        let finetuning = RunPage.Command(to: "fine-tune it on your own chats", "slm finetune \(best) --data CHATS")
        let recorder = try RunRecorder(
            folder,
            run.settings(settings(tokens.meta)) + changes.settings,
            resumingAfter: run.state.step,
            commands: nextCommands(
                in: folder, resume: resumeCommand, [finetuning]))
        let ending = try options.run.train(run, recorder, samples, in: folder, resumeCommand: resumeCommand) { clock, shouldStop, report in
            try initializeFromNGrams(tokens.training, run, processor, precision, clock, shouldStop, report)
        }
        if ending == .stopped || !options.hasNextStep { return }
        let isSilent = options.run.quiet || options.run.json
        if tokens.meta.template == nil {
            printNextStep("Generate text with it", "slm generate \(best) --prompt TEXT", unless: isSilent)
        } else {
            printNextStep("Chat with it", "slm chat \(best)", unless: isSilent)
        }
    }

    /// The plan and the machine of a run to resume, and what the options change of them.
    private func resume(_ stored: Checkpoint) throws -> RunOptions.Setup {
        try options.run.plan.check(stored.configuration)
        let plan = try TrainingPlan(from: stored)
        return try options.run.setup(options.plan(resuming: plan), resuming: plan, width: stored.configuration.width)
    }

    /// The last checkpoint of the run to resume; nil for a new run.
    private func storedCheckpoint() throws -> Checkpoint? {
        if case .run(let folder)? = options.resume, let out = options.out, out != folder {
            throw UsageError("slm train: expected --resume RUN, or --resume with --out RUN, found '\(folder)' and '\(out)'.")
        }
        if options.resume == nil {
            guard TrainingRun.exists(in: folder) else { return nil }
            if options.estimates { return nil }
            throw CommandError(description: "\(folder) holds a training run already. Continue it with --resume, or choose another "
                + "folder with --out.")
        }
        let stored = try TrainingRun.checkpoint(toResume: folder)
        if stored.isFinetuned {
            throw CommandError(description: "\(folder) holds a fine-tuning run. Continue it with: slm finetune --resume \(folder)")
        }
        return stored
    }

    /// Initializes the weights from n-gram counts, if the plan says so, with a progress bar of its own.
    private func initializeFromNGrams(
        _ tokens: TokenFile,
        _ run: TrainingRun,
        _ processor: Processor,
        _ precision: DataType,
        _ clock: () -> Double,
        _ shouldStop: () -> Bool,
        _ report: (TrainingRun.Event) throws -> Void
    ) throws {
        let progress = ProgressBar("initializing from n-grams", isVisible: !options.run.quiet && !options.run.json)
        try run.initializeFromNGrams(
            of: tokens, on: processor, precision: precision, clock: clock, shouldStop: shouldStop,
            progress: { share in progress.show(fraction: share, "of the work") }
        ) { event in
            progress.clear()
            try report(event)
        }
    }

    /// The number of steps of a new run; in a run of limited time, estimated.
    private func steps(of plan: TrainingPlan, _ training: any TrainingBatches, _ trainer: Trainer) throws -> Int {
        if case .seconds(let seconds) = plan.length {
            let estimate = trainer.estimatedStepSeconds(for: try training.batch(at: 0), clock: now) / Double(Ranks.current?.count ?? 1)
            return Int(seconds / max(1e-6, Ranks.current?.fromFirst(estimate) ?? estimate))
        }
        let tokensPerStep = plan.batch * trainer.model.configuration.context
        return plan.steps(perEpoch: training.stepsPerEpoch, tokensPerStep: tokensPerStep) ?? 0
    }

    /// Fitting one context takes a fifth of the time of training on one token, so the initialization takes about an eighth of the run.
    private func nGramContexts(for plan: TrainingPlan, steps: Int, context: Int) -> Int {
        let tokens = Double(steps * plan.batch * context)
        return !options.run.plan.has("ngram-contexts") ? min(plan.nGramContexts, Int(tokens * 2 / 3) / 1_024 * 1_024) : plan.nGramContexts
    }

    /// The command that continues this run.
    private var resumeCommand: String {
        let validation = options.validation.isEmpty ? "" : " --val \(options.validation.shellWords)"
        let share = options.validationShare.map { " --val-share \($0)" } ?? ""
        return "slm train --data \(options.data.shellWords)\(validation)\(share)\(options.run.skipsBad ? " --skip-bad" : "")"
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
        if run.state.step > 0 || run.state.nGramPairs != nil { return "from step \(run.state.step) of \(folder)" }
        if run.plan.nGramContexts > 0 { return "from n-gram counts, fitted to \(run.plan.nGramContexts) contexts" }
        if run.plan.recipe == .nanogpt { return "random (--recipe nanogpt)" }
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
            RunSetting("data", "chat_template", .text(meta.template?.rawValue ?? "text")),
            RunSetting("data", "fingerprint", .text(meta.fingerprint)),
        ]
    }

    /// `--estimate`: measures a few training steps and reports what the run would take.
    private func printEstimate(
        _ run: TrainingRun, _ meta: TokenMeta, _ summary: String, _ memory: TrainingMemory, _ precision: DataType, threads: Int
    ) throws {
        let time = try StepTime.measured(for: run)
        guard options.run.json else {
            printLine(summary)
            printLine(run.summary(precision, threads, memory, time, in: nil))
            return printNote("nothing was written.")
        }
        let estimate = run.estimate(secondsPerStep: time.seconds)
        printLine(JSONLine([
            "event": .text("estimate"),
            "parameters": .whole(run.trainer.parameters.count),
            "train_tokens": .whole(meta.counts(of: .train).tokens),
            "val_tokens": .whole(meta.counts(of: .val).tokens),
            "steps": .whole(estimate.steps),
            "tokens_per_step": .whole(run.tokensPerStep),
            "memory_bytes": .whole(Int(memory.bytes(for: run.trainer.model.configuration))),
            "seconds": .number(estimate.seconds),
            "tokens_per_s": .number(Double(run.tokensPerStep) / time.seconds),
            "time_from": .text(time.origin),
        ]))
    }
}
