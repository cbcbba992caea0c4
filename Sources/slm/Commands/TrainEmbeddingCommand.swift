import Corpus
import Documents
import Files
import Formats
import Kernels
import Tokenize
import Train

struct TrainEmbeddingOptions: MachineOptions {
    var machine = MachineSettings()
    var documents: [String] = []
    var data: [String] = []
    var out: String?
    var vocabularySize = 16_384
    var settings = EmbeddingTrainer.Settings()
    var json = false
    var quiet = false
}

extension Command {
    static var trainEmbedding: Command {
        Command(
            "train --embedding",
            "Train an embedding model on your own documents.",
            TrainEmbeddingOptions(),
            [
                OptionGroup("Main options", [
                    .list("documents", \.documents, value: "INDEX", "Train on the passages of this index: a part of each finds the rest."),
                    .list("data", \.data, value: "FILE", "Train on questions and passages: a JSON object per line.").short("d"),
                    .option("out", \.out, value: "DIR", "Write the model to DIR.").short("o"),
                    .json(\.json, "Print one JSON object."),
                    .quiet(\.quiet),
                ]),
                OptionGroup("Model", [
                    .option("vocab-size", \.vocabularySize, in: 256...1_000_000, "Train a tokenizer with N tokens."),
                    .option("width", \.settings.width, in: 16...4_096, "Give a vector N numbers."),
                ]),
                OptionGroup("Schedule", [
                    .option("epochs", \.settings.epochs, in: 1...10_000, "Train for N passes over the data."),
                    .option("batch", \.settings.batch, in: 2...65_536, "Set the questions per batch, each with its passage."),
                    .option("lr", \.settings.lr, in: 0...10, "Set the first learning rate. It falls to 0."),
                    .option("temperature", \.settings.temperature, in: 0.001...10, "Divide similarities by this."),
                    .option("seed", \.settings.seed, "Seed the weights and the order of the data."),
                ]),
                OptionGroup("Machine", TrainEmbeddingOptions.machineOptions),
            ],
            examples: [
                "slm train --embedding --documents notes.index --out notes-embedding",
                "slm train --embedding --data pairs.jsonl --out pairs-embedding --epochs 10",
            ]
        ) { options in
            guard !options.documents.isEmpty || !options.data.isEmpty, let out = options.out else {
                throw UsageError("slm train --embedding: expected documents or data, and a folder to write: "
                    + "slm train --embedding --documents INDEX --out DIR.")
            }
            try options.train(to: out)
        }
    }
}

extension TrainEmbeddingOptions {
    /// Longer passages are cut. Those of an index are shorter.
    private static let mostTokens = 512

    fileprivate func train(to folder: String) throws {
        let processor = try processor(), start = now()
        let (passages, pairs) = try texts(), tokenizer = try tokenizer(passages, pairs)
        let examples = examples(passages, pairs, tokenizer)
        guard examples.count > 1 else {
            throw CommandError(description: "\((documents + data).joined(separator: ", ")): expected at least two passages "
                + "of eight words or more, or two questions with passages, found \(examples.count).")
        }
        let trainer = EmbeddingTrainer(examples, vocabulary: tokenizer.count, settings, on: processor)
        let bar = ProgressBar("training", isVisible: !quiet), stop = StopSignal()
        var lastLoss: Float = 0
        while !stop.isRaised, let loss = trainer.step() {
            guard loss.isFinite else {
                throw CommandError(description: "the loss became \(loss) at step \(trainer.steps). Lower the learning rate: --lr")
            }
            lastLoss = loss
            bar.show(fraction: Double(trainer.steps) / Double(trainer.totalSteps), "loss \(Double(loss).fixed(3))")
        }
        bar.clear()
        try StaticModel.write(trainer.table, width: settings.width, tokenizer, to: folder)
        report(trainer, tokenizer, lastLoss, seconds: now() - start, folder)
    }

    private func texts() throws -> (passages: [String], pairs: [(question: String, passage: String)]) {
        var passages: [String] = [], pairs: [(question: String, passage: String)] = []
        for path in documents { try DocumentIndex(path, isReadOnly: true).forEachPassage { passages.append($0.embeddedText) } }
        for path in data { try TextPairReader.forEach(in: path) { pairs.append(($0, $1)) } }
        return (passages, pairs)
    }

    private func tokenizer(
        _ passages: [String], _ pairs: [(question: String, passage: String)]
    ) throws -> WordPieceTokenizer {
        var trainer = try WordPieceTrainer()
        for text in passages { try trainer.add(text) }
        for (question, passage) in pairs {
            try trainer.add(question)
            try trainer.add(passage)
        }
        return trainer.train(vocabularySize: vocabularySize)
    }

    private func examples(
        _ passages: [String], _ pairs: [(question: String, passage: String)], _ tokenizer: WordPieceTokenizer
    ) -> EmbeddingExamples {
        func tokens(_ text: String) -> [TokenID] { tokenizer.textIDs(of: text, limit: Self.mostTokens) }
        var examples = EmbeddingExamples()
        for text in passages { examples.add(passage: tokens(text)) }
        for (question, passage) in pairs { examples.add(question: tokens(question), passage: tokens(passage)) }
        return examples
    }

    private func report(
        _ trainer: EmbeddingTrainer, _ tokenizer: WordPieceTokenizer, _ loss: Float, seconds: Double, _ folder: String
    ) {
        let counts = trainer.counts, rates = trainer.hitRates()
        if json {
            return printLine(JSONLine([
                "model": .text(folder), "vocabulary": .whole(tokenizer.count), "width": .whole(settings.width),
                "examples": .whole(counts.training), "held_out": .whole(counts.heldOut), "steps": .whole(trainer.steps),
                "loss": .number(Double(loss)), "hit_rate_1": rates.map { .number($0.first) },
                "hit_rate_10": rates.map { .number($0.firstTen) }, "seconds": .number(seconds),
            ]))
        }
        printLine("\(folder): \(tokenizer.count.counted("token")) with \(settings.width) numbers each, trained on "
            + "\(counts.training.counted("example")) in \(trainer.steps.counted("step")), \(clockText(seconds)).")
        if let rates {
            printLine("Of \(counts.heldOut.counted("question")) that were held out, \((100 * rates.first).fixed(0)) % find their own "
                + "passage first among all of these, \((100 * rates.firstTen).fixed(0)) % among the first ten.")
        }
        printLine("Use it: slm index build FILE… --embedding-model \(folder.shellWord) --out INDEX")
    }
}
