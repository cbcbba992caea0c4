/// A script that completes commands, options and values in a shell: `slm completion bash`.
enum CompletionScript: String, CaseIterable, OptionValue {
    case bash, zsh, fish

    static var metavariable: String { "SHELL" }

    var text: String {
        switch self {
        case .bash: Self.bashText
        case .zsh: Self.zshText
        case .fish: Self.fishText
        }
    }

    /// The first words, each once, and the second words of each family.
    private static var firstWords: [String] {
        SLM.commands.reduce(into: []) { words, command in
            if !words.contains(command.family) { words.append(command.family) }
        }
    }

    private static func secondWords(of family: String) -> [String] {
        SLM.commands.filter { $0.name.hasPrefix(family + " ") }.map { String($0.name.dropFirst(family.count + 1)) }
    }

    /// The second words of a family, and the options of the command that has its name.
    private static func words(after family: String) -> [String] {
        let own = SLM.commands.first { $0.name == family }?.options.flatMap(flags) ?? ["--help"]
        return secondWords(of: family) + own
    }

    private static var families: [String] { firstWords.filter { !secondWords(of: $0).isEmpty } }

    private static func flags(of option: OptionInfo) -> [String] {
        if option.position == .only { return [] }
        return (option.short.map { ["-\($0)"] } ?? []) + ["--\(option.name)"]
    }

    // MARK: bash

    private static var bashText: String {
        var lines = [
            "# bash completion for slm. Load it with: source <(slm completion bash)",
            "_slm() {",
            "    local cur=\"${COMP_WORDS[COMP_CWORD]}\" prev=\"${COMP_WORDS[COMP_CWORD-1]}\"",
            "    local command=\"${COMP_WORDS[1]}\" options=\"\" words=\"\"",
            "    COMPREPLY=()",
            "    if [ \"$COMP_CWORD\" -eq 1 ]; then",
            "        COMPREPLY=($(compgen -W \"\(firstWords.joined(separator: " ")) --help --version\" -- \"$cur\"))",
            "        return",
            "    fi",
            "    case \"$command\" in",
        ]
        for family in families {
            lines += [
                "        \(family))",
                "            if [ \"$COMP_CWORD\" -eq 2 ]; then",
                "                COMPREPLY=($(compgen -W \"\(words(after: family).joined(separator: " "))\" -- \"$cur\"))",
                "                return",
                "            fi",
                "            [ \"${COMP_WORDS[2]#-}\" = \"${COMP_WORDS[2]}\" ] && command=\"$command ${COMP_WORDS[2]}\" ;;",
            ]
        }
        lines += ["    esac", "    case \"$command\" in"]
        for command in SLM.commands {
            let options = command.options.flatMap(flags).joined(separator: " ")
            lines.append("        \"\(command.name)\") options=\"\(options)\"\(bashPositions(command)) ;;")
        }
        lines += ["    esac", "    case \"$command $prev\" in"]
        for command in SLM.commands {
            for option in command.options where !option.choices.isEmpty && option.position != .only {
                let pattern = flags(of: option).map { "\"\(command.name) \($0)\"" }.joined(separator: "|")
                lines.append("        \(pattern)) words=\"\(option.choices.joined(separator: " "))\" ;;")
            }
        }
        return (lines + [
            "    esac",
            "    if [ -n \"$words\" ]; then",
            "        COMPREPLY=($(compgen -W \"$words\" -- \"$cur\"))",
            "    elif [ \"${cur#-}\" != \"$cur\" ]; then",
            "        COMPREPLY=($(compgen -W \"$options\" -- \"$cur\"))",
            "    else",
            "        COMPREPLY=($(compgen -f -- \"$cur\"))",
            "    fi",
            "}",
            "complete -o filenames -F _slm slm",
        ]).joined(separator: "\n") + "\n"
    }

    private static func bashPositions(_ command: Command) -> String {
        let words = positionWords(command)
        return words.isEmpty ? "" : "; [ \"${cur#-}\" = \"$cur\" ] && words=\"\(words.joined(separator: " "))\""
    }

    /// What may stand without an option's name, where it is one of a few words.
    private static func positionWords(_ command: Command) -> [String] {
        command.options.filter { $0.position == .only }.flatMap { $0.completion == .commands ? SLM.commands.map(\.name) : $0.choices }
            + (command.passedOn.isEmpty ? [] : SLM.commands.map(\.name))
    }

    // MARK: zsh

