import Corpus
import Files
import Kernels
import Testing
import TestSupport
import Tokenize
import Train

@Suite struct TrainingBatchesTests {
    private let folder = TemporaryFolder()

    /// Conversations of byte tokens with messages of the given lengths: role, text, role, text, end.
    private func tokens(_ lengths: [(user: Int, assistant: Int)]) throws -> TokenFile {
        let tokenizer = try Tokenizer(.ofBytes(specialTokens: ["<|user|>", "<|assistant|>", "<|eos|>", "<|pad|>"]))
        let lines = lengths.enumerated().map { i, length in
            "[INST] \(String(repeating: "\(i % 10)", count: length.user)) [/INST] \(String(repeating: "a", count: length.assistant))\n"
        }
        let data = folder.write(lines.joined(), to: "chats.txt")
        var encoding = CorpusEncoder(tokenizer, file: "bytes", template: .specialTokens)
        encoding.validationShare = 0
        try encoding.write([data], to: folder.path, on: WorkerPool(threads: 1))
        return try TokenFile(.train, in: folder.path)
    }

    private static let lengths: [(user: Int, assistant: Int)] = {
        var noise = TestRandom(5)
        return (0..<300).map { _ in (1 + Int(noise.next() % 60), 1 + Int(noise.next() % 90)) }
    }()

    @Test func `packing makes every token but the first of a conversation a target once per epoch`() throws {
        let tokens = try tokens(Self.lengths), context = 64
        let batches = try PackedConversations(tokens, rows: 1, context: context, seed: 3, padding: 3)
        let epoch = Int(batches.stepsPerEpoch)
        var targets = 0, padded = 0
        for step in 0..<epoch {
            let batch = try batches.batch(at: step)
            #expect(batch.inputs.count == context)
            targets += batch.targets.count { $0 >= 0 }
            padded += zip(batch.inputs, batch.targets).count { $0 == 3 && $1 < 0 }
        }
        #expect(targets == tokens.count - Self.lengths.count)
        #expect(padded == epoch * context - targets)
        #expect(abs(Double(padded) / Double(epoch * context) - batches.padded) < 1e-12 && batches.padded < 0.02)
    }

    @Test func `a packed row has the start of each conversation, and targets from the same conversation`() throws {
        let batches = try PackedConversations(tokens(Self.lengths), rows: 4, context: 64, seed: 3, padding: 3)
        for step in 0..<10 {
            let batch = try batches.batch(at: step)
            for i in batch.inputs.indices where batch.targets[i] >= 0 {
                let isLastOfRow = i % 64 == 63, document = batch.documentStarts?[i] ?? 0
                if !isLastOfRow, (batch.documentStarts?[i + 1] ?? 0) == document, batch.targets[i + 1] >= 0 {
                    #expect(batch.targets[i] == batch.inputs[i + 1])
                }
                if !isLastOfRow, (batch.documentStarts?[i + 1] ?? 0) != document {
                    #expect((batch.documentStarts?[i + 1]).map { Int($0) } == i % 64 + 1)
                }
            }
        }
    }

    @Test func `the loss scope assistant masks user messages and keeps the end of answers`() throws {
        let tokens = try tokens([(3, 2), (5, 1)])
        let batch = try PackedConversations(tokens, rows: 1, context: 32, seed: 1, lossScope: .assistant, padding: 3).batch(at: 0)
        let targets = batch.targets.filter { $0 >= 0 }
        #expect(targets.sorted() == [2, 2, 101, 101, 101])                    // a is 97, plus 4 special tokens; <|eos|> is 2
    }

    @Test func `epochs have different orders, and a batch depends only on its step and the seed`() throws {
        let tokens = try tokens(Self.lengths)
        let packed = try PackedConversations(tokens, rows: 2, context: 64, seed: 3, padding: 3)
        let again = try PackedConversations(tokens, rows: 2, context: 64, seed: 3, padding: 3)
        let other = try PackedConversations(tokens, rows: 2, context: 64, seed: 4, padding: 3)
        #expect(try packed.batch(at: 700).inputs == again.batch(at: 700).inputs)
        #expect(try packed.batch(at: 7).inputs != other.batch(at: 7).inputs)
        #expect(try packed.batch(at: 0).inputs != packed.batch(at: Int(packed.stepsPerEpoch)).inputs)
        let windows = try RandomWindows(tokens, rows: 3, context: 50, seed: 9)
        #expect(try windows.batch(at: 5).inputs == RandomWindows(tokens, rows: 3, context: 50, seed: 9).batch(at: 5).inputs)
        #expect(try windows.batch(at: 5).inputs != windows.batch(at: 6).inputs)
    }

    @Test func `windows start at every offset, and predict the next token`() throws {
        let tokens = try tokens([(30, 30), (20, 9)])
        var seen = Set<[Int32]>()
        let windows = try RandomWindows(tokens, rows: 4, context: 10, seed: 2)
        for step in 0..<200 {
            let batch = try windows.batch(at: step)
            for row in 0..<4 {
                let inputs = Array(batch.inputs[row * 10..<row * 10 + 10]), targets = Array(batch.targets[row * 10..<row * 10 + 10])
                #expect(inputs.dropFirst() == targets.dropLast())
                seen.insert(inputs + [targets[9]])
            }
        }
        #expect(try batchStarts(tokens, 10).isSubset(of: seen))
    }

    @Test func `an epoch of windows has as many tokens as the data`() throws {
        let tokens = try tokens([(30, 30), (20, 9)]), windows = try RandomWindows(tokens, rows: 4, context: 10, seed: 2)
        #expect(windows.stepsPerEpoch == Double(tokens.count) / 40)
    }

    private func batchStarts(_ tokens: TokenFile, _ context: Int) throws -> Set<[Int32]> {
        try Set((0..<tokens.count - context).map { start in
            var ids: [Int32] = []
            try tokens.read(start..<start + context + 1, into: &ids)
            return ids
        })
    }

    @Test func `too few tokens are an error`() throws {
        let tokens = try tokens([(3, 2)])
        #expect(throws: TrainingError.tooFewTokens(path: tokens.path, count: 8, needed: 385)) {
            try RandomWindows(tokens, rows: 1, context: 384, seed: 1)
        }
        // A window has a target more than inputs.
        #expect(throws: TrainingError.tooFewTokens(path: tokens.path, count: 8, needed: 9)) {
            try RandomWindows(tokens, rows: 1, context: 8, seed: 1)
        }
        #expect(try RandomWindows(tokens, rows: 1, context: 7, seed: 1).batch(at: 0).inputs.count == 7)
    }

    /// nanoGPT's get_lr, which divides by warmup + 1, with its defaults (peak 6e-4, minimum 6e-5).
    @Test func `the learning rate schedule matches nanoGPT`() {
        let schedule = LearningRateSchedule(peak: 6e-4, warmup: 100, steps: 1_000)
        for (step, rate) in [
            (0, 5.940594e-06), (50, 3.029703e-4), (99, 5.940594e-4), (100, 6e-4), (325, 5.209188e-4), (550, 3.3e-4), (1_000, 6e-5),
            (5_000, 6e-5),
        ] {
            #expect(abs(Double(schedule.rate(at: step)) - rate) < 1e-9, "at \(step)")
        }
    }
}
