import Autograd
import Checkpoint
import Corpus
import Distributed
import Files
import Formats
import Glibc
import Kernels
import Model
import Platform
import Report
import Tokenize
import Train

extension Command {
    static var finetune: Command {
        Command(
            "finetune",
            "Fine-tune a model, or a LoRA adapter for it, on your chats.",
            FinetuneOptions(),
            FinetuneOptions.groups,
            examples: [
                "slm finetune checkpoints/first/best.h5 --data chat_history.jsonl",
                "slm finetune checkpoints/gpt2.h5 --data chats.jsonl --lora 16 --name support",
                "slm finetune checkpoints/first/best.h5 --data ratings.jsonl --preferences",
            ]
        ) { options in
            var options = options
            if options.estimate == nil { try options.run.joinRanks() }
            try FinetuneCommand(options).run()
        }
    }
}

/// `slm finetune`: starts or continues a fine-tuning run.
struct FinetuneCommand {
    let options: FinetuneOptions

    init(_ options: FinetuneOptions) { self.options = options }

    func run() throws {
        if options.background { ProcessPriority.lower() }
        if options.estimate == nil, let folder = try resumedFolder() { return try resume(folder) }
        guard let base = options.base else {
            if options.resume != nil {
                throw UsageError("slm finetune: --estimate describes a new run; --resume prints the memory and the time of its run itself.")
            }
            throw UsageError("slm finetune: expected a model to fine-tune: slm finetune CHECKPOINT --data FILE.")
        }
        if options.data.isEmpty, options.estimate != .memory { throw UsageError("slm finetune: expected chats to train on: --data FILE.") }
        let file = try ModelFile(base), width = file.checkpoint.configuration.width
        let (processor, machine) = try options.estimate == .memory
            ? options.untunedMachine : options.run.openMachine(resuming: nil, width: width)
        var start = try FinetuningBase(base, options.chatTemplate, adding: options.addTokens, file: file, on: processor)
        let checkpoint = start.checkpoint
        var configuration = checkpoint.configuration
        var settings = try options.settings(for: configuration)
        start.adapter = try options.initAdapter.map { try ModelFile.adapter($0, of: checkpoint, at: base, on: processor) }
        settings.lora = try start.shape(settings.lora)
        var plan = try options.newPlan
        plan.machine = machine
        plan = try options.run.sharing(plan, isNew: true)
        let name = newRunName
        let folder = "\(options.runs)/\(options.name ?? Ranks.current?.fromFirst(name) ?? name)"
        if TrainingRun.exists(in: folder) {
            throw CommandError(description: "\(folder) holds a training run already. Continue it with --resume \(folder), or choose "
                + "another --name.")
        }
        configuration.context = settings.context(of: configuration)
        let memory = memory(for: settings, plan, machine, context: configuration.context, over: start)
        if options.estimate != nil {
            let parts = RunParts(
                base: start, settings: settings, plan: plan, memory: memory, configuration: configuration, processor: processor)
            return try printEstimate(of: parts)
        }
        try check(
            memory,
            for: configuration,
            advice: settings.lora == nil ? "Train a LoRA adapter: --lora 16." : "Use a smaller --lora.")
        if !options.run.quiet { checkpoint.importNotes.forEach(printNote) }
        if !options.run.quiet, start.adapter?.chatTemplate == nil { try printTemplateNote(base, of: checkpoint) }
        let isVisible = !options.run.quiet && !options.run.json
        if options.generatesReplay { try writeGeneratedReplay(start, in: folder, on: processor) }
        settings.replay = options.replayPaths(in: folder)
        let bar = ProgressBar("", isVisible: isVisible)
        let finetuning = try Finetuning(
            of: start, settings, plan, in: folder, on: processor, over: Ranks.current, clock: now
        ) { preparation, share in
            switch preparation {
            case .initialization: bar.show("initializing LoRA (PiSSA)", fraction: share, "of the weights")
            case .scoring: bar.show("scoring the answers with the reference model", fraction: share, "of the tokens")
            }
        }
        bar.clear()
        try train(finetuning, folder, machine.precision, processor)
    }

    private func memory(
        for settings: Finetuning.Settings, _ plan: TrainingPlan, _ machine: TrainingMachine, context: Int, over base: FinetuningBase
    ) -> TrainingMemory {
        var memory = TrainingMemory(machine.precision, rows: plan.batch, recomputesBlocks: machine.recomputesBlocks, lora: settings.lora)
        if settings.preferences != nil { memory.countPairs(plan.batch, context: context) }
        let changesBase = settings.loraInitialization == .pissa || base.adapter?.adapter?.initialization == .pissa
        memory.frozenPrecision = changesBase ? .float32 : settings.basePrecision ?? base.checkpoint.quantizedPrecision ?? .float32
        if !changesBase, settings.basePrecision == nil {
            memory.storedBytesPerWeight = base.checkpoint.quantized.map(\.element).storedBytesPerWeight
        }
        return memory
    }

