package import Checkpoint

/// What is made of settings: the plan of a run, its machine, its model, its adapter, or its loss of preferences.
package protocol Configurable: Sendable {
    static var settings: [Setting<Self>] { get }
}

/// Settings that a checkpoint stores.
package protocol StoredSettings: Configurable {
    /// The group of the checkpoint's `training` fields that stores them.
    static var fieldGroup: String { get }
}

/// A setting of a training run: its name, its place in the plan, its range and its help.
///
/// Options, environment variables, configuration keys, fields of checkpoints, changes of a resumed run, the agreement of ranks, the
/// report and the numbers of a server's training runs come from it. To add a setting, add a line to ``TrainingPlan/settings`` and a
/// property to ``TrainingPlan``.
package struct Setting<Whole: Configurable>: Sendable {
    /// As on the command line: `eval-every`.
    package let name: String
    package let kind: SettingKind
    /// nil if no option sets it.
    package let group: SettingGroup?
    package let type: SettingType
    package let help: String
    /// Describes the default.
    package let defaultText: String
    /// nil if the plan does not have it.
    package let value: @Sendable (Whole) -> CheckpointValue?
    package let set: @Sendable (inout Whole, CheckpointValue) -> Void

    package var option: String { "--" + name }
    package var isFlag: Bool { if case .flag = type { true } else { false } }
    /// In checkpoints and reports.
    package var key: String { name.replacing("-", with: "_") }

    /// The value as it is printed; the default if the plan does not have it, and nil if it also cannot get it later.
    package func text(in whole: Whole) -> String? {
        switch (value(whole), type) {
        case (.integer(let value)?, .flag): value == 0 ? "off" : "on"
        case (.integer(let value)?, _): "\(value)"
        case (.number(let value)?, _): "\(Float(value))"
        case (.text(let text)?, _): text
        default: kind == .changeable ? defaultText.isEmpty ? "off" : defaultText : nil
        }
    }
}

extension Setting where Whole: StoredSettings {
    private var field: String { "\(Whole.fieldGroup)/\(key)" }

    /// Adds the value to a checkpoint's fields.
    func write(_ whole: Whole, to fields: inout OrderedDictionary<CheckpointValue>) { value(whole).map { fields[field] = $0 } }

    /// Takes the value from a checkpoint, if it has one.
    func read(from checkpoint: Checkpoint, into whole: inout Whole) throws(CheckpointError) {
        guard checkpoint.training[field] != nil else { return }
        switch type {
        case .integer(let range): set(&whole, .integer(try checkpoint.integer(field, in: range)))
        case .flag: set(&whole, .integer(try checkpoint.integer(field, in: 0...1)))
        case .number(let range): set(&whole, .number(try checkpoint.number(field, in: range)))
        case .seconds: set(&whole, .number(try checkpoint.number(field, in: 0...1e12)))
        case .text: set(&whole, .text(try checkpoint.text(field)))
        case .choice(let choices):
            let text = try checkpoint.text(field)
            guard choices.contains(text) else {
                throw .mismatch(
                    path: checkpoint.name, name: "training/" + field, expected: "one of \(choices.joined(separator: ", "))",
                    found: "'\(text)'")
            }
            set(&whole, .text(text))
        }
    }
}

package enum SettingKind: Sendable {
    /// Data, order of the data and initial weights depend on it: a resumed run cannot change it.
    case fixed
    case changeable
    /// It concerns the computation, such as the number of threads, instead of the training.
    case machine
}

/// The part of the help in which a setting is an option. A command has the settings of the groups that it lists.
package enum SettingGroup: Sendable {
    case main, data, schedule, evaluation, processes
    /// `slm train` only.
    case vocabulary, windows, recipe, context, model
    /// `slm finetune` only. `rank` and `newAdapter` are settings of a new LoRA adapter, `adapter` of any.
    case rank, newAdapter, adapter, frozen, replay, rows, noise
    /// Training on preferences: all of it, on pairs only (DPO), and on good and bad answers only (KTO).
    case preferences, pairs, ratings
}

package enum SettingType: Sendable {
    case integer(ClosedRange<Int>)
    case number(ClosedRange<Double>)
    /// A duration.
    case seconds
    case flag
    case text
    case choice([String])
}

extension BinaryFloatingPoint {
    /// A default as `--help` shows it: 1 instead of 1.0.
    var defaultText: String {
        let text = "\(self)"
        return text.hasSuffix(".0") ? String(text.dropLast(2)) : text
    }
}

extension Setting {
    typealias Path<Value> = any (WritableKeyPath<Whole, Value> & Sendable)

    static func integer(
        _ name: String, _ kind: SettingKind, _ group: SettingGroup?, _ path: Path<Int>, in range: ClosedRange<Int>,
        _ help: String = "", default text: String = ""
    ) -> Setting {
        Setting(
            name: name, kind: kind, group: group, type: .integer(range), help: help, defaultText: text,
            value: { .integer($0[keyPath: path]) },
            set: { whole, value in if case .integer(let number) = value { whole[keyPath: path] = number } })
    }

