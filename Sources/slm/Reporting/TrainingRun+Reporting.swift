import Autograd
import Checkpoint
import Distributed
import Files
import Kernels
import Model
import Report
import Threads
import Train

/// The duration of a step and how it was measured.
struct StepTime {
    let seconds: Double
    let origin: String

    /// From a forward and a backward pass, before the first step.
    static func estimated(for run: TrainingRun) throws -> StepTime {
        let seconds = run.trainer.estimatedStepSeconds(for: try run.training.batch(at: run.state.step), clock: now)
            / Double(run.ranks?.count ?? 1)
        return StepTime(seconds: max(seconds, 1e-9), origin: "estimated from one pass")
    }

    /// From two steps after a first one, or from one step if they take long. The weights change.
    static func measured(for run: TrainingRun) throws -> StepTime {
        let batch = try run.training.batch(at: run.state.step)
        let first = measureSeconds { _ = run.trainer.step(batch, rate: 0) }
        if first > 20 { return StepTime(seconds: first, origin: "measured over 1 step") }
        let seconds = measureSeconds {
            for _ in 0..<2 { _ = run.trainer.step(batch, rate: 0) }
        }
        return StepTime(seconds: max(seconds / 2, 1e-9), origin: "measured over 2 steps")
    }
}

extension TrainingRun {
    /// The lines about the schedule, memory and time that are printed before the first step.
    ///
    /// - Parameter folder: where the run is written; nil for a dry run.
    func summary(_ precision: DataType, _ threads: Int, _ memory: TrainingMemory, _ time: StepTime, in folder: String?) -> String {
        let estimate = estimate(secondsPerStep: time.seconds)
        let epochs = "\((Double(estimate.steps) / training.stepsPerEpoch).fixed(2)) epochs"
        var rowConfiguration = trainer.model.configuration
        rowConfiguration.context = trainer.context
        let speed = "\(Int(Double(tokensPerStep) / time.seconds)) tokens/s"
        let length: String
        let expected: String
        if case .seconds(let seconds) = plan.length {
            length = clockText(seconds)
            expected = "about \(estimate.steps) steps, \(epochs), at \(speed) (\(time.origin))"
        } else {
            length = "\(estimate.steps) steps, \(epochs)"
            expected = "about \(clockText(estimate.seconds)) at \(speed) (\(time.origin))"
        }
        let schedule = plan.schedule == .cosine ? "" : " (\(plan.schedule.rawValue))"
        var lines = [
            "plan     \(length), \(tokensPerStep) tokens per step, learning rate \(plan.lr)\(schedule), warmup \(plan.warmup), "
                + "\(precision.rawValue), \(threads) threads",
        ] + (ranks.map { ranks in
            ["ranks    \(ranks.count) on \(Set(ranks.hosts).count.counted("machine")), gradients in \(plan.gradientGroups) groups"
                + (plan.shardsOptimizer ? ", the optimizer's moments divided" : "")]
        } ?? []) + [
            "memory   about \(Int(memory.bytes(for: rowConfiguration) / 1e6)) MB",
            "time     \(expected)",
        ]
        if let folder { lines.append("run      \(folder)\(state.step > 0 ? ", resumed at step \(state.step)" : "")") }
        return lines.joined(separator: "\n")
    }

    /// The entries of the log and the report about the run.
    ///
    /// - Parameter data: the entries about the data.
    func settings(_ data: [RunSetting]) -> [RunSetting] {
        let padding = (training as? PackedConversations).map { RunSetting("data", "padding", .text("\(($0.padded * 100).fixed(2)) %")) }
        return modelSettings + data + (padding.map { [$0] } ?? []) + planSettings + finetuningSettings + machineSettings
    }

    private var modelSettings: [RunSetting] {
        let parameters = trainer.parameters
        func settings(_ group: String, parameters: Int, _ values: OrderedDictionary<CheckpointValue>) -> [RunSetting] {
            [RunSetting(group, "parameters", .whole(parameters))] + values.map { RunSetting(group, $0, stored: $1) }
        }
        let model = settings(
            "model", parameters: adapter == nil ? parameters.count : parameters.frozenCount, trainer.model.configuration.values)
        guard let adapter else { return model }
        return model + settings("adapter", parameters: parameters.count, adapter.values)
            + [RunSetting("adapter", "lora_init", .text(adapter.initialization.rawValue))]
    }

    /// What the checkpoints of a fine-tuning run store besides the paths of its data.
    private var finetuningSettings: [RunSetting] {
        extraFields.compactMap { name, value in
            let parts = name.split(separator: "/").map(String.init)
            return parts.count == 2 ? RunSetting(parts[0], parts[1], stored: value) : nil
        }
    }

    private var machineSettings: [RunSetting] {
        [RunSetting("machine", "processor", .text(CPU.name))]
            + (plan.machine.map { machine in TrainingMachine.settings.compactMap { RunSetting("machine", $0, of: machine) } } ?? [])
            + TrainingPlan.settings.filter { $0.kind == .machine }.compactMap { RunSetting("machine", $0, of: plan) }
            + (ranks.map { [RunSetting("machine", "ranks", .whole($0.count))] } ?? [])
            + [RunSetting("machine", "slm", .text(version))]
    }