    private func resume(_ folder: String) throws {
        let stored = try TrainingRun.checkpoint(toResume: folder)
        guard stored.isFinetuned else { throw TrainingError.noFinetune(path: stored.name) }
        try options.check(stored, in: folder)
        let storedPlan = try TrainingPlan(from: stored)
        let (plan, machine, processor, changes) = try options.run.setup(
            options.plan(resuming: storedPlan), resuming: storedPlan, width: stored.configuration.width)
        let finetuning = try Finetuning(resuming: folder, (plan, changes), base: options.base, on: processor, over: Ranks.current)
        printChanges(changes)
        printExtension(of: finetuning.run)
        try train(finetuning, folder, machine.precision, processor)
    }

    /// The folder of the run to continue; nil for a new run.
    private func resumedFolder() throws -> String? {
        switch options.resume {
        case nil: return nil
        case .run(let folder)?:
            let named = options.name.map { "\(options.runs)/\($0)" }
            let isOther = named.map { $0 != folder } ?? options.out.map { RelativePath.folder(ofFileAt: folder) != $0 } ?? false
            if isOther { throw UsageError("slm finetune: expected --resume RUN, or --resume with --out and --name, found both.") }
            return folder
        case .defaultRun?:
            if let name = options.name { return "\(options.runs)/\(name)" }
            let runs = TrainingRunListing.all(in: options.runs)
            guard let newest = try runs.first(where: { try $0.isFinetuning }) else {
                throw UsageError("slm finetune: no fine-tuning run found in \(options.runs). Give one: --resume RUN.")
            }
            return newest.path
        }
    }

    private func train(_ finetuning: Finetuning, _ folder: String, _ precision: DataType, _ processor: Processor) throws {
        let run = finetuning.run
        try run.checkRanks()
        if !Ranks.isFirst { return try options.run.follow(run) }
        let data = finetuning.data
        let resumeCommand = "slm finetune --resume \(folder.shellWord)"
        let best = "\(folder)/best.h5".shellWord
        let samples = try SampleAnswers(
            options.run.ask,
            else: data.validation.count > 0 ? data.validation : data.training,
            finetuning.chatTemplate,
            finetuning.vocabulary,
            context: run.trainer.context,
            complete: greedyCompletion(
                of: run.trainer, on: processor, precision, finetuning.vocabulary, finetuning.chatTemplate,
                endTokens: run.servingDefaults.endTokens))
        try printSummary(finetuning, folder, precision, processor.threads)
        let merging = RunPage.Command(to: "merge it into its base model", "slm adapter merge \(best) --out merged.h5")
        let recorder = try RunRecorder(
            folder,
            run.settings(settings(finetuning)) + finetuning.changes.settings,
            resumingAfter: run.state.step,
            commands: nextCommands(in: folder, resume: resumeCommand, run.adapter == nil ? [] : [merging]))
        if try options.run.train(run, recorder, samples, in: folder, resumeCommand: resumeCommand) == .stopped { return }
        try printResult(folder)
        printNextStep("Chat with it", "slm chat \(best)", unless: options.run.quiet || options.run.json)
    }

    /// The entries of the log and the report about the data.
    private func settings(_ finetuning: Finetuning) -> [RunSetting] {
        let context = finetuning.run.trainer.context
        func settings(_ prefix: String, _ paths: [String], _ data: TrainingData) -> [RunSetting] {
            [
                RunSetting("data", prefix + "source", .text(paths.joined(separator: " "))),
                RunSetting("data", prefix + "train_tokens", .whole(data.training.count)),
                RunSetting("data", prefix + "train_conversations", .whole(data.exampleCount(.train, context: context))),
                RunSetting("data", prefix + "val_tokens", .whole(data.validation.count)),
                RunSetting("data", prefix + "val_conversations", .whole(data.exampleCount(.val, context: context))),
            ]
        }
        return settings("", finetuning.paths, finetuning.data)
            + (finetuning.replay.map { settings("replay_", finetuning.replayPaths, $0) } ?? [])
            + preferenceSettings(finetuning)
            + [
                RunSetting("data", "chat_template", .text(finetuning.chatTemplate.rawValue)),
                RunSetting("data", "fingerprint", .text(finetuning.vocabulary.fingerprint)),
            ]
    }

