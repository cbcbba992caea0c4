package import Files

/// Records a training run in its folder: `log.jsonl`, TensorBoard events, and `report.html`, which is rewritten at each evaluation.
///
///     let recorder = try RunRecorder("checkpoints/first", settings, resumingAfter: 0)
///     try recorder.add(.step(…))
package final class RunRecorder {
    private let folder: String
    private let file: AppendOnlyFile
    private let events: EventFile
    private let commands: [RunPage.Command]
    private var log: TrainingLog

    /// - Parameters:
    ///   - step: the step of the checkpoint from which training resumes; 0 for a new run.
    ///   - commands: the next steps that the report suggests.
    package init(
        _ folder: String, _ settings: [RunSetting], resumingAfter step: Int, commands: [RunPage.Command] = []
    ) throws(FileError) {
        self.folder = folder
        self.commands = commands
        log = step > 0 && Folder.contains("log.jsonl", in: folder) ? try TrainingLog(of: folder) : TrainingLog()
        file = try AppendOnlyFile(folder + "/log.jsonl")
        events = try EventFile(in: folder, at: Self.unixTime, resumingAfter: step)
        try add(.started(settings, after: step))
    }

    package func add(_ entry: LogEntry) throws(FileError) {
        try file.append(line: entry.json)
        log.add(entry)
        try addEvents(for: entry)
    }

    private func addEvents(for entry: LogEntry) throws(FileError) {
        let time = Self.unixTime
        switch entry {
        case .step(let step):
            var scalars = [
                ("train/loss", step.loss), ("train/gradient_norm", step.gradientNorm), ("train/lr", step.learningRate),
            ]
            if let previous = log.steps.dropLast().last, step.seconds > previous.seconds {
                let tokensPerSecond = Double(step.tokens - previous.tokens) / (step.seconds - previous.seconds)
                scalars.append(("train/tokens_per_s", tokensPerSecond))
            }
            try events.add(scalars + self.scalars(of: step.preferences, "train/"), step: step.step, at: time)
        case .evaluated(let e):
            let scalars = [
                ("train/evaluated_loss", e.trainingLoss), ("val/loss", e.validationLoss), ("val/bits_per_byte", e.bitsPerByte),
                ("replay/loss", e.replayLoss),
            ].compactMap { tag, value in value.map { (tag, $0) } }
            try events.add(
                scalars + self.scalars(of: e.trainingPreferences, "train/evaluated_") + self.scalars(of: e.validationPreferences, "val/"),
                step: e.step, at: time)
        case .answered(let answer):
            try events.add("**\(answer.question)**\n\n\(answer.answer)", tag: "answer", step: answer.step, at: time)
        case .validated(let validation):
            let scalars = [("val/best_loss", validation.loss), ("val/best_bits_per_byte", validation.bitsPerByte)]
            try events.add(scalars.compactMap { tag, value in value.map { (tag, $0) } }, step: validation.step, at: time)
        case .started, .initialized, .skipped, .ended: break
        }
    }

    private func scalars(of preferences: LogEntry.Preferences?, _ prefix: String) -> [(String, Double)] {
        guard let preferences else { return [] }
        return [(prefix + "accuracy", preferences.accuracy), (prefix + "margin", preferences.margin)]
            + (preferences.kl.map { [(prefix + "kl", $0)] } ?? [])
    }

    /// Writes `report.html` from the log so far.
    package func writeReport() throws(FileError) {
        try AtomicFile.write(RunPage(log, of: folder, commands: commands).html, to: folder + "/report.html")
    }

    private static var unixTime: Double { Double(UTCTime.nanosecondsNow) * 1e-9 }
}
