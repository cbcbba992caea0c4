/// The text of `--help`.
struct Usage {
    let command, summary: String
    let rows: [(label: String, help: String, value: String)]
    let example: String

    var text: String {
        let width = (rows.map(\.label.count).max() ?? 0) + 2
        let lines = rows.map { row in
            "  " + row.label.padded(to: width) + row.help + (row.value.isEmpty ? "" : " [\(row.value)]")
        }
        return "slm \(command): \(summary)\n\n" + lines.joined(separator: "\n")
            + "\n\nEvery option can also come from the environment, as SLM_ and its name, or from the file of --config.\n\nExample\n  \(example)"
    }
}
