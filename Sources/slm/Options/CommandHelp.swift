import Glibc
import Terminal

/// The text of `slm COMMAND --help`.
struct CommandHelp {
    private let command: Command

    init(_ command: Command) { self.command = command }

    /// The width of the terminal that help is printed to, or 80.
    static var columns: Int { max(40, TerminalMode.size(of: STDOUT_FILENO).columns) }

    func text(columns: Int) -> String {
        var lines = ["slm \(command.name): \(command.summary)"].flatMap { $0.wrapped(to: columns) }
        lines += ["", "Usage"] + command.usage.wrapped(to: columns, indent: 2, hanging: 6)
        let labels = command.options.map(\.label)
        let width = min(labels.map(\.count).max() ?? 0, 30) + 4
        for group in command.groups {
            lines += ["", group.title]
            for option in group.options {
                lines += Self.item(option.label, option.details, at: width, columns: columns)
            }
        }
        if command.readsConfiguration {
            let name = command.options.first { $0.sources == .everywhere }?.environmentName ?? "SLM_THREADS"
            lines.append("")
            lines += ("Every option can also be set by an environment variable (SLM_ and its name, such as \(name)) "
                + "or in the file of --config.").wrapped(to: columns)
        }
        lines += ["", command.examples.count > 1 ? "Examples" : "Example"] + command.examples.map { "  " + $0 }
        return lines.joined(separator: "\n")
    }

    /// A label in the left column and its text, wrapped, in the right one. A long label has a line of its own.
    static func item(_ label: String, _ text: String, at width: Int, columns: Int) -> [String] {
        let body = text.wrapped(to: columns, indent: width, hanging: width)
        let head = "  " + label
        guard head.count + 2 <= width, let first = body.first else { return [head] + body }
        return [head.padded(to: width) + first.dropFirst(width)] + body.dropFirst()
    }
}

extension Command {
    /// One line: `slm info [options] [CHECKPOINT]`.
    var usage: String {
        let positions = options.filter { $0.position != .no }.map { "[\($0.metavariable)\($0.arity == .list ? "..." : "")]" }
        let others = !passedOn.isEmpty ? [passedOn] : options.contains { $0.position != .only && $0.name != "help" } ? ["[options]"] : []
        return (["slm \(name)"] + positions + others).joined(separator: " ")
    }
}

extension OptionInfo {
    /// `-c, --checkpoint FILE`, with room for the short name where there is none.
    var label: String {
        if position == .only { return usage }
        return (short.map { "-\($0), " } ?? "    ") + usage
    }
}
