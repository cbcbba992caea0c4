import Report
import Train

/// What a person sees of a training.
final class TrainingBar {
    private let run: TrainingRun
    private let progress: Progress
    private var loss: Float?
    private var first: TrainingState?

    init(_ run: TrainingRun) {
        self.run = run
        progress = Progress("training")
    }

    func show(_ event: TrainingRun.Event) {
        switch event {
        case .step(let report, _, let state):
            // The mean of the last ten or so: one batch says little.
            loss = loss.map { 0.9 * $0 + 0.1 * report.loss } ?? report.loss
            if first == nil { first = state }
            progress.show(share: run.progress, "step \(state.step)  loss \(Double(loss ?? 0).fixed(3))  \(speed(at: state)) tokens/s")
        case .skipped(let step):
            clear()
            note("step \(step) was skipped: its loss or gradient is not finite.")
        case .evaluated(let training, let validation, let replay, let isBest, let state):
            clear()
            let check = (validation.map { "  val \($0.loss.fixed(4))  \($0.bitsPerByte.fixed(4)) bits a byte" } ?? "")
                + (replay.map { "  replay \($0.loss.fixed(4))" } ?? "")
            say(
                "step \("\(state.step)".leftPadded(to: 6))  \(clockText(state.seconds).leftPadded(to: 7))  train \(training.loss.fixed(4))\(check)\(isBest ? "  best" : "")"
            )
        case .counted(let pairs, _, let state):
            clear()
            say("begun with what counting knows: which token follows each, and each of \(pairs) pairs  \(clockText(state.seconds))")
        case .saved: break
        }
    }

    /// Since this bar began: what was counted, or learned before a stop, took other time.
    private func speed(at state: TrainingState) -> String {
        guard let first, state.seconds > first.seconds else { return "?" }
        return "\(Int(Double(state.tokens - first.tokens) / (state.seconds - first.seconds)))"
    }

    /// A line each for what was asked and what the model says.
    func show(_ answer: LogEntry.Answer) {
        let line = { (text: String) in
            String(String.UnicodeScalarView(text.unicodeScalars.map { $0.properties.generalCategory == .control ? " " : $0 }).prefix(160))
        }
        say("             you  \(line(answer.question))\n           model  \(line(answer.answer))")
    }

    func clear() { progress.clear() }
}
