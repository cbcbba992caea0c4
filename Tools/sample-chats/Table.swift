/// Facts in rows, written as one reads them: the first line names the columns.
///
///     let capitals = Table("""
///         country | capital
///         Peru    | Lima
///         Japan   | Tokyo
///         """)
///
/// A row fills the slots of a pattern that are named like its columns. `-` stands for a cell that is empty.
struct Table: Sendable {
    let rows: [[String: String]]

    init(_ text: String) {
        let lines = text.split(separator: "\n").map { $0.split(separator: "|").map(Self.trimmed) }
        rows = lines.dropFirst().map { cells in
            precondition(cells.count == lines[0].count, "\(cells) has \(cells.count) cells, the columns are \(lines[0])")
            return Dictionary(uniqueKeysWithValues: zip(lines[0], cells).filter { $1 != "-" })
        }
    }

    private static func trimmed(_ cell: Substring) -> String {
        let cell = cell.drop { $0 == " " }
        return String(cell.prefix((cell.lastIndex { $0 != " " }).map { cell.distance(from: cell.startIndex, to: $0) + 1 } ?? 0))
    }
}

/// Ways to ask one thing, and ways to answer it.
struct Exchange: Sendable {
    let questions, answers: String

    /// Reads exchanges with an empty line between them; a question begins with `? `, every other line is an answer.
    static func list(_ text: String) -> [Exchange] {
        var list: [Exchange] = [], questions: [Substring] = [], answers: [Substring] = []
        for line in text.split(separator: "\n", omittingEmptySubsequences: false) + [Substring()] {
            if line.isEmpty {
                guard !questions.isEmpty else { continue }
                precondition(!answers.isEmpty, "nobody answers \(questions)")
                list.append(Exchange(questions: questions.joined(separator: "\n"), answers: answers.joined(separator: "\n")))
                questions = []
                answers = []
            } else if line.hasPrefix("? ") { questions.append(line.dropFirst(2)) } else { answers.append(line) }
        }
        return list
    }
}
