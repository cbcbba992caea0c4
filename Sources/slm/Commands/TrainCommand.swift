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
        let stored = options.resume ? try Checkpoint(reading: folder + "/last.h5") : nil
        if stored == nil, Folder.contains("last.h5", in: folder) {
            throw Refusal(description: "\(folder) holds a training. Go on with it: --resume; or take another folder: --out.")
        }
        let tokens = try TrainingTokens(options, goingOnFrom: stored)
        let configuration = try stored?.configuration ?? options.configuration(vocabulary: tokens.vocabulary.count)
        var plan = try stored.map { checkpoint in try TrainingPlan(from: checkpoint) } ?? options.plan(for: configuration)
        let processor = try options.processor(), type = processor.dataType(for: options.dtype)
        var memory = TrainingMemory(type, rows: plan.rows, isRecomputing: options.recompute)
        memory.examples = tokens.bytes
        try check(memory, for: configuration)
        let trainer = try Trainer(configuration, on: processor, precision: type, recomputing: options.recompute, seed: UInt64(bitPattern: Int64(plan.seed)))
        let training = try tokens.examples(.train, plan, configuration), validation = try tokens.validation(plan, configuration)
        if stored == nil {
            plan.warmup = warmup(for: plan, training)
            plan.startContexts = startContexts(for: plan, training, trainer)
        }
        try Folder.create(folder)
        let run = try TrainingRun(trainer, plan, training: training, validation: validation, vocabulary: tokens.vocabulary, form: tokens.meta.form,
                                  tokens: tokens.meta.identity, folder: folder)
        if let stored { try run.restore(stored) }
        let samples = try SampleAnswers(options.ask, else: TokenFile(validation == nil ? .train : .val, in: tokens.folder, tokens.meta), tokens.meta.form,
                                        tokens.vocabulary, trainer, processor, type)
        announce(run, tokens.meta, type, processor.threads, training, memory, hasValidation: validation != nil)
        let record = try RunRecord(folder, settings(run, tokens.meta, type, processor, training), goingOnAfter: run.state.step, commands: commands)
        try train(run, record, samples) { clock, report in
            try run.startFromCounts(of: TokenFile(.train, in: tokens.folder, tokens.meta), on: processor, precision: type, clock: clock, report)
        }
    }

    /// Several trainings in one report.
    private func compare() throws {
        let path = options.out ?? "report.html"
        try Comparison(of: options.compare).write(to: path)
        say(path)
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

    /// The fit of a start takes as long for a context as a step for a fifth of a token: an eighth of the plan, then.
    private func startContexts(for plan: TrainingPlan, _ training: any Examples, _ trainer: Trainer) -> Int {
        let perStep = Double(plan.rows * trainer.model.configuration.context)
        let tokens: Double = switch plan.length {
        case .steps(let count): Double(count) * perStep
        case .epochs(let count): count * training.stepsPerEpoch * perStep
        case .tokens(let count): Double(count)
        case .seconds(let seconds): seconds / max(1e-6, trainer.expectedSeconds(for: training.batch(at: 0), clock: now)) * perStep
        }
        return options.counted == nil ? min(plan.startContexts, Int(tokens * 2 / 3) / 1_024 * 1_024) : plan.startContexts
    }

    private func train(_ run: TrainingRun, _ record: RunRecord, _ samples: SampleAnswers,
                       start: (_ clock: () -> Double, _ report: (TrainingRun.Event) throws -> Void) throws -> Void) throws {
        let stop = StopSignal(), bar = TrainingBar(run), begin = now(), time = { now() - begin }
        var answering = 0.0
        try start(time) { event in if !options.json { bar.show(event) } }
        let ending = try run.run(clock: time, isToStop: { state in
            stop.isRaised || options.stopAfter.map { state.step >= $0 } ?? false
        }) { event in
            if let entry = event.entry { try add(entry, to: record) }
            if !options.json { bar.show(event) }
            guard case .evaluated = event else { return }
            // Unasked, it takes a twentieth of the time: where others keep the cores busy, a token may take as long as a step. The last one is always told.
            if !options.ask.isEmpty || answering <= max(1, run.state.seconds / 20) || run.progress >= 1 {
                var entries: [LogEntry.Answer] = []
                answering += secondsSpent { entries = samples.entries(at: run.state.step) }
                for answer in entries {
                    try add(.answered(answer), to: record)
                    if !options.json { bar.show(answer) }
                }
            }
            try record.writeReport()
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
    private var commands: [RunPage.Command] {
        let best = "\(folder)/best.h5"
        return [.init(to: "go on where it was left", resuming), .init(to: "see what it holds", "slm info \(best)"),
                .init(to: "hold it against another", "slm train --compare \(folder) OTHER --out report.html"),
                .init(to: "talk to it here", "slm chat --checkpoint \(best)"), .init(to: "let people talk to it", "slm serve --checkpoint \(best)")]
            .filter { command in SLM.commands.contains { command.line.hasPrefix("slm \($0.name) ") } }
    }

    /// The line that goes on with this training.
    private var resuming: String {
        let validation = options.validation.isEmpty ? "" : " --val \(options.validation.joined(separator: " "))"
        let share = options.validationShare.map { " --val-share \($0)" } ?? ""
        return "slm train --data \(options.data.joined(separator: " "))\(validation)\(share) --out \(folder) --resume"
    }
}
