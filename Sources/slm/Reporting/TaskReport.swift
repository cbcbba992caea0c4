import Files
import Report
import Tokenize
import Train

/// A task with the answers of one model.
struct AskedTask {
    let file: String
    let questions: [TaskQuestion]
    /// The index of the model.
    let model: Int
    let form: QuestionForm
    /// The answers to the questions that have been asked.
    private(set) var answers: [TaskAnswer] = []
    /// Whether each answer is right, by the first metric of its question.
    private(set) var isRight: [Bool] = []
    /// Whether the answers are right, by each metric.
    private(set) var judgments: [TaskQuestion.Metric: [Bool]] = [:]
    /// Prompts that lost their beginning.
    var truncated = 0

    /// Judges the answer to the next question.
    mutating func add(_ answer: TaskAnswer) throws -> [(metric: TaskQuestion.Metric, isRight: Bool)] {
        let question = questions[answers.count]
        let found = try question.judge(answer.logProbabilities) + [question.judge(answer.text)].compactMap { $0 }
        answers.append(answer)
        isRight.append(found.first?.isRight ?? false)
        for (metric, isRight) in found { judgments[metric, default: []].append(isRight) }
        return found
    }

    /// The metrics that some questions have, with whether each answer is right.
    var metrics: [(metric: TaskQuestion.Metric, right: [Bool])] {
        TaskQuestion.Metric.allCases.compactMap { metric in judgments[metric].map { (metric, $0) } }
    }
}

/// The results of `slm eval --task`: lines for a person or a program, and a page.
struct TaskReport {
    private let models: [String]
    private let json: Bool
    /// The tasks of the first model, then those of the second.
    private var tasks: [AskedTask] = []

    init(models: [String], json: Bool) {
        self.models = models
        self.json = json
    }

    /// Adds a task and prints the share of right answers.
    mutating func add(_ task: AskedTask) {
        tasks.append(task)
        let model = models[task.model]
        if !json { printLine("\(model) on \(task.file), asked as \(task.form == .chat ? "chats" : "text")") }
        for (metric, right) in task.metrics {
            let accuracy = TaskAccuracy(right), (low, high) = (accuracy.interval.lowerBound, accuracy.interval.upperBound)
            if json {
                printLine(JSONLine([
                    "checkpoint": .text(model),
                    "file": .text(task.file),
                    "as": .text(task.form.rawValue),
                    "metric": .text(metric.rawValue),
                    "value": .exact(accuracy.share),
                    "stderr": accuracy.standardError.map { .exact($0) },
                    "low": .exact(low),
                    "high": .exact(high),
                    "questions": .whole(right.count),
                ]))
                continue
            }
            let error = accuracy.standardError.map { " ± \($0.fixed(4))" } ?? ""
            printLine("  \(metric.rawValue.padded(to: 12)) \(accuracy.share.fixed(4))\(error)  (95 %: \(low.fixed(4)) … \(high.fixed(4)), "
                + "\(right.count.counted("question")))")
        }
    }

    /// The tasks, each with the answers of all models.
    private var byTask: [[AskedTask]] {
        let count = tasks.count / models.count
        return (0..<count).map { task in models.indices.map { tasks[$0 * count + task] } }
    }

    /// The comparisons of the two models on a task; none of a single model.
    private func comparisons(_ asked: [AskedTask]) -> [(metric: TaskQuestion.Metric, comparison: TaskComparison)] {
        guard asked.count == 2 else { return [] }
        return zip(asked[0].metrics, asked[1].metrics).map { ($0.metric, TaskComparison(of: $0.right, with: $1.right)) }
    }

    private func verdict(_ comparison: TaskComparison) -> String {
        comparison.isNoise ? "the difference is within noise" : "\(comparison.difference > 0 ? models[0] : models[1]) is better"
    }

    /// Prints for two models whether their difference on each task is noise.
    func printComparisons() {
        guard models.count == 2 else { return }
        for asked in byTask {
            if !json { printLine("\n\(models[0]) and \(models[1]) on \(asked[0].file)") }
            for (metric, comparison) in comparisons(asked) {
                if json {
                    printLine(JSONLine([
                        "a": .text(models[0]),
                        "b": .text(models[1]),
                        "file": .text(asked[0].file),
                        "metric": .text(metric.rawValue),
                        "better": comparison.isNoise ? "neither" : comparison.difference > 0 ? "a" : "b",
                        "difference": .exact(comparison.difference),
                        "standard_error": comparison.standardError.map { .exact($0) },
                        "only_a": .whole(comparison.onlyFirst),
                        "only_b": .whole(comparison.onlySecond),
                        "p": .exact(comparison.p),
                        "paired": .whole(comparison.count),
                    ]))
                    continue
                }
                printLine("  \(metric.rawValue.padded(to: 12)) \(verdict(comparison)): only the first is right \(comparison.onlyFirst) "
                    + "times, only the second \(comparison.onlySecond) times (p = \(comparison.p.fixed(4)))")
            }
        }
    }

    var page: TaskPage {
        TaskPage(models: models, byTask.map { asked in
            let results = asked.flatMap { task in
                task.metrics.map { metric, right in
                    let accuracy = TaskAccuracy(right)
                    return TaskPage.Result(
                        model: task.model, form: task.form == .chat ? "chats" : "text", metric: metric.rawValue, count: right.count,
                        share: accuracy.share, standardError: accuracy.standardError, interval: accuracy.interval)
                }
            }
            let comparisons = comparisons(asked).map { metric, comparison in
                TaskPage.Comparison(
                    metric: metric.rawValue, verdict: verdict(comparison), onlyFirst: comparison.onlyFirst,
                    onlySecond: comparison.onlySecond, p: comparison.p)
            }
            return TaskPage.Task(asked[0].file, results, comparisons, questions(asked))
        })
    }

    private func questions(_ asked: [AskedTask]) -> [TaskPage.Question] {
        asked[0].questions.enumerated().map { index, question in
            switch question.expected {
            case .choice(let choices, let right):
                let answers = asked.map { task in
                    let values = task.answers[index].logProbabilities
                    return TaskPage.Answer(
                        isRight: task.isRight[index], choice: TaskQuestion.mostLikely(values), logProbabilities: values)
                }
                return TaskPage.Question(question.question, expected: choices[right], choices: choices, answers)
            case .text(let text, let pattern):
                let answers = asked.map { TaskPage.Answer(isRight: $0.isRight[index], text: $0.answers[index].text) }
                let expected = text ?? pattern.map { "a text that matches \($0.text)" } ?? ""
                return TaskPage.Question(question.question, expected: expected, choices: [], answers)
            }
        }
    }
}
