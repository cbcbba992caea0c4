import Files

extension TrainingLog {
    /// Writes the sample answers of the evaluations by question, at most 12 earlier ones of each.
    func writeAnswers(to page: inout HTMLBuilder) {
        let questions = answers.questions
        if questions.isEmpty { return }
        page.element("h2", "Sample answers")
        for question in questions {
            let answers = answers.filter { $0.question == question }
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
                if answers.count > 1 {
                    page.table(frame: "scroll", answers.dropLast().evenlySpaced(atMost: 12).map {
                        [.init("step \($0.step.grouped)"), .init($0.displayText, style: "text long")]
                    })
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
