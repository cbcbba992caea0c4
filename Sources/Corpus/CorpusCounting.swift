import Files
package import Kernels
package import Tokenize
import Random

/// Counts what a vocabulary is learned from: the words, or the characters, of all that is said in a corpus.
///
///     var counting = CorpusCounter(pattern: .gpt2)
///     var counted = try counting.count(["chats.txt"], on: WorkerPool(threads: 2))
///     let vocabulary = BPETrainer(size: 16_387).learn(from: counted.takeWordCounts()).vocabulary
///
/// Each message is a text of its own; a plain text is taken in blocks of whole lines. What is counted does not depend on the number of
/// threads.
package struct CorpusCounter {
    package enum Unit: Sendable {
        case words(PreTokenizationPattern), characters
    }

    /// What came of it.
    package struct Counted: ~Copyable {
        fileprivate var words: WordCounts
        package let characters: Characters
        package let report: CorpusReport

        /// The counts of words; there are none afterwards, so that their memory is free when they have been used.
        package mutating func takeWordCounts() -> WordCounts {
            var taken = WordCounts()
            swap(&taken, &words)
            return taken
        }
    }

    package let unit: Unit
    package var format: ChatFileFormat?
    /// The share of the conversations that is counted; which ones depends on `seed` and on their lines alone.
    package var sample = 1.0
    package var seed: UInt64 = 1
    package var skipsBad = false
    package var blockSize = 1 << 17
    /// Called after each block with the bytes that are done; throwing stops.
    package var progress: (_ bytesRead: Int) throws(CorpusError) -> Void = { _ in }

    package init(cutting pattern: PreTokenizationPattern) { unit = .words(pattern) }
    package init(_ unit: Unit) { self.unit = unit }

    package func count(_ paths: [String], on pool: WorkerPool) throws(CorpusError) -> Counted {
        var blocks = try CorpusBlocks(paths, format: format, blockSize: blockSize)
        var workers: [BlockCounter] = []
        for _ in 0..<pool.size { workers.append(try BlockCounter(self)) }
        var report = CorpusReport(), bytesRead = 0
        try blocks.forEach(on: pool, make: { block, thread in workers[thread].count(block) }) { block throws(CorpusError) in
            for fault in block.faults { try report.add(fault, skipsBad: skipsBad) }
            report.kept += block.kept
            report.empty += block.empty
            report.train.bytes.assistant += block.bytes
            bytesRead += block.bytesRead
            try progress(bytesRead)
        }
        guard report.train.bytes.total > 0 else {
            throw .nothingToLearn(files: blocks.sources.count, empty: report.empty, malformed: report.malformed)
        }
        return Counted(words: BlockCounter.words(of: workers), characters: BlockCounter.characters(of: workers), report: report)
    }
}

/// What a block added to a worker's counts.
private struct CountedBlock: Sendable {
    var kept = 0, empty = 0, bytes = 0, bytesRead = 0
    var faults: [Fault] = []
}

/// Parses and counts blocks, one for each thread.
private final class BlockCounter {
    private let settings: CorpusCounter
    private var parser = ConversationParser()
    private var words: WordCounts
    private var characters = Characters()

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
            case .malformed(let fault): result.faults.append(fault)
            case .conversation(let conversation, let line):
                guard isWanted(line) else { return }
                result.kept += 1
                for message in conversation.messages { add(message.text.span, block, line, to: &result) }
            case .text(let text, let line):
                guard isWanted(line) else { return }
                if block.begins { result.kept += 1 }
                add(text.span, block, line, to: &result)
            }
        }
        if case .lines(let lines, _) = block.content { result.bytesRead = lines.bytes.count }
        return result
    }

    private func isWanted(_ line: Int) -> Bool {
        var random = SeededRandom(seed: settings.seed, stream: UInt64(line))
        return settings.sample >= 1 || random.uniform() < settings.sample
    }

    private func add(_ text: Span<UInt8>, _ block: CorpusBlock, _ line: Int, to result: inout CountedBlock) {
        do throws(TokenizeError) {
            if case .characters = settings.unit { try characters.add(text) } else { try words.add(text) }
            result.bytes += text.count
        } catch { result.faults.append(MalformedLine(path: block.path, line: line, reason: error.description)) }
    }

    /// All counts together. The workers are empty afterwards.
    static func words(of workers: [BlockCounter]) -> WordCounts {
        var all = WordCounts()
        for worker in workers {
            // The larger goes nowhere: what was counted so far is added to it.
            swap(&all, &worker.words)
            all.add(worker.words)
            worker.words = WordCounts()
        }
        return all
    }

    static func characters(of workers: [BlockCounter]) -> Characters {
        var all = Characters()
        for worker in workers { all.add(worker.characters) }
        return all
    }
}
