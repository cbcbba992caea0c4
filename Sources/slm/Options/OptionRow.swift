/// One option of a command.
struct OptionRow<Options> {
    let name: String
    let help: String
    fileprivate(set) var label: String
    let isFlag: Bool
    /// Whether several values may follow.
    var isList = false
    /// What stands between them in the environment.
    var separator: Character = ":"
    /// Options of which one is to be given: whoever says one of them, says that the others are not wanted.
    var choice: String?
    /// Whether it is given by its place, without a name, such as the file that a command is about.
    var isPositional = false
    let set: (inout Options, _ text: String, _ source: String) throws -> Void
    let shown: (Options) -> String

    static func option<Value: OptionValue>(_ name: String, _ path: WritableKeyPath<Options, Value>, _ help: String) -> OptionRow {
        OptionRow(
            name: name, help: help, label: "--\(name)" + (Value.hint.isEmpty ? "" : " \(Value.hint)"), isFlag: Value.hint.isEmpty,
            set: { options, text, source in
                guard let value = Value(optionText: text) else {
                    throw UsageError("slm: \(source): expected \(Value.expectation), found '\(text)'.")
                }
                options[keyPath: path] = value
            }, shown: { $0[keyPath: path].optionText })
    }

    /// A word that stands by itself, such as a file: `slm info CHECKPOINT`.
    static func argument<Value: OptionValue>(_ name: String, _ path: WritableKeyPath<Options, Value>, _ help: String) -> OptionRow {
        var row = option(name, path, help)
        row.label = name
        row.isPositional = true
        return row
    }

    /// An option that stands for a choice: `--time` on the command line overrules `max-steps` in a file.
    func choice(_ name: String) -> OptionRow {
        var row = self
        row.choice = name
        return row
    }

    /// Several texts, such as files: each use of the option adds to them.
    static func list(
        _ name: String, _ path: WritableKeyPath<Options, [String]>, _ hint: String, _ help: String, separator: Character = ":"
    ) -> OptionRow {
        OptionRow(
            name: name, help: help, label: "--\(name) \(hint)…", isFlag: false, isList: true, separator: separator,
            set: { options, text, _ in options[keyPath: path].append(text) }, shown: { $0[keyPath: path].joined(separator: " ") })
    }
}

extension OptionRow {
    /// A number with bounds.
    static func option<Value: OptionValue & Comparable>(
        _ name: String, _ path: WritableKeyPath<Options, Value>, in range: ClosedRange<Value>,
        _ help: String
    ) -> OptionRow {
        option(name, path, help).checking { range.contains($0[keyPath: path]) ? nil : range.expectation }
    }

    static func option<Value: OptionValue & Comparable>(
        _ name: String, _ path: WritableKeyPath<Options, Value?>, in range: ClosedRange<Value>,
        _ help: String
    ) -> OptionRow {
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
