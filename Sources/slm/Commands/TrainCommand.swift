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

/// `slm train`: brings the parts together and tells what happens.
struct TrainCommand {
    let options: TrainOptions
    let folder: String

    init(_ options: TrainOptions) {
        self.options = options
        folder = options.out ?? "checkpoints/\(options.preset)"
    }

    func run() throws {
        if !options.compare.isEmpty { return try compare() }
        guard let data = options.data.first, options.data.count == 1 else { throw UsageError("slm train: give one folder of tokens: --data FOLDER.") }
        let meta = try TokenMeta(reading: data + "/meta.json"), vocabulary = try vocabulary(meta, data)
        let stored = options.resume ? try Checkpoint(reading: folder + "/last.h5") : nil
        if stored == nil, Folder.contains("last.h5", in: folder) {
            throw Refusal(description: "\(folder) holds a training. Go on with it: --resume; or take another folder: --out.")
        }
        let configuration = try stored?.configuration ?? options.configuration(vocabulary: vocabulary.count)
        var plan = try stored.map { checkpoint in try TrainingPlan(from: checkpoint) } ?? options.plan
        try checkMemory(for: configuration)
        let processor = try options.processor(), type = processor.dataType(for: options.dtype)
        let trainer = try Trainer(configuration, on: processor, precision: type, seed: UInt64(bitPattern: Int64(plan.seed)))
        let training = try examples(.train, data, meta, plan, vocabulary, configuration)
        let validation = meta.counts(of: .val).tokens > configuration.context ? try examples(.val, data, meta, plan, vocabulary, configuration) : nil
        if stored == nil { plan.warmup = warmup(for: plan, training) }
        try Folder.create(folder)
        let run = try TrainingRun(trainer, plan, training: training, validation: validation, vocabulary: vocabulary, form: meta.form, folder: folder)
        if let stored { try run.restore(stored) }
        announce(run, meta, type, processor.threads, training, hasValidation: validation != nil)
        let record = try RunRecord(folder, settings(run, meta, type, processor, training), goingOnAfter: run.state.step, commands: commands)
        try train(run, record)
    }

    /// Several trainings in one report.
    private func compare() throws {
        let path = options.out ?? "report.html"
        try Comparison(of: options.compare).write(to: path)
        say(path)
    }

    private func vocabulary(_ meta: TokenMeta, _ data: String) throws -> Vocabulary {
        let vocabulary = try Vocabulary(reading: options.tokenizer ?? data + "/tokenizer.json")
        guard vocabulary.fingerprint == meta.fingerprint else {
            throw Refusal(description: "the tokens in \(data) were made with another vocabulary (\(meta.fingerprint)) than this one (\(vocabulary.fingerprint)). "
                + "Write them again: slm tokenize --tokens, or name theirs: --tokenizer.")
        }
        return vocabulary
    }

    private func examples(_ part: Part, _ data: String, _ meta: TokenMeta, _ plan: TrainingPlan, _ vocabulary: Vocabulary,
                          _ configuration: GPTConfiguration) throws -> any Examples {
        let tokens = try TokenFile(part, in: data, meta), seed = UInt64(bitPattern: Int64(plan.seed)) &+ (part == .val ? 1 << 32 : 0)
        if plan.packs, meta.form != nil {
            return try PackedConversations(tokens, rows: plan.rows, context: configuration.context, seed: seed, learning: plan.learned,
                                           padding: vocabulary.special("<|pad|>") ?? 0)
        }
        return try RandomWindows(tokens, rows: plan.rows, context: configuration.context, seed: seed, learning: plan.learned)
    }

    /// A short training cannot spend a hundred steps on warming up.
    private func warmup(for plan: TrainingPlan, _ training: any Examples) -> Int {
        if let warmup = options.warmup { return warmup }
        let steps: Double = switch plan.length {
        case .steps(let count): Double(count)
        case .epochs(let count): count * training.stepsPerEpoch
        case .tokens(let count): Double(count) / training.stepsPerEpoch
        case .seconds: 1_000
        }
        return max(1, min(100, Int(steps / 10)))
    }

    private func train(_ run: TrainingRun, _ record: RunRecord) throws {
        let stop = StopSignal(), bar = TrainingBar(run), clock = ContinuousClock(), begin = clock.now
        let ending = try run.run(clock: { begin.duration(to: clock.now).inSeconds }, isToStop: { state in
            stop.isRaised || options.stopAfter.map { state.step >= $0 } ?? false
        }) { event in
            if let entry = event.entry { try add(entry, to: record) }
            if !options.json { bar.show(event) }
            if case .evaluated = event { try record.writeReport() }
        }
        bar.clear()
        try add(.ended(ending.entry, step: run.state.step), to: record)
        try record.writeReport()
        try tell(ending, run)
    }

    private func add(_ entry: LogEntry, to record: RunRecord) throws {
        try record.add(entry)
        if options.json { say(entry.json) }
    }

    private func tell(_ ending: TrainingRun.Ending, _ run: TrainingRun) throws {
        switch ending {
        case .finished: if !options.json { say("done: \(folder)/best.h5; \(folder)/report.html shows how it went") }
        case .noGain: note("no gain in \(run.plan.patience ?? 0) evaluations: done. The best is \(folder)/best.h5.")
        case .stopped: note("stopped at step \(run.state.step). Go on with: \(resuming)")
        case .diverged:
            throw Refusal(description: "three steps in a row were not finite; the last good state is \(folder)/last.h5. A lower --lr may help.")
        }
    }

    /// What can be done with a training: as much of it as this slm can.
    private var commands: [RunRecord.Command] {
        let best = "\(folder)/best.h5"
        return [.init(to: "go on where it was left", resuming), .init(to: "see what it holds", "slm info \(best)"),
                .init(to: "hold it against another", "slm train --compare \(folder) OTHER --out report.html"),
                .init(to: "talk to it here", "slm chat --checkpoint \(best)"), .init(to: "let people talk to it", "slm serve --checkpoint \(best)")]
            .filter { command in SLM.commands.contains { command.line.hasPrefix("slm \($0.name) ") } }
    }

    /// The line that goes on with this training.
    private var resuming: String { "slm train --data \(options.data.joined(separator: " ")) --out \(folder) --resume" }
}
