package import Files
import JSON
import Report
package import Store

/// The log of a fine-tuning run, read as the run writes it.
///
///     var log = RunLog(folder)
///     if try log.read() { log.progress.loss }                  // reads what is new
///
/// The run appends to log.jsonl. Lines that are not events, as after a kill or a full disk, are skipped.
package struct RunLog {
    private let path: String
    private var offset = 0
    /// The beginning of a line that is not complete yet.
    private var rest: [UInt8] = []
    /// Whether the line is too long, so that what follows is skipped up to its end.
    private var skipsLine = false
    private var log = TrainingLog()
    /// Where the line ends that says how the run has ended.
    private var endingOffset = 0

    private static let maxLine = 1 << 20

    package init(_ folder: String) { path = folder + "/log.jsonl" }

    /// How a run ends by itself.
    package enum Ending: Sendable, Equatable { case finished, stopped, diverged }

    /// Reads what was appended.
    ///
    /// - Returns: Whether there was something.
    package mutating func read() throws(FileError) -> Bool {
        guard Folder.contains("log.jsonl", in: RelativePath.folder(ofFileAt: path)) else { return false }
        let size = try InputFile(path).size ?? 0
        // Another file has its name: a run that was set up again.
        if size < offset { self = RunLog(RelativePath.folder(ofFileAt: path)) }
        if size <= offset { return false }
        var file = try TailFile(path, from: offset)
        while true {
            let bytes = try file.read(atMost: 1 << 20)
            if bytes.isEmpty { return true }
            add(bytes)
        }
    }

    /// Adds the next bytes of the file.
    package mutating func add(_ bytes: [UInt8]) {
        var start = 0, parser = JSONParser()
        while let end = bytes[start...].firstIndex(of: UInt8(ascii: "\n")) {
            offset += end + 1 - start
            let line = rest + bytes[start..<end]
            rest = []
            start = end + 1
            if !skipsLine, line.count <= Self.maxLine { addLine(line, &parser) }
            skipsLine = false
        }
        offset += bytes.count - start
        if skipsLine { return }
        rest += bytes[start...]
        if rest.count > Self.maxLine {
            rest = []
            skipsLine = true
        }
    }

    private mutating func addLine(_ line: [UInt8], _ parser: inout JSONParser) {
        guard !line.isEmpty, let element = try? parser.parse(line), let entry = LogEntry(element) else { return }
        log.add(entry)
        if case .ended = entry { endingOffset = offset }
    }

    /// How the run has ended after the first `bytes` of its log; nil if it runs, or was killed.
    package func ending(after bytes: Int) -> Ending? {
        guard endingOffset > bytes else { return nil }
        return switch log.ending {
        case .finished, .earlyStopped: .finished
        case .stopped: .stopped
        case .diverged: .diverged
        case nil: nil
        }
    }

    /// Whether it has evaluated, and so saved, at or after a step.
    package var lastSavedStep: Int { log.evaluations.last?.step ?? 0 }

    /// The tokens of its data; nil before it has read them.
    package var tokens: Int? {
        guard case .whole(let training)? = log.setting("data", "train_tokens") else { return nil }
        if case .whole(let validation)? = log.setting("data", "val_tokens") { return training + validation }
        return training
    }

    /// - Parameter hasEnded: A run that has ended has no time left.
    package func progress(hasEnded: Bool) -> TrainingRunRecord.Progress {
        var progress = TrainingRunRecord.Progress()
        progress.step = log.lastStep
        if case .whole(let steps)? = log.setting("plan", "steps") { progress.steps = steps }
        // As the run itself shows it: over the last ten steps or so.
        var smoothed: Double?
        for step in log.steps.suffix(60) { smoothed = smoothed.map { 0.9 * $0 + 0.1 * step.loss } ?? step.loss }
        progress.loss = smoothed
        progress.validationLoss = log.evaluations.last?.validationLoss
        progress.bestValidationLoss = log.best?.validationLoss
        // Over a twentieth of the steps, at least 20: one step may wait for other programs.
        let recent = log.steps.suffix(max(20, log.steps.count / 20))
        guard let first = recent.first, let last = recent.last, last.seconds > first.seconds else { return progress }
        progress.tokensPerSecond = max(0, Double(last.tokens - first.tokens) / (last.seconds - first.seconds))
        if hasEnded { return progress }
        if case .number(let seconds)? = log.setting("plan", "seconds") {
            progress.secondsLeft = max(0, seconds - log.seconds)
        } else if case .whole(let seconds)? = log.setting("plan", "seconds") {
            progress.secondsLeft = max(0, Double(seconds) - log.seconds)
        } else if let steps = progress.steps, last.step > first.step {
            progress.secondsLeft = Double(max(0, steps - last.step)) * (last.seconds - first.seconds) / Double(last.step - first.step)
        }
        return progress
    }

    /// The metrics of the best checkpoint, for the registry.
    package var metrics: String {
        return JSONWriter.text { object in
            let best = log.best
            object["step"] = best?.step ?? log.lastStep
            if let loss = best?.validationLoss { object["val_loss"] = loss }
            if let loss = best?.trainingLoss { object["train_loss"] = loss }
            if let loss = best?.replayLoss { object["replay_loss"] = loss }
            let base = log.evaluations.first { $0.step == 0 }
            if let loss = base?.validationLoss { object["base_val_loss"] = loss }
            if let loss = base?.replayLoss { object["base_replay_loss"] = loss }
            if let accuracy = best?.validationPreferences?.accuracy { object["preference_accuracy"] = accuracy }
        }
    }

    /// Why the run has learned nothing, as a sentence: its best checkpoint is the unchanged base. nil if it has learned something.
    package var whyNothingWasLearned: String? {
        guard log.best?.step == 0, log.lastStep > 0, let base = log.evaluations.first?.validationLoss,
              let last = log.evaluations.last, last.step > 0, let worst = last.validationLoss else { return nil }
        func text(_ loss: Double) -> String { "\(loss.rounded(toPlaces: 3))" }
        let older = log.evaluations.first?.replayLoss.flatMap { old in
            last.replayLoss.map { ", and that on older chats \(text(old)), the last \(text($0))" }
        } ?? ""
        let found = "Nothing was learned: at no step was the loss on held-out chats below the base model's. Its validation loss is "
            + "\(text(base)), the last was \(text(worst))\(older). "
        let training = last.trainingLoss ?? worst
        return found + (training < base
            ? "The loss on what it was trained on fell to \(text(training)), so it has learned that by heart. Include more "
                + "chats, or mix in older ones."
            : "The loss on what it was trained on is \(text(training)). Use another learning rate, or a longer run.")
    }

    private static let maxPoints = 500
    private static let maxSamples = 60

    /// The curve and the sample answers as JSON.
    package var output: TrainingRunOutput {
        var output = TrainingRunOutput()
        var curve = JSONWriter()
        curve.objects(points) { $0.write(to: &$1) }
        output.curve = curve.text
        var samples = JSONWriter()
        samples.objects(log.answers.suffix(Self.maxSamples)) { answer, object in
            object["step"] = answer.step
            object["question"] = answer.question
            object["answer"] = answer.answer
        }
        output.samples = samples.text
        return output
    }

    private struct Point {
        var step: Int
        var loss, validationLoss, tokensPerSecond: Double?

        func write(to object: inout JSONWriter) {
            object["step"] = step
            object["loss"] = loss?.rounded(toPlaces: 4)
            object["val_loss"] = validationLoss?.rounded(toPlaces: 4)
            object["tokens_per_s"] = tokensPerSecond?.rounded(toPlaces: 4)
        }
    }

    /// Means over groups of steps, and the evaluations.
    private var points: [Point] {
        let evaluations = log.evaluations.suffix(Self.maxPoints / 2).map { Point(step: $0.step, validationLoss: $0.validationLoss) }
        let steps = log.steps, groups = Self.maxPoints - evaluations.count
        let length = max(1, (steps.count + groups - 1) / groups)
        var points: [Point] = []
        for start in stride(from: 0, to: steps.count, by: length) {
            let group = steps[start..<min(start + length, steps.count)]
            guard let last = group.last else { break }
            var point = Point(step: last.step, loss: group.reduce(0) { $0 + $1.loss } / Double(group.count))
            let first = start > 0 ? steps[start - 1] : steps[start]
            if last.seconds > first.seconds {
                point.tokensPerSecond = max(0, Double(last.tokens - first.tokens) / (last.seconds - first.seconds))
            }
            points.append(point)
        }
        // A step comes before the evaluation after it.
        return (points + evaluations).sorted { ($0.step, $0.loss == nil ? 1 : 0) < ($1.step, $1.loss == nil ? 1 : 0) }
    }
}

/// The end of a text file that grows.
package enum FileTail {
    /// The last lines, at most `bytes` of them; empty if there is no file.
    package static func lines(of path: String, _ count: Int, within bytes: Int = 65_536, from start: Int = 0) -> [String] {
        guard let size = try? InputFile(path).size else { return [] }
        let offset = max(start, size - bytes)
        guard var file = try? TailFile(path, from: offset), let text = try? file.read(atMost: bytes) else { return [] }
        var lines = String(decoding: text, as: UTF8.self).split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
        if offset > start, !lines.isEmpty { lines.removeFirst() }
        if lines.last == "" { lines.removeLast() }
        return lines.suffix(count)
    }
}
