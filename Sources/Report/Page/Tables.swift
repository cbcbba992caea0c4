import Glibc

/// All evaluations, the best of them stressed.
struct EvaluationTable {
    private static let mostRows = 60
    private let log: TrainingLog

    init(_ log: TrainingLog) { self.log = log }

    func write(to page: inout HTMLBuilder) {
        if log.evaluations.isEmpty { return }
        let rows = log.evaluations.thinned(to: Self.mostRows), best = log.best?.step
        let hasValidation = rows.contains { $0.validation != nil }, hasReplay = rows.contains { $0.replay != nil }
        page.element("h2", "Evaluations")
        page.element("div", ["class": "card scroll"]) { page in
            page.element("table") { page in
                page.element("thead") { page in
                    page.element("tr") { page in
                        for title in ["step", "time", "tokens", "training loss"]
                            + (hasValidation ? ["validation loss", "bits per byte", "perplexity"] : [])
                            + (hasReplay ? ["loss on older chats"] : [])
                        {
                            page.element("th", title)
                        }
                    }
                }
                page.element("tbody") { page in
                    for row in rows { write(row, isBest: row.step == best, hasValidation, hasReplay, to: &page) }
                }
            }
        }
        if rows.count < log.evaluations.count {
            page.element("p", ["class": "remark"], "\(rows.count) of \(log.evaluations.count.grouped): the others are in log.jsonl.")
        }
    }

    private func write(_ row: LogEntry.Evaluated, isBest: Bool, _ hasValidation: Bool, _ hasReplay: Bool, to page: inout HTMLBuilder) {
        page.element("tr", isBest ? ["class": "best"] : [:]) { page in
            var cells = [row.step.grouped, row.seconds.clock, Double(row.tokens).short, row.training?.fixed(4) ?? "–"]
            if hasValidation {
                cells += [
                    row.validation?.fixed(4) ?? "–", row.bitsPerByte?.fixed(4) ?? "–",
                    row.validation.map { $0 < 20 ? exp($0).fixed(1) : "–" } ?? "–",
                ]
            }
            if hasReplay { cells.append(row.replay?.fixed(4) ?? "–") }
            for cell in cells { page.element("td", cell) }
        }
    }
}

/// What the model said to its questions, from evaluation to evaluation.
struct AnswerSection {
    private static let mostRows = 12
    private let log: TrainingLog

    init(_ log: TrainingLog) { self.log = log }

    func write(to page: inout HTMLBuilder) {
        let questions = log.answers.questions
        if questions.isEmpty { return }
        page.element("h2", "What it says")
        for question in questions {
            let answers = log.answers.filter { $0.question == question }
            page.element("section", ["class": "card"]) { page in
                page.element("div", ["class": "chat"]) { page in
                    page.element("p", ["class": "asked"], question)
                    if let last = answers.last {
                        page.element("p", ["class": "said"], last.shown)
                        if let expected = last.expected, expected != last.answer {
                            page.element("p", ["class": "expected"], "The text says: \(expected)")
                        }
                    }
                }
                if answers.count > 1 { writeHistory(answers, to: &page) }
            }
        }
    }

    private func writeHistory(_ answers: [LogEntry.Answer], to page: inout HTMLBuilder) {
        page.element("div", ["class": "scroll"]) { page in
            page.element("table") { page in
                page.element("tbody") { page in
                    for answer in answers.dropLast().thinned(to: Self.mostRows) {
                        page.element("tr") {
                            $0.element("td", "step \(answer.step.grouped)")
                            $0.element("td", ["class": "words long"], answer.shown)
                        }
                    }
                }
            }
        }
    }
}

extension [LogEntry.Answer] {
    /// Those of the newest evaluation.
    var questions: [String] { filter { $0.step == last?.step }.map(\.question) }
}

extension LogEntry.Answer {
    var shown: String { answer.isEmpty ? "(nothing)" : answer }
}

extension Collection {
    /// So many of them at most, evenly, the first and the last included.
    func thinned(to most: Int) -> [Element] {
        let all = Array(self)
        return all.count <= most ? all : (0..<most).map { all[$0 * (all.count - 1) / (most - 1)] }
    }
}
