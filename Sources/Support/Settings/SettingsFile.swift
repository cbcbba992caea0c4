import Terminal

/// A file of settings, for all commands that know them, or for one.
///
///     threads: 2                       # every command that has --threads
///     train:                           # slm train alone
///       preset: eugpt
///       data: [chats.txt, more]
///
/// Each name in it must be an option of some command, whichever command reads the file.
///
///     let file = try SettingsFile(bytes, at: "slm.yaml", commands: [("train", ["threads", "preset", "data"]), ("info", ["threads"])])
///     file.settings(for: "train").map(\.name)                  // preset, data, threads
package struct SettingsFile {
    package struct Setting: Equatable {
        package let name: String
        package let texts: [String]
        /// Whether it was written as a list.
        package let isList: Bool
        /// The place, as a message calls it: slm.yaml:3: threads.
        package let source: String
    }

    private var common: [Setting] = []
    private var sections: [String: [Setting]] = [:]

    /// - Parameters:
    ///   - path: as messages shall call it.
    ///   - commands: with the names of their options.
    package init(_ text: [UInt8], at path: String, commands: [(name: String, options: [String])]) throws(SettingsError) {
        let place = { (line: Int, reason: String) in SettingsError("\(path):\(line)", reason) }
        let root: YAMLNode?
        do throws(YAMLError) { root = try YAMLNode.parse(text) } catch { throw place(error.line, error.reason + ".") }
        guard let root else { return }
        guard let members = root.members else { throw place(root.line, "expected options and their values, such as 'threads: 2'.") }
        let options = Set(commands.flatMap(\.options)).sorted()
        for member in members {
            if let command = commands.first(where: { $0.name == member.key }) {
                sections[command.name] = try Self.section(member, of: command, path)
            } else if options.contains(member.key) {
                common.append(try Self.setting(member, path))
            } else {
                let near = nearest(to: member.key, among: options + commands.map(\.name)).map { "; did you mean '\($0)'?" } ?? "."
                throw place(member.line, "no command has an option '\(member.key)'\(near)")
            }
        }
    }

    /// What the file says for a command: in its own section first.
    package func settings(for command: String) -> [Setting] { (sections[command] ?? []) + common }

    private static func section(_ section: YAMLNode.Member, of command: (name: String, options: [String]), _ path: String) throws(SettingsError) -> [Setting] {
        if section.value.isNull { return [] }
        guard let members = section.value.members else {
            throw SettingsError("\(path):\(section.line)", "expected options of slm \(command.name) beneath '\(section.key)', further in, found \(section.value.kind).")
        }
        var result: [Setting] = []
        for member in members {
            guard command.options.contains(member.key) else {
                let near = nearest(to: member.key, among: command.options).map { "; did you mean '\($0)'?" } ?? ". All options: slm \(command.name) --help"
                throw SettingsError("\(path):\(member.line)", "slm \(command.name) has no option '\(member.key)'\(near)")
            }
            result.append(try setting(member, path))
        }
        return result
    }

    private static func setting(_ member: YAMLNode.Member, _ path: String) throws(SettingsError) -> Setting {
        let source = "\(path):\(member.line): \(member.key)", values = member.value.elements ?? [member.value]
        var texts: [String] = []
        for value in values {
            guard let text = value.text else { throw SettingsError(source, "expected a value, found \(value.kind).") }
            texts.append(text)
        }
        return Setting(name: member.key, texts: texts, isList: member.value.elements != nil, source: source)
    }
}

extension YAMLNode {
    fileprivate var kind: String {
        switch value {
        case .text(let text, _): isNull ? "nothing" : "'\(text)'"
        case .list: "a list"
        case .members: "names with values of their own"
        }
    }
}

/// What is wrong with a file of settings, and where.
package struct SettingsError: Error, Equatable, CustomStringConvertible {
    package let description: String

    init(_ place: String, _ reason: String) { description = "\(place): \(reason)" }
}
