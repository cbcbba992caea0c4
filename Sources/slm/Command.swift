import Files
import Settings

/// A command: its options, declared once, from which parsing, the environment, the file of settings and `--help` all read.
struct Command {
    let name: String
    let summary: String
    let help: String
    /// The names of its options, without those that are given by their place.
    let options: [String]
    private let parse: ([String], [String: String]) throws -> () throws -> Void

    init<Options>(_ name: String, _ summary: String, _ defaults: Options, _ options: [OptionRow<Options>], example: String,
                  run: @escaping (Options) throws -> Void) {
        self.name = name
        self.summary = summary
        self.options = options.filter { !$0.isPositional }.map(\.name)
        let rows = options + [.config]
        help = Usage(command: name, summary: summary, rows: rows.map { ($0.label, $0.help, $0.shown(defaults)) }, example: example).text
        parse = { arguments, environment in
            var given = try GivenOptions(arguments, to: name, rows)
            try given.add(environment: environment)
            if let path = given.text(of: "config") { try given.add(settings(at: path).settings(for: name)) }
            var result = defaults
            for option in given.all { try option.row.set(&result, option.text, option.source) }
            return { try run(result) }
        }
    }

    /// Parses the arguments behind the command's name, then does the work.
    func run(_ arguments: [String], environment: [String: String]) throws {
        if arguments.contains("--help") || arguments.contains("-h") { return print(help) }
        try parse(arguments, environment)()
    }
}

extension OptionRow {
    /// The file that has what is not said otherwise. Every command has it, and reads it before anything else.
    fileprivate static var config: OptionRow {
        OptionRow(
            name: "config", help: "Take from this file what is not said here: see Documentation/Reference/Configuration.md.",
            label: "--config FILE.yaml",
            isFlag: false, set: { _, _, _ in }, shown: { _ in "" })
    }
}

private func settings(at path: String) throws -> SettingsFile {
    let text = try InputFile.contents(of: path)
    do throws(SettingsError) { return try SettingsFile(text, at: path, commands: SLM.commands.map { ($0.name, $0.options) }) } catch {
        throw UsageError("slm: \(error)")
    }
}

/// A line that was not understood: exit status 2.
struct UsageError: Error, CustomStringConvertible {
    let description: String
    init(_ description: String) { self.description = description }
}
