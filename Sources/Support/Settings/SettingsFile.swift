import Terminal

/// A YAML file with values of command-line options, for all commands or for one.
///
///     threads: 2                       # all commands that have --threads
///     train:                           # slm train only
///       preset: eugpt
///       data: [chats.txt, more]
///
/// Every key must be an option of some command, even if another command reads the file.
///
///     let file = try SettingsFile(bytes, at: "slm.yaml", commands: [("train", ["threads", "preset", "data"]), ("info", ["threads"])])
///     file.settings(for: "train").map(\.name)                  // preset, data, threads
package struct SettingsFile {
    package struct Setting: Equatable {
        package let name: String
        package let texts: [String]
        /// Whether the value is a YAML list.
        package let isList: Bool
        /// The position for error messages, such as "slm.yaml:3: threads".
        package let source: String
    }

    private var common: [Setting] = []
    private var sections: [String: [Setting]] = [:]

    /// - Parameters:
    ///   - path: The path for error messages.
    ///   - commands: All commands with the names of their options.
    package init(_ text: [UInt8], at path: String, commands: [(name: String, options: [String])]) throws(SettingsError) {
        let failure = { (line: Int, reason: String) in SettingsError("\(path):\(line)", reason) }
        let root: YAMLNode?
        do throws(YAMLError) { root = try YAMLNode.parse(text) } catch { throw failure(error.line, error.reason + ".") }
        guard let root else { return }
        guard let entries = root.entries else { throw failure(root.line, "expected options with values, such as 'threads: 2'.") }
        let options = Set(commands.flatMap(\.options)).sorted()
        for entry in entries {
            if let command = commands.first(where: { $0.name == entry.key }) {
                sections[command.name] = try Self.section(entry, of: command, path)
            } else if options.contains(entry.key) {
                common.append(try Self.setting(entry, path))
            } else {
                let match = closestMatch(to: entry.key, among: options + commands.map(\.name))
                let hint = match.map { "; did you mean '\($0)'?" } ?? "."
                throw failure(entry.line, "no command has an option '\(entry.key)'\(hint)")
            }
        }
    }

    /// The settings for a command; those of its own section come first.
    package func settings(for command: String) -> [Setting] { (sections[command] ?? []) + common }

    private static func section(
        _ section: YAMLNode.Entry, of command: (name: String, options: [String]), _ path: String
    ) throws(SettingsError) -> [Setting] {
        if section.value.isNull { return [] }
        guard let entries = section.value.entries else {
            throw SettingsError(
                "\(path):\(section.line)",
                "expected options of slm \(command.name) indented under '\(section.key)', found \(section.value.kind).")
        }
        var result: [Setting] = []
        for entry in entries {
            guard command.options.contains(entry.key) else {
                let match = closestMatch(to: entry.key, among: command.options)
                let hint = match.map { "; did you mean '\($0)'?" } ?? ". All options: slm \(command.name) --help"
                throw SettingsError("\(path):\(entry.line)", "slm \(command.name) has no option '\(entry.key)'\(hint)")
            }
            result.append(try setting(entry, path))
        }
        return result
    }

    private static func setting(_ entry: YAMLNode.Entry, _ path: String) throws(SettingsError) -> Setting {
        let source = "\(path):\(entry.line): \(entry.key)"
        let values = entry.value.elements ?? [entry.value]
        var texts: [String] = []
        for value in values {
            guard let text = value.text else { throw SettingsError(source, "expected a value, found \(value.kind).") }
            texts.append(text)
        }
        return Setting(name: entry.key, texts: texts, isList: entry.value.elements != nil, source: source)
    }
}

extension YAMLNode {
    fileprivate var kind: String {
        switch value {
        case .scalar(let text, _): isNull ? "nothing" : "'\(text)'"
        case .sequence: "a list"
        case .mapping: "a mapping"
        }
    }
}

/// An error in a settings file, with its position.
package struct SettingsError: Error, Equatable, CustomStringConvertible {
    package let description: String

    init(_ source: String, _ reason: String) { description = "\(source): \(reason)" }
}
