import Glibc
import Kernels
import Terminal

@main
struct SLM {
    static var commands: [Command] {
        [
            .info, .benchGemm, .benchTrain, .benchTokenize, .benchGenerate, .benchServe, .tokenize, .train, .finetune, .eval, .generate,
            .chat, .serve, .importing, .export,
            .demo,
        ]
    }

    static func main() {
        do {
            try run(Array(CommandLine.arguments.dropFirst()), environment: environmentVariables())
        } catch let error as UsageError {
            complain("\(error)")
            exit(2)
        } catch is Interrupted {
            exit(130)
        } catch {
            note("\(error)")
            exit(1)
        }
    }

    private static func run(_ arguments: [String], environment: [String: String]) throws {
        guard let first = arguments.first, first != "--help", first != "-h", first != "help" else { return print(help) }
        if first == "--version" { return print("slm \(version)") }
        // "bench train" is a command of two words.
        for words in [2, 1] where arguments.count >= words {
            let name = arguments.prefix(words).joined(separator: " ")
            if let command = commands.first(where: { $0.name == name }) {
                warnOfSlips(in: environment)
                return try command.run(Array(arguments.dropFirst(words)), environment: environment)
            }
        }
        let family = commands.filter { $0.name.hasPrefix(first + " ") }
        if !family.isEmpty, ["--help", "-h"].contains(arguments.dropFirst().first) { return print(list(family)) }
        if !family.isEmpty {
            throw UsageError("slm \(first): expected one of \(family.map { $0.name.dropFirst(first.count + 1) }.joined(separator: ", ")).")
        }
        let near = closestMatch(to: first, among: commands.map(\.name)).map { "; did you mean '\($0)'?" } ?? "."
        throw UsageError("slm: unknown command '\(first)'\(near) All commands: slm --help")
    }

    private static var help: String {
        "slm: trains small GPT models on the machine you have.\n\n" + list(commands) + "\n\nslm COMMAND --help tells more."
    }

    private static func list(_ commands: [Command]) -> String {
        let width = (commands.map(\.name.count).max() ?? 0) + 2
        return commands.map { "  slm " + $0.name.padded(to: width) + $0.summary }.joined(separator: "\n")
    }

    /// A variable that is nearly one of ours was meant to be. Of short names, most are near to each other.
    private static func warnOfSlips(in environment: [String: String]) {
        let known = Set(commands.flatMap(\.options) + ["config"]).map(environmentName).sorted()
        for variable in environment.keys.sorted() where variable.hasPrefix("SLM_") && variable.count > 8 && !known.contains(variable) {
            let near = closestMatch(to: String(variable.dropFirst(4)), among: known.map { String($0.dropFirst(4)) })
            if let near { note("\(variable) in the environment is no option; did you mean SLM_\(near)?") }
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

/// Control-C, after what came was shown.
struct Interrupted: Error {}

let version = "0.1.0"
