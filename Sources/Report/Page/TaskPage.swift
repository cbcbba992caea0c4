import Files

/// The HTML report of `slm eval --task`: the shares of right answers of one model or two, and their answers.
package struct TaskPage {
    package struct Task {
        package let file: String
        package let results: [Result]
        /// The first model's results compared with the second's.
        package let comparisons: [Comparison]
        package let questions: [Question]

        package init(_ file: String, _ results: [Result], _ comparisons: [Comparison], _ questions: [Question]) {
            self.file = file
            self.results = results
            self.comparisons = comparisons
            self.questions = questions
        }
    }

    /// A model's share of right answers by one metric.
    package struct Result {
        /// The index of the model.
        package let model: Int
        /// How the questions were asked: as chats, as text.
        package let form: String
        package let metric: String
        package let count: Int
        package let share: Double
        package let standardError: Double?
        package let interval: ClosedRange<Double>

        package init(
            model: Int, form: String, metric: String, count: Int, share: Double, standardError: Double?, interval: ClosedRange<Double>
        ) {
            self.model = model
            self.form = form
            self.metric = metric
            self.count = count
            self.share = share
            self.standardError = standardError
            self.interval = interval
        }
    }

    package struct Comparison {
        package let metric: String
        package let verdict: String
        package let onlyFirst, onlySecond: Int
        package let p: Double

        package init(metric: String, verdict: String, onlyFirst: Int, onlySecond: Int, p: Double) {
            self.metric = metric
            self.verdict = verdict
            self.onlyFirst = onlyFirst
            self.onlySecond = onlySecond
            self.p = p
        }
    }

    package struct Question {
        package let text: String
        /// The right answer, or the pattern that finds it.
        package let expected: String
        /// Empty if the models generated their answers.
        package let choices: [String]
        /// One for each model.
        package let answers: [Answer]

        package init(_ text: String, expected: String, choices: [String], _ answers: [Answer]) {
            self.text = text
            self.expected = expected
            self.choices = choices
            self.answers = answers
        }
    }

    package struct Answer {
        package let isRight: Bool
        /// The generated answer.
        package let text: String
        /// The index of the most likely choice.
        package let choice: Int?
        /// One for each choice.
        package let logProbabilities: [Double]

        package init(isRight: Bool, text: String) {
            self.isRight = isRight
            self.text = text
            choice = nil
            logProbabilities = []
        }

        package init(isRight: Bool, choice: Int?, logProbabilities: [Double]) {
            self.isRight = isRight
            text = ""
            self.choice = choice
            self.logProbabilities = logProbabilities
        }
    }

    /// More questions of one kind are left out.
    private static let maximumQuestions = 100

    private let models: [String]
    private let tasks: [Task]
    /// Where the models are.
    private let paths: [String]

    /// - Parameter models: The paths of one model or two.
    package init(models: [String], _ tasks: [Task]) {
        paths = models
        self.models = models.shortNames
        self.tasks = tasks
    }

    package var html: String {
        HTMLBuilder.page(title: "\(models.joined(separator: " and ")) · slm") { page in
            page.element("header") {
                $0.element("h1", models.joined(separator: " and "))
                let files = tasks.map { RelativePath.fileName(of: $0.file) }.joined(separator: ", ")
                $0.element("p", "Answers of \(paths.joined(separator: " and ")) to the questions of \(files).")
            }
            page.element("h2", "Right answers")
            writeResults(to: &page)
            if models.count == 2 { writeComparisons(to: &page) }
            for task in tasks { write(task, to: &page) }
            page.element("footer", "Created by slm eval --task.")
        }
    }

    private func writeResults(to page: inout HTMLBuilder) {
        page.table(
            head: ["task", "model", "asked as"].map { .init($0, style: "text") }
                + ["metric", "questions", "right", "standard error", "95 % interval", ""].map { .init($0) },
            tasks.flatMap { task in task.results.map { cells(of: $0, task) } })
        let text = "acc: the most likely choice is the answer; acc_norm and acc_bytes: the most likely per character and per byte. "
            + "exact_match: the generated answer equals the expected one; regex_match: the pattern is found in it. "
            + "Intervals: Wilson's."
        page.element("p", ["class": "remark"], text)
    }

    private func cells(of result: Result, _ task: Task) -> [HTMLBuilder.Cell] {
        let texts = [
            result.metric, result.count.grouped, result.share.percentage, result.standardError?.percentage ?? "–",
            "\(result.interval.lowerBound.percentage) to \(result.interval.upperBound.percentage)",
        ]
        return [
            .init(RelativePath.fileName(of: task.file)), .key(models[result.model], color: result.model, style: "text"),
            .init(result.form, style: "text"),
        ] + texts.map { .init($0) } + [.init(style: "interval") { drawInterval(of: result, in: &$0) }]
    }

    /// Draws the share and its interval between 0 and 1.
    private func drawInterval(of result: Result, in page: inout HTMLBuilder) {
        func x(_ share: Double) -> String { (2 + 96 * share).fixed(1) }
        page.element("svg", ["viewBox": "0 0 100 12", "aria-hidden": "true", "class": "c\(result.model)"]) {
            $0.leaf("path", ["class": "grid", "d": "M2 6H98"])
            $0.leaf("path", ["class": "line", "d": "M\(x(result.interval.lowerBound)) 6H\(x(result.interval.upperBound))"])
            $0.leaf("circle", ["class": "dot", "cx": x(result.share), "cy": "6", "r": "3.5"])
        }
    }

    private func writeComparisons(to page: inout HTMLBuilder) {
        page.element("h2", "Comparison")
        let titles = ["task", "metric", "only \(models[0]) is right", "only \(models[1]) is right", "p"]
        page.table(
            head: titles.map { .init($0) } + [.init("result", style: "text")],
            tasks.flatMap { task in
                task.comparisons.map { comparison in
                    [
                        RelativePath.fileName(of: task.file), comparison.metric, comparison.onlyFirst.grouped,
                        comparison.onlySecond.grouped, comparison.p.fixed(4),
                    ].map { .init($0) } + [.init(comparison.verdict, style: "text")]
                }
            })
        let text = "Both models answered the same questions. p: the probability of at least this difference between models that answer "
            + "equally well (exact sign test)."
        page.element("p", ["class": "remark"], text)
    }

    /// Writes a task's questions: first those that tell most about the models.
    private func write(_ task: Task, to page: inout HTMLBuilder) {
        func questions(_ title: String, _ right: [Bool]) {
            let all = task.questions.filter { $0.answers.map(\.isRight) == right }
            if all.isEmpty { return }
            let file = tasks.count == 1 ? "" : " (\(RelativePath.fileName(of: task.file)))"
            page.element("h2", "\(title): \(all.count.grouped) of \(task.questions.count.grouped)\(file)")
            for question in all.prefix(Self.maximumQuestions) { write(question, to: &page) }
            if all.count > Self.maximumQuestions {
                let text = "The first \(Self.maximumQuestions) of \(all.count.grouped). --samples FILE writes all of them."
                page.element("p", ["class": "remark"], text)
            }
        }
        if models.count == 1 {
            questions("Wrong answers", [false])
            questions("Right answers", [true])
        } else {
            questions("Only \(models[0]) is right", [true, false])
            questions("Only \(models[1]) is right", [false, true])
            questions("Both are wrong", [false, false])
            questions("Both are right", [true, true])
        }
    }

    private func write(_ question: Question, to page: inout HTMLBuilder) {
        page.element("section", ["class": "card"]) { page in
            page.element("div", ["class": "chat"]) {
                $0.element("p", ["class": "question"], question.text)
                $0.element("p", ["class": "expected"], "Expected: \(question.expected)")
            }
            if question.choices.isEmpty {
                page.table(frame: "scroll", question.answers.enumerated().map { index, answer in
                    [
                        .key(models[index], color: index), .init(answer.text.isEmpty ? "(empty)" : answer.text, style: "text long"),
                        .init(answer.isRight ? "right" : "wrong"),
                    ]
                })
            } else {
                writeChoices(of: question, to: &page)
            }
        }
    }

    /// The log-probability of each choice, with the highest in bold.
    private func writeChoices(of question: Question, to page: inout HTMLBuilder) {
        page.table(
            frame: "scroll",
            head: [.init("choice")] + question.answers.enumerated().map { index, answer in
                .key("\(models[index]): \(answer.isRight ? "right" : "wrong")", color: index)
            },
            question.choices.enumerated().map { index, choice in
                [.init(choice, style: "text long")] + question.answers.map { answer in
                    let value = answer.logProbabilities[index].fixed(3)
                    return .init { if index == answer.choice { $0.element("b", value) } else { $0.text(value) } }
                }
            })
    }
}
