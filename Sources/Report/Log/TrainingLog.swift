package import Files
import JSON

/// What happened in a training, from its log.
///
///     let log = try TrainingLog(of: "checkpoints/first")
///     log.evaluations.last?.validation
///
/// A training that was killed goes on from its last checkpoint, which its log may be ahead of: what comes later overrules what stands for
/// the same
/// steps. Lines that are torn, or not ours, are passed over and counted.
package struct TrainingLog: Sendable, Equatable {
    package private(set) var settings: [RunSetting] = []
    /// What it began with, where it began with counts.
    package private(set) var counted: LogEntry.Counted?
    package private(set) var steps: [LogEntry.Step] = []
    /// Batches that nothing was learned from, counted from 0.
    package private(set) var skipped: [Int] = []
    package private(set) var evaluations: [LogEntry.Evaluated] = []
    package private(set) var answers: [LogEntry.Answer] = []
    /// The steps that it went on after.
    package private(set) var resumed: [Int] = []
    /// How it ended; nil while it goes on, or if it was killed.
    package private(set) var ending: LogEntry.Ending?
    package private(set) var unreadable = 0

    package init() {}

    package init(of folder: String) throws(FileError) {
        var blocks = try LineBlocks(folder + "/log.jsonl", limit: 1 << 20), parser = JSONParser()
        while true {
            do throws(FileError) {
                guard let block = try blocks.next() else { return }
                block.forEachLine { line, _ in
                    if line.isEmpty { return }
                    if let element = try? parser.parse(line), let entry = LogEntry(element) { add(entry) } else { unreadable += 1 }
                }
            } catch {
                guard case .lineTooLong = error else { throw error }
                unreadable += 1
            }
        }
    }

    package mutating func add(_ entry: LogEntry) {
        if case .ended(let how, _) = entry { ending = how } else { ending = nil }
        switch entry {
        case .started(let settings, let step):
            self.settings = settings
            forget(after: step)
            if step == 0 { counted = nil }
            if step > 0 { resumed.append(step) }
        case .counted(let start): counted = start
        case .step(let step):
            steps.keep { $0.step < step.step }
            steps.append(step)
        case .skipped(let step):
            skipped.keep { $0 < step }
            skipped.append(step)
        case .evaluated(let evaluated):
            evaluations.keep { $0.step < evaluated.step }
            evaluations.append(evaluated)
        case .answered(let answer):
            answers.keep { $0.step < answer.step || $0.step == answer.step && $0.question != answer.question }
            answers.append(answer)
        case .ended: break
        }
    }

    /// What was logged, and never saved, will happen again.
    private mutating func forget(after step: Int) {
        steps.keep { $0.step <= step }
        skipped.keep { $0 < step }
        evaluations.keep { $0.step <= step }
        answers.keep { $0.step <= step }
        resumed.keep { $0 < step }
    }
}

extension Array {
    /// Drops elements from the end until one is to be kept.
    fileprivate mutating func keep(while isToStay: (Element) -> Bool) {
        while let last, !isToStay(last) { removeLast() }
    }
}

extension TrainingLog {
    package var best: LogEntry.Evaluated? {
        evaluations.filter { $0.loss != nil }.min { ($0.loss ?? .infinity) < ($1.loss ?? .infinity) }
    }

    /// The last step that was taken.
    package var lastStep: Int { max(steps.last?.step ?? 0, evaluations.last?.step ?? 0) }
    package var seconds: Double { max(steps.last?.seconds ?? 0, evaluations.last?.seconds ?? 0) }
    package var tokens: Int { max(steps.last?.tokens ?? 0, evaluations.last?.tokens ?? 0) }

    package func setting(_ group: String, _ name: String) -> RunSetting.Value? {
        settings.first { $0.group == group && $0.name == name }?.value
    }
}
