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
    var threads: Int?
    var cpu: String?
    var blas: BLAS?
    var time = Duration.seconds(120)
    var steps: Int?
    var data = "data/sample.txt"
    var validation = "data/sample-val.txt"
    var out = "checkpoints/demo"
    var seed = 1
    var port = 8_000
    var endsUnserved = false
}

extension Command {
    static var demo: Command {
        Command(
            "demo",
            "Learns a vocabulary and a small model from the sample chats, asks it ten questions it has never seen, and serves it: then you can.",
            DemoOptions(),
            DemoOptions.rows + [
                .option("time", \.time, "How long to learn.").choice("length"),
                .option("max-steps", \.steps, in: 1...1_000_000_000, "… or how many steps.").choice("length"),
                .option("data", \.data, "Chats to learn from."),
                .option("val", \.validation, "Chats to ask from."),
                .option("out", \.out, "Folder for all that is made."),
                .option("seed", \.seed, "Of weights and order."),
                .option("port", \.port, in: 0...65_535, "Where to serve it, at 127.0.0.1."),
                .option("no-serve", \.endsUnserved, "End when the questions are answered."),
            ], example: "slm demo --time 30s"
        ) { options in
            try Demonstration(options).run()
        }
    }
}

/// From a file of chats to answers, in the steps that a person would take.
private struct Demonstration {
    private let options: DemoOptions

    init(_ options: DemoOptions) { self.options = options }

    func run() throws {
        var tokenize = TokenizeOptions()
        tokenize.data = [options.data]
        tokenize.validation = [options.validation]
        tokenize.threads = options.threads
        tokenize.vocabularySize = 2_048
        say("1. A vocabulary: slm tokenize --data \(options.data) --vocab-size 2048 --out \(options.out)/data/tokenizer.json")
        let vocabulary = try tokenize.learn()
        say("\n2. Chats to tokens: slm tokenize … --tokens \(options.out)/data")
        try tokenize.writeTokens(with: vocabulary, to: options.out + "/data")
        say(
            "\n3. A model: slm train --preset tiny --data \(options.out)/data --out \(options.out) \(options.steps.map { "--max-steps \($0)" } ?? "--time \(options.time.optionText)") \(recipe)"
        )
        try Folder.remove(["last.h5", "best.h5", "log.jsonl"], in: options.out)
        var train = TrainOptions()
        train.threads = options.threads
        train.cpu = options.cpu
        train.blas = options.blas
        train.seed = options.seed
        train.steps = options.steps
        train.time = options.steps == nil ? options.time : nil
        train.data = [options.out + "/data"]
        train.out = options.out
        train.batch = 8
        train.rate = 2.5e-3
        train.learn = .assistant
        try TrainCommand(train).run()
        try ask(vocabulary)
        try evaluate()
        if !options.endsUnserved { try serve() }
    }

    private let recipe = "--batch 8 --lr 0.0025 --learn-from assistant"

    /// The first ten questions of the chats that were held out, and what the model says to them.
    private func ask(_ vocabulary: Vocabulary) throws {
        let processor = try options.processor(), checkpoint = try Checkpoint(reading: options.out + "/best.h5")
        let (model, parameters) = try checkpoint.model(on: processor), tokenizer = try Tokenizer(vocabulary)
        let answers = UncachedGenerator(of: model, parameters, on: processor)
        let renderer = try ChatRenderer(checkpoint.chatTemplate ?? .specialTokens, for: tokenizer)
        var encoder = try Encoder(tokenizer), reader = try ConversationReader([options.validation])
        var asked: [(question: String, expected: String, answer: String)] = []
        try reader.forEach { conversation, _, _ throws(CorpusError) in
            guard asked.count < 10, conversation.messages.count >= 2 else { return }
            var prompt = ChatTokens()
            do throws(TokenizeError) {
                try renderer.append(promptOf: [conversation.messages[0]], with: &encoder, to: &prompt)
            } catch { throw .tokenizer(error) }
            let answer = tokenizer.text(of: answers.completion(of: prompt.ids, stoppingAt: renderer.stops))
            asked.append(
                (
                    String(decoding: conversation.messages[0].text, as: UTF8.self),
                    String(decoding: conversation.messages[1].text, as: UTF8.self), answer
                ))
        }
        say("\n4. Ten questions that it has never seen, the first of \(options.validation):\n")
        for (question, expected, answer) in asked {
            say("   you    \(question)\n   model  \(answer)\(answer == expected ? "" : "\n          (the chats say: \(expected))")\n")
        }
        say(
            "\(asked.count { $0.answer == $0.expected }) of \(asked.count) word for word as the chats have it. The model is \(options.out)/best.h5."
        )
    }

    /// How well it predicts what was held out.
    private func evaluate() throws {
        say(
            "\n5. How well it predicts chats that it has never seen: slm eval --checkpoint \(options.out)/best.h5 --data \(options.validation)"
        )
        var eval = EvalOptions()
        eval.threads = options.threads
        eval.cpu = options.cpu
        eval.blas = options.blas
        eval.checkpoint = options.out + "/best.h5"
        eval.data = [options.validation]
        try EvalCommand(eval).run()
    }

    /// Until somebody stops it.
    private func serve() throws {
        let database = "sqlite:\(options.out)/slm_chat.db"
        say(
            "\n6. A page to chat with it, until Control-C: slm serve --checkpoint \(options.out)/best.h5 --database \(database) --collect \(options.out)/chat_history.jsonl"
        )
        say("   Open the address that follows in a browser. In a terminal instead: slm chat --checkpoint \(options.out)/best.h5\n")
        var serve = ServeOptions()
        serve.threads = options.threads
        serve.cpu = options.cpu
        serve.blas = options.blas
        serve.answerer.checkpoint = options.out + "/best.h5"
        serve.port = options.port
        serve.database = database
        serve.collect = options.out + "/chat_history.jsonl"
        try ServeCommand(serve, SLM.environmentVariables()).run()
    }
}
