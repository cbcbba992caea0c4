import Terminal

/// The text of `slm --help`, and of a family of commands such as `slm bench --help`.
enum ProgramHelp {
    /// - Parameter columns: the width of the text.
    static func text(columns: Int) -> String {
        let sections = SLM.sections
        let width = columnWidth(sections.flatMap(\.commands))
        var lines = "slm \(version): train, fine-tune and serve small language models on your own machine".wrapped(to: columns)
        lines += ["", "Usage", "  slm COMMAND [options]"]
        for section in sections {
            lines += ["", section.title] + list(section.commands, at: width, columns: columns)
        }
        lines += ["", "Options"]
        for (label, text) in programOptions { lines += CommandHelp.item(label, text, at: width, columns: columns) }
        lines += ["", "Start with: slm demo", "Options of a command: slm help COMMAND"]
        return lines.joined(separator: "\n")
    }

    static func text(ofFamily family: String, columns: Int) -> String {
        let commands = SLM.commands.filter { $0.name.hasPrefix(family + " ") }
        // The family may be a command itself.
        if let own = SLM.commands.first(where: { $0.name == family }) {
            return ([CommandHelp(own).text(columns: columns), "", "Commands"]
                + list(commands, at: columnWidth(commands), columns: columns)).joined(separator: "\n")
        }
        let lines = ["slm \(family): \(SLM.families[family] ?? "")", "", "Usage", "  slm \(family) COMMAND [options]", "", "Commands"]
        return (lines + list(commands, at: columnWidth(commands), columns: columns)
            + ["", "Options of a command: slm \(family) COMMAND --help"]).joined(separator: "\n")
    }

    /// The options of the program itself.
    static let programOptions = [("-h, --help", "Print this help."), ("    --version", "Print the version.")]

    private static func columnWidth(_ commands: [Command]) -> Int { (commands.map(\.name.count).max() ?? 0) + 4 }

    private static func list(_ commands: [Command], at width: Int, columns: Int) -> [String] {
        commands.flatMap { CommandHelp.item($0.name, $0.summary, at: width, columns: columns) }
    }
}
