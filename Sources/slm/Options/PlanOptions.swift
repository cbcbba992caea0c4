import Checkpoint
import Train

/// The settings of a run that options set, by their names: see ``PlanSetting``.
struct PlanOptions: Equatable {
    private(set) var values: [String: CheckpointValue] = [:]

    /// nil for a setting that no option sets.
    subscript(integer name: String) -> Int? {
        get { if case .integer(let value)? = values[name] { value } else { nil } }
        set { values[name] = newValue.map { .integer($0) } }
    }

    subscript(number name: String) -> Double? {
        get { if case .number(let value)? = values[name] { value } else { nil } }
        set { values[name] = newValue.map { .number($0) } }
    }

    subscript(flag name: String) -> Bool? {
        get { self[integer: name].map { $0 != 0 } }
        set { self[integer: name] = newValue.map { $0 ? 1 : 0 } }
    }

    subscript(text name: String) -> String? {
        get { if case .text(let value)? = values[name] { value } else { nil } }
        set { values[name] = newValue.map { .text($0) } }
    }

    func has(_ name: String) -> Bool { values[name] != nil }

    /// Changes a plan as the options say.
    func apply(to plan: inout TrainingPlan) {
        for setting in TrainingPlan.settings { values[setting.name].map { setting.set(&plan, $0) } }
    }
}

extension CommandOption where Options: RunOptions {
    /// The option of a setting.
    ///
    /// - Parameter text: Describes the default where commands have different ones.
    static func setting(_ name: String, default text: String? = nil) -> CommandOption {
        let setting = TrainingPlan.setting(name), help = setting.help, text = text ?? setting.defaultText
        return switch setting.type {
        case .integer(let range): .option(name, \.plan[integer: name], in: range, help, default: text)
        case .number(let range): .option(name, \.plan[number: name], in: range, help, default: text)
        case .flag: .option(name, \.plan[flag: name], help, default: text)
        case .text: .option(name, \.plan[text: name], help, default: text)
        case .choice(let choices): .option(name, \.plan[text: name], value: "NAME", help, default: text).oneOf(choices)
        }
    }
}
