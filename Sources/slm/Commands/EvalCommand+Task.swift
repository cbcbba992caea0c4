import Distributed
import Files
import Infer
import JSON
import Tokenize
import Train

/// How the questions of a task are asked.
enum QuestionForm: String, CaseIterable, OptionValue {
    case chat, text

    static var metavariable: String { "FORM" }
}

/// `slm eval --task`.
extension EvalCommand {
    /// Whether each answer is right, by each metric.
    private typealias Judgments = [TaskQuestion.Metric: [Bool]]

    /// A task with the judgments of one model.
    private struct AskedTask {
        let file: String
        let questions: [TaskQuestion]
        let form: QuestionForm
        var judgments: Judgments = [:]
        /// Prompts that lost their beginning.
        var truncated = 0
        /// A JSON line for each question.
        var samples: [String] = []
    }

    /// Questions whose choices are evaluated together. A question's keys and values are computed once for all of its choices.
    private static let questionsAtOnce = 16

    /// Prints the share of right answers of each model and, of two models, whether the difference is noise.
    func evaluateTasks() throws {
        if options.tasks.isEmpty { return }
        if (Ranks.current?.count ?? 1) > 1 { throw UsageError("slm eval: --task: expected one process, found several (mpirun).") }
        let tasks = try options.tasks.map { (file: $0, questions: try TaskQuestion.read($0)) }
        for task in tasks where task.questions.isEmpty { throw CommandError(description: "\(task.file): expected questions, found none.") }
        let results = try checkpoints.map { path in
            let backend = try openBackend(path), model = (backend as? LocalBackend)?.model
            let isText = model.map { $0.renderer == nil || $0.isTemplateAssumed } ?? false
            let form = options.questionForm ?? (isText ? .text : .chat)
            return try tasks.map { task in
                var asked = AskedTask(file: task.file, questions: task.questions, form: form)
                try ask(&asked, backend, model)
                printAccuracies(path, asked)
                return asked
            }
        }
        if let path = options.samples {
            var file = try AtomicFile(path)
            for line in results.joined().flatMap(\.samples) { try file.write(Array((line + "\n").utf8)) }
            try file.commit()
        }
        if results.count == 2 { for (a, b) in zip(results[0], results[1]) { printComparison(of: a, with: b) } }
    }

    private func openBackend(_ path: String) throws -> any ChatBackend {
        var remote = ModelOptions()
        remote.backend = path == options.backend ? path : nil
        remote.backendModel = options.backendModel
        if remote.backend != nil, case .url(let url) = try remote.location(for: "eval") {
            return try remote.open(url: url, environment: SLM.environmentVariables())
        }
        var limits = LocalBackend.Limits()
        limits.slots = 4 * Self.questionsAtOnce
        limits.sharedPrefillChunk = limits.solePrefillChunk
        limits.cacheBudget = .max                           // the limit of all KV memory is enough
        return try LocalBackend(
            checkpoint: path, base: options.base, options.dtype, cache: options.kvPrecision, context: options.context, limits: limits,
            on: options.makeProcessor)
    }

    /// - Parameter model: nil if it runs on another server.
    private func ask(_ task: inout AskedTask, _ backend: any ChatBackend, _ model: ModelInfo?) throws {
        let progress = ProgressBar("asking", isVisible: !options.quiet)
        defer { progress.clear() }
        let count = task.questions.count, name = backend.name
        var logProbabilities = task.questions.map { _ in [Double]() }, answers = task.questions.map { _ in "" }
        for start in stride(from: 0, to: count, by: Self.questionsAtOnce) {
            progress.show(fraction: Double(start) / Double(count), "\(start) of \(count) questions")
            let indices = start..<min(start + Self.questionsAtOnce, count)
            try score(indices, &task, &logProbabilities, backend, model)
            try generate(indices, &task, &answers, backend)
        }
        for (index, question) in task.questions.enumerated() {
            let judgments = try question.judge(logProbabilities[index]) + [question.judge(answers[index])].compactMap { $0 }
            for (metric, isRight) in judgments { task.judgments[metric, default: []].append(isRight) }
            var writer = JSONWriter(.oneLine)
            writer.object { line in
                line["checkpoint"] = name
                line["file"] = task.file
                line["question"] = question.question
                if case .choice = question.expected {
                    line.key("log_probabilities"); line.array { for value in logProbabilities[index] { $0.number(value) } }
                } else {
                    line["generated"] = answers[index]
                }
                for (metric, isRight) in judgments { line[metric.rawValue] = isRight }
            }
            task.samples.append(writer.text)
        }
    }

