package import Checkpoint
import Files
import Kernels

/// A setting in which a resumed run differs from the checkpoint that it continues.
package struct PlanChange: Sendable, Equatable {
    /// As on the command line: `--lr`.
    package let option: String
    package let old, new: String
    /// Whether it is a setting of the computation, such as the number of threads, instead of the training.
    package let isOfMachine: Bool
}

extension TrainingPlan {
    /// The settings that differ from the plan of the run to resume.
    ///
    /// Throws if one of them cannot change without becoming another run.
    package func changes(from stored: TrainingPlan) throws(TrainingError) -> [PlanChange] {
        var changes: [PlanChange] = []
        for (new, old) in zip(texts, stored.texts) {
            guard let oldText = old.text, let newText = new.text, (new.option, newText) != (old.option, oldText) else { continue }
            if new.kind == .fixed { throw .cannotChange(option: new.option, stored: oldText, given: newText) }
            changes.append(PlanChange(option: new.option, old: oldText, new: newText, isOfMachine: new.kind == .machine))
        }
        return changes
    }

    /// The settings as options of the command line.
    var optionTexts: [(name: String, value: String)] {
        texts.map { ($0.option, $0.text ?? "not known") }
    }

    /// - Returns: The text is nil if the plan does not have the setting.
    private var texts: [(option: String, kind: SettingKind, text: String?)] {
        [(length.option, .changeable, "\(length)")]
            + Self.settings.map { ($0.option, $0.kind, $0.text(in: self)) }
            + TrainingMachine.settings.map { setting in (setting.option, setting.kind, machine.flatMap(setting.text)) }
    }
}

extension TrainingPlan.Length: CustomStringConvertible {
    /// The option that sets it.
    package var option: String {
        switch self {
        case .steps: "--max-steps"
        case .epochs: "--epochs"
        case .tokens: "--train-tokens"
        case .seconds: "--time"
        }
    }

    package var description: String {
        switch self {
        case .steps(let count): "\(count) steps"
        case .epochs(let count): "\(count) epochs"
        case .tokens(let count): "\(count) tokens"
        case .seconds(let seconds): "\(seconds) s"
        }
    }
}

extension TrainingRun {
    /// Restores a checkpoint into a run whose plan differs from the checkpoint's, and stores the plan.
    ///
    /// A change of the training lets a run continue that early stopping has ended.
    package func restore(_ checkpoint: Checkpoint, _ changes: [PlanChange]) throws {
        try restore(checkpoint)
        if changes.isEmpty { return }
        if changes.contains(where: { $0.option == plan.length.option }) {
            if progress >= 1 {
                throw TrainingError.lengthPassed(option: plan.length.option, done: "\(trained)", given: "\(plan.length)")
            }
            // The evaluations of the new length, as if it had been the length from the start.
            let usual = max(1, Int(progress * Double(EvaluationSchedule.defaultCount)))
            state.evaluations = min(state.evaluations, usual)
        }
        // Chosen again.
        if changes.contains(where: { $0.option == "--eval-tokens" }) { state.evaluationTokens = 0 }
        if isOutOfPatience, changes.contains(where: { !$0.isOfMachine }) { state.evaluationsSinceBest = 0 }
        try save("last.h5") { _ in }
    }

    /// What the run has trained for, in the unit of its length.
    private var trained: TrainingPlan.Length {
        switch plan.length {
        case .steps: .steps(state.step)
        case .epochs: .epochs(Double(state.step) / training.stepsPerEpoch)
        case .tokens: .tokens(state.step * tokensPerStep)
        case .seconds: .seconds(state.seconds)
        }
    }

    /// How the run has ended already; nil if there are steps to take.
    package var ending: Ending? {
        if progress >= 1, state.evaluatedStep == state.step { return .finished }
        return isOutOfPatience ? .earlyStopped : nil
    }

    /// The checkpoint from which a run resumes: `last.h5`, or `best.h5` if the run ended before the first `last.h5`.
    package static func checkpoint(toResume folder: String) throws(CheckpointError) -> Checkpoint {
        let hasOnlyBest = !Folder.contains("last.h5", in: folder) && Folder.contains("best.h5", in: folder)
        return try Checkpoint(reading: folder + (hasOnlyBest ? "/best.h5" : "/last.h5"))
    }

    /// Whether a folder holds the checkpoints of a run.
    package static func exists(in folder: String) -> Bool { ["last.h5", "best.h5"].contains { Folder.contains($0, in: folder) } }
}
