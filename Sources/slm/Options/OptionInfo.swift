/// The declaration of one option, without the place where its value is stored. Parsing, help, shell completion, the man page, environment
/// variables and
/// configuration files all read it.
struct OptionInfo: Sendable {
    enum Arity: Sendable {
        case flag, value
        /// The option may stand without its value: `--resume` or `--resume RUN`.
        case optionalValue
        /// Several values may follow, and the option may be repeated.
        case list
    }

    /// Whether a value may stand without the option's name, such as the checkpoint in `slm info CHECKPOINT`.
    enum Position: Sendable {
        case no, allowed
        /// It has no option name.
        case only
    }

    /// Where a value may come from.
    enum Sources: Sendable {
        case everywhere, commandLineAndEnvironment, commandLine
    }

    /// What a shell offers after the option.
    enum Completion: Sendable {
        case nothing, files, directories, commands
    }

    let name: String
    var short: Character?
    /// The environment variable; nil for that of the name.
    var variable: String?
    var arity = Arity.value
    var metavariable = ""
    let help: String
    /// What help shows as the default. Empty if there is none.
    var defaultText = ""
    var choices: [String] = []
    /// Separates the values of a list in an environment variable.
    var separator: Character = ":"
    /// Only one option of a group may be set. One on the command line overrides another in the environment or a file.
    var exclusionGroup: String?
    var position = Position.no
    var sources = Sources.everywhere
    /// Whether `slm config show` hides the value.
    var isSecret = false

    /// As a user types it: `--checkpoint FILE`, `--resume [RUN]`, `COMMAND...`.
    var usage: String {
        if position == .only { return metavariable + (arity == .list ? "..." : "") }
        return switch arity {
        case .flag: "--\(name)"
        case .value: "--\(name) \(metavariable)"
        case .optionalValue: "--\(name) [\(metavariable)]"
        case .list: "--\(name) \(metavariable)..."
        }
    }

    /// The help text with the choices and the default.
    var details: String {
        var text = help
        if !choices.isEmpty { text += " [choices: \(choices.joined(separator: ", "))]" }
        if !defaultText.isEmpty { text += " [default: \(defaultText)]" }
        return text
    }

    var completion: Completion {
        switch metavariable {
        case "FILE", "CHECKPOINT", "SOURCE", "TOKENIZER", "PATH": .files
        case "DIR", "RUN": .directories
        case "COMMAND": .commands
        default: .nothing
        }
    }

    /// `SLM_EVAL_EVERY` for `eval-every`.
    var environmentName: String { variable ?? "SLM_" + name.uppercased().replacing("-", with: "_") }
}
