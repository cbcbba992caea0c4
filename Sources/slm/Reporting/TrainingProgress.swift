import Distributed
import Model
import Report
import Train

/// Prints the events of a training run for a person: a progress bar, and a line for each evaluation.
final class TrainingProgress {
    private let run: TrainingRun
    private let progress: ProgressBar
    private var smoothedLoss: Float?
    private var rise = LossRise()
    private var first: TrainingState?
    /// The last sample answer that was printed for each question.
    private var answers: [String: String] = [:]
    /// For other ranks, since the first step.
    private var waitedSeconds = 0.0

    init(_ run: TrainingRun, isVisible: Bool) {
        self.run = run
        progress = ProgressBar("training", isVisible: isVisible)
    }

    func show(_ event: TrainingRun.Event) {
        switch event {
        case .step(let report, _, let state):
            // Over the last ten steps or so: the loss of one batch is noisy.
            smoothedLoss = smoothedLoss.map { 0.9 * $0 + 0.1 * report.loss } ?? report.loss
            if let loss = rise.step(Double(report.loss)), let start = rise.start {
                clear()
                printNote("the training loss has risen to \(loss.fixed(3)), from \(start.fixed(3)) at the start. "
                    + "Try a lower --lr\(run.trainer.model.configuration.dropout > 0 ? ", or --dropout 0" : "").")
            }
            if first == nil { first = state } else { waitedSeconds += report.waitedSeconds ?? 0 }
            progress.show(
                fraction: run.progress,
                "step \(state.step)  loss \(Double(smoothedLoss ?? 0).fixed(3))  \(speed(at: state)) tokens/s\(ranks(at: state))")
        case .skipped(let step):
            clear()
            printNote("skipped step \(step): its loss or gradient is not finite.")
        case .evaluated(let training, let validation, let replay, let selection, let state):
            clear()
            if training.targets > 0, training.preferences == nil { rise.evaluated(training.loss) }
            let step = "\(state.step)".leftPadded(to: 6)
            let time = clockText(state.seconds).leftPadded(to: 7)
            if let preferences = training.preferences {
                return printLine("step \(step)  \(time)  \(text("train", training.loss, preferences))"
                    + (validation.map { $0.preferences.map { "  \(text("val", validation?.loss ?? .nan, $0))" } ?? "" } ?? "")
                    + selection.note)
            }
            let others = (validation.map { "  val \($0.loss.fixed(4))  \($0.bitsPerByte.fixed(4)) bits per byte" } ?? "")
                + (replay.map { "  replay \($0.loss.fixed(4))" } ?? "")
            // The few batches that are evaluated may have no answer to learn.
            let loss = training.targets == 0 ? "–" : training.loss.fixed(4)
            printLine("step \(step)  \(time)  train \(loss)\(others)\(selection.note)")
        case .initializedFromNGrams(let pairs, _, let state):
            clear()
            printLine("initialized from n-gram counts: \(pairs) pairs of tokens  \(clockText(state.seconds))")
        case .evaluating(let tokens, let all):
            // The rate of training is no guide for the time that is left.
            progress.show(fraction: run.progress, "evaluating: \(tokens) of \(all) tokens")
        case .validated(let result):
            clear()
            let evaluation = result.evaluation
            if let preferences = evaluation.preferences {
                return printLine("best step \(result.step)  \(text("val", evaluation.loss, preferences))  "
                    + "on \(evaluation.targets) held-out preferences")
            }
            let part = result.part.isWhole ? "the whole validation set" : "a part of the validation set"
            printLine("best step \(result.step)  val \(evaluation.loss.fixed(4))  \(evaluation.bitsPerByte.fixed(4)) bits per byte  "
                + "on \(part): \(evaluation.targets) \(run.plan.lossScope == .assistant ? "assistant tokens" : "tokens")")
        case .saved: break
        }
    }

    /// val 0.5121  accuracy 83.0 %  margin 0.412  KL 0.120
    private func text(_ name: String, _ loss: Double, _ preferences: PreferenceMetrics) -> String {
        "\(name) \(loss.fixed(4))  accuracy \((100 * preferences.accuracy).fixed(1)) %"
            + (preferences.margin.map { "  margin \($0.fixed(3))" } ?? "") + (preferences.kl.map { "  KL \($0.fixed(3))" } ?? "")
    }

    /// Tokens per second since this bar began: the time before a stop, or of the initialization, does not count.
    private func speed(at state: TrainingState) -> String {
        guard let first, state.seconds > first.seconds else { return "?" }
        return "\(Int(Double(state.tokens - first.tokens) / (state.seconds - first.seconds)))"
    }

    /// The number of ranks, and the share of the time that they wait for each other.
    private func ranks(at state: TrainingState) -> String {
        guard let count = run.ranks?.count, count > 1, let first, state.seconds > first.seconds else { return "" }
        return "  \(count) ranks, \((100 * waitedSeconds / (state.seconds - first.seconds)).fixed(1)) % communication"
    }

    /// Prints a sample answer, unless it is the one that was printed last: a line for the question, one for the answer.
    func show(_ answer: LogEntry.Answer) {
        if answers.updateValue(answer.answer, forKey: answer.question) == answer.answer { return }
        func line(_ text: String) -> String {
            let scalars = text.unicodeScalars.map { $0.properties.generalCategory == .control ? " " : $0 }
            return String(String.UnicodeScalarView(scalars).prefix(160))
        }
        printLine("             you  \(line(answer.question))\n           model  \(line(answer.answer))")
    }

    func clear() { progress.clear() }
}

extension TrainingRun.Selection {
    fileprivate var note: String {
        switch self {
        case .lowest: "  best"
        case .notClearlyWorse: "  kept"
        case .worse: ""
        }
    }
}
