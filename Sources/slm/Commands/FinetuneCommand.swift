import Autograd
import Checkpoint
import Corpus
import Files
import Glibc
import Kernels
import Model
import Report
import Tokenize
import Train

/// `slm finetune`: begins a run, goes on with one, or folds an adapter in.
struct FinetuneCommand {
    private let options: FinetuneOptions

    init(_ options: FinetuneOptions) { self.options = options }

    func run() throws {
        if let adapter = options.merge { return try merge(adapter) }
        let processor = try options.processor(), type = processor.dataType(for: options.dtype)
        let finetuning: Finetuning, folder: String
        if let resumed = options.resume {
            folder = resumed
            finetuning = try Finetuning(resuming: resumed, base: options.base, on: processor, precision: type)
        } else {
            guard let base = options.base else { throw UsageError("slm finetune: give the checkpoint to begin with: --base CHECKPOINT.") }
            if options.data.isEmpty { throw UsageError("slm finetune: give the chats to learn: --data FILE.") }
            let settings = try options.settings
            let plan = try options.plan
            folder = "\(options.out)/\(options.name ?? "finetuned_\(timestamp)")"
            if Folder.contains("last.h5", in: folder) {
                throw Refusal(description: "\(folder) holds a run. Go on with it: --resume \(folder); or take another --name.")
            }
            try check(
                TrainingMemory(type, rows: plan.rows, lora: settings.lora), for: try Checkpoint(reading: base).configuration,
                advice: options.lora == nil ? "Learn an adapter: --lora 16." : "Take a smaller --lora.")
            let bar = Progress("singular values")
            finetuning = try Finetuning(of: base, settings, plan, in: folder, on: processor, precision: type) { share in
                if !options.json { bar.show(share: share, "of the weights") }
            }
            bar.clear()
        }
        try learn(finetuning, folder, type, processor)
    }

    private func learn(_ finetuning: Finetuning, _ folder: String, _ type: DataType, _ processor: Processor) throws {
        let run = finetuning.run, data = finetuning.data, goOn = "slm finetune --resume \(folder.shellWord)"
        let samples = try SampleAnswers(
            options.ask, else: data.tokens, in: data.val.isEmpty ? data.train : data.val, finetuning.form, finetuning.vocabulary,
            run.trainer, processor, type)
        announce(finetuning, folder, type, processor.threads)
        let more =
            run.adapter.map { _ in
                [RunPage.Command(to: "fold it into its model", "slm finetune --merge \("\(folder)/best.h5".shellWord) --out merged.h5")]
            } ?? []
        let record = try RunRecorder(
            folder, run.settings(settings(finetuning), type, processor), goingOnAfter: run.state.step,
            commands: nextCommands(in: folder, goOn: goOn, more))
        if try options.learn(run, record, samples, in: folder, goOn: goOn) != .stopped { try conclude(folder) }
    }

    /// What a report tells of the data.
    private func settings(_ finetuning: Finetuning) -> [RunSetting] {
        func settings(_ prefix: String, _ paths: [String], _ data: ChatData) -> [RunSetting] {
            [
                RunSetting("data", prefix + "source", .text(paths.joined(separator: " "))),
                RunSetting("data", prefix + "train_tokens", .whole(data.count(of: .train))),
                RunSetting("data", prefix + "train_conversations", .whole(data.train.count)),
                RunSetting("data", prefix + "val_tokens", .whole(data.count(of: .val))),
                RunSetting("data", prefix + "val_conversations", .whole(data.val.count)),
            ]
        }
        return settings("", finetuning.paths, finetuning.data)
            + (finetuning.replay.map { settings("replay_", finetuning.replayPaths, $0) } ?? [])
            + [
                RunSetting("data", "form", .text(finetuning.form.rawValue)),
                RunSetting("data", "vocabulary_hash", .text(finetuning.vocabulary.fingerprint)),
            ]
    }

    private func merge(_ path: String) throws {
        let adapter = try Checkpoint(reading: path)
        guard adapter.adapter != nil else {
            throw Refusal(description: "\(path) is no adapter but a whole model: there is nothing to fold in.")
        }
        guard options.out != FinetuneOptions().out else { throw UsageError("slm finetune: --merge needs the file to write: --out FILE.") }
        let merged = try adapter.merged(base: options.base, on: options.processor())
        try Folder.create(forFileAt: options.out)
        try merged.write(to: options.out)
        say("\(options.out): \(merged.weights.elementCount) weights, the adapter folded in.")
    }

    private func announce(_ finetuning: Finetuning, _ folder: String, _ type: DataType, _ threads: Int) {
        for data in [finetuning.data, finetuning.replay] { data.map { tellFaults(of: $0.report) } }
        if options.json { return }
        let run = finetuning.run, parameters = run.trainer.parameters
        let learned =
            run.adapter.map {
                "\(parameters.count) parameters: an adapter of rank \($0.shape.rank) to \($0.shape.targets.joined(separator: ", "))"
                    + ($0.principals.count > 0 ? ", begun with the greatest singular values" : "")
                    + "; \(parameters.frozenCount) stay as they are"
            } ?? "all \(parameters.count) parameters"
        func text(_ data: ChatData) -> String {
            "\(data.train.count) chats of \(data.count(of: .train)) tokens to learn from, \(data.val.count) of \(data.count(of: .val)) to check with"
        }
        let memory = TrainingMemory(type, rows: run.plan.rows, lora: run.adapter?.shape)
        say("""
            learn    \(learned)
            data     \(text(finetuning.data)); \(run.plan.lossScope == .assistant ? "the assistant's words are learned" : "all words are learned")\
            \(finetuning.replay.map { "\nreplay   \(text($0))" } ?? "")
            \(run.announcement(type, threads, memory, in: folder))
            """)
    }

    /// What the finetune was good for, from the best of its checkpoints.
    private func conclude(_ folder: String) throws {
        let best = try Checkpoint(reading: folder + "/best.h5"), step = try best.integer("step")
        if options.json { return }
        func change(_ name: String, _ title: String) -> String? {
            guard case .number(let before)? = best.metrics["base_\(name)"], case .number(let after)? = best.metrics[name] else {
                return nil
            }
            return "\(title) \(before.fixed(4)) before, \(after.fixed(4)) after"
        }
        let changes = [change("validation_loss", "loss on new chats"), change("replay_loss", "on older chats")].compactMap { $0 }.joined(
            separator: "; ")
        if step == 0 {
            note(
                "no step was better than the base on the chats to check with: best.h5 is the base itself. A lower --lr, or more chats, may help."
            )
        } else {
            say("step \(step) is the best: \(changes.isEmpty ? "there were no chats to check with" : changes)")
        }
    }

    /// 20261120_143000, by the clock on the wall.
    private var timestamp: String {
        var seconds = time(nil), parts = tm()
        localtime_r(&seconds, &parts)
        var text = [CChar](repeating: 0, count: 32)
        let count = strftime(&text, text.count, "%Y%m%d_%H%M%S", &parts)
        return String(decoding: text.prefix(count).map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}
