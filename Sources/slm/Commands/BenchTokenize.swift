import Corpus
import Files
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
            "bench tokenize", "How fast a vocabulary is learned from a file, and the file encoded; reading it counts.",
            BenchTokenizeOptions(),
            [
                .option("text", \.text, "The file, taken as plain text."),
                .option("tokenizer", \.tokenizer, "Encode with this one instead of the one that was learned."),
                .option("vocab-size", \.vocabularySize, in: 256...100_000_000, "Tokens in all to learn."),
                .option("pattern", \.pattern, "gpt2, gpt4, llama3, none, or a regular expression."),
                .option("only", \.only, "Only this case, so that its peak memory is its own."),
                .option("runs", \.runs, in: 1...1_000, "Timed runs of each case; the median counts."),
                .option(
                    "threads", \.threads, in: 1...1_024, "Only with so many; else learning on all cores, and encoding on one and on all."),
                .option("json", \.json, "One JSON object a line."),
            ], example: "slm bench tokenize --text chats.txt --vocab-size 16387 --tokenizer gpt2/ --json"
        ) { options in
            guard !options.text.isEmpty else { throw UsageError("slm bench tokenize: give a file: --text FILE.") }
            guard let size = try InputFile(options.text).size else {
                throw UsageError("slm bench tokenize: \(options.text) is no ordinary file.")
            }
            var vocabulary: Vocabulary?
            if options.only != .encode || options.tokenizer == nil {
                let result = try options.medianSeconds { try options.learn(into: &vocabulary) }
                if options.only != .encode { options.report("train", threads: options.threads ?? CPU.availableCores, bytes: size, result) }
            }
            if options.only == .train { return }
            let using = try options.tokenizer.map { path in try Vocabulary(reading: path) } ?? vocabulary ?? .ofBytes()
            for threads in options.threads.map({ [$0] }) ?? (CPU.availableCores == 1 ? [1] : [1, CPU.availableCores]) {
                let tokenizer = try Tokenizer(using), pool = try WorkerPool(threads: threads)
                let result = try options.medianSeconds { try options.encode(with: tokenizer, on: pool) }
                options.report("encode", threads: threads, bytes: size, result)
            }
        }
    }
}

extension BenchTokenizeOptions {
    /// The median of the timed runs, and what the last of them counted.
    fileprivate func medianSeconds(_ body: () throws -> Int) throws -> (seconds: Double, count: Int) {
        var count = 0
        let seconds = try (0..<runs).map { _ in try measureSeconds { count = try body() } }
        return (median(seconds), count)
    }

    fileprivate func learn(into vocabulary: inout Vocabulary?) throws -> Int {
        let pattern = PreTokenizationPattern(named: pattern)
        var counting = CorpusCounter(pattern: pattern)
        counting.format = .text
        var counted = try counting.count([text], on: WorkerPool(threads: threads ?? CPU.availableCores))
        var trainer = BPETrainer(size: vocabularySize)
        trainer.specialTokens = ["<|user|>", "<|assistant|>", "<|eos|>", "<|pad|>"]
        trainer.pattern = pattern
        let learned = trainer.train(on: counted.takeWordCounts()).vocabulary
        vocabulary = learned
        return learned.count
    }

    /// Block by block; the ids are counted and forgotten.
    fileprivate func encode(with tokenizer: Tokenizer, on pool: WorkerPool) throws -> Int {
        final class Worker {
            var encoder: Encoder, parser = ConversationParser(), ids: [TokenID] = []
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
        var blocks = try CorpusBlocks([text], format: .text, blockSize: 1 << 17), tokens = 0
        try blocks.forEach(on: pool, make: { block, thread in workers[thread].count(block) }) { count throws(CorpusError) in
            do throws(TokenizeError) { tokens += try count.get() } catch { throw .tokenizer(error) }
        }
        return tokens
    }

    fileprivate func report(_ name: String, threads: Int, bytes: Int, _ result: (seconds: Double, count: Int)) {
        let rate = Double(bytes) / 1e6 / result.seconds, peak = CPU.peakMemory >> 20
        if json {
            say(
                JSONLine([
                    "bench": "tokenize", "case": .text(name), "threads": .whole(threads), "mb_per_s": .number(rate),
                    "seconds": .number(result.seconds),
                    "tokens": .whole(result.count), "peak_rss_mb": .whole(peak),
                ]))
        } else {
            say("\(name.padded(to: 8))\(threads) thread\(threads == 1 ? " " : "s") \(result.seconds.fixed(3).leftPadded(to: 8)) s "
                + "\(rate.fixed(1).leftPadded(to: 8)) MB/s  \(result.count) tokens, \(peak) MB at most")
        }
    }
}
