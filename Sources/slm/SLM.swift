import Corpus
import Glibc
import Kernels
import Terminal

/// The program: finds the command and runs it. Exit status 0 for success, 1 for a failure, 2 for arguments that make no sense.
@main
struct SLM {
    /// All commands, in the order of `slm --help`.
    static var sections: [(title: String, commands: [Command])] {
        [
            ("Start", [.demo]),
            ("Data", [
                .tokenize, .tokenizeTrain, .tokenizeEncode, .tokenizeDecode, .tokenizeCount, .tokenizeShow, .tokenizeConvert,
                .tokenizeCorpus,
            ]),
            ("Training", [.train, .trainEmbedding, .finetune, .distill, .adapterMerge, .runsList, .runsCompare]),
            ("Using a model", [.chat, .generate, .serve, .embed, .rerank, .eval, .gate, .explain]),
            ("Documents", [.indexBuild, .indexUpdate, .indexSearch, .indexShow, .indexQuestions]),
            ("Running a server", [.health, .databaseStatus, .databaseMigrate]),
            ("Administration", [
                .admin, .adminStats, .adminUsers, .adminConversations, .adminExportChats, .adminAudit, .adminCreateUser,
                .adminDisable, .adminEnable, .adminSetRole, .adminDeleteUser, .adminResetPassword, .adminRevokeSessions, .adminRevokeKeys,
                .adminInvite, .adminInvitations, .adminBackup, .adminRestore,
            ]),
            ("Training area", [
                .trainingChats, .trainingReview, .trainingInclude, .trainingExclude, .trainingImport, .trainingImports, .trainingExport,
                .trainingStart, .trainingRuns, .trainingRun, .trainingStop, .trainingResume, .trainingDeleteRun, .trainingSchedule,
                .trainingStatus, .trainingModels, .trainingRegister, .trainingPromote, .trainingRollback, .trainingCanary, .trainingPin,
                .trainingArchive, .trainingDeleteModel, .trainingCleanUp, .trainingCompare, .trainingQuestions, .trainingGate,
            ]),
            ("Model files", [.info, .importModel, .export]),
            ("Benchmarks", [.benchGemm, .benchTrain, .benchTokenize, .benchGenerate, .benchGrammar, .benchServe]),
            ("The program", [.configShow, .configExample, .completion, .help, .version]),
        ]
    }

    static var commands: [Command] { sections.flatMap(\.commands) }

    /// The first words that have subcommands.
    static let families = [
        "tokenize": "Train, use and convert tokenizers, and write token files.",
        "adapter": "Work with LoRA adapters.",
        "runs": "List and compare training runs.",
        "admin": "Watch and administer a chat server.",
        "training": "Review chats, fine-tune on them, compare and promote models on a server.",
        "index": "Build and search an index of documents.",
        "bench": "Measure the speed of this machine.",
        "config": "Show and write configuration.",
        "database": "Inspect and migrate the database of a chat server.",
    ]

    static func main() {
        do {
            try run(Array(CommandLine.arguments.dropFirst()), environment: environmentVariables())
            Ranks.end()
        } catch let error as UsageError {
            printError("\(error)")
            Ranks.fail(error)
            exit(2)
        } catch is Interrupted {
            exit(130)
        } catch is ReportedFailure {
            exit(1)
        } catch {
            Ranks.printError("\(error)")
            Ranks.fail(error)
            exit(1)
        }
    }

    private static func run(_ arguments: [String], environment: [String: String]) throws {
        switch arguments.first {
        case nil, "--help"?, "-h"?: return print(ProgramHelp.text(columns: CommandHelp.columns))
        case "--version"?: return print("slm \(version)")
        case let option? where option.hasPrefix("-"):
            let near = closestMatch(to: option, among: ["--help", "--version"]).map { "; did you mean \($0)?" } ?? "."
            throw UsageError("slm: unknown option \(option)\(near) All commands: slm --help")
        default: break
        }
        if families[arguments[0]] != nil, ["--help", "-h"].contains(arguments.dropFirst().first) {
            return print(ProgramHelp.text(ofFamily: arguments[0], columns: CommandHelp.columns))
        }
        let (command, words) = try command(in: arguments)
        warnAboutMisspelledVariables(in: environment)
        var rest = Array(arguments.dropFirst(words))
        // The last word of `slm help train --embedding` is part of a command's name and no option of help.
        if command.name == "help", rest.count > 1, !rest.contains("--"),
            commands.contains(where: { $0.name == rest.suffix(2).joined(separator: " ") }) {
            rest.insert("--", at: rest.count - 2)
        }
        do { try command.run(rest, environment: environment) } catch let error as CorpusError {
            guard case .malformed = error, command.options.contains(where: { $0.name == "skip-bad" }) else { throw error }
            throw CommandError(description: "\(error) To skip and count such records: --skip-bad")
        }
    }

    /// The command that arguments begin with, and how many words its name has.
    static func command(in arguments: [String]) throws -> (command: Command, words: Int) {
        let commands = commands
        for words in [2, 1] where arguments.count >= words {
            let name = arguments.prefix(words).joined(separator: " ")
            // `slm admin` is a command itself; a second word that is no option must be one of its subcommands.
            if words == 1, families[name] != nil, arguments.count > 1, !arguments[1].hasPrefix("-") { continue }
            if let command = commands.first(where: { $0.name == name }) { return (command, words) }
        }
        let first = arguments.first ?? ""
        let family = commands.filter { $0.name.hasPrefix(first + " ") }.map { String($0.name.dropFirst(first.count + 1)) }
        if !family.isEmpty {
            guard arguments.count > 1 else { throw UsageError("slm \(first): expected one of \(family.joined(separator: ", ")).") }
            let near = closestMatch(to: arguments[1], among: family).map { "; did you mean '\($0)'?" } ?? "."
            throw UsageError("slm \(first): unknown command '\(arguments[1])'\(near) All commands: slm \(first) --help")
        }
        let near = closestMatch(to: first, among: commands.map(\.name) + families.keys.sorted()).map { "; did you mean '\($0)'?" } ?? "."
        throw UsageError("slm: unknown command '\(first)'\(near) All commands: slm --help")
    }

    /// Reports a variable whose name is close to that of an option. Most short names are close to each other, so they are not checked.
    private static func warnAboutMisspelledVariables(in environment: [String: String]) {
        let variables = environment.keys.filter { $0.hasPrefix("SLM_") && $0.count > 8 }.sorted()
        if variables.isEmpty { return }
        let known = Set(commands.filter(\.readsConfiguration).flatMap { $0.options.map(\.environmentName) }).sorted()
        for variable in variables where !known.contains(variable) {
            let near = closestMatch(to: String(variable.dropFirst(4)), among: known.map { String($0.dropFirst(4)) })
            if let near { printNote("the environment variable \(variable) sets no option; did you mean SLM_\(near)?") }
        }
    }

    static func environmentVariables() -> [String: String] {
        var result: [String: String] = [:]
        var next = environ
        while let entry = next.pointee {
            let parts = String(cString: entry).split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            if parts.count == 2 { result[String(parts[0])] = String(parts[1]) }
            next += 1
        }
        return result
    }
}

/// Thrown after Ctrl-C, when the output so far is complete.
struct Interrupted: Error {}

let version = "0.1.0"
