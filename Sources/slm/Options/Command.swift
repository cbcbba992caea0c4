import Files
import Settings

/// A command of `slm`: its options, declared once, and what it does.
struct Command {
    /// One or two words: `train`, `bench train`.
    let name: String
    /// One sentence in the imperative mood.
    let summary: String
    let examples: [String]
    /// Whether the environment and a configuration file can set its options.
    let readsConfiguration: Bool
    /// Words that help shows after the options, such as `[COMMAND-OPTIONS]`.
    let passedOn: String
    /// Made when it is read: the key paths of all options of all commands take milliseconds.
    private let makeGroups: () -> [(title: String, options: [OptionInfo])]
    private let prepare: (_ arguments: [String], _ environment: [String: String]) throws -> Prepared

    private struct Prepared {
        let values: [OptionSetting]
        let run: () throws -> Void
    }

    var groups: [(title: String, options: [OptionInfo])] { makeGroups() }
    var options: [OptionInfo] { groups.flatMap(\.options) }
    /// The names by which the environment and a configuration file know its options.
    var configurableNames: [String] {
        readsConfiguration ? options.filter { $0.sources == .everywhere }.map(\.name) : []
    }
    /// Its first word.
    var family: String { String(name.split(separator: " ")[0]) }

    @_semantics("optimize.sil.specialize.generic.never")
    init<Options>(
        _ name: String,
        _ summary: String,
        _ defaults: Options,
        _ groups: @autoclosure @escaping () -> [OptionGroup<Options>],
        examples: [String],
        readsConfiguration: Bool = true,
        run: @escaping (Options) throws -> Void
    ) {
        self.name = name
        self.summary = summary
        self.examples = examples
        self.readsConfiguration = readsConfiguration
        passedOn = ""
        let allGroups = {
            let general = OptionGroup<Options>("General options", (readsConfiguration ? [.config] : []) + [.help])
            return (groups() + [general]).filter { !$0.options.isEmpty }
        }
        makeGroups = { allGroups().map { group in (group.title, group.options.map { $0.info(withDefaultFrom: defaults) }) } }
        prepare = { arguments, environment in
            let options = allGroups().flatMap(\.options)
            var parsed = try ParsedOptions(arguments, for: name, options.map(\.info))
            if readsConfiguration {
                parsed.add(environment: environment)
                if let path = parsed.text(of: "config") { try parsed.add(Self.settings(at: path).settings(for: name)) }
            }
            var result = defaults
            for value in parsed.values { try options[value.option].set(&result, value.text, value.source.name) }
            let values = options.enumerated().map { i, option in
                let set = parsed.values.last { $0.option == i }
                let text = option.info.name == "config" ? set?.text ?? "" : option.text(result)
                return OptionSetting(option.info(withDefaultFrom: defaults), text: text, set?.source)
            }
            return Prepared(values: values) { try run(result) }
        }
    }

    /// A command that handles its own arguments.
    init(
        _ name: String,
        _ summary: String,
        passingOn: String,
        examples: [String],
        run: @escaping (_ arguments: [String], _ environment: [String: String]) throws -> Void
    ) {
        self.name = name
        self.summary = summary
        self.examples = examples
        readsConfiguration = false
        passedOn = passingOn
        makeGroups = { [("General options", [CommandOption<Void>.help.info])] }
        prepare = { arguments, environment in Prepared(values: []) { try run(arguments, environment) } }
    }

    /// Parses the arguments after the command's name, then does the work.
    func run(_ arguments: [String], environment: [String: String]) throws {
        let own = passedOn.isEmpty ? arguments.prefix { $0 != "--" } : arguments.prefix(1)
        if own.contains("--help") || own.contains("-h") { return print(CommandHelp(self).text(columns: CommandHelp.columns)) }
        try prepare(arguments, environment).run()
    }

    /// The value of each option and where it comes from, for `slm config show`. Does no work.
    func settings(for arguments: [String], environment: [String: String]) throws -> [OptionSetting] {
        try prepare(arguments, environment).values.filter { $0.info.name != "help" }
    }

    private static func settings(at path: String) throws -> SettingsFile {
        let text = try InputFile.contents(of: path)
        let commands = SLM.commands.map { ($0.name, $0.configurableNames) }
        do throws(SettingsError) { return try SettingsFile(text, at: path, commands: commands) } catch { throw UsageError("slm: \(error)") }
    }
}

/// The value of an option, and where it was set.
struct OptionSetting {
    let info: OptionInfo
    let text: String
    /// nil for the default.
    let source: ParsedOptions.Source?

    init(_ info: OptionInfo, text: String, _ source: ParsedOptions.Source?) {
        self.info = info
        self.text = text
        self.source = source
    }
}

extension CommandOption {
    /// With the default as help shows it.
    @_semantics("optimize.sil.specialize.generic.never")
    fileprivate func info(withDefaultFrom defaults: Options) -> OptionInfo {
        var info = info
        if info.defaultText.isEmpty, info.arity != .flag, info.arity != .optionalValue { info.defaultText = text(defaults) }
        return info
    }

    /// The configuration file. It is read before the other options are set.
    fileprivate static var config: CommandOption {
        var info = OptionInfo(name: "config", help: "Read options that are not set elsewhere from FILE (YAML).")
        info.metavariable = "FILE"
        info.sources = .commandLineAndEnvironment
        return CommandOption(info, set: { _, _, _ in }, text: { _ in "" })
    }

    fileprivate static var help: CommandOption {
        var info = OptionInfo(name: "help", help: "Print this help.")
        info.short = "h"
        info.arity = .flag
        info.sources = .commandLine
        return CommandOption(info, set: { _, _, _ in }, text: { _ in "" })
    }
}

/// Arguments that make no sense: exit status 2.
struct UsageError: Error, CustomStringConvertible {
    let description: String
    init(_ description: String) { self.description = description }
}