    /// Computes the log-probabilities of the choices of some questions: first of one of each question, whose keys and values the others
    /// reuse.
    private func score(
        _ indices: Range<Int>, _ task: inout AskedTask, _ logProbabilities: inout [[Double]], _ backend: any ChatBackend,
        _ model: ModelInfo?
    ) throws {
        var requests: [(question: Int, choice: Int, request: GenerationRequest)] = []
        for index in indices {
            guard case .choice(let choices, _) = task.questions[index].expected else { continue }
            guard let model else {
                throw CommandError(description: "\(task.file): expected questions without choices for a --backend, which reports no "
                    + "log-probabilities of prompts, found question \(index + 1) with choices.")
            }
            logProbabilities[index] = Array(repeating: -.infinity, count: choices.count)
            for (i, choice) in choices.enumerated() {
                let (request, isTruncated) = try model.logProbabilityRequest(
                    of: task.form == .chat ? choice : " " + choice, after: task.questions[index].question, isChat: task.form == .chat)
                if isTruncated { task.truncated += 1 }
                requests.append((index, i, request))
            }
        }
        for part in [requests.filter { $0.choice == 0 }, requests.filter { $0.choice > 0 }] {
            try backend.generate(part.map(\.request), concurrency: 4 * Self.questionsAtOnce) { i, result in
                let sum = try result.get().promptTokens.reduce(0) { $0 + Double($1.logProbability ?? 0) }
                logProbabilities[part[i].question][part[i].choice] = sum
            }
        }
    }

    private func generate(
        _ indices: Range<Int>, _ task: inout AskedTask, _ answers: inout [String], _ backend: any ChatBackend
    ) throws {
        let isChat = task.form == .chat, stop = options.stop.isEmpty && !isChat ? ["\n\n"] : options.stop
        let config = try GenerationConfig(maximumTokens: options.answerTokens, temperature: 0, stop: stop)
        let asked = indices.filter { if case .text = task.questions[$0].expected { true } else { false } }
        let requests = asked.map { index in
            let question = task.questions[index].question
            return GenerationRequest(isChat ? .chat([.init(.user, question)]) : .text(question), config)
        }
        try backend.generate(requests, concurrency: Self.questionsAtOnce) { i, result in
            // A model without finite logits has no answer.
            if case .failure(.invalidLogits) = result { return }
            let answer = try result.get()
            answers[asked[i]] = answer.text
            if answer.start.wasTruncated { task.truncated += 1 }
        }
    }

    private func printAccuracies(_ model: String, _ task: AskedTask) {
        if !options.json { printLine("\(model) on \(task.file), asked as \(task.form == .chat ? "chats" : "text")") }
        for metric in TaskQuestion.Metric.allCases {
            guard let right = task.judgments[metric] else { continue }
            let accuracy = TaskAccuracy(right), (low, high) = (accuracy.interval.lowerBound, accuracy.interval.upperBound)
            if options.json {
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
                + "\(right.count) questions)")
        }
        if task.truncated > 0, !options.quiet {
            printNote("\(task.truncated) prompts are longer than the context: their beginning was dropped.")
        }
    }

    private func printComparison(of first: AskedTask, with second: AskedTask) {
        let (a, b) = (checkpoints[0], checkpoints[1])
        if !options.json { printLine("\n\(a) and \(b) on \(first.file)") }
        for metric in TaskQuestion.Metric.allCases {
            guard let right = first.judgments[metric], let other = second.judgments[metric] else { continue }
            let comparison = TaskComparison(of: right, with: other), isFirst = comparison.difference > 0
            if options.json {
                printLine(JSONLine([
                    "a": .text(a),
                    "b": .text(b),
                    "file": .text(first.file),
                    "metric": .text(metric.rawValue),
                    "better": comparison.isNoise ? "neither" : isFirst ? "a" : "b",
                    "difference": .exact(comparison.difference),
                    "standard_error": comparison.standardError.map { .exact($0) },
                    "only_a": .whole(comparison.onlyFirst),
                    "only_b": .whole(comparison.onlySecond),
                    "p": .exact(comparison.p),
                    "paired": .whole(comparison.count),
                ]))
                continue
            }
            let verdict = comparison.isNoise ? "the difference is within noise" : "\(isFirst ? a : b) is better"
            printLine("  \(metric.rawValue.padded(to: 12)) \(verdict): only the first is right \(comparison.onlyFirst) times, only the "
                + "second \(comparison.onlySecond) times (p = \(comparison.p.fixed(4)))")
        }
    }
}
