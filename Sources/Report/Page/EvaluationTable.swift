import Files
import Glibc

extension TrainingLog {
    /// Writes the table of evaluations, at most 60 of them, with the best one in bold.
    func writeEvaluations(to page: inout HTMLBuilder) {
        if evaluations.isEmpty { return }
        let rows = evaluations.evenlySpaced(atMost: 60), best = best?.step, columns = columns(of: rows)
        page.element("h2", "Evaluations")
        page.table(
            head: columns.map { .init($0.title) }, rows.map { row in columns.map { .init($0.cell(row) ?? "–") } },
            isBest: { rows[$0].step == best })
        if rows.count < evaluations.count {
            let text = "\(rows.count) of \(evaluations.count.grouped) evaluations; log.jsonl contains all of them."
            page.element("p", ["class": "remark"], text)
        }
    }

    private typealias Column = (title: String, isShown: Bool, cell: (LogEntry.Evaluation) -> String?)

    private func columns(of rows: [LogEntry.Evaluation]) -> [Column] {
        let hasPreferences = hasPreferences, hasValidation = rows.contains { $0.validationLoss != nil }
        func preferences(_ row: LogEntry.Evaluation) -> LogEntry.Preferences? { row.validationPreferences ?? row.trainingPreferences }
        let all: [Column] = [
            ("step", true, { $0.step.grouped }),
            ("time", true, { $0.seconds.duration }),
            ("tokens", true, { Double($0.tokens).abbreviated }),
            ("with loss", rows.contains { $0.lossTokens != nil }, { $0.lossTokens.map { Double($0).abbreviated } }),
            ("training loss", true, { $0.trainingLoss?.fixed(4) }),
            ("validation loss", hasValidation, { $0.validationLoss?.fixed(4) }),
            ("bits per byte", hasValidation && !hasPreferences, { $0.bitsPerByte?.fixed(4) }),
            ("perplexity", hasValidation && !hasPreferences, { $0.validationLoss.flatMap { $0 < 20 ? exp($0).fixed(1) : nil } }),
            ("accuracy", hasPreferences, { preferences($0)?.accuracy.percentage }),
            ("margin", hasPreferences, { preferences($0)?.margin.fixed(4) }),
            ("KL", hasPreferences, { preferences($0)?.kl?.fixed(4) }),
            ("replay loss", rows.contains { $0.replayLoss != nil }, { $0.replayLoss?.fixed(4) }),
        ]
        return all.filter(\.isShown)
    }
}

extension Collection {
    /// At most `maximum` elements at even distances, including the first and the last.
    func evenlySpaced(atMost maximum: Int) -> [Element] {
        let all = Array(self)
        return all.count <= maximum ? all : (0..<maximum).map { all[$0 * (all.count - 1) / (maximum - 1)] }
    }
}
