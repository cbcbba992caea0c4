package import JSON

/// An entry as a line, and a line as an entry.
extension LogEntry {
    package var json: String {
        var writer = JSONWriter(.oneLine)
        writer.object { w in
            switch self {
            case .started(let settings, let step):
                w.write("event", "started")
                w.write("step", step)
                w.write(settings)
            case .counted(let counted):
                w.write("event", "counted")
                w.write("step", 0)
                w.write("pairs", counted.pairs)
                w.write("contexts", counted.contexts)
                w.write("seconds", rounding: counted.seconds)
            case .step(let step):
                w.write("event", "step")
                w.write("step", step.step)
                w.write("loss", rounding: step.loss)
                w.write("gradient", rounding: step.gradient)
                w.key("rate"); w.number(step.rate)
                w.write("tokens", step.tokens)
                w.write("seconds", rounding: step.seconds)
            case .skipped(let step):
                w.write("event", "skipped")
                w.write("step", step)
            case .evaluated(let e):
                w.write("event", "evaluated")
                w.write("step", e.step)
                for (key, value) in [
                    ("train_loss", e.training), ("val_loss", e.validation), ("bits_per_byte", e.bitsPerByte), ("replay_loss", e.replay),
                ] {
                    if let value { w.write(key, rounding: value) }
                }
                w.write("best", e.isBest ? 1 : 0)
                w.write("tokens", e.tokens)
                w.write("seconds", rounding: e.seconds)
            case .answered(let answer):
                w.write("event", "answered")
                w.write("step", answer.step)
                w.write("question", answer.question)
                w.write("answer", answer.answer)
                if let expected = answer.expected { w.write("expected", expected) }
            case .ended(let ending, let step):
                w.write("event", ending.rawValue)
                w.write("step", step)
            }
        }
        return writer.text
    }

    /// nil if it is none of ours, or has a number that no training makes.
    package init?(_ line: JSONElement) {
        guard let event = line["event"]?.string, let step = line["step"]?.integer, 0...1_000_000_000_000 ~= step else { return nil }
        switch event {
        case "started": self = .started(RunSetting.all(in: line), after: step)
        case "skipped": self = .skipped(step: step)
        case "counted":
            guard let pairs = line.count("pairs"), let contexts = line.count("contexts"), let seconds = line.figure("seconds") else {
                return nil
            }
            self = .counted(Counted(pairs: pairs, contexts: contexts, seconds: seconds))
        case "step":
            guard let loss = line.figure("loss"), let gradient = line.figure("gradient"), let rate = line.figure("rate"),
                  let tokens = line.count("tokens"), let seconds = line.figure("seconds") else { return nil }
            self = .step(Step(step: step, loss: loss, gradient: gradient, rate: rate, tokens: tokens, seconds: seconds))
        case "evaluated":
            guard let tokens = line.count("tokens"), let seconds = line.figure("seconds") else { return nil }
            self = .evaluated(
                Evaluated(
                    step: step, training: line.figure("train_loss"), validation: line.figure("val_loss"),
                    bitsPerByte: line.figure("bits_per_byte"), replay: line.figure("replay_loss"), isBest: line["best"]?.integer == 1,
                    tokens: tokens, seconds: seconds))
        case "answered":
            guard let question = line["question"]?.string, let answer = line["answer"]?.string else { return nil }
            self = .answered(Answer(step: step, question: question, answer: answer, expected: line["expected"]?.string))
        default:
            guard let ending = Ending(rawValue: event) else { return nil }
            self = .ended(ending, step: step)
        }
    }
}

extension JSONElement {
    /// A number from 0 up to where charts still have room.
    fileprivate func figure(_ key: String) -> Double? { self[key]?.number.flatMap { 0...1e12 ~= $0 ? $0 : nil } }

    fileprivate func count(_ key: String) -> Int? { self[key]?.integer.flatMap { 0...1_000_000_000_000_000 ~= $0 ? $0 : nil } }
}

extension RunSetting {
    /// The objects of a line are the groups.
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
    fileprivate mutating func write(_ name: String, _ text: String) {
        key(name)
        string(text)
    }

    fileprivate mutating func write(_ name: String, _ number: Int) {
        key(name)
        integer(number)
    }

    /// To four digits: nobody measures more exactly.
    fileprivate mutating func write(_ name: String, rounding number: Double) {
        key(name)
        self.number((number * 1e4).rounded() / 1e4)
    }

    fileprivate mutating func write(_ settings: [RunSetting]) {
        var rest = settings[...]
        while let group = rest.first?.group {
            let members = rest.prefix { $0.group == group }
            rest = rest.dropFirst(members.count)
            key(group)
            object { w in
                for setting in members {
                    w.key(setting.name)
                    switch setting.value {
                    case .text(let text): w.string(text)
                    case .number(let number): w.number(number)
                    case .whole(let number): w.integer(number)
                    }
                }
            }
        }
    }
}
