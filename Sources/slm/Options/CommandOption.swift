/// One option of a command: its declaration, and how its text becomes a value in `Options`.
///
///     .option("batch", \.batch, in: 1...65_536, "Set the rows per batch.")
///     .option("checkpoint", \.checkpoint, value: "FILE", "Read the model from FILE.").short("c").positional()
///
/// Declarations run once. Specialized for the options of each command, they took a third of the time to compile this module.
struct CommandOption<Options> {
    private(set) var info: OptionInfo
    /// - Parameter source: names the option in an error, such as `--batch` or `SLM_BATCH`.
    let set: (inout Options, _ text: String, _ source: String) throws -> Void
    let text: (Options) -> String

    init(_ info: OptionInfo, set: @escaping (inout Options, String, String) throws -> Void, text: @escaping (Options) -> String) {
        self.info = info
        self.set = set
        self.text = text
    }

    /// - Parameters:
    ///   - metavariable: stands for the value in help; nil for the type's own.
    ///   - defaultText: describes a default that depends on other options; nil to show the value in a new `Options`.
    @_semantics("optimize.sil.specialize.generic.never")
    static func option<Value: OptionValue>(
        _ name: String,
        _ path: WritableKeyPath<Options, Value>,
        value metavariable: String? = nil,
        _ help: String,
        default defaultText: String = ""
    ) -> CommandOption {
        option(name, path, value: metavariable, help, default: defaultText) { _ in nil }
    }

    /// - Parameter problem: what was expected instead of a value; nil if the value is good.
    @_semantics("optimize.sil.specialize.generic.never")
    private static func option<Value: OptionValue>(
        _ name: String,
        _ path: WritableKeyPath<Options, Value>,
        value metavariable: String?,
        _ help: String,
        default defaultText: String,
        problem: @escaping (Value) -> String?
    ) -> CommandOption {
        var info = OptionInfo(name: name, help: help)
        info.arity = Value.arity
        info.metavariable = metavariable ?? Value.metavariable
        info.choices = Value.choices
        info.defaultText = defaultText
        return CommandOption(info) { options, text, source in
            let value = Value(optionText: text)
            if let expected = value.map(problem) ?? Value.expectation {
                throw UsageError("slm: \(source): expected \(expected), found '\(text)'.")
            }
            if let value { options[keyPath: path] = value }
        } text: { $0[keyPath: path].optionText }
    }

    /// A number within bounds.
    @_semantics("optimize.sil.specialize.generic.never")
    static func option<Value: OptionValue & Comparable>(
        _ name: String,
        _ path: WritableKeyPath<Options, Value>,
        value metavariable: String? = nil,
        in range: ClosedRange<Value>,
        _ help: String,
        default defaultText: String = ""
    ) -> CommandOption {
        option(name, path, value: metavariable, help, default: defaultText) { range.contains($0) ? nil : range.expectation }
    }

    @_semantics("optimize.sil.specialize.generic.never")
    static func option<Value: OptionValue & Comparable>(
        _ name: String,
        _ path: WritableKeyPath<Options, Value?>,
        value metavariable: String? = nil,
        in range: ClosedRange<Value>,
        _ help: String,
        default defaultText: String = ""
    ) -> CommandOption {
        option(name, path, value: metavariable, help, default: defaultText) { value in
            value.map(range.contains) ?? true ? nil : range.expectation
        }
    }

    /// Several texts, such as files. Each use of the option adds to them.
    @_semantics("optimize.sil.specialize.generic.never")
    static func list(
        _ name: String,
        _ path: WritableKeyPath<Options, [String]>,
        value metavariable: String,
        _ help: String,
        separator: Character = ":"
    ) -> CommandOption {
        var info = OptionInfo(name: name, help: help)
        info.arity = .list
        info.metavariable = metavariable
        info.separator = separator
        return CommandOption(info) { options, text, _ in
            options[keyPath: path].append(text)
        } text: { $0[keyPath: path].joined(separator: " ") }
    }
}

extension CommandOption {
    @_semantics("optimize.sil.specialize.generic.never")
    private func with<Value>(_ path: WritableKeyPath<OptionInfo, Value>, _ value: Value) -> CommandOption {
        var option = self
        option.info[keyPath: path] = value
        return option
    }

    /// The option of a command whose options contain these.
    @_semantics("optimize.sil.specialize.generic.never")
    func inside<Whole>(_ path: WritableKeyPath<Whole, Options>) -> CommandOption<Whole> {
        CommandOption<Whole>(info) { whole, text, source in try set(&whole[keyPath: path], text, source) } text: { text($0[keyPath: path]) }
    }

    func short(_ character: Character) -> CommandOption { with(\.short, character) }

    /// Sets the environment variable of an option whose name is too general for one.
    func variable(_ name: String) -> CommandOption { with(\.variable, name) }

    func excluding(_ group: String) -> CommandOption { with(\.exclusionGroup, group) }

    /// Accepts the value without the option's name, too.
    func positional() -> CommandOption { with(\.position, .allowed) }

    /// Accepts the value without a name only.
    func positionalOnly() -> CommandOption { with(\.position, .only).with(\.sources, .commandLine) }

    /// Hides the value in `slm config show`.
    func secret() -> CommandOption { with(\.isSecret, true) }

    func onCommandLineOnly() -> CommandOption { with(\.sources, .commandLine) }
    func choices(_ choices: [String]) -> CommandOption { with(\.choices, choices) }

    /// Accepts these texts only.
    @_semantics("optimize.sil.specialize.generic.never")
    func oneOf(_ choices: [String]) -> CommandOption {
        let option = with(\.choices, choices)
        return CommandOption(option.info, set: { options, text, source in
            guard choices.contains(text) else {
                throw UsageError("slm: \(source): expected \(choices.joined(separator: ", ")), found '\(text)'.")
            }
            try option.set(&options, text, source)
        }, text: option.text)
    }
}

/// Options under one heading of `--help`.
struct OptionGroup<Options> {
    let title: String
    let options: [CommandOption<Options>]

    init(_ title: String, _ options: [CommandOption<Options>]) {
        self.title = title
        self.options = options
    }
}

extension ClosedRange where Bound: OptionValue {
    fileprivate var expectation: String { "\(Bound.expectation) from \(lowerBound.optionText) to \(upperBound.optionText)" }
}