    /// - Parameter none: The value that stands for nil; nil if the option cannot say it.
    static func integer(
        _ name: String, _ kind: SettingKind, _ group: SettingGroup, _ path: Path<Int?>, in range: ClosedRange<Int>, none: Int? = nil,
        _ help: String, default text: String = ""
    ) -> Setting {
        Setting(
            name: name, kind: kind, group: group, type: .integer(range), help: help, defaultText: text,
            value: { ($0[keyPath: path] ?? none).map { .integer($0) } },
            set: { whole, value in if case .integer(let number) = value { whole[keyPath: path] = number == none ? nil : number } })
    }

    /// - Parameter infinity: The value that stands for infinity.
    static func number<Number: BinaryFloatingPoint & Sendable>(
        _ name: String, _ kind: SettingKind, _ group: SettingGroup, _ path: Path<Number>, in range: ClosedRange<Double>,
        infinity: Number? = nil, _ help: String, default text: String = ""
    ) -> Setting {
        Setting(
            name: name, kind: kind, group: group, type: .number(range), help: help, defaultText: text,
            value: { whole in
                let value = whole[keyPath: path]
                return .number(Double(value.isFinite ? value : infinity ?? value))
            },
            set: { whole, value in
                guard case .number(let number) = value else { return }
                whole[keyPath: path] = Number(number) == infinity ? .infinity : Number(number)
            })
    }

    static func number<Number: BinaryFloatingPoint & Sendable>(
        _ name: String, _ kind: SettingKind, _ group: SettingGroup, _ path: Path<Number?>, in range: ClosedRange<Double>, _ help: String,
        default text: String = ""
    ) -> Setting {
        Setting(
            name: name, kind: kind, group: group, type: .number(range), help: help, defaultText: text,
            value: { whole in whole[keyPath: path].map { .number(Double($0)) } },
            set: { whole, value in if case .number(let number) = value { whole[keyPath: path] = Number(number) } })
    }

    static func flag(
        _ name: String, _ kind: SettingKind, _ group: SettingGroup?, _ path: Path<Bool>, _ help: String = ""
    ) -> Setting {
        Setting(
            name: name, kind: kind, group: group, type: .flag, help: help, defaultText: "", value: { .integer($0[keyPath: path] ? 1 : 0) },
            set: { whole, value in if case .integer(let number) = value { whole[keyPath: path] = number != 0 } })
    }

    static func text(
        _ name: String, _ kind: SettingKind, _ group: SettingGroup?, _ path: Path<String?>, _ help: String = "", default text: String = ""
    ) -> Setting {
        Setting(
            name: name, kind: kind, group: group, type: .text, help: help, defaultText: text,
            value: { whole in whole[keyPath: path].map { .text($0) } },
            set: { whole, value in if case .text(let text) = value { whole[keyPath: path] = text } })
    }

    /// A text that no option sets.
    static func text(_ name: String, _ kind: SettingKind, _ path: Path<String>) -> Setting {
        Setting(
            name: name, kind: kind, group: nil, type: .text, help: "", defaultText: "", value: { .text($0[keyPath: path]) },
            set: { whole, value in if case .text(let text) = value { whole[keyPath: path] = text } })
    }

    static func choice<Choice: RawRepresentable<String> & CaseIterable & Equatable & Sendable>(
        _ name: String, _ kind: SettingKind, _ group: SettingGroup?, _ path: Path<Choice>, _ help: String = "", default text: String = ""
    ) -> Setting {
        choice(name, kind, group, path, among: Choice.allCases.map { ($0.rawValue, $0) }, help, default: text)
    }

    static func choice<Choice: Equatable & Sendable>(
        _ name: String, _ kind: SettingKind, _ group: SettingGroup?, _ path: Path<Choice>, among choices: [(name: String, value: Choice)],
        _ help: String = "", default text: String = ""
    ) -> Setting {
        Setting(
            name: name, kind: kind, group: group, type: .choice(choices.map(\.name)), help: help, defaultText: text,
            value: { whole in choices.first { $0.value == whole[keyPath: path] }.map { .text($0.name) } },
            set: { whole, value in
                guard case .text(let text) = value, let choice = choices.first(where: { $0.name == text }) else { return }
                whole[keyPath: path] = choice.value
            })
    }

    static func choice<Choice: RawRepresentable<String> & CaseIterable & SendableMetatype>(
        _ name: String, _ kind: SettingKind, _ group: SettingGroup, _ path: Path<Choice?>, _ help: String, default text: String
    ) -> Setting {
        Setting(
            name: name, kind: kind, group: group, type: .choice(Choice.allCases.map(\.rawValue)), help: help, defaultText: text,
            value: { whole in whole[keyPath: path].map { .text($0.rawValue) } },
            set: { whole, value in if case .text(let text) = value { whole[keyPath: path] = Choice(rawValue: text) } })
    }
}
