import Settings
import Terminal

/// The options that were set, each with the place that set it. The command line overrides the environment, and the environment a
/// configuration file.
///
///     var parsed = try ParsedOptions(["--threads", "2"], for: "info", options)
///     try parsed.add(environment: ["SLM_THREADS": "1", "SLM_CPU": "avx2"])     // --threads is set already
///     parsed.values.map(\.text)                                                // ["2", "avx2"]
struct ParsedOptions {
    enum Source {
        case commandLine(String), environment(String), file(String)

        /// As an error names it: `--threads`, `SLM_THREADS`, `slm.yaml:3: threads`.
        var name: String {
            switch self {
            case .commandLine(let name), .environment(let name), .file(let name): name
            }
        }
    }

    struct Value {
        /// The index of the option.
        let option: Int
        let text: String
        let source: Source
    }

    private(set) var values: [Value] = []
    private let options: [OptionInfo]
    private let command: String

    init(_ arguments: [String], for command: String, _ options: [OptionInfo]) throws {
        self.options = options
        self.command = command
        var rest = arguments[...]
        var positional: [String] = []
        while let argument = rest.popFirst() {
            if argument == "--" {
                positional += rest
                break
            }
            if isOption(argument) { try parse(argument, &rest) } else { positional.append(argument) }
        }
        try assign(positional)
    }

    /// A word that names an option, or is meant to: `--name`, `-n`, `-n=value`. `-` alone stands for standard input.
    private func isOption(_ word: String) -> Bool {
        if word.hasPrefix("--") { return true }
        guard word.first == "-", let letter = word.dropFirst().first, letter.isLetter else { return false }
        return word.count == 2 || word.dropFirst(2).first == "="
    }

    private mutating func parse(_ argument: String, _ rest: inout ArraySlice<String>) throws {
        let parts = argument.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
        let option = try index(ofArgument: parts[0])
        let info = options[option]
        let source = Source.commandLine(parts[0])
        func add(_ text: String) { values.append(Value(option: option, text: text, source: source)) }
        if parts.count == 2 { return add(parts[1]) }
        switch info.arity {
        case .flag: add("true")
        case .optionalValue:
            if let next = rest.first, !isOption(next) { add(rest.removeFirst()) } else { add("true") }
        case .value, .list:
            guard let value = rest.popFirst() else { throw UsageError("slm \(command): \(parts[0]) needs a value. \(advice)") }
            add(value)
            while info.arity == .list, let next = rest.first, !isOption(next) { add(rest.removeFirst()) }
        }
    }

    private func index(ofArgument argument: String) throws -> Int {
        let isLong = argument.hasPrefix("--")
        let name = String(argument.drop { $0 == "-" })
        let found = options.firstIndex { info in
            info.position != .only && (isLong ? info.name == name : info.short.map { String($0) } == name)
        }
        if let found { return found }
        if name == "device" || name.hasPrefix("device=") {
            throw UsageError("slm \(command): this command computes on the CPU: remove --device.")
        }
        let names = options.filter { $0.position != .only }.map(\.name)
        let near = isLong ? closestMatch(to: name.lowercased(), among: names).map { "; did you mean --\($0)?" } : nil
        throw UsageError("slm \(command): unknown option \(argument)\(near ?? ".") \(advice)")
    }

    private var advice: String { "All options: slm \(command) --help" }

    /// Values without a name go to the options that accept them, in the order of declaration.
    private mutating func assign(_ texts: [String]) throws {
        var rest = texts[...]
        for (i, info) in options.enumerated() where info.position != .no && !isSet(i) {
            let count = info.arity == .list ? rest.count : min(1, rest.count)
            values += rest.prefix(count).map { Value(option: i, text: $0, source: .commandLine(info.metavariable)) }
            rest = rest.dropFirst(count)
        }
        if let extra = rest.first { throw UsageError("slm \(command): unexpected '\(extra)'. \(advice)") }
    }

    func text(of name: String) -> String? { values.last { options[$0.option].name == name }?.text }

    private func isSet(_ option: Int) -> Bool { values.contains { $0.option == option } }

    /// The options that may still be set from elsewhere.
    private func unset(besides closed: [OptionInfo.Sources]) -> [Int] {
        let excluded = Set(values.compactMap { options[$0.option].exclusionGroup })
        return options.indices.filter { i in
            !closed.contains(options[i].sources) && !isSet(i) && !(options[i].exclusionGroup.map(excluded.contains) ?? false)
        }
    }

    mutating func add(environment: [String: String]) {
        for i in unset(besides: [.commandLine]) {
            let name = options[i].environmentName
            guard let text = environment[name], !text.isEmpty else { continue }
            let texts = options[i].arity == .list ? text.split(separator: options[i].separator).map(String.init) : [text]
            values += texts.map { Value(option: i, text: $0, source: .environment(name)) }
        }
    }

    mutating func add(_ settings: [SettingsFile.Setting]) throws {
        for i in unset(besides: [.commandLine, .commandLineAndEnvironment]) {
            guard let setting = settings.first(where: { options[i].name == $0.name }) else { continue }
            if setting.isList, options[i].arity != .list { throw UsageError("slm: \(setting.source): expected one value, found a list.") }
            values += setting.texts.map { Value(option: i, text: $0, source: .file(setting.source)) }
        }
    }
}
