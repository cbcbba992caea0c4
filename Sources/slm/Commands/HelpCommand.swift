struct HelpOptions {
    var command: [String] = []
    var man = false
    var markdown = false
}

extension Command {
    static var help: Command {
        Command(
            "help",
            "Print help, for the program or for one command.",
            HelpOptions(),
            [
                OptionGroup("Options", [
                    .list("command", \.command, value: "COMMAND", "Describe COMMAND, such as 'train' or 'bench train'.").positionalOnly(),
                    .option("man", \.man, "Print a manual page (roff)."),
                    .option("markdown", \.markdown, "Print the reference of all commands in Markdown."),
                ]),
            ],
            examples: ["slm help train", "slm help --man train | man -l -"],
            readsConfiguration: false
        ) { options in
            if options.markdown { return print(MarkdownReference.text, terminator: "") }
            if options.command.isEmpty {
                return options.man ? print(ManPage().text, terminator: "") : print(ProgramHelp.text(columns: CommandHelp.columns))
            }
            if options.command.count == 1, SLM.families[options.command[0]] != nil, !options.man {
                return print(ProgramHelp.text(ofFamily: options.command[0], columns: CommandHelp.columns))
            }
            let (command, words) = try SLM.command(in: options.command)
            guard words == options.command.count else {
                throw UsageError("slm help: unexpected '\(options.command[words])' after 'slm \(command.name)'.")
            }
            if options.man {
                print(ManPage(of: command).text, terminator: "")
            } else {
                print(CommandHelp(command).text(columns: CommandHelp.columns))
            }
        }
    }

    static var version: Command {
        Command("version", "Print the version.", (), [], examples: ["slm version"], readsConfiguration: false) { _ in
            print("slm \(slm.version)")
        }
    }

    static var completion: Command {
        Command(
            "completion",
            "Print a completion script for a shell.",
            CompletionOptions(),
            [
                OptionGroup("Options", [
                    .option("shell", \.shell, "Complete in this shell.").positionalOnly(),
                ]),
            ],
            examples: [
                "source <(slm completion bash)",
                "slm completion zsh > ~/.zfunc/_slm",
                "slm completion fish > ~/.config/fish/completions/slm.fish",
            ],
            readsConfiguration: false
        ) { options in
            guard let shell = options.shell else { throw UsageError("slm completion: expected one of \(CompletionScript.expectation).") }
            print(shell.text, terminator: "")
        }
    }
}

struct CompletionOptions {
    var shell: CompletionScript?
}
