package import Files
import JSON

/// The history of a training run, read from its log.jsonl.
///
///     let log = try TrainingLog(of: "checkpoints/first")
///     log.evaluations.last?.validationLoss
///
/// A run that was killed resumes from its last checkpoint, and its log may be ahead of it: later entries replace earlier ones for the
/// same steps. Unreadable lines are skipped and counted.
package struct TrainingLog: Sendable, Equatable {
    package private(set) var settings: [RunSetting] = []
    /// The n-gram initialization, if the run has one.
    package private(set) var initialization: LogEntry.NGramInitialization?
    package private(set) var steps: [LogEntry.Step] = []
    /// Skipped batches, counted from 0.
    package private(set) var skipped: [Int] = []
    package private(set) var evaluations: [LogEntry.Evaluation] = []
    package private(set) var answers: [LogEntry.Answer] = []
    /// The evaluation of the best checkpoint, if the run has ended.
    package private(set) var validation: LogEntry.Validation?
    /// The steps after which the run was resumed.
    package private(set) var resumed: [Int] = []
    /// How the run ended; nil while it is running, or if it was killed.
    package private(set) var ending: LogEntry.Ending?
    package private(set) var unreadableLines = 0

    package init() {}

    package init(of folder: String) throws(FileError) {
        var blocks = try LineBlocks(folder + "/log.jsonl", limit: 1 << 20), parser = JSONParser()
        while true {
            do throws(FileError) {
                guard let block = try blocks.next() else { return }
                block.forEachLine { line, _ in
                    if line.isEmpty { return }
                    if let element = try? parser.parse(line), let entry = LogEntry(element) { add(entry) } else { unreadableLines += 1 }
                }
            } catch {
                guard case .lineTooLong = error else { throw error }
                unreadableLines += 1
            }
        }
    }

    package mutating func add(_ entry: LogEntry) {
        if case .ended(let how, _) = entry { ending = how } else { ending = nil }
        if case .step = entry { validation = nil }
        switch entry {
        case .started(let settings, let step):
            self.settings = settings
            removeEntries(after: step)
            if step == 0 { initialization = nil }
            if step > 0 { resumed.append(step) }
        case .initialized(let initialization): self.initialization = initialization
        case .step(let step):
            steps.removeLast { $0.step >= step.step }
            steps.append(step)
        case .skipped(let step):
            skipped.removeLast { $0 >= step }
            skipped.append(step)
        case .evaluated(let evaluation):
            evaluations.removeLast { $0.step >= evaluation.step }
            evaluations.append(evaluation)
        case .answered(let answer):
            answers.removeLast { $0.step > answer.step || $0.step == answer.step && $0.question == answer.question }
            answers.append(answer)
        case .validated(let validation): self.validation = validation
        case .ended: break
        }
    }

    /// Drops entries after the checkpoint that the run resumes from: these steps will be repeated.
    private mutating func removeEntries(after step: Int) {
        steps.removeLast { $0.step > step }
        skipped.removeLast { $0 >= step }
        evaluations.removeLast { $0.step > step }
        answers.removeLast { $0.step > step }
        resumed.removeLast { $0 >= step }
    }
}

extension Array {
    /// Removes elements from the end while they satisfy a condition.
    fileprivate mutating func removeLast(while shouldRemove: (Element) -> Bool) {
        while let last, shouldRemove(last) { removeLast() }
    }
}

extension TrainingLog {
    /// The evaluation of the weights in `best.h5`.
    package var best: LogEntry.Evaluation? { evaluations.last { $0.isBest && $0.loss != nil } }

    /// The loss by which the run is compared with others, and the tokens that it was measured on: nil for them if they are not known.
    package var comparedLoss: (loss: Double, set: String?)? {
        if let validation, let loss = validation.loss { return (loss, validation.set) }
        return best.flatMap { best in best.loss.map { ($0, best.validationSet) } }
    }

    /// Whether the compared losses of several runs are of the same tokens.
    package static func areComparable(_ logs: [TrainingLog]) -> Bool {
        let sets = logs.compactMap(\.comparedLoss).map(\.set)
        return sets.count < 2 || Set(sets).count == 1 && !sets.contains(nil)
    }

    /// Whether the run was on preferences.
    var hasPreferences: Bool { evaluations.contains { ($0.validationPreferences ?? $0.trainingPreferences) != nil } }

    package var lastStep: Int { max(steps.last?.step ?? 0, evaluations.last?.step ?? 0) }
    package var seconds: Double { max(steps.last?.seconds ?? 0, evaluations.last?.seconds ?? 0) }
    package var tokens: Int { max(steps.last?.tokens ?? 0, evaluations.last?.tokens ?? 0) }
    /// Tokens with a loss; nil if they were not counted.
    package var lossTokens: Int? { [steps.last?.lossTokens, evaluations.last?.lossTokens].compactMap { $0 }.max() }

    package func setting(_ group: String, _ name: String) -> RunSetting.Value? {
        settings.first { $0.group == group && $0.name == name }?.value
    }
}
