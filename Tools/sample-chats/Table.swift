/// A table of facts in text form. The first line contains the column names.
///
///     let capitals = Table("""
///         country | capital
///         Peru    | Lima
///         Japan   | Tokyo
///         """)
///
/// A row provides the values of the slots named like the columns. `-` is an empty cell.
struct Table: Sendable {
    let rows: [[String: String]]

    init(_ text: String) {
        let lines = text.split(separator: "\n").map { $0.split(separator: "|").map(Self.trimmed) }
        rows = lines.dropFirst().map { cells in
            precondition(cells.count == lines[0].count, "expected \(lines[0].count) cells for the columns \(lines[0]), found \(cells)")
            return Dictionary(uniqueKeysWithValues: zip(lines[0], cells).filter { $1 != "-" })
        }
    }

    private static func trimmed(_ cell: Substring) -> String {
        let cell = cell.drop { $0 == " " }
        return String(cell.prefix((cell.lastIndex { $0 != " " }).map { cell.distance(from: cell.startIndex, to: $0) + 1 } ?? 0))
    }
}

/// The wordings of a question and of its answer.
struct Exchange: Sendable {
    let questions, answers: String

    /// Parses exchanges separated by empty lines. Lines that begin with `? ` are questions, others answers.
    static func list(_ text: String) -> [Exchange] {
        var list: [Exchange] = [], questions: [Substring] = [], answers: [Substring] = []
        for line in text.split(separator: "\n", omittingEmptySubsequences: false) + [Substring()] {
            if line.isEmpty {
                guard !questions.isEmpty else { continue }
                precondition(!answers.isEmpty, "no answers to \(questions)")
                list.append(Exchange(questions: questions.joined(separator: "\n"), answers: answers.joined(separator: "\n")))
                questions = []
                answers = []
            } else if line.hasPrefix("? ") { questions.append(line.dropFirst(2)) } else { answers.append(line) }
        }
        return list
    }
}
