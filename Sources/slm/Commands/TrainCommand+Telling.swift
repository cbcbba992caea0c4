import Autograd
import Corpus
import Kernels
import Model
import Report
import Tokenize
import Train

/// What is said before it starts, to people and to the log.
extension TrainCommand {
    func announce(_ run: TrainingRun, _ meta: TokenMeta, _ type: DataType, _ threads: Int, _ training: any Examples, _ memory: TrainingMemory, hasValidation: Bool) {
        if options.json { return }
        let c = run.trainer.model.configuration, counts = meta.counts(of: .train)
        say("""
            model    \(run.trainer.parameters.count) parameters: \(c.layers) layers, \(c.heads) heads, \(c.width) wide, context \(c.context), vocabulary \(c.vocabulary)
            data     \(counts.tokens) tokens to learn from, \(hasValidation ? "\(meta.counts(of: .val).tokens) to check with" : "none to check with"); \(waste(meta, training))
            plan     \(length(of: run, training)), \(run.tokensPerStep) tokens a step, rate \(run.plan.rate), \(type.rawValue), \(threads) threads
            memory   \(Int(memory.bytes(for: c) / 1e6)) MB, about
            time     \(expectedTime(of: run, training))
            run      \(folder)\(run.state.step > 0 ? ", from step \(run.state.step) on" : "")
            """)
    }

    /// What of the tokens is not learned from, and what of the rows is not tokens.
    private func waste(_ meta: TokenMeta, _ training: any Examples) -> String {
        let cut = meta.report.cut == 0 ? "none dropped" : "the ends of \(meta.report.cut) long conversations dropped by slm tokenize --max-length"
        return (training as? PackedConversations).map { "packed: \(($0.padded * 100).fixed(2)) % padding" } .map { "\($0), \(cut)" } ?? "windows at random places: no padding, \(cut)"
    }

    private func length(of run: TrainingRun, _ training: any Examples) -> String {
        if case .seconds(let seconds) = run.plan.length { return "\(clockText(seconds)) in all" }
        return "\(run.steps ?? 0) steps, \((Double(run.steps ?? 0) / training.stepsPerEpoch).fixed(2)) epochs"
    }

    /// Of a schedule of steps the time, and of one of time the steps.
    private func expectedTime(of run: TrainingRun, _ training: any Examples) -> String {
        let clock = ContinuousClock(), begin = clock.now
        let step = run.trainer.expectedSeconds(for: training.batch(at: run.state.step)) { begin.duration(to: clock.now).inSeconds }
        let speed = "\(Int(Double(run.tokensPerStep) / max(step, 1e-9))) tokens/s", source = "guessed from a forward pass"
        // Twenty evaluations take about a tenth of the time.
        if case .seconds(let seconds) = run.plan.length {
            let steps = max(0, seconds - run.state.seconds) / max(step, 1e-9) / 1.1
            return "for some \(Int(steps)) steps, \((steps / training.stepsPerEpoch).fixed(2)) epochs, at \(speed): \(source)"
        }
        return "about \(clockText(Double(max(0, (run.steps ?? 0) - run.state.step)) * step * 1.1)) at \(speed): \(source)"
    }

    /// All that a report tells of how it was trained.
    func settings(_ run: TrainingRun, _ meta: TokenMeta, _ type: DataType, _ processor: Processor, _ training: any Examples) -> [Setting] {
        let c = run.trainer.model.configuration, plan = run.plan
        var settings: [Setting] = [
            Setting("model", "parameters", .whole(run.trainer.parameters.count)), Setting("model", "layers", .whole(c.layers)),
            Setting("model", "heads", .whole(c.heads)), Setting("model", "width", .whole(c.width)), Setting("model", "context", .whole(c.context)),
            Setting("model", "vocabulary", .whole(c.vocabulary)), Setting("model", "dropout", .number(c.dropout.asWritten)),
            Setting("model", "bias", .text(c.hasBias ? "yes" : "no")), Setting("model", "tied_head", .text(c.isTied ? "yes" : "no")),
            Setting("data", "source", .text(options.data.joined(separator: " "))),
        ]
        for part in Part.allCases {
            let counts = meta.counts(of: part)
            settings += [Setting("data", "\(part.rawValue)_tokens", .whole(counts.tokens)), Setting("data", "\(part.rawValue)_conversations", .whole(counts.conversations))]
        }
        settings += [Setting("data", "form", .text(meta.form?.rawValue ?? "text")), Setting("data", "vocabulary_hash", .text(meta.fingerprint)),
                     Setting("data", "rows", .text(training is PackedConversations ? "whole conversations" : "windows")),
                     Setting("data", "learned", .text(plan.learned.rawValue))]
        if let packed = training as? PackedConversations { settings.append(Setting("data", "padding", .text("\((packed.padded * 100).fixed(2)) %"))) }
        settings += [
            Setting("learning", "length", .text(plan.length.text)), Setting("learning", "batch", .whole(plan.rows)),
            Setting("learning", "tokens_per_step", .whole(run.tokensPerStep)), Setting("learning", "rate", .number(plan.rate.asWritten)),
            Setting("learning", "lowest_rate", .text("\(plan.floor) of the rate")), Setting("learning", "warmup", .whole(plan.warmup)),
            Setting("learning", "weight_decay", .number(plan.decay.asWritten)), Setting("learning", "clip", .text(plan.clipping.isFinite ? "\(plan.clipping)" : "no")),
            Setting("learning", "patience", .text(plan.patience.map { "\($0)" } ?? "no end")), Setting("learning", "seed", .whole(plan.seed)),
            Setting("machine", "cpu", .text(CPU.name)), Setting("machine", "kernels", .text(processor.path)), Setting("machine", "dtype", .text(type.rawValue)),
            Setting("machine", "threads", .whole(processor.threads)), Setting("machine", "slm", .text(version)),
        ]
        return settings
    }
}

extension Float {
    /// The number that its shortest digits say: 0.1, and not 0.10000000149.
    fileprivate var asWritten: Double { Double(description) ?? Double(self) }
}

extension TrainingPlan.Length {
    fileprivate var text: String {
        switch self {
        case .steps(let count): "\(count) steps"
        case .epochs(let count): "\(count) epochs"
        case .tokens(let count): "\(count) tokens"
        case .seconds(let seconds): "\(clockText(seconds)) of time"
        }
    }
}

extension TrainingRun.Event {
    /// A line of log.jsonl.
    var entry: LogEntry? {
        switch self {
        case .step(let report, let rate, let state):
            .step(.init(step: state.step, loss: Double(report.loss), gradient: Double(report.gradientNorm), rate: Double(rate), tokens: state.tokens, seconds: state.seconds))
        case .skipped(let step): .skipped(step: step)
        case .evaluated(let training, let validation, let isBest, let state):
            .evaluated(.init(step: state.step, training: training.loss.finite, validation: validation?.loss.finite, bitsPerByte: validation?.bitsPerByte.finite,
                             isBest: isBest, tokens: state.tokens, seconds: state.seconds))
        case .counted, .saved: nil
        }
    }
}

extension TrainingRun.Ending {
    var entry: LogEntry.Ending {
        switch self { case .finished: .finished; case .noGain: .noGain; case .stopped: .stopped; case .diverged: .diverged }
    }
}

extension Double {
    fileprivate var finite: Double? { isFinite ? self : nil }
}
