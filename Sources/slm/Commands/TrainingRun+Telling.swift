import Threads
import Autograd
import Checkpoint
import Kernels
import Model
import Report
import Train

/// What is said before it starts, to people and to the log.
extension TrainingRun {
    /// The last lines of what people are told: all but what is learned, and from what.
    func announcement(_ type: DataType, _ threads: Int, _ memory: TrainingMemory, in folder: String) -> String {
        """
        plan     \(length), \(tokensPerStep) tokens a step, rate \(plan.rate), warmup \(plan.warmup), \(type.rawValue), \(threads) threads
        memory   \(Int(memory.bytes(for: trainer.model.configuration) / 1e6)) MB, about
        time     \(expectedTime)
        run      \(folder)\(state.step > 0 ? ", from step \(state.step) on" : "")
        """
    }

    private var length: String {
        if case .seconds(let seconds) = plan.length { return "\(clockText(seconds)) in all" }
        return "\(steps ?? 0) steps, \((Double(steps ?? 0) / training.stepsPerEpoch).fixed(2)) epochs"
    }

    /// Of a schedule of steps the time, and of one of time the steps.
    private var expectedTime: String {
        let clock = ContinuousClock(), begin = clock.now
        let step = trainer.estimatedStepSeconds(for: training.batch(at: state.step)) { begin.duration(to: clock.now).inSeconds }
        let speed = "\(Int(Double(tokensPerStep) / max(step, 1e-9))) tokens/s", source = "guessed from a forward pass"
        // Twenty evaluations take about a tenth of the time.
        if case .seconds(let seconds) = plan.length {
            let steps = max(0, seconds - state.seconds) / max(step, 1e-9) / 1.1
            return "for some \(Int(steps)) steps, \((steps / training.stepsPerEpoch).fixed(2)) epochs, at \(speed): \(source)"
        }
        return "about \(clockText(Double(max(0, (steps ?? 0) - state.step)) * step * 1.1)) at \(speed): \(source)"
    }

    /// All that a report tells of how it was trained.
    ///
    /// - Parameter data: what it tells of the data.
    func settings(_ data: [RunSetting], _ type: DataType, _ processor: Processor) -> [RunSetting] {
        var read = [
            RunSetting("data", "rows", .text(training is RandomWindows ? "windows" : "whole conversations")),
            RunSetting("data", "learned", .text(plan.lossScope.rawValue)),
        ]
        if let packed = training as? PackedConversations {
            read.append(RunSetting("data", "padding", .text("\((packed.padded * 100).fixed(2)) %")))
        }
        return modelSettings + data + read + learningSettings + [
            RunSetting("machine", "cpu", .text(CPU.name)), RunSetting("machine", "kernels", .text(processor.instructionSet)),
            RunSetting("machine", "dtype", .text(type.rawValue)),
            RunSetting("machine", "threads", .whole(processor.threads)), RunSetting("machine", "slm", .text(version)),
        ]
    }

    private var modelSettings: [RunSetting] {
        let c = trainer.model.configuration, parameters = trainer.parameters
        let settings = [
            RunSetting("model", "parameters", .whole(adapter == nil ? parameters.count : parameters.frozenCount)),
            RunSetting("model", "layers", .whole(c.layers)),
            RunSetting("model", "heads", .whole(c.heads)), RunSetting("model", "width", .whole(c.width)),
            RunSetting("model", "context", .whole(c.context)),
            RunSetting("model", "vocabulary", .whole(c.vocabulary)), RunSetting("model", "dropout", .number(c.dropout.asWritten)),
            RunSetting("model", "bias", .text(c.hasBias ? "yes" : "no")), RunSetting("model", "tied_head", .text(c.isTied ? "yes" : "no")),
        ]
        guard let adapter else { return settings }
        return settings + [
            RunSetting("adapter", "parameters", .whole(parameters.count)), RunSetting("adapter", "rank", .whole(adapter.shape.rank)),
            RunSetting("adapter", "alpha", .number(adapter.shape.alpha.asWritten)),
            RunSetting("adapter", "targets", .text(adapter.shape.targets.joined(separator: ", "))),
            RunSetting("adapter", "begins", .text(adapter.principals.count > 0 ? "with the greatest singular values" : "at 0")),
            RunSetting("adapter", "base", .text(adapter.basePath)),
        ]
    }

    private var learningSettings: [RunSetting] {
        (plan.nGramContexts > 0 ? [RunSetting("learning", "start", .text("from counts, fitted to \(plan.nGramContexts) contexts"))] : [])
            + [
                RunSetting("learning", "length", .text(plan.length.text)), RunSetting("learning", "batch", .whole(plan.rows)),
                RunSetting("learning", "tokens_per_step", .whole(tokensPerStep)),
                RunSetting("learning", "rate", .number(plan.rate.asWritten)),
                RunSetting("learning", "lowest_rate", .text("\(plan.floor) of the rate")),
                RunSetting("learning", "warmup", .whole(plan.warmup)),
                RunSetting("learning", "weight_decay", .number(plan.decay.asWritten)),
                RunSetting("learning", "clip", .text(plan.clipping.isFinite ? "\(plan.clipping)" : "no")),
                RunSetting("learning", "patience", .text(plan.patience.map { "\($0)" } ?? "no end")),
                RunSetting("learning", "seed", .whole(plan.seed)),
            ]
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
            .step(
                .init(
                    step: state.step, loss: Double(report.loss), gradient: Double(report.gradientNorm), rate: Double(rate),
                    tokens: state.tokens, seconds: state.seconds))
        case .skipped(let step): .skipped(step: step)
        case .evaluated(let training, let validation, let replay, let isBest, let state):
            .evaluated(
                .init(
                    step: state.step, training: training.loss.finite, validation: validation?.loss.finite,
                    bitsPerByte: validation?.bitsPerByte.finite,
                    replay: replay?.loss.finite, isBest: isBest, tokens: state.tokens, seconds: state.seconds))
        case .initialized(let pairs, let contexts, let state): .counted(.init(pairs: pairs, contexts: contexts, seconds: state.seconds))
        case .saved: nil
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