    private func printSummary(_ finetuning: Finetuning, _ folder: String, _ precision: DataType, _ threads: Int) throws {
        for data in [finetuning.data, finetuning.replay] { data?.report.map { printFaults(of: $0) } }
        if options.run.json { return }
        let run = finetuning.run
        let parameters = run.trainer.parameters
        let trained = run.adapter.map {
            "\(parameters.count) parameters: a \($0.shape.usesDoRA ? "DoRA" : "LoRA") adapter of rank \($0.shape.rank) for "
                + $0.shape.targetNames.joined(separator: ", ")
                + ($0.initialization == .pissa ? ", initialized with PiSSA" : "") + "; \(parameters.frozenCount) are frozen"
        } ?? "all \(parameters.count) parameters"
        let context = run.trainer.context
        func text(_ data: TrainingData) -> String {
            if let preferences = finetuning.preferences { return preferences.summary }
            return "\(data.exampleCount(.train, context: context)) chats (\(data.training.count) tokens) for training, "
                + "\(data.exampleCount(.val, context: context)) (\(data.validation.count)) for validation"
        }
        var memory = TrainingMemory(
            precision, rows: run.plan.batch, recomputesBlocks: run.trainer.model.recomputesBlocks, lora: run.adapter?.shape)
        memory.frozenPrecision = run.trainer.parameters.frozenPrecision
        memory.storedBytesPerWeight = run.trainer.parameters.storedBytesPerWeight
        if finetuning.preferences != nil { memory.countPairs(run.plan.batch, context: context) }
        let loss = run.preferences.map { $0.objective.summary }
            ?? "loss on \(run.plan.lossScope == .assistant ? "the assistant's tokens" : "all tokens")"
        printLine("""
            train    \(trained)
            data     \(text(finetuning.data)); \(loss)\
            \(finetuning.replay.map { "\nreplay   \(text($0))" } ?? "")
            \(run.summary(precision, threads, memory, try .estimated(for: run), in: folder))
            """)
    }

    /// Prints the losses before and after, from the best checkpoint.
    private func printResult(_ folder: String) throws {
        let best = try Checkpoint(reading: folder + "/best.h5")
        let step = try best.integer("step")
        if options.run.json { return }
        func change(_ name: String, _ title: String) -> String? {
            guard case .number(let before)? = best.metrics["base_\(name)"], case .number(let after)? = best.metrics[name] else {
                return nil
            }
            return "\(title) \(before.fixed(4)) before, \(after.fixed(4)) after"
        }
        if case .number(let before)? = best.metrics["base_preference_accuracy"],
           case .number(let after)? = best.metrics["preference_accuracy"] {
            let percent = { (share: Double) in "\((100 * share).fixed(1)) %" }
            var text = "best step \(step): preference accuracy \(percent(before)) before, \(percent(after)) after"
            if case .number(let margin)? = best.metrics["preference_margin"] { text += "; reward margin \(margin.fixed(3))" }
            return printLine(text)
        }
        let changes = [change("val_loss", "loss on new chats"), change("replay_loss", "on older chats")].compactMap { $0 }
        if step == 0 {
            printNote("no step improved the validation loss: best.h5 is the base model. Try a lower --lr or more chats.")
        } else {
            printLine("best step \(step): \(changes.isEmpty ? "no validation chats" : changes.joined(separator: "; "))")
            if case .number(let loss)? = best.metrics["val_loss"], best.metrics["replay_loss"] == nil,
               case let lowest = try best.number("best"), lowest < loss - 0.0005 {
                printLine("An earlier step had \(lowest.fixed(4)); the held-out chats do not tell the two apart.")
            }
        }
    }

    private func preferenceSettings(_ finetuning: Finetuning) -> [RunSetting] {
        guard let data = finetuning.preferences else { return [] }
        let counts = [("pairs", data.pairs), ("good", data.good), ("bad", data.bad), ("too_long", data.tooLong)].filter { $0.1 > 0 }
        return (counts + [("training", data.training.count), ("held_out", data.validation.count)]).map {
            RunSetting("preferences", $0, .whole($1))
        }
    }

    /// finetuned_20261120_143000, in local time; with a number if there is such a run.
    private var newRunName: String {
        let name = "finetuned_" + localTimeText(time(nil), "%Y%m%d_%H%M%S")
        func exists(_ name: String) -> Bool { TrainingRun.exists(in: "\(options.runs)/\(name)") }
        var number = 2
        while exists("\(name)_\(number)") { number += 1 }
        return exists(name) ? "\(name)_\(number)" : name
    }
}

extension TrainingMemory {
    /// Counts the answers of preference pairs: both of a pair are in one micro-batch.
    fileprivate mutating func countPairs(_ pairs: Int, context: Int) {
        rows = 2 * pairs
        microBatchTokens = max(microBatchTokens, 2 * context)
    }
}
