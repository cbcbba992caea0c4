import Formats
import Infer
import JSON
import Kernels
import Tokenize

struct BenchGrammarOptions {
    var tokenizer: String?
    var vocabularySize = 151_936
    var format: GrammarSample?
    var batch = 16
    var tokens = 400
    var threads: Int?
    var json = false
}

extension Command {
    static var benchGrammar: Command {
        Command(
            "bench grammar",
            "Measure the masks of grammars.",
            BenchGrammarOptions(),
            [
                OptionGroup("Main options", [
                    .option("tokenizer", \.tokenizer, value: "TOKENIZER", "Use its vocabulary.", default: "random tokens"),
                    .option("vocab-size", \.vocabularySize, in: 300...10_000_000, "Make N random tokens."),
                    .option("format", \.format, "Measure one format.", default: "all"),
                    .option("batch", \.batch, in: 1...4_096, "Mask the tokens of N sequences at once, after those of one."),
                    .option("tokens", \.tokens, in: 2...1_000_000, "Mask N tokens of each sequence."),
                    .option("threads", \.threads, in: 1...1_024, "Use N threads.", default: "all cores"),
                    .json(\.json),
                ]),
            ],
            examples: ["slm bench grammar --tokenizer Qwen3-0.6B/ --json"]
        ) { options in
            try options.measure()
        }
    }
}

extension BenchGrammarOptions {
    /// A sequence whose tokens are known: masks are measured, not a model.
    private final class Answer {
        private var filter: AnswerFilter
        private let answer: [TokenID]
        private var logits: [Float]
        /// In seconds, of each token.
        private(set) var times: [Double] = []

        init(_ filter: AnswerFilter, _ answer: [TokenID], vocabulary: Int) {
            self.filter = filter
            self.answer = answer
            logits = Array(repeating: 0, count: vocabulary)
        }

        func step(_ index: Int) {
            for id in logits.indices { logits[id] = Float(id % 97) }
            let id = answer[index]
            let seconds = measureSeconds {
                var span = logits.mutableSpan
                filter.restrict(&span)
                filter.add(id)
            }
            precondition(logits[Int(id)] != -.infinity, "the answer has a token that its grammar does not allow")
            times.append(seconds)
        }
    }

    fileprivate func measure() throws {
        let vocabulary = try tokenizer.map { try Vocabulary(ofFile: $0) } ?? GrammarSample.vocabulary(of: vocabularySize)
        let spelling = GrammarSample.Spelling(vocabulary), pool = try WorkerPool(threads: threads ?? CPU.availableCores)
        for format in format.map({ [$0] }) ?? GrammarSample.allCases {
            let answers = try (0..<batch).map { try spelling.ids(of: format.text(seed: UInt64($0), bytes: 16 * tokens), count: tokens) }
            for count in batch == 1 ? [1] : [1, batch] {
                // Each answer has a request of its own, which reads the grammar.
                let shared = GrammarTokens(vocabulary)
                func begin(_ answer: [TokenID]) throws -> Answer {
                    Answer(AnswerFilter(try format.grammar, shared, stopTokens: []), answer, vocabulary: vocabulary.count)
                }
                var sequences: [Answer] = []
                var first = try measureSeconds { sequences.append(try begin(answers[0])) }
                for answer in answers[1..<count] { sequences.append(try begin(answer)) }
                for index in 0..<tokens { pool.forEach(count) { sequence, _ in sequences[sequence].step(index) } }
                first += sequences[0].times[0]
                report(format, vocabulary.count, first, sequences.flatMap { $0.times.dropFirst() }.sorted(), sequences: count)
            }
        }
    }

    /// - Parameter times: Sorted.
    private func report(_ format: GrammarSample, _ vocabulary: Int, _ first: Double, _ times: [Double], sequences: Int) {
        let median = times[times.count / 2] * 1e6, percentile99 = times[times.count * 99 / 100] * 1e6
        if json {
            return printLine(JSONLine([
                "bench": "grammar",
                "case": .text(format.rawValue),
                "vocabulary": .whole(vocabulary),
                "sequences": .whole(sequences),
                "tokens": .whole(times.count + sequences),
                "first_use_ms": .number(first * 1e3),
                "mask_us_p50": .number(median),
                "mask_us_p99": .number(percentile99),
                "mask_us_max": .number((times.last ?? 0) * 1e6),
            ]))
        }
        printLine("\(format.rawValue.padded(to: 8))\(sequences.description.leftPadded(to: 3)) sequence\(sequences == 1 ? " " : "s") "
            + "first use \((first * 1e3).fixed(2).leftPadded(to: 8)) ms, then \(median.fixed(1).leftPadded(to: 7)) µs (median), "
            + "\(percentile99.fixed(1).leftPadded(to: 8)) µs (99th percentile)")
    }
}
