import Autograd
import Checkpoint
import Corpus
import Infer
import Kernels
import Model
import Train

struct EvalOptions: MachineOptions {
    var threads: Int?
    var cpu: String?
    var blas: BLAS?
    var dtype = PrecisionOption.auto
    var checkpoint: String?
    var base: String?
    var compare: [String] = []
    var data: [String] = []
    var format: ChatFileFormat?
    var skipsBad = false
    var learn = LossScope.all
    var windows = false
    var stride: Int?
    var batch: Int?
    var json = false
}

extension Command {
    static var eval: Command {
        Command(
            "eval", "How well a model predicts chats or texts: loss, perplexity, bits per byte, accuracy.", EvalOptions(),
            EvalOptions.rows + [
                .option("dtype", \.dtype, "What products are computed in; int8 and int4 as slm generate computes with them."),
                .option("checkpoint", \.checkpoint, "The model to ask."),
                .option("base", \.base, "The model that an adapter is for, where that is not where it was."),
                .list("compare", \.compare, "CHECKPOINT", "Two models instead: which is better, and whether by more than noise."),
                .list(
                    "data", \.data, "FILE",
                    "Chats or texts: files, folders, or - for standard input; or a folder that slm tokenize --tokens wrote."),
                .option("format", \.format, "What the data are; told by their content when not given."),
                .option("skip-bad", \.skipsBad, "Leave out what cannot be read, instead of stopping."),
                .option("learn-from", \.learn, "Which words count."),
                .option(
                    "windows", \.windows,
                    "Read each file as one stream, over the borders of conversations, instead of each conversation for itself."),
                .option(
                    "stride", \.stride, in: 1...1_048_576,
                    "Tokens from one window to the next, where a text is longer than the context. [half the context]"),
                .option("batch", \.batch, in: 1...65_536, "Rows that are read at once. [what fits into the cache]"),
                .option("json", \.json, "JSON instead of a table: an object a line."),
            ],
            example: """
                slm eval --checkpoint checkpoints/tiny/best.h5 --data data/sample-val.txt
                  slm eval --compare checkpoints/a/best.h5 checkpoints/b/best.h5 --data chats.jsonl --learn-from assistant
                """
        ) { options in
            try EvalCommand(options).run()
        }
    }
}

/// `slm eval`: asks, and tells.
struct EvalCommand {
    private let options: EvalOptions
    private let checkpoints: [String]

    init(_ options: EvalOptions) throws {
        self.options = options
        checkpoints = options.compare.isEmpty ? options.checkpoint.map { [$0] } ?? [] : options.compare
        guard !checkpoints.isEmpty else { throw UsageError("slm eval: give the model: --checkpoint FILE, or two of them: --compare A B.") }
        guard options.compare.isEmpty || options.compare.count == 2 && options.checkpoint == nil else {
            throw UsageError("slm eval: --compare takes two checkpoints, and no --checkpoint beside it.")
        }
        guard !options.data.isEmpty else { throw UsageError("slm eval: give what is to be predicted: --data FILE…") }
        guard options.compare.isEmpty || !options.data.contains("-") else {
            throw UsageError("slm eval: --compare reads the data twice: give a file instead of -.")
        }
    }

    func run() throws {
        let files = try EvaluationReader.files(at: options.data)
        // What is wrong with the second is heard of before the first is asked.
        let models = try checkpoints.map { path in try Checkpoint(reading: path) }
        for model in models { _ = try model.adapterBase(at: options.base) }
        var results: [[Evaluation]] = [], hasChats = true
        for model in models {
            if !options.json, models.count > 1 { say("\(results.isEmpty ? "" : "\n")\(model.path ?? "")") }
            let (pieces, areChats) = try ask(model, files)
            results.append(pieces)
            hasChats = hasChats && areChats
        }
        if results.count == 2 { tell(try ModelComparison(of: results[0], with: results[1]), hasChats: hasChats) }
    }

    /// What the model makes of each piece of all files, told on the way.
    private func ask(_ model: Checkpoint, _ files: [String]) throws -> (pieces: [Evaluation], hasChats: Bool) {
        let processor = try options.processor()
        var reader = try EvaluationReader(model, on: WorkerPool(threads: processor.threads))
        reader.lossScope = options.learn
        reader.readsAsOneStream = options.windows
        reader.format = options.format
        reader.skipsBad = options.skipsBad
        var evaluator = try evaluator(of: model, on: processor)
        evaluator.stride = options.stride
        evaluator.rows = options.batch
        var table = EvaluationTable(model.path ?? "", files, json: options.json)
        var all: [Evaluation] = [], conversations = 0, hasChats = true
        for (i, file) in files.enumerated() {
            let progress = Progress("evaluating"), text = try reader.text(at: file)
            let pieces = try evaluator.pieces(of: text) { share in
                progress.show(share: share, files.count == 1 ? file : "file \(i + 1) of \(files.count)")
            }
            progress.clear()
            table.tell(file, text.conversations, pieces)
            all += pieces
            conversations += text.conversations
            hasChats = hasChats && text.hasChats
        }
        if files.count > 1 { table.tell(nil, conversations, all) }
        return (all, hasChats)
    }

