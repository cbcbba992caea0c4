package import Files
import Glibc

/// Keeps what happens in a training, in its folder: `log.jsonl`, TensorBoard's events, and `report.html`, written anew at each evaluation.
///
///     let record = try RunRecorder("checkpoints/first", settings, goingOnAfter: 0)
///     try record.add(.step(…))
package final class RunRecorder {
    private let folder: String
    private let file: AppendOnlyFile
    private let events: EventFile
    private let commands: [RunPage.Command]
    private var log: TrainingLog

    /// - Parameter step: that of the checkpoint which the training goes on from; 0 at the beginning.
    package init(_ folder: String, _ settings: [RunSetting], goingOnAfter step: Int, commands: [RunPage.Command] = []) throws(FileError) {
        self.folder = folder
        self.commands = commands
        log = step > 0 && Folder.contains("log.jsonl", in: folder) ? try TrainingLog(of: folder) : TrainingLog()
        file = try AppendOnlyFile(folder + "/log.jsonl")
        events = try EventFile(in: folder, at: Self.now, goingOnAfter: step)
        try add(.started(settings, after: step))
    }

    package func add(_ entry: LogEntry) throws(FileError) {
        try file.append(line: entry.json)
        log.add(entry)
        try show(entry)
    }

    private func show(_ entry: LogEntry) throws(FileError) {
        let time = Self.now
        switch entry {
        case .step(let step):
            let before = log.steps.dropLast().last
            let tokens = step.tokens
            var scalars = [("train/loss", step.loss), ("train/gradient_norm", step.gradient), ("train/rate", step.rate)]
            if let before, step.seconds > before.seconds {
                scalars.append(("train/tokens_per_second", Double(tokens - before.tokens) / (step.seconds - before.seconds)))
            }
            try events.add(scalars, step: step.step, at: time)
        case .evaluated(let e):
            let values = [
                ("train/evaluated_loss", e.training), ("val/loss", e.validation), ("val/bits_per_byte", e.bitsPerByte),
                ("replay/loss", e.replay),
            ]
            try events.add(values.compactMap { tag, value in value.map { (tag, $0) } }, step: e.step, at: time)
        case .answered(let answer):
            try events.add("**\(answer.question)**\n\n\(answer.answer)", named: "answer", step: answer.step, at: time)
        case .started, .counted, .skipped, .ended: break
        }
    }

    /// Writes `report.html` with what has happened so far.
    package func writeReport() throws(FileError) {
        var file = try AtomicFile(folder + "/report.html")
        try file.write(Array(RunPage(log, of: folder, commands: commands).html.utf8))
        try file.commit()
    }

    private static var now: Double {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) * 1e-9
    }
}
