import Files
import Glibc

/// The table of evaluations, with the best one in bold.
struct EvaluationTable {
    private static let maximumRows = 60
    private let log: TrainingLog

    init(_ log: TrainingLog) { self.log = log }

    func write(to page: inout HTMLBuilder) {
        if log.evaluations.isEmpty { return }
        let rows = log.evaluations.evenlySpaced(atMost: Self.maximumRows), best = log.best?.step
        let hasValidation = rows.contains { $0.validationLoss != nil }
        let hasReplay = rows.contains { $0.replayLoss != nil }
        let hasLossTokens = rows.contains { $0.lossTokens != nil }
        let columns = ["step", "time", "tokens"] + (hasLossTokens ? ["with loss"] : []) + ["training loss"]
            + (hasValidation ? ["validation loss"] + (log.hasPreferences ? [] : ["bits per byte", "perplexity"]) : [])
            + (log.hasPreferences ? ["accuracy", "margin", "KL"] : []) + (hasReplay ? ["replay loss"] : [])
        page.element("h2", "Evaluations")
        page.element("div", ["class": "card scroll"]) { page in
            page.element("table") { page in
                page.element("thead") { $0.row("th", columns) }
                page.element("tbody") { page in
                    for row in rows { write(row, isBest: row.step == best, hasLossTokens, hasValidation, hasReplay, to: &page) }
                }
            }
        }
        if rows.count < log.evaluations.count {
            let text = "\(rows.count) of \(log.evaluations.count.grouped) evaluations; log.jsonl contains all of them."
            page.element("p", ["class": "remark"], text)
        }
    }

    private func write(
        _ row: LogEntry.Evaluation, isBest: Bool, _ hasLossTokens: Bool, _ hasValidation: Bool, _ hasReplay: Bool,
        to page: inout HTMLBuilder
    ) {
        page.element("tr", isBest ? ["class": "best"] : [:]) { page in
            var cells = [row.step.grouped, row.seconds.duration, Double(row.tokens).abbreviated]
            if hasLossTokens { cells.append(row.lossTokens.map { Double($0).abbreviated } ?? "–") }
            cells.append(row.trainingLoss?.fixed(4) ?? "–")
            if hasValidation {
                let perplexity = row.validationLoss.map { $0 < 20 ? exp($0).fixed(1) : "–" }
                cells.append(row.validationLoss?.fixed(4) ?? "–")
                if !log.hasPreferences { cells += [row.bitsPerByte?.fixed(4) ?? "–", perplexity ?? "–"] }
            }
            if log.hasPreferences {
                let preferences = row.validationPreferences ?? row.trainingPreferences
                cells.append(preferences.map(\.accuracy.percentage) ?? "–")
                cells += [preferences?.margin.fixed(4) ?? "–", preferences?.kl?.fixed(4) ?? "–"]
            }
            if hasReplay { cells.append(row.replayLoss?.fixed(4) ?? "–") }
            for cell in cells { page.element("td", cell) }
        }
    }
}

extension Collection {
    /// At most `maximum` elements at even distances, including the first and the last.
    func evenlySpaced(atMost maximum: Int) -> [Element] {
        let all = Array(self)
        return all.count <= maximum ? all : (0..<maximum).map { all[$0 * (all.count - 1) / (maximum - 1)] }
    }
}
