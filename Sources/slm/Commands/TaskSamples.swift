import Files
import JSON
import Train

/// What a model has answered to a question of a task.
struct TaskAnswer {
    /// One for each choice.
    var logProbabilities: [Double] = []
    /// The generated text of a question without choices.
    var text = ""
}

/// The file of `slm eval --samples`: a line for each answered question, in the order of models, tasks and questions. An evaluation that
/// was stopped goes on behind its last line.
struct TaskSamples: ~Copyable {
    private let path: String
    /// The options that change answers: those of an earlier evaluation must be the same.
    private let settings: String
    private let file: AppendOnlyFile
    /// The lines of an earlier evaluation.
    private let earlier: [String]
    private var nextEarlier = 0
    private var parser = JSONParser()

    /// - Parameter isResumed: Whether the lines of the file are kept, if there is one. Otherwise the file must be new or empty: its answers
    ///   may have taken hours.
    init(_ path: String, settings: String, isResumed: Bool) throws {
        let lines = try WholeLines(of: path)
        guard isResumed || lines.texts.isEmpty else {
            throw CommandError(description: "\(path): has \(lines.texts.count) answers already. Ask the questions that are missing with "
                + "--resume, or give another file.")
        }
        try lines.removeCutLine()
        file = try AppendOnlyFile(path)
        self.path = path
        self.settings = settings
        earlier = lines.texts
    }

    /// The answer to the next question that an earlier evaluation has stored; nil behind its last one.
    mutating func next(of model: String, _ task: String, _ form: QuestionForm, _ question: TaskQuestion) throws -> TaskAnswer? {
        guard nextEarlier < earlier.count else { return nil }
        nextEarlier += 1
        func problem(_ reason: String) -> CommandError {
            CommandError(description: "\(path): line \(nextEarlier): \(reason) Use the same models, tasks and options, or no --resume.")
        }
        let line: JSONElement
        do { line = try parser.parse(earlier[nextEarlier - 1]) } catch { throw problem("\(error).") }
        for (key, expected) in [("checkpoint", model), ("file", task), ("as", form.rawValue), ("question", question.question)] {
            let found = line[key]?.string ?? ""
            guard found == expected else { throw problem("expected \"\(key)\" to be '\(expected)', found '\(found)'.") }
        }
        guard line["settings"]?.string == settings else { throw problem("it was asked with other options.") }
        switch question.expected {
        case .choice(let choices, _):
            // A log-probability of -∞ is stored as null.
            let values = line["log_probabilities"]?.elements?.map { $0.number ?? -.infinity } ?? []
            guard line["choices"]?.elements?.map(\.string) == choices, values.count == choices.count else {
                throw problem("expected the choices \(choices), found others.")
            }
            return TaskAnswer(logProbabilities: values)
        case .text:
            guard let text = line["generated"]?.string else { throw problem("expected a generated answer, found none.") }
            return TaskAnswer(text: text)
        }
    }

    func append(
        _ answer: TaskAnswer, of model: String, _ task: String, _ form: QuestionForm, _ question: TaskQuestion,
        _ judgments: [(metric: TaskQuestion.Metric, isRight: Bool)]
    ) throws {
        try file.append(line: JSONWriter.text { line in
            line["checkpoint"] = model
            line["file"] = task
            line["as"] = form.rawValue
            line["question"] = question.question
            line["settings"] = settings
            if case .choice(let choices, _) = question.expected {
                line["choices"] = choices
                line.array("log_probabilities") { for value in answer.logProbabilities { $0.number(value) } }
            } else {
                line["generated"] = answer.text
            }
            for (metric, isRight) in judgments { line[metric.rawValue] = isRight }
        })
    }
}
