import Distributed
import Documents
import Files
import Infer
import JSON
import Report
import Tokenize
import Train

/// How the questions of a task are asked.
enum QuestionForm: String, CaseIterable, OptionValue {
    case chat, text

    static var metavariable: String { "FORM" }
}

/// `slm eval --task`.
extension EvalCommand {
    /// Questions whose choices are evaluated together. A question's keys and values are computed once for all of its choices.
    private static let questionsAtOnce = 16

    /// Prints the share of right answers of each model and, of two models, whether the difference is noise.
    func evaluateTasks() throws {
        if options.tasks.isEmpty { return }
        if (Ranks.current?.count ?? 1) > 1 { throw UsageError("slm eval: --task: expected one process, found several (mpirun).") }
        let tasks = try options.tasks.map { (file: $0, questions: try TaskQuestion.read($0)) }
        for task in tasks where task.questions.isEmpty { throw CommandError(description: "\(task.file): expected questions, found none.") }
        let index = try options.documents.open(for: "eval")
        var samples: TaskSamples?
        if let path = options.samples { samples = try TaskSamples(path, settings: taskSettings, isResumed: options.resumesTask) }
        var page: AtomicFile?
        // A file that cannot be written is reported before the questions are asked.
        if let path = options.report { page = try AtomicFile(path) }
        var report = TaskReport(models: checkpoints, json: options.json)
        for (model, path) in checkpoints.enumerated() {
            let backend = try openBackend(path), info = (backend as? LocalBackend)?.model
            let isText = info.map { $0.renderer == nil || $0.isTemplateAssumed } ?? false
            let finder = try options.documents.finder(in: index, for: backend, on: options)
            let form = options.questionForm ?? (isText ? .text : .chat)
            for task in tasks {
                var asked = AskedTask(file: task.file, questions: task.questions, model: model, form: form)
                try ask(&asked, backend, info, finder, &samples)
                report.add(asked)
                if asked.truncated > 0, !options.quiet {
                    printNote("\(asked.truncated) prompts are longer than the context: their beginning was dropped.")
                }
            }
        }
        report.printComparisons()
        if var page = page.take() {
            try page.write(Array(report.page.html.utf8))
            try page.commit()
        }
    }

