import Corpus
import Files
import Formats
import Kernels
import Tokenize

struct BenchTokenizeOptions {
    enum Case: String, CaseIterable, OptionValue {
        case train, encode
    }

    var text = ""
    var tokenizer: String?
    var vocabularySize = 16_387
    var pattern = "gpt2"
    var only: Case?
    var runs = 5
    var threads: Int?
    var json = false
}

extension Command {
    static var benchTokenize: Command {
        Command(
            "bench tokenize",
            "Measure tokenizer training and encoding.",
            BenchTokenizeOptions(),
            [
                OptionGroup("Main options", [
                    .option("text", \.text, value: "FILE", "Read FILE as plain text. Required."),
                    .option("tokenizer", \.tokenizer, value: "TOKENIZER", "Encode with this tokenizer.", default: "the trained one"),
                    .option("vocab-size", \.vocabularySize, in: 256...100_000_000, "Train a tokenizer with N tokens."),
                    .option("pattern", \.pattern, value: "PATTERN",
                            "Split text into words with gpt2, gpt4, llama3, qwen2, smollm, none or a regular expression."),
                    .option("only", \.only, "Measure one case, so that the peak memory is its own."),
                    .runs(\.runs, in: 1...1_000),
                    .option("threads", \.threads, in: 1...1_024, "Use N threads.", default: "all cores; encoding also on one"),
                    .json(\.json),
                ]),
            ],
            examples: ["slm bench tokenize --text chats.txt --vocab-size 16387 --tokenizer gpt2/ --json"]
        ) { options in
            try options.measure()
        }
    }
}

extension BenchTokenizeOptions {
    fileprivate func measure() throws {
        guard !text.isEmpty else { throw UsageError("slm bench tokenize: expected a file: --text FILE.") }
        guard let size = try InputFile(text).size else {
            throw UsageError("slm bench tokenize: --text: expected a regular file, found \(text).")
        }
        var vocabulary: Vocabulary?
        if only != .encode || tokenizer == nil {
            let result = try medianSeconds { try train(into: &vocabulary) }
            if only != .encode { report("train", threads: threads ?? CPU.availableCores, bytes: size, result) }
        }
        if only == .train { return }
        let encoding = try tokenizer.map { path in try Vocabulary(ofFile: path) } ?? vocabulary ?? .ofBytes()
        for threads in threads.map({ [$0] }) ?? (CPU.availableCores == 1 ? [1] : [1, CPU.availableCores]) {
            let tokenizer = try Tokenizer(encoding)
            let pool = try WorkerPool(threads: threads)
            let result = try medianSeconds { try encode(with: tokenizer, on: pool) }
            report("encode", threads: threads, bytes: size, result)
        }
    }

    /// The median of the timed runs, and the count of the last one.
    private func medianSeconds(_ body: () throws -> Int) throws -> (seconds: Double, count: Int) {
        var count = 0
        let seconds = try (0..<runs).map { _ in try measureSeconds { count = try body() } }
        return (median(seconds), count)
    }

    private func train(into vocabulary: inout Vocabulary?) throws -> Int {
        let pattern = PreTokenizationPattern(named: pattern)
        var counter = CorpusCounter(pattern: pattern)
        counter.format = .text
        var counted = try counter.count([text], on: WorkerPool(threads: threads ?? CPU.availableCores))
        var trainer = BPETrainer(vocabularySize: vocabularySize)
        trainer.specialTokens = ["<|user|>", "<|assistant|>", "<|eos|>", "<|pad|>"]
        trainer.pattern = pattern
        let trained = trainer.train(on: counted.takeWordCounts()).vocabulary
        vocabulary = trained
        return trained.count
    }

    /// Encodes block by block and counts the ids.
    private func encode(with tokenizer: Tokenizer, on pool: WorkerPool) throws -> Int {
        final class Worker {
            var encoder: Encoder
            var parser = ConversationParser()
            var ids: [TokenID] = []

            init(_ tokenizer: Tokenizer) throws { encoder = try Encoder(tokenizer) }

            func count(_ block: CorpusBlock) -> Result<Int, TokenizeError> {
                Result { () throws(TokenizeError) in
                    ids.removeAll(keepingCapacity: true)
                    try parser.parse(block) { entry throws(TokenizeError) in
                        if case .text(let text, _) = entry { try encoder.encode(text.span, into: &ids) }
                    }
                    return ids.count
                }
            }
        }
        let workers = try (0..<pool.size).map { _ in try Worker(tokenizer) }
        var blocks = try CorpusBlocks([text], format: .text, blockSize: 1 << 17)
        var tokens = 0
        try blocks.forEach(on: pool, transform: { block, thread in workers[thread].count(block) }) { count throws(CorpusError) in
            do throws(TokenizeError) { tokens += try count.get() } catch { throw .tokenizer(error) }
        }
        return tokens
    }

    private func report(_ name: String, threads: Int, bytes: Int, _ result: (seconds: Double, count: Int)) {
        let rate = Double(bytes) / 1e6 / result.seconds
        let peak = CPU.peakMemory >> 20
        if json {
            return printLine(JSONLine([
                "bench": "tokenize",
                "case": .text(name),
                "threads": .whole(threads),
                "mb_per_s": .number(rate),
                "seconds": .number(result.seconds),
                "tokens": .whole(result.count),
                "peak_rss_mb": .whole(peak),
            ]))
        }
        printLine("\(name.padded(to: 8))\(threads) thread\(threads == 1 ? " " : "s") \(result.seconds.fixed(3).leftPadded(to: 8)) s "
            + "\(rate.fixed(1).leftPadded(to: 8)) MB/s  \(result.count) tokens, peak memory \(peak) MB")
    }
}
