import Terminal

struct ConfigExampleOptions {
    var command: [String] = []
}

extension Command {
    static var configShow: Command {
        Command(
            "config show",
            "Print the options of a command and where each is set.",
            passingOn: "[COMMAND] [options]",
            examples: ["slm config show train --preset tiny", "SLM_THREADS=2 slm config show train --config slm.yaml"]
        ) { arguments, environment in
            var arguments = arguments
            if arguments.first?.hasPrefix("-") ?? true {
                let names = SLM.commands.filter(\.readsConfiguration).map(\.name).joined(separator: ", ")
                let text = "These are the options of slm serve. slm config show COMMAND shows those of \(names)."
                printNote(text.wrapped(to: 100).joined(separator: "\n"))
                arguments.insert("serve", at: 0)
            }
            let (command, words) = try SLM.command(in: arguments)
            guard command.readsConfiguration else { throw UsageError("slm config show: slm \(command.name) has no configuration.") }
            let settings = try command.settings(for: Array(arguments.dropFirst(words)), environment: environment)
            let rows = settings.map { (name: $0.shownName, value: $0.shownValue, source: $0.shownSource) }
            let nameWidth = (rows.map(\.name.count).max() ?? 0) + 2
            let valueWidth = min(40, rows.map(\.value.count).max() ?? 0) + 2
            for row in rows {
                let value = row.value.count < valueWidth ? row.value.padded(to: valueWidth) : row.value + "  "
                print(row.name.padded(to: nameWidth) + value + row.source)
            }
        }
    }

    static var configExample: Command {
        Command(
            "config example",
            "Print a configuration file with all options in comments.",
            ConfigExampleOptions(),
            [
                OptionGroup("Options", [
                    .list("command", \.command, value: "COMMAND", "List the options of COMMAND alone.").positionalOnly(),
                ]),
            ],
            examples: ["slm config example train > slm.yaml", "slm train --config slm.yaml"],
            readsConfiguration: false
        ) { options in
            let chosen = try options.command.isEmpty ? nil : SLM.command(in: options.command).command
            if let chosen, !chosen.readsConfiguration { throw UsageError("slm config example: slm \(chosen.name) has no configuration.") }
            print("""
                # Options for slm: use this file with --config FILE or SLM_CONFIG=FILE.
                # Remove the # before an option to set it. An option at the left margin applies to every command that has it:
                # threads: 2
                """)
            for command in chosen.map({ [$0] }) ?? SLM.commands.filter(\.readsConfiguration) { print(example(of: command)) }
        }
    }

    private static func example(of command: Command) -> String {
        var lines = ["", "\(command.name):"]
        for group in command.groups {
            let options = group.options.filter { $0.sources == .everywhere }
            if options.isEmpty { continue }
            lines += ["  # -- \(group.title) --"]
            for option in options {
                lines += option.details.wrapped(to: 96).map { "  # \($0)" }
                lines.append("  # \(option.name): \(option.exampleValue)")
            }
        }
        return lines.joined(separator: "\n")
    }
}

extension OptionInfo {
    /// A value in YAML: the default, or the metavariable that help shows if there is no default value.
    fileprivate var exampleValue: String {
        let isLiteral = !defaultText.isEmpty && !defaultText.contains(" ") && !defaultText.contains(",")
        return switch arity {
        case .flag, .optionalValue: "true"
        case .list: "[\(metavariable)]"
        case .value where isLiteral: defaultText.contains(":") || defaultText.contains("<") ? "\"\(defaultText)\"" : defaultText
        case .value: choices.first ?? metavariable
        }
    }
}

extension OptionSetting {
    fileprivate var shownName: String { info.position == .only ? info.metavariable : info.name }

    fileprivate var shownValue: String {
        if !text.isEmpty { return info.isSecret ? "(secret)" : text }
        return info.defaultText.isEmpty ? "-" : info.defaultText
    }

    /// Where the value comes from, in words.
    fileprivate var shownSource: String {
        switch source {
        case .commandLine?: "command line"
        case .environment(let name)?: "environment \(name)"
        case .file(let place)?: "file \(place.split(separator: ": ")[0])"
        case nil: text.isEmpty && info.defaultText.isEmpty ? "not set" : "default"
        }
    }
}
