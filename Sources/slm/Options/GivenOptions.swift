import Settings
import Terminal

/// What is said of a command's options, and where: on the command line, in the environment, in a file. Who comes first is believed.
///
///     var given = try GivenOptions(["--threads", "2"], to: "info", rows)
///     try given.add(environment: ["SLM_THREADS": "1", "SLM_CPU": "avx2"])      // the threads are decided
///     given.all.map(\.text)                                                    // ["2", "avx2"]
struct GivenOptions<Options> {
    struct Given {
        let row: OptionRow<Options>
        let text: String
        /// As a message calls it: --threads, SLM_THREADS, slm.yaml:3: threads.
        let source: String
    }

    private(set) var all: [Given] = []
    private let rows: [OptionRow<Options>]

    init(_ arguments: [String], to command: String, _ rows: [OptionRow<Options>]) throws {
        self.rows = rows
        let more = "All options: slm \(command) --help"
        var rest = arguments[...]
        while let argument = rest.popFirst() {
            guard argument.hasPrefix("--") else {
                guard let row = rows.first(where: { $0.isPositional && !isGiven($0) }) else {
                    throw UsageError("slm \(command): unexpected '\(argument)'. \(more)")
                }
                all.append(Given(row: row, text: argument, source: row.name))
                continue
            }
            let parts = argument.dropFirst(2).split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
            guard let row = rows.first(where: { $0.name == parts[0] && !$0.isPositional }) else {
                let near =
                    closestMatch(to: parts[0], among: rows.filter { !$0.isPositional }.map(\.name)).map { "; did you mean --\($0)?" } ?? "."
                throw UsageError("slm \(command): unknown option --\(parts[0])\(near) \(more)")
            }
            if parts.count == 2 {
                all.append(Given(row: row, text: parts[1], source: "--\(row.name)"))
            } else if row.isFlag {
                all.append(Given(row: row, text: "true", source: argument))
            } else if let value = rest.popFirst() {
                all.append(Given(row: row, text: value, source: argument))
                while row.isList, let next = rest.first, !next.hasPrefix("--") {
                    all.append(Given(row: row, text: rest.removeFirst(), source: argument))
                }
            } else {
                throw UsageError("slm \(command): --\(row.name) needs a value. \(more)")
            }
        }
    }

    func text(of name: String) -> String? { all.last { $0.row.name == name }?.text }

    /// What nobody has said anything about so far.
    private var open: [OptionRow<Options>] {
        rows.filter { row in !row.isPositional && !isGiven(row) && !all.contains { row.choice != nil && $0.row.choice == row.choice } }
    }

    private func isGiven(_ row: OptionRow<Options>) -> Bool { all.contains { $0.row.name == row.name } }

    mutating func add(environment: [String: String]) throws {
        for row in open {
            let variable = environmentName(ofOption: row.name)
            guard let text = environment[variable], !text.isEmpty else { continue }
            let texts = row.isList ? text.split(separator: row.separator).map(String.init) : [text]
            all += texts.map { Given(row: row, text: $0, source: variable) }
        }
    }

    mutating func add(_ settings: [SettingsFile.Setting]) throws {
        for row in open {
            guard let setting = settings.first(where: { $0.name == row.name }) else { continue }
            if setting.isList, !row.isList { throw UsageError("slm: \(setting.source): expected one value, found a list.") }
            all += setting.texts.map { Given(row: row, text: $0, source: setting.source) }
        }
    }
}

/// SLM_EVAL_EVERY of eval-every.
func environmentName(ofOption name: String) -> String { "SLM_" + name.uppercased().replacing("-", with: "_") }
