import Checkpoint
import Threads
import Train

/// The settings of a run that options set, by their names: see ``Setting``.
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

    subscript(duration name: String) -> Duration? {
        get { self[number: name].map { .seconds($0) } }
        set { self[number: name] = newValue?.inSeconds }
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

    /// Throws if an option differs from the setting of a run to resume, which cannot change.
    func check<Whole: Configurable>(_ stored: Whole) throws(TrainingError) {
        for setting in Whole.settings where has(setting.name) {
            var given = stored
            apply(setting, to: &given)
            let texts = (given: setting.text(in: given) ?? "none", stored: setting.text(in: stored) ?? "none")
            if texts.given != texts.stored {
                throw .cannotChange(option: setting.option, stored: texts.stored, given: texts.given)
            }
        }
    }

    /// Changes a plan, or what else has settings, as the options say.
    func apply<Whole: Configurable>(to whole: inout Whole) {
        for setting in Whole.settings { apply(setting, to: &whole) }
    }

    private func apply<Whole>(_ setting: Setting<Whole>, to whole: inout Whole) {
        values[setting.name].map { setting.set(&whole, $0) }
    }
}

extension CommandOption where Options: RunCommandOptions {
    /// The option of a setting.
    static func setting<Whole>(_ setting: Setting<Whole>) -> CommandOption {
        let name = setting.name, help = setting.help, text = Options.defaults[name] ?? setting.defaultText
        return switch setting.type {
        case .integer(let range): .option(name, \.run.plan[integer: name], in: range, help, default: text)
        case .number(let range): .option(name, \.run.plan[number: name], in: range, help, default: text)
        case .seconds: .option(name, \.run.plan[duration: name], help, default: text)
        case .flag: .option(name, \.run.plan[flag: name], help, default: text)
        case .text: .option(name, \.run.plan[text: name], value: "NAMES", help, default: text)
        case .choice(let choices): .option(name, \.run.plan[text: name], value: "NAME", help, default: text).oneOf(choices)
        }
    }
}
