import Files
package import Kernels
import Random
package import Tokenize

/// Counts the words, or collects the characters, of a corpus: the input of vocabulary training.
///
///     let counter = CorpusCounter(pattern: .gpt2)
///     var result = try counter.count(["chats.txt"], on: WorkerPool(threads: 2))
///     let vocabulary = BPETrainer(vocabularySize: 16_387).train(on: result.takeWordCounts()).vocabulary
///
/// Each message is a text of its own; a plain text is counted in blocks of complete lines. The result does not depend on the number of
/// threads.
package struct CorpusCounter {
    package enum Unit: Sendable {
        case words(PreTokenizationPattern), characters
    }

    package struct Result: ~Copyable {
        fileprivate var words: WordCounts
        package let characters: CharacterSet
        package let report: CorpusReport

        /// Moves the word counts out, so that their memory is freed when they have been used.
        package mutating func takeWordCounts() -> WordCounts {
            var taken = WordCounts()
            swap(&taken, &words)
            return taken
        }
    }

    package let unit: Unit
    package var format: ChatFileFormat?
    /// The share of the conversations to count. They are selected by `seed` and their line numbers.
    package var sample = 1.0
    package var seed: UInt64 = 1
    package var skipsBad = false
    package var blockSize = 1 << 17
    /// Called after each block with the number of bytes read so far. It stops the work by throwing.
    package var progress: (_ bytesRead: Int) throws(CorpusError) -> Void = { _ in }

    package init(pattern: PreTokenizationPattern) { unit = .words(pattern) }
    package init(_ unit: Unit) { self.unit = unit }

    package func count(_ paths: [String], on pool: WorkerPool) throws(CorpusError) -> Result {
        var blocks = try CorpusBlocks(paths, format: format, blockSize: blockSize)
        var workers: [BlockCounter] = []
        for _ in 0..<pool.size { workers.append(try BlockCounter(self)) }
        var report = CorpusReport()
        var bytesRead = 0
        try blocks.forEach(on: pool, transform: { block, thread in workers[thread].count(block) }) { block throws(CorpusError) in
            for line in block.malformedLines { try report.add(line, skipsBad: skipsBad) }
            report.kept += block.kept
            report.empty += block.empty
            report.train.bytes.assistant += block.bytes
            bytesRead += block.bytesRead
            try progress(bytesRead)
        }
        guard report.train.bytes.total > 0 else {
            throw .noTrainingData(files: blocks.sources.count, empty: report.empty, malformed: report.malformed)
        }
        return Result(words: BlockCounter.words(of: workers), characters: BlockCounter.characters(of: workers), report: report)
    }
}

/// The changes that a block makes to the report. Words and characters stay with the worker.
private struct CountedBlock: Sendable {
    var kept = 0
    var empty = 0
    var bytes = 0
    var bytesRead = 0
    var malformedLines: [MalformedLine] = []
}

/// Parses and counts blocks. One per thread.
private final class BlockCounter {
    private let settings: CorpusCounter
    private var parser = ConversationParser()
    private var words: WordCounts
    private var characters = CharacterSet()

    init(_ settings: CorpusCounter) throws(CorpusError) {
        self.settings = settings
        let pattern: PreTokenizationPattern = if case .words(let pattern) = settings.unit { pattern } else { .none }
        do throws(TokenizeError) { words = try WordCounts(pattern: pattern) } catch { throw .tokenizer(error) }
    }

    func count(_ block: CorpusBlock) -> CountedBlock {
        var result = CountedBlock()
        parser.parse(block) { entry in
            switch entry {
            case .empty: result.empty += 1
            case .malformed(let line): result.malformedLines.append(line)
            case .conversation(let conversation, let line):
                guard isSampled(line) else { return }
                result.kept += 1
                for message in conversation.messages { add(message.text.span, block, line, to: &result) }
            case .text(let text, let line):
                guard isSampled(line) else { return }
                if block.startsText { result.kept += 1 }
                add(text.span, block, line, to: &result)
            }
        }
        if case .lines(let lines, _) = block.content { result.bytesRead = lines.bytes.count }
        return result
    }

    private func isSampled(_ line: Int) -> Bool {
        var random = SeededRandom(seed: settings.seed, stream: UInt64(line))
        return settings.sample >= 1 || random.uniform() < settings.sample
    }

    private func add(_ text: Span<UInt8>, _ block: CorpusBlock, _ line: Int, to result: inout CountedBlock) {
        do throws(TokenizeError) {
            if case .characters = settings.unit { try characters.add(text) } else { try words.add(text) }
            result.bytes += text.count
        } catch { result.malformedLines.append(MalformedLine(path: block.path, line: line, reason: error.description)) }
    }

    /// The sum of all workers' counts, which are emptied.
    static func words(of workers: [BlockCounter]) -> WordCounts {
        var sum = WordCounts()
        for worker in workers {
            swap(&sum, &worker.words)
            sum.add(worker.words)
            worker.words = WordCounts()
        }
        return sum
    }

    static func characters(of workers: [BlockCounter]) -> CharacterSet {
        var union = CharacterSet()
        for worker in workers { union.add(worker.characters) }
        return union
    }
}
