import Autograd
import Infer
import Kernels
import Model
import Report
import Tokenize
import Train

/// Work before the first step. It ends within a second once `shouldStop` returns true.
typealias RunPreparation = (
    _ clock: () -> Double, _ shouldStop: () -> Bool, _ report: (TrainingRun.Event) throws -> Void
) throws -> Void

/// The training loop of `slm train` and `slm finetune`, with its log and its report.
extension RunOptions {
    /// Trains, and writes what happens to the terminal, the log and the report.
    ///
    /// - Parameter resumeCommand: continues the run after a stop.
    @discardableResult
    func train(
        _ run: TrainingRun,
        _ recorder: RunRecorder,
        _ samples: SampleAnswers,
        in folder: String,
        resumeCommand: String,
        prepare: RunPreparation = { _, _, _ in }
    ) throws -> TrainingRun.Ending {
        let stop = StopSignal()
        let progress = TrainingProgress(run, isVisible: !quiet)
        let start = now()
        let clock = { now() - start }
        var samplingSeconds = 0.0
        func report(_ event: TrainingRun.Event) throws {
            if let entry = event.entry { try add(entry, to: recorder) }
            if !json { progress.show(event) }
        }
        try prepare(clock, { stop.isRaised }, report)
        let ending = try run.run(clock: clock, shouldStop: { state in
            stop.isRaised || stopAfter.map { state.step >= $0 } ?? false
        }) { event in
            try report(event)
            guard case .evaluated = event else { return }
            // Without --ask, sample answers take at most a twentieth of the time: for those of a large model, its weights are packed.
            if !ask.isEmpty || samplingSeconds <= max(1, run.state.seconds / 20) || run.progress >= 1 {
                var answers: [SampleAnswers.Answer] = []
                samplingSeconds += measureSeconds { answers = samples.answers() }
                for answer in answers {
                    let entry = LogEntry.Answer(
                        step: run.state.step, question: answer.question, answer: answer.answer, expected: answer.expected)
                    try add(.answered(entry), to: recorder)
                    if !json { progress.show(entry) }
                }
            }
            try recorder.writeReport()
        }
        progress.clear()
        if !json, run.state.tokens > 0 {
            printLine("tokens   \(run.state.tokens) processed, \(run.state.lossTokens) with a loss (not padding, and not left out by "
                + "--loss-scope)")
        }
        try add(.ended(ending.entry, step: run.state.step), to: recorder)
        try recorder.writeReport()
        try printEnding(ending, run, folder, resumeCommand)
        return ending
    }

    private func add(_ entry: LogEntry, to recorder: RunRecorder) throws {
        try recorder.add(entry)
        if json { printLine(entry.json) }
    }

    private func printEnding(_ ending: TrainingRun.Ending, _ run: TrainingRun, _ folder: String, _ resumeCommand: String) throws {
        switch ending {
        case .finished: if !json { printLine("done: \(folder)/best.h5, report in \(folder)/report.html") }
        case .earlyStopped where run.hasLearnedNothing: printNote("done early: every evaluation was worse than the base model.")
        case .earlyStopped: printNote("done: no improvement in \(run.plan.patience ?? 0) evaluations. The best model is \(folder)/best.h5.")
        case .stopped: return printNote("stopped at step \(run.state.step). Continue with: \(resumeCommand)")
        case .diverged:
            let problem = "the loss or gradient of three steps in a row was not finite. "
            guard TrainingRun.exists(in: folder) else {
                throw CommandError(description: problem + "No checkpoint was written yet: start again with a lower --lr.")
            }
            let advice = "Continue from the last good checkpoint with a lower rate: \(resumeCommand) --lr RATE"
            throw CommandError(description: problem + advice)
        }
    }
}

/// Completes the prompts of sample answers with the current weights of a run.
///
/// - Parameters:
///   - template: nil if the data is plain text.
///   - endTokens: The model's ``ServingDefaults/endTokens``.
func greedyCompletion(
    of trainer: Trainer,
    on processor: Processor,
    _ precision: DataType,
    _ vocabulary: Vocabulary,
    _ template: ChatTemplate?,
    endTokens: [TokenID] = []
) throws -> SampleAnswers.Completion {
    let inferencePrecision = trainer.parameters.quantizedPrecision ?? (precision == .bfloat16 ? .bfloat16 : .float32)
    let renderer = try template.map { try ChatRenderer($0, for: Tokenizer(vocabulary)) }
    let rules = StopRules(for: renderer == nil ? .text("") : .chat([]), vocabulary, renderer, endTokens: endTokens, stop: [])
    let config = try GenerationConfig { $0.temperature = 0 }
    return { prompts, maxTokens in
        // Made anew for each evaluation: training changes the weights, and needs the memory.
        let runner = ModelRunner(
            of: trainer.model, trainer.parameters, on: processor, precision: inferencePrecision, context: trainer.context)
        return prompts.map { runner.text(after: $0, config, vocabulary, rules, most: maxTokens) }
    }
}

/// The commands that a report suggests for a run.
///
/// - Parameter more: commands for some runs only.
func nextCommands(in folder: String, resume: String, _ more: [RunPage.Command]) -> [RunPage.Command] {
    let best = "\(folder)/best.h5".shellWord
    return [
        .init(to: "continue the run", resume),
        .init(to: "show the checkpoint", "slm info \(best)"),
        .init(to: "evaluate it", "slm eval --checkpoint \(best) --data CHATS"),
        .init(to: "compare it with another run", "slm runs compare \(folder.shellWord) OTHER --out report.html"),
    ] + more + [
        .init(to: "chat with it", "slm chat --checkpoint \(best)"),
        .init(to: "serve it", "slm serve --checkpoint \(best)"),
    ]
}

/// A request that cannot be carried out here: exit status 1.
struct CommandError: Error, CustomStringConvertible {
    let description: String
}

/// Throws before any work if the machine has too little memory.
///
/// - Parameter advice: what helps, if it is not a smaller model.
func check(_ memory: TrainingMemory, for configuration: GPTConfiguration, advice: String? = nil) throws {
    let needed = memory.bytes(for: configuration)
    let total = Double(CPU.memoryBytes)
    let gigabytes = { (bytes: Double) in "\((bytes / 1e9).fixed(1)) GB" }
    if needed < total {
        if let free = CPU.availableMemory, needed > Double(free) {
            printNote("training needs about \(gigabytes(needed)) of memory, and only \(gigabytes(Double(free))) are free now.")
        }
        return
    }
    let settings = memory.advice(for: configuration, within: 0.9 * total).prefix(3).map { "\($0.setting) (\(gigabytes($0.bytes)))" }
    let smaller = settings.isEmpty ? "Use fewer --layers or a smaller --width." : "It fits with \(settings.joined(separator: ", or "))."
    let help = advice ?? smaller
    let owner = CPU.memory.limitedBy.map { "\($0) allows" } ?? "the machine has"
    throw CommandError(description: "training needs about \(gigabytes(needed)) of memory, and \(owner) \(gigabytes(total)). \(help)"
        + " A smaller --batch changes little: batches are computed in parts.")
}
