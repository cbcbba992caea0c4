import Files

/// The sample answers of each evaluation, by question.
struct AnswerSection {
    private static let maximumRows = 12
    private let log: TrainingLog

    init(_ log: TrainingLog) { self.log = log }

    func write(to page: inout HTMLBuilder) {
        let questions = log.answers.questions
        if questions.isEmpty { return }
        page.element("h2", "Sample answers")
        for question in questions {
            let answers = log.answers.filter { $0.question == question }
            page.element("section", ["class": "card"]) { page in
                page.element("div", ["class": "chat"]) { page in
                    page.element("p", ["class": "question"], question)
                    if let last = answers.last {
                        page.element("p", ["class": "answer"], last.displayText)
                        if let expected = last.expected, expected != last.answer {
                            page.element("p", ["class": "expected"], "Expected: \(expected)")
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
                    for answer in answers.dropLast().evenlySpaced(atMost: Self.maximumRows) {
                        page.element("tr") {
                            $0.element("td", "step \(answer.step.grouped)")
                            $0.element("td", ["class": "text long"], answer.displayText)
                        }
                    }
                }
            }
        }
    }
}

extension [LogEntry.Answer] {
    /// The questions of the latest evaluation.
    var questions: [String] { filter { $0.step == last?.step }.map(\.question) }
}

extension LogEntry.Answer {
    var displayText: String { answer.isEmpty ? "(empty)" : answer }
}