    /// The length as a number, for programs that show how far the run is.
    private var exactLength: [RunSetting] {
        if case .seconds(let seconds) = plan.length { return [RunSetting("plan", "seconds", .number(seconds))] }
        return steps.map { [RunSetting("plan", "steps", .whole($0))] } ?? []
    }

    private var planSettings: [RunSetting] {
        [RunSetting("plan", "length", .text(plan.length.text))] + exactLength
            + [RunSetting("plan", "tokens_per_step", .whole(tokensPerStep))]
            + TrainingPlan.settings.filter { $0.kind != .machine }.compactMap { RunSetting("plan", $0, of: plan) }
    }
}

extension RunSetting {
    /// nil if the run cannot have the setting.
    fileprivate init?<Whole>(_ group: String, _ setting: Setting<Whole>, of whole: Whole) {
        if !setting.isFlag, let value = setting.value(whole) {
            self.init(group, setting.key, stored: value)
        } else if let text = setting.text(in: whole) {
            self.init(group, setting.key, .text(text))
        } else {
            return nil
        }
    }

    /// - Parameter value: As a checkpoint stores it.
    fileprivate init(_ group: String, _ name: String, stored value: CheckpointValue) {
        let value: Value = switch value {
        case .integer(let number): .whole(number)
        // The decimal number that prints like the stored one: 0.1, not 0.10000000149.
        case .number(let number): .number(Double("\(Float(number))") ?? number)
        case .text(let text): .text(text)
        case .integers(let numbers): .text(numbers.map(String.init).joined(separator: ", "))
        case .numbers, .floats, .bytes: .text(value.displayText)
        }
        self.init(group, name, value)
    }
}

extension TrainingPlan.Length {
    fileprivate var text: String { if case .seconds(let seconds) = self { clockText(seconds) } else { description } }
}

extension TrainingRun.Event {
    /// The line of log.jsonl for this event.
    var entry: LogEntry? {
        switch self {
        case .step(let report, let rate, let state):
            var entry = LogEntry.Step(
                step: state.step, loss: Double(report.loss), gradientNorm: Double(report.gradientNorm), learningRate: Double(rate),
                tokens: state.tokens, seconds: state.seconds)
            entry.lossTokens = state.lossTokens
            entry.preferences = report.preferences?.entry
            entry.waitedSeconds = report.waitedSeconds
            return .step(entry)
        case .skipped(let step): return .skipped(step: step)
        case .evaluated(let training, let validation, let replay, let selection, let state):
            var entry = LogEntry.Evaluation(
                step: state.step, isBest: selection != .worse, tokens: state.tokens, seconds: state.seconds)
            entry.trainingLoss = training.loss.finite
            entry.validationLoss = validation?.loss.finite
            entry.bitsPerByte = validation?.bitsPerByte.finite
            entry.validationSet = state.validationSet
            entry.replayLoss = replay?.loss.finite
            entry.lossTokens = state.lossTokens
            entry.trainingPreferences = training.preferences?.entry
            entry.validationPreferences = validation?.preferences?.entry
            return .evaluated(entry)
        case .initializedFromNGrams(let pairs, let contexts, let state):
            return .initialized(.init(pairs: pairs, contexts: contexts, seconds: state.seconds))
        case .validated(let result):
            var entry = LogEntry.Validation(
                step: result.step, tokens: result.evaluation.targets, conversations: result.part.count,
                isWholeSet: result.part.isWhole, set: result.part.fingerprint)
            entry.loss = result.evaluation.loss.finite
            entry.bitsPerByte = result.evaluation.bitsPerByte.finite
            entry.preferences = result.evaluation.preferences?.entry
            return .validated(entry)
        case .saved, .evaluating: return nil
        }
    }
}

extension TrainingRun.Ending {
    var entry: LogEntry.Ending {
        switch self {
        case .finished: .finished
        case .earlyStopped: .earlyStopped
        case .stopped: .stopped
        case .diverged: .diverged
        }
    }
}

extension PreferenceMetrics {
    /// nil if a batch of KTO has only good or only bad answers, and so no margin.
    fileprivate var entry: LogEntry.Preferences? {
        margin.map { LogEntry.Preferences(accuracy: accuracy, margin: $0, kl: kl) }
    }
}

extension PreferenceObjective {
    /// The loss in words.
    var summary: String {
        "\(method == .dpo ? "DPO" : "KTO") with beta \(beta)" + (isReferenceFree ? ", without a reference model" : "")
    }
}

extension PreferenceData {
    /// What the data consists of, in words.
    var summary: String {
        let kinds = [(pairs, "pairs"), (good, "good answers"), (bad, "bad answers")].filter { $0.0 > 0 }.map { "\($0) \($1)" }
        let left = tooLong == 0 ? "" : " (\(tooLong) left out: longer than the context)"
        return "\(kinds.joined(separator: " and "))\(left): \(training.count) for training, \(validation.count) for validation"
    }
}

extension Double {
    fileprivate var finite: Double? { isFinite ? self : nil }
}
