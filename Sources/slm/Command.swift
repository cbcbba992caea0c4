import Terminal

/// A command: its options, declared once, from which parsing, the environment and `--help` all read.
struct Command {
    let name: String
    let summary: String
    let help: String
    private let parse: ([String], [String: String]) throws -> () throws -> Void

    init<Options>(_ name: String, _ summary: String, _ defaults: Options, _ options: [OptionRow<Options>], example: String,
                  run: @escaping (Options) throws -> Void) {
        (self.name, self.summary) = (name, summary)
        let usage = Usage(command: name, summary: summary, rows: options.map { ($0.label, $0.help, $0.shown(defaults)) }, example: example)
        help = usage.text
        parse = { arguments, environment in
            var result = defaults, given: [(row: OptionRow<Options>, text: String, source: String)] = []
            var rest = arguments[...]
            while let argument = rest.popFirst() {
                guard argument.hasPrefix("--") else {
                    guard let row = options.first(where: { row in row.isPositional && !given.contains { $0.row.name == row.name } }) else {
                        throw UsageError("slm \(name): unexpected '\(argument)'. All options: slm \(name) --help")
                    }
                    given.append((row, argument, row.name))
                    continue
                }
                let parts = argument.dropFirst(2).split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
                guard let row = options.first(where: { $0.name == parts[0] && !$0.isPositional }) else {
                    let near = nearest(to: parts[0], among: options.filter { !$0.isPositional }.map(\.name)).map { "; did you mean --\($0)?" } ?? "."
                    throw UsageError("slm \(name): unknown option --\(parts[0])\(near) All options: slm \(name) --help")
                }
                if parts.count == 2 {
                    given.append((row, parts[1], "--\(row.name)"))
                } else if row.isFlag {
                    given.append((row, "true", argument))
                } else if let value = rest.popFirst() {
                    given.append((row, value, argument))
                    while row.isList, let next = rest.first, !next.hasPrefix("--") { given.append((row, rest.removeFirst(), argument)) }
                } else {
                    throw UsageError("slm \(name): --\(row.name) needs a value. All options: slm \(name) --help")
                }
            }
            // What the command line says, the environment is not asked for.
            for row in options where !row.isPositional && !given.contains(where: { $0.row.name == row.name }) {
                let variable = "SLM_" + row.name.uppercased().replacing("-", with: "_")
                guard let text = environment[variable], !text.isEmpty else { continue }
                for part in row.isList ? text.split(separator: ":").map(String.init) : [text] { try row.set(&result, part, variable) }
            }
            for (row, text, source) in given { try row.set(&result, text, source) }
            return { try run(result) }
        }
    }

    /// Parses the arguments behind the command's name, then does the work.
    func run(_ arguments: [String], environment: [String: String]) throws {
        if arguments.contains("--help") || arguments.contains("-h") { return print(help) }
        try parse(arguments, environment)()
    }
}

/// A line that was not understood: exit status 2.
struct UsageError: Error, CustomStringConvertible {
    let description: String
    init(_ description: String) { self.description = description }
}

/// One option of a command.
struct OptionRow<Options> {
    let name: String
    let help: String
    fileprivate(set) var label: String
    let isFlag: Bool
    /// Whether several values may follow; in the environment a colon stands between them.
    var isList = false
    /// Whether it is given by its place, without a name, such as the file that a command is about.
    var isPositional = false
    let set: (inout Options, _ text: String, _ source: String) throws -> Void
    let shown: (Options) -> String

    static func option<Value: OptionValue>(_ name: String, _ path: WritableKeyPath<Options, Value>, _ help: String) -> OptionRow {
        OptionRow(name: name, help: help, label: "--\(name)" + (Value.hint.isEmpty ? "" : " \(Value.hint)"), isFlag: Value.hint.isEmpty,
                  set: { options, text, source in
            guard let value = Value(optionText: text) else { throw UsageError("slm: \(source): expected \(Value.expectation), found '\(text)'.") }
            options[keyPath: path] = value
        }, shown: { $0[keyPath: path].optionText })
    }

    /// A word that stands by itself, such as a file: `slm info CHECKPOINT`.
    static func argument<Value: OptionValue>(_ name: String, _ path: WritableKeyPath<Options, Value>, _ help: String) -> OptionRow {
        var row = option(name, path, help)
        (row.label, row.isPositional) = (name, true)
        return row
    }

