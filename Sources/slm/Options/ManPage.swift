/// A manual page in roff, of the whole program or of one command: `slm help --man train | man -l -`.
struct ManPage {
    let text: String

    /// The page of the program: its commands, and where configuration comes from.
    init() {
        var lines = Self.head("SLM", "slm", "train, fine-tune and serve small language models")
        lines += [".SH SYNOPSIS", ".B slm", ".I COMMAND", "[options]"]
        lines += [".SH DESCRIPTION"]
        lines.append(Self.escaped("slm trains, fine-tunes and serves small GPT models on one machine. The options of a command: slm "
            + "help COMMAND."))
        for section in SLM.sections {
            lines.append(".SH " + Self.escaped(section.title.uppercased()))
            for command in section.commands { lines += Self.item("\\fBslm \(Self.escaped(command.name))\\fR", command.summary) }
        }
        lines.append(".SH OPTIONS")
        for (label, text) in ProgramHelp.programOptions {
            lines += Self.item("\\fB\(Self.escaped(String(label.drop { $0 == " " })))\\fR", text)
        }
        lines += Self.configuration
        text = lines.joined(separator: "\n") + "\n"
    }

    init(of command: Command) {
        let title = "slm-" + command.name.replacing(" ", with: "-")
        var lines = Self.head(title.uppercased(), title, command.summary.withoutFullStop)
        let name = "slm \(command.name)"
        lines += [".SH SYNOPSIS", ".B " + Self.escaped(name), Self.escaped(String(command.usage.dropFirst(name.count + 1)))]
        lines += [".SH DESCRIPTION", Self.escaped(command.summary)]
        for group in command.groups {
            lines.append(".SH " + Self.escaped(group.title.uppercased()))
            for option in group.options { lines += Self.item(Self.label(option), option.details) }
        }
        if command.readsConfiguration { lines += Self.configuration }
        lines += [".SH EXAMPLES", ".nf"] + command.examples.map(Self.escaped) + [".fi", ".SH SEE ALSO", Self.escaped("slm(1)")]
        text = lines.joined(separator: "\n") + "\n"
    }

    private static func head(_ title: String, _ name: String, _ summary: String) -> [String] {
        [".TH \"\(escaped(title))\" 1 \"\" \"slm \(version)\" \"slm manual\"", ".SH NAME", "\(escaped(name)) \\- \(escaped(summary))"]
    }

    private static var configuration: [String] {
        [
            ".SH CONFIGURATION",
            escaped("Every option can also be set by an environment variable, SLM_ and its name in capitals with _ for -, or in the "
                + "YAML file of --config. "
                + "The command line overrides the environment, and the environment the file."),
        ]
    }

    private static func item(_ label: String, _ text: String) -> [String] { [".TP", label, escaped(text)] }

    /// Names in bold, the value in italics.
    private static func label(_ option: OptionInfo) -> String {
        if option.position == .only { return "\\fI\(escaped(option.usage))\\fR" }
        let names = (option.short.map { ["-\($0)"] } ?? []) + ["--\(option.name)"]
        let value = option.usage.dropFirst("--\(option.name)".count)
        return names.map { "\\fB\(escaped($0))\\fR" }.joined(separator: ", ") + (value.isEmpty ? "" : "\\fI\(escaped(String(value)))\\fR")
    }

    /// A line that roff prints unchanged.
    private static func escaped(_ text: String) -> String {
        let codes = [("\\", "\\e"), ("-", "\\-"), ("'", "\\(aq"), ("\"", "\\(dq")]
        let plain = codes.reduce(text) { $0.replacing($1.0, with: $1.1) }
        return plain.hasPrefix(".") ? "\\&" + plain : plain
    }
}

extension String {
    fileprivate var withoutFullStop: String { hasSuffix(".") ? String(dropLast()) : self }
}
