import Foundation
import Testing
import TestSupport

/// `--help`, the manual pages, the Markdown reference and the shell completion. All of them come from the declarations of the options.
@Suite struct HelpTests {
    private let folder = TemporaryFolder()

    /// All commands, from the reference.
    private static func commands() throws -> [String] {
        try slm("help", "--markdown").output.matches(of: /\n### slm ([a-z -]+)\n/).map { String($0.output.1) }
    }

    /// All long options of a command, from its help.
    private static func options(of command: String) throws -> [String] {
        try slm(command.split(separator: " ").map(String.init) + ["--help"]).output
            .matches(of: /\n  (?:-.,|   ) (--[a-z0-9-]+)/).map { String($0.output.1) }
    }

    /// Runs a program; nil if it is not installed.
    private func run(_ program: String, _ arguments: String...) throws -> (status: Int32, output: String, errors: String)? {
        guard FileManager.default.isExecutableFile(atPath: program) else { return nil }
        return try runProgram(program, arguments)
    }

    @Test func `every command prints its help in 80 columns`() throws {
        for command in try Self.commands() {
            let words = command.split(separator: " ").map(String.init)
            let help = try slm(words + ["--help"])
            #expect(help.status == 0 && help.errors.isEmpty && help.output.hasPrefix("slm \(command): "), "\(help.output)")
            let lines = help.output.split(separator: "\n")
            let options = lines.prefix { !$0.hasPrefix("Example") }
            #expect(options.allSatisfy { $0.count <= 80 }, "\(options.filter { $0.count > 80 })")
            #expect(try slm(words + ["-h"]).output == help.output)
            #expect(try slm(["help"] + words).output == help.output)
        }
    }

    @Test func `options are grouped, with at most ten main options`() throws {
        for command in ["train", "finetune", "generate", "chat", "serve", "eval"] {
            let help = try slm(command, "--help").output
            let main = try #require(help.firstMatch(of: /\nMain options\n((?:  .*\n)+)/)?.output.1)
            let count = main.matches(of: /(?:^|\n)  (?:-.,|   ) --/).count
            #expect((3...10).contains(count), "\(command): \(count)")
            #expect(help.contains("\nMachine\n") && help.contains("\nGeneral options\n"))
        }
        #expect(try slm("serve", "--help").output.contains(/\[default:\s+7d\]/))
    }

    @Test func `version has three spellings`() throws {
        let outputs = try [slm("version"), slm("--version")].map(\.output)
        #expect(outputs[0] == outputs[1] && outputs[0].hasPrefix("slm "))
        #expect(try slm("-h").output == slm("help").output)
    }

    /// `slm help --markdown > Documentation/Reference/Commands.md` updates the page.
    @Test func `the command reference in the documentation is current`() throws {
        let page = try String(contentsOfFile: repositoryPath("Documentation/Reference/Commands.md"), encoding: .utf8)
        let isCurrent = try page == slm("help", "--markdown").output
        #expect(isCurrent, "run: slm help --markdown > Documentation/Reference/Commands.md")
    }

    @Test(arguments: ["bash", "zsh", "fish"])
    func `a completion script has every command and every option`(shell: String) throws {
        let script = try slm("completion", shell)
        #expect(script.status == 0 && script.errors.isEmpty)
        for command in try Self.commands() {
            let name = shell == "bash" ? "\"\(command)\")" : shell == "zsh" ? "'\(command)')" : "__slm_command \(command)"
            #expect(script.output.contains(name), "\(command)")
            for option in try Self.options(of: command) {
                let flag = shell == "fish" ? "-l \(option.dropFirst(2)) " : option
                #expect(script.output.contains(flag), "\(command) \(option)")
            }
        }
        let file = folder.write(script.output, to: "completion")
        if let checked = try run("/usr/bin/\(shell)", "-n", file) {
            #expect(checked.status == 0 && checked.errors.isEmpty, "\(checked.errors)")
        }
    }

    @Test func `bash completes commands, subcommands, options and values`() throws {
        guard FileManager.default.isExecutableFile(atPath: "/usr/bin/bash") else { return }
        let script = folder.write(try slm("completion", "bash").output, to: "completion")
        func complete(_ words: String...) throws -> [String] {
            let list = (["slm"] + words).map { "'\($0)'" }.joined(separator: " ")
            let text = "source \(script); COMP_WORDS=(\(list)); COMP_CWORD=\(words.count); _slm; printf '%s\\n' \"${COMPREPLY[@]}\""
            return try runProgram("/usr/bin/bash", ["-c", text]).output.split(separator: "\n").map(String.init)
        }
        #expect(try complete("tra") == ["train", "training"])
        #expect(try complete("bench", "g") == ["gemm", "generate", "grammar"])
        #expect(try complete("bench", "gemm", "--ru") == ["--runs"])
        #expect(try complete("train", "--dtype", "b") == ["bf16"])
        #expect(try complete("completion", "z") == ["zsh"])
    }

    @Test func `manual pages render without warnings`() throws {
        let pages =
            try [slm("help", "--man")]
            + Self.commands().map { try slm(["help", "--man", "--"] + $0.split(separator: " ").map(String.init)) }
        for (i, page) in pages.enumerated() {
            #expect(page.status == 0 && page.errors.isEmpty && page.output.hasPrefix(".TH \"SLM"))
            let file = folder.write(page.output, to: "\(i).1")
            let rendered = try run("/usr/bin/groff", "-man", "-ww", "-Tutf8", "-k", file)
            if let rendered { #expect(rendered.status == 0 && rendered.errors.isEmpty, "\(rendered.errors)") }
        }
        #expect(pages[0].output.contains("slm tokenize corpus") && pages[0].output.contains("\\-\\-version"))
    }
}