    /// Several texts, such as files: each use of the option adds to them.
    static func list(_ name: String, _ path: WritableKeyPath<Options, [String]>, _ hint: String, _ help: String) -> OptionRow {
        OptionRow(name: name, help: help, label: "--\(name) \(hint)…", isFlag: false, isList: true,
                  set: { options, text, _ in options[keyPath: path].append(text) }, shown: { $0[keyPath: path].joined(separator: " ") })
    }
}

extension OptionRow {
    /// A number with bounds.
    static func option<Value: OptionValue & Comparable>(_ name: String, _ path: WritableKeyPath<Options, Value>, in range: ClosedRange<Value>,
                                                        _ help: String) -> OptionRow {
        option(name, path, help).checking { range.contains($0[keyPath: path]) ? nil : range.expectation }
    }

    static func option<Value: OptionValue & Comparable>(_ name: String, _ path: WritableKeyPath<Options, Value?>, in range: ClosedRange<Value>,
                                                        _ help: String) -> OptionRow {
        option(name, path, help).checking { $0[keyPath: path].map(range.contains) ?? true ? nil : range.expectation }
    }

    private func checking(_ expectation: @escaping (Options) -> String?) -> OptionRow {
        OptionRow(name: name, help: help, label: label, isFlag: isFlag, set: { options, text, source in
            try set(&options, text, source)
            if let expected = expectation(options) { throw UsageError("slm: \(source): expected \(expected), found '\(text)'.") }
        }, shown: shown)
    }
}

extension ClosedRange where Bound: OptionValue {
    fileprivate var expectation: String { "\(Bound.expectation) from \(lowerBound.optionText) to \(upperBound.optionText)" }
}

/// What can stand behind an option.
protocol OptionValue {
    init?(optionText: String)
    var optionText: String { get }
    /// Shown in `--help`; empty for a switch.
    static var hint: String { get }
    static var expectation: String { get }
}

extension Int: OptionValue {
    /// 16387, 16_387 or 16,387.
    init?(optionText: String) {
        let groups = optionText.split(separator: ",", omittingEmptySubsequences: false)
        guard groups.dropFirst().allSatisfy({ $0.count == 3 }) else { return nil }
        self.init(groups.joined().filter { $0 != "_" })
    }
    var optionText: String { String(self) }
    static var hint: String { "N" }
    static var expectation: String { "a whole number" }
}

extension Double: OptionValue {
    init?(optionText: String) { self.init(optionText) }
    var optionText: String { "\(self)" }
    static var hint: String { "X" }
    static var expectation: String { "a number" }
}

extension String: OptionValue {
    init?(optionText: String) { self = optionText }
    var optionText: String { self }
    static var hint: String { "TEXT" }
    static var expectation: String { "a text" }
}

extension Bool: OptionValue {
    init?(optionText: String) {
        switch optionText {
        case "true", "yes", "on", "1": self = true
        case "false", "no", "off", "0": self = false
        default: return nil
        }
    }
    var optionText: String { "" }
    static var hint: String { "" }
    static var expectation: String { "true or false" }
}

extension Optional: OptionValue where Wrapped: OptionValue {
    init?(optionText: String) {
        guard let value = Wrapped(optionText: optionText) else { return nil }
        self = value
    }
    var optionText: String { self?.optionText ?? "" }
    static var hint: String { Wrapped.hint }
    static var expectation: String { Wrapped.expectation }
}

extension OptionValue where Self: RawRepresentable & CaseIterable, RawValue == String {
    init?(optionText: String) { self.init(rawValue: optionText) }
    var optionText: String { rawValue }
    static var hint: String { allCases.map(\.rawValue).joined(separator: "|") }
    static var expectation: String { hint.replacing("|", with: ", ") }
}

/// The text of `--help`.
private struct Usage {
    let command, summary: String
    let rows: [(label: String, help: String, value: String)]
    let example: String

    var text: String {
        let width = (rows.map(\.label.count).max() ?? 0) + 2
        let lines = rows.map { row in
            "  " + row.label.padded(to: width) + row.help + (row.value.isEmpty ? "" : " [\(row.value)]")
        }
        return "slm \(command): \(summary)\n\n" + lines.joined(separator: "\n")
            + "\n\nEvery option can also come from the environment, as SLM_ and its name.\n\nExample\n  \(example)"
    }
}