    private static var zshText: String {
        var lines = ["#compdef slm", "# zsh completion for slm. Load it with: source <(slm completion zsh)", "_slm() {", "    local "
            + "-a commands"]
        lines += [
            "    if (( CURRENT == 2 )); then",
            "        commands=(\(firstWords.map { zshQuoted("\($0):\(summary(ofWord: $0))") }.joined(separator: " ")))",
            "        _describe command commands",
            "        _arguments '--help[Print help]' '--version[Print the version]'",
            "        return",
            "    fi",
            "    local command=$words[2]",
            "    case $command in",
        ]
        for family in families {
            let described = SLM.commands.filter { $0.name.hasPrefix(family + " ") }
                .map { zshQuoted("\($0.name.dropFirst(family.count + 1)):\($0.summary)") }
            lines += [
                "        \(family))",
                "            if (( CURRENT == 3 )); then",
                "                commands=(\(described.joined(separator: " ")))",
                "                _describe command commands",
                "                return",
                "            fi",
                "            command=\"$command $words[3]\"",
                "            shift 1 words; (( CURRENT -= 1 )) ;;",
            ]
        }
        lines += ["    esac", "    shift 1 words; (( CURRENT -= 1 ))", "    case $command in"]
        for command in SLM.commands {
            let rows = command.options.flatMap(zshSpecifications) + [zshPosition(command)]
            lines.append("        '\(command.name)') _arguments \\\n            " + rows.joined(separator: " \\\n            ") + " ;;")
        }
        // The script is either sourced, or autoloaded as a function of its own name.
        lines += ["    esac", "}", "if [ \"$funcstack[1]\" = _slm ]; then _slm \"$@\"; else compdef _slm slm; fi"]
        return lines.joined(separator: "\n") + "\n"
    }

    private static func zshSpecifications(_ option: OptionInfo) -> [String] {
        flags(of: option).map { flag in
            let help = option.help.replacing("[", with: "(").replacing("]", with: ")").replacing(":", with: " -")
            let repeats = option.arity == .list ? "*" : ""
            let value: String = switch option.arity {
            case .flag: ""
            case .optionalValue: "::\(option.metavariable):\(zshAction(option))"
            case .value, .list: ":\(option.metavariable):\(zshAction(option))"
            }
            return zshQuoted("\(repeats)\(flag)[\(help)]\(value)")
        }
    }

    private static func zshAction(_ option: OptionInfo) -> String {
        if !option.choices.isEmpty { return "(\(option.choices.joined(separator: " ")))" }
        return switch option.completion {
        case .files: "_files"
        case .directories: "_files -/"
        case .commands: "(\(firstWords.joined(separator: " ")))"
        case .nothing: " "
        }
    }

    private static func zshPosition(_ command: Command) -> String {
        let words = positionWords(command).map { $0.replacing(" ", with: "\\ ") }
        return zshQuoted("*:argument:" + (words.isEmpty ? "_files" : "(\(words.joined(separator: " ")))"))
    }

    private static func zshQuoted(_ text: String) -> String { "'" + text.replacing("'", with: "'\\''") + "'" }

    private static func summary(ofWord word: String) -> String {
        SLM.families[word] ?? SLM.commands.first { $0.name == word }?.summary ?? ""
    }

    // MARK: fish

    private static var fishText: String {
        var lines = [
            "# fish completion for slm. Load it with: slm completion fish | source",
            "function __slm_command",
            "    set -l words (commandline -opc)",
            "    set -e words[1]",
            "    set -l count (count $argv)",
            "    test (count $words) -ge $count; and test \"$words[1..$count]\" = \"$argv\"",
            "end",
            "complete -c slm -f -n 'test (count (commandline -opc)) -eq 1' -l help -s h -d 'Print help'",
            "complete -c slm -f -n 'test (count (commandline -opc)) -eq 1' -l version -d 'Print the version'",
        ]
        for word in firstWords {
            lines.append("complete -c slm -f -n 'test (count (commandline -opc)) -eq 1' -a \(word) -d \(fishQuoted(summary(ofWord: word)))")
        }
        for family in families {
            for command in SLM.commands where command.name.hasPrefix(family + " ") {
                let condition = "__slm_command \(family); and test (count (commandline -opc)) -eq 2"
                let word = command.name.dropFirst(family.count + 1)
                lines.append("complete -c slm -f -n '\(condition)' -a \(word) -d \(fishQuoted(command.summary))")
            }
        }
        for command in SLM.commands {
            let condition = "__slm_command \(command.name)"
            let words = positionWords(command).filter { !$0.contains(" ") }
            if !words.isEmpty { lines.append("complete -c slm -f -n '\(condition)' -a '\(words.joined(separator: " "))'") }
            lines += command.options.filter { $0.position != .only }.map { fishLine($0, condition) }
        }
        return lines.joined(separator: "\n") + "\n"
    }

    private static func fishLine(_ option: OptionInfo, _ condition: String) -> String {
        var line = "complete -c slm -n '\(condition)' -l \(option.name)" + (option.short.map { " -s \($0)" } ?? "")
        switch option.arity {
        case .flag, .optionalValue: break
        case .value, .list: line += " -r" + (option.completion == .nothing ? " -f" : "")
        }
        if !option.choices.isEmpty { line += " -a \(fishQuoted(option.choices.joined(separator: " ")))" }
        return line + " -d \(fishQuoted(option.help))"
    }

    private static func fishQuoted(_ text: String) -> String { "'" + text.replacing("\\", with: "\\\\").replacing("'", with: "\\'") + "'" }
}
