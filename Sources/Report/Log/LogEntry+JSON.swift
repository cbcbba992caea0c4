package import JSON

extension LogEntry {
    /// The entry as a line of log.jsonl.
    package var json: String {
        return JSONWriter.text { w in
            switch self {
            case .started(let settings, let step):
                w["event"] = "started"
                w["step"] = step
                w.write(settings)
            case .initialized(let initialization):
                w["event"] = "initialized"
                w["step"] = 0
                w["pairs"] = initialization.pairs
                w["contexts"] = initialization.contexts
                w.write("seconds", rounding: initialization.seconds)
            case .step(let step):
                w["event"] = "step"
                w["step"] = step.step
                w.write("loss", rounding: step.loss)
                w.write("gradient_norm", rounding: step.gradientNorm)
                w["lr"] = step.learningRate
                w["tokens"] = step.tokens
                if let count = step.lossTokens { w["loss_tokens"] = count }
                w.write(step.preferences)
                w.write("waited_seconds", rounding: step.waitedSeconds)
                w.write("seconds", rounding: step.seconds)
            case .skipped(let step):
                w["event"] = "skipped"
                w["step"] = step
            case .evaluated(let e):
                w["event"] = "evaluated"
                w["step"] = e.step
                w.write("train_loss", rounding: e.trainingLoss)
                w.write("val_loss", rounding: e.validationLoss)
                w.write("bits_per_byte", rounding: e.bitsPerByte)
                w.write("replay_loss", rounding: e.replayLoss)
                w.write(e.trainingPreferences, "train_")
                w.write(e.validationPreferences, "val_")
                if let set = e.validationSet { w["val_set"] = set }
                w["best"] = e.isBest ? 1 : 0
                w["tokens"] = e.tokens
                if let count = e.lossTokens { w["loss_tokens"] = count }
                w.write("seconds", rounding: e.seconds)
            case .answered(let answer):
                w["event"] = "answered"
                w["step"] = answer.step
                w["question"] = answer.question
                w["answer"] = answer.answer
                if let expected = answer.expected { w["expected"] = expected }
            case .validated(let validation):
                w["event"] = "validated"
                w["step"] = validation.step
                if let loss = validation.loss { w["val_loss"] = loss }
                if let bits = validation.bitsPerByte { w["bits_per_byte"] = bits }
                w.write(validation.preferences, "val_")
                w["val_tokens"] = validation.tokens
                w["val_conversations"] = validation.conversations
                w["whole_set"] = validation.isWholeSet ? 1 : 0
                w["val_set"] = validation.set
            case .ended(let ending, let step):
                w["event"] = ending.rawValue
                w["step"] = step
            }
        }
    }