    /// The options that change the answers of a model.
    private var taskSettings: String {
        var settings = ["--max-tokens \(options.answerTokens)", "--dtype \(options.precision)", "--kv-dtype \(options.kvPrecision)"]
        if let context = options.context { settings.append("--context \(context)") }
        let documents = options.documents
        if let index = documents.path { settings.append("--documents \(index) --max-passages \(documents.maxPassages)") }
        if let model = documents.embeddingModel { settings.append("--embedding-model \(model)") }
        if let model = documents.reranker { settings.append("--reranker \(model)") }
        return (settings + options.stop.map { "--stop \($0)" }).joined(separator: " ")
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
            checkpoint: path, base: options.base, options.precision, cache: options.kvPrecision, context: options.context, limits: limits,
            on: options.makeProcessor)
    }

    /// - Parameter model: nil if it runs on another server.
    private func ask(
        _ task: inout AskedTask, _ backend: any ChatBackend, _ model: ModelInfo?, _ finder: PassageFinder?, _ samples: inout TaskSamples?
    ) throws {
        let progress = ProgressBar("asking", isVisible: !options.quiet)
        defer { progress.clear() }
        let count = task.questions.count, name = backend.name
        var answered = 0
        while answered < count, let answer = try samples?.next(of: name, task.file, task.form, task.questions[answered]) {
            _ = try task.add(answer)
            answered += 1
        }
        for start in stride(from: answered, to: count, by: Self.questionsAtOnce) {
            progress.show(fraction: Double(start) / Double(count), "\(start) of \(count) questions")
            let questions = Array(task.questions[start..<min(start + Self.questionsAtOnce, count)])
            let prompts = try questions.map { try finder?.prompt(for: $0.question).message ?? $0.question }
            var answers = questions.map { _ in TaskAnswer() }
            try score(questions, prompts, &task, &answers, backend, model)
            try generate(questions, prompts, &task, &answers, backend)
            for (question, answer) in zip(questions, answers) {
                let judgments = try task.add(answer)
                try samples?.append(answer, of: name, task.file, task.form, question, judgments)
            }
        }
    }

    /// A request for the log-probability of a choice.
    private struct ScoredChoice {
        /// The index of the question.
        let question: Int
        let choice: Int
        let request: GenerationRequest
        /// The reported tokens that belong to the question.
        var questionTokens = 0
    }

    /// Computes the log-probabilities of the choices of some questions: first of one of each question, whose keys and values the others
    /// reuse.
    private func score(
        _ questions: [TaskQuestion], _ prompts: [String], _ task: inout AskedTask, _ answers: inout [TaskAnswer],
        _ backend: any ChatBackend, _ model: ModelInfo?
    ) throws {
        let isChat = task.form == .chat
        var choices: [ScoredChoice] = []
        for (index, question) in questions.enumerated() {
            guard case .choice(let texts, _) = question.expected else { continue }
            answers[index].logProbabilities = Array(repeating: -.infinity, count: texts.count)
            for (i, text) in texts.enumerated() {
                let text = isChat ? text : " " + text
                guard let model else {
                    let request = try GenerationRequest.logProbability(of: text, after: prompts[index], isChat: isChat)
                    choices.append(ScoredChoice(question: index, choice: i, request: request))
                    continue
                }
                let (request, isTruncated) = try model.logProbabilityRequest(of: text, after: prompts[index], isChat: isChat)
                if isTruncated { task.truncated += 1 }
                choices.append(ScoredChoice(question: index, choice: i, request: request))
            }
        }
        if model == nil {
            let asked = Array(Set(choices.map(\.question))).sorted()
            let requests = try asked.map { try GenerationRequest.tokenCount(of: prompts[$0], isChat: isChat) }
            try backend.generate(requests, concurrency: Self.questionsAtOnce) { i, result in
                let count = try result.get().end.promptTokens
                guard count > 0 else {
                    throw CommandError(description: "\(backend.name): expected the number of a prompt's tokens (usage), found none. "
                        + "Questions with choices need it.")
                }
                for index in choices.indices where choices[index].question == asked[i] { choices[index].questionTokens = count }
            }
        }
        for part in [choices.filter { $0.choice == 0 }, choices.filter { $0.choice > 0 }] {
            let concurrency = (model == nil ? 1 : 4) * Self.questionsAtOnce
            try backend.generate(part.map(\.request), concurrency: concurrency) { i, result in
                let tokens = try result.get().promptTokens, before = max(0, min(part[i].questionTokens, tokens.count - 1))
                let sum = tokens.dropFirst(before).reduce(0) { $0 + Double($1.logProbability ?? 0) }
                answers[part[i].question].logProbabilities[part[i].choice] = sum
            }
        }
    }

    /// - Parameter prompts: The questions as they are asked, with passages if there is an index.
    private func generate(
        _ questions: [TaskQuestion], _ prompts: [String], _ task: inout AskedTask, _ answers: inout [TaskAnswer],
        _ backend: any ChatBackend
    ) throws {
        let isChat = task.form == .chat, stop = options.stop.isEmpty && !isChat ? ["\n\n"] : options.stop
        let config = try GenerationConfig {
            $0.maxTokens = options.answerTokens
            $0.temperature = 0
            $0.stop = stop
        }
        let asked = questions.indices.filter { if case .text = questions[$0].expected { true } else { false } }
        let requests = asked.map { index in
            GenerationRequest(isChat ? .chat([.init(.user, prompts[index])]) : .text(prompts[index]), config)
        }
        try backend.generate(requests, concurrency: Self.questionsAtOnce) { i, result in
            // A model without finite logits has no answer.
            if case .failure(.invalidLogits) = result { return }
            let answer = try result.get()
            answers[asked[i]].text = answer.text
            if answer.start.wasTruncated { task.truncated += 1 }
        }
    }
}