    private func evaluator(of checkpoint: Checkpoint, on processor: Processor) throws -> Evaluator {
        let form = processor.weightPrecision(for: options.dtype, stored: checkpoint.quantizedPrecision)
        if form == .float32 || form == .bfloat16 {
            return try Evaluator(checkpoint, base: options.base, on: processor, precision: form == .float32 ? .float32 : .bfloat16)
        }
        let runner = try ModelRunner(of: checkpoint, base: options.base, on: processor, precision: form)
        return Evaluator(context: checkpoint.configuration.context) { batch in
            let length = batch.inputs.count / batch.rows
            return (0..<batch.rows).reduce(into: TokenLosses()) { sum, row in
                let range = row * length..<(row + 1) * length
                sum += runner.tokenLosses(of: Array(batch.inputs[range]), predicting: Array(batch.targets[range]))
            }
        }
    }

    private func tell(_ comparison: ModelComparison, hasChats: Bool) {
        let (a, b) = (checkpoints[0], checkpoints[1]), isFirst = comparison.difference < 0
        if options.json {
            return say(JSONLine(["a": .text(a), "b": .text(b), "better": comparison.isNoise ? "neither" : isFirst ? "a" : "b",
                                 "difference": .exact(comparison.difference), "standard_error": .exact(comparison.standardError),
                                 "low": .exact(comparison.interval.lowerBound), "high": .exact(comparison.interval.upperBound),
                                 "paired": .whole(comparison.count), "pairs": hasChats ? "conversations" : "pieces of text"]))
        }
        guard comparison.count > 1 else {
            return say("\nOne \(hasChats ? "conversation" : "piece of text") cannot tell a difference from noise: bring more.")
        }
        let sign = isFirst ? -1.0 : 1.0, ends = [comparison.interval.lowerBound * sign, comparison.interval.upperBound * sign].sorted()
        let figures =
            "\((comparison.difference * sign).fixed(4)) bits per byte lower (95 %: \(ends[0].fixed(4)) … \(ends[1].fixed(4)), \(comparison.count) "
            + "\(hasChats ? "conversations" : "pieces of text"))"
        say(
            "\n"
                + (comparison.isNoise
                    ? "The difference is within noise: \(isFirst ? a : b) is \(figures)." : "\(isFirst ? a : b) is better: \(figures)."))
    }
}

/// A line a file, for people or for programs.
private struct EvaluationTable {
    private let checkpoint: String
    private let width: Int
    private let json: Bool
    private var hasHeader = false

    init(_ checkpoint: String, _ files: [String], json: Bool) {
        self.checkpoint = checkpoint
        self.json = json
        width = max(4, files.map(\.count).max() ?? 0) + 2
    }

    /// - Parameter file: nil for all of them.
    mutating func tell(_ file: String?, _ conversations: Int, _ pieces: [Evaluation]) {
        let sum = pieces.reduce(into: Evaluation(), +=)
        if json {
            return say(
                JSONLine([
                    "checkpoint": .text(checkpoint), "file": .text(file ?? "all"), "conversations": .whole(conversations),
                    "tokens": .whole(sum.targets), "bytes": .whole(sum.bytes), "loss": .exact(sum.loss),
                    "perplexity": .exact(sum.perplexity),
                    "bits_per_byte": sum.bytes == 0 ? nil : .exact(sum.bitsPerByte), "accuracy": .exact(sum.accuracy),
                ]))
        }
        if !hasHeader {
            say("file".padded(to: width) + columns(["chats", "tokens", "bytes", "loss", "perplexity", "bits/byte", "accuracy"]))
        }
        hasHeader = true
        say((file ?? "all").padded(to: width) + columns([
            "\(conversations)", "\(sum.targets)", "\(sum.bytes)", sum.loss.fixed(4), sum.perplexity.fixed(2),
            sum.bytes == 0 ? "-" : sum.bitsPerByte.fixed(4), (100 * sum.accuracy).fixed(2) + " %",
        ]))
    }

    private func columns(_ texts: [String]) -> String { zip(texts, [7, 10, 10, 9, 12, 11, 10]).map { $0.leftPadded(to: $1) }.joined() }
}