    /// Parses a line; nil if it is not an entry, or has a number outside of the plausible range.
    package init?(_ line: JSONElement) {
        guard let event = line["event"]?.string, let step = line["step"]?.integer, 0...1_000_000_000_000 ~= step else { return nil }
        switch event {
        case "started": self = .started(RunSetting.all(in: line), after: step)
        case "skipped": self = .skipped(step: step)
        case "initialized":
            guard let pairs = line.count("pairs"), let contexts = line.count("contexts"),
                  let seconds = line.measurement("seconds") else { return nil }
            self = .initialized(NGramInitialization(pairs: pairs, contexts: contexts, seconds: seconds))
        case "step":
            guard let loss = line.measurement("loss"), let gradientNorm = line.measurement("gradient_norm"),
                  let learningRate = line.measurement("lr"), let tokens = line.count("tokens"),
                  let seconds = line.measurement("seconds") else { return nil }
            var entry = Step(
                step: step, loss: loss, gradientNorm: gradientNorm, learningRate: learningRate, tokens: tokens, seconds: seconds)
            entry.lossTokens = line.count("loss_tokens")
            entry.preferences = line.preferences("")
            entry.waitedSeconds = line.measurement("waited_seconds")
            self = .step(entry)
        case "evaluated":
            guard let tokens = line.count("tokens"), let seconds = line.measurement("seconds") else { return nil }
            var entry = Evaluation(step: step, isBest: line["best"]?.integer == 1, tokens: tokens, seconds: seconds)
            entry.trainingLoss = line.measurement("train_loss")
            entry.validationLoss = line.measurement("val_loss")
            entry.bitsPerByte = line.measurement("bits_per_byte")
            entry.validationSet = line["val_set"]?.string
            entry.replayLoss = line.measurement("replay_loss")
            entry.lossTokens = line.count("loss_tokens")
            entry.trainingPreferences = line.preferences("train_")
            entry.validationPreferences = line.preferences("val_")
            self = .evaluated(entry)
        case "answered":
            guard let question = line["question"]?.string, let answer = line["answer"]?.string else { return nil }
            self = .answered(Answer(step: step, question: question, answer: answer, expected: line["expected"]?.string))
        case "validated":
            guard let tokens = line.count("val_tokens"), let conversations = line.count("val_conversations"),
                  let set = line["val_set"]?.string else { return nil }
            var entry = Validation(
                step: step, tokens: tokens, conversations: conversations, isWholeSet: line["whole_set"]?.integer == 1, set: set)
            entry.loss = line.measurement("val_loss")
            entry.bitsPerByte = line.measurement("bits_per_byte")
            entry.preferences = line.preferences("val_")
            self = .validated(entry)
        default:
            guard let ending = Ending(rawValue: event) else { return nil }
            self = .ended(ending, step: step)
        }
    }
}

extension JSONElement {
    /// A number from 0 to a limit within which charts can be drawn.
    fileprivate func measurement(_ key: String) -> Double? { self[key]?.number.flatMap { 0...1e12 ~= $0 ? $0 : nil } }

    fileprivate func preferences(_ prefix: String) -> LogEntry.Preferences? {
        // Margins can be negative.
        guard let accuracy = measurement(prefix + "accuracy"), let margin = self[prefix + "margin"]?.number, abs(margin) <= 1e12 else {
            return nil
        }
        return LogEntry.Preferences(accuracy: accuracy, margin: margin, kl: measurement(prefix + "kl"))
    }

    fileprivate func count(_ key: String) -> Int? { self[key]?.integer.flatMap { 0...1_000_000_000_000_000 ~= $0 ? $0 : nil } }
}

extension RunSetting {
    /// Reads the settings of a `started` line, whose objects are the groups.
    fileprivate static func all(in line: JSONElement) -> [RunSetting] {
        var result: [RunSetting] = []
        guard let groups = line.members else { return [] }
        for (group, object) in groups {
            guard let members = object.members else { continue }
            for (name, value) in members {
                let found: Value? = value.string.map { .text($0) } ?? value.integer.map { .whole($0) } ?? value.number.map { .number($0) }
                if let group = group.string, let name = name.string, let found { result.append(RunSetting(group, name, found)) }
            }
        }
        return result
    }
}

extension JSONWriter {
    fileprivate mutating func write(_ preferences: LogEntry.Preferences?, _ prefix: String = "") {
        guard let preferences else { return }
        write(prefix + "accuracy", rounding: preferences.accuracy)
        write(prefix + "margin", rounding: preferences.margin)
        write(prefix + "kl", rounding: preferences.kl)
    }

    /// Rounds to four decimals, which is finer than any measurement. nil is left out.
    fileprivate mutating func write(_ name: String, rounding number: Double?) {
        if let number { self[name] = number.rounded(toPlaces: 4) }
    }

    fileprivate mutating func write(_ settings: [RunSetting]) {
        var rest = settings[...]
        while let group = rest.first?.group {
            let members = rest.prefix { $0.group == group }
            rest = rest.dropFirst(members.count)
            object(group) { w in
                for setting in members {
                    switch setting.value {
                    case .text(let text): w[setting.name] = text
                    case .number(let number): w[setting.name] = number
                    case .whole(let number): w[setting.name] = number
                    }
                }
            }
        }
    }
}
