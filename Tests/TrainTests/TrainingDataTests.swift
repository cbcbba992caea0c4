import Autograd
import Checkpoint
import Corpus
import Distributed
import Files
import Foundation
import Kernels
import Model
import Testing
import TestSupport
import Tokenize
import Train

@Suite struct TrainingDataTests {
    private let folder = TemporaryFolder()
    private let vocabulary = Vocabulary.ofBytes(specialTokens: ["<|user|>", "<|assistant|>", "<|eos|>", "<|pad|>"])

    private func source(_ text: String, share: Double = 0.1, _ name: String = "chats.txt") -> TrainingData.Source {
        var source = TrainingData.Source([folder.write(text, to: name)])
        source.validationShare = share
        return source
    }

    private func data(_ source: TrainingData.Source) throws -> TrainingData {
        try TrainingData(source, vocabulary: vocabulary, on: WorkerPool(threads: 2))
    }

    private func chats(_ count: Int, answer: String = "a") -> String { (0..<count).map { "[INST] \($0) [/INST] \(answer)\n" }.joined() }

    /// The numbers that the users of `chats` say.
    private func numbers(in file: TokenFile) throws -> [Int] {
        let tokenizer = try Tokenizer(vocabulary)
        var ids: [TokenID] = []
        return try file.conversations.map { range in
            try file.read(range, into: &ids)
            return try #require(Int(tokenizer.text(of: ids.filter { $0 > 3 }).filter(\.isNumber)))
        }
    }

    private let plan = TrainingPlan(batch: 4)

    @Test(arguments: [false, true]) func `ranks of a machine share the token files of the first`(inCache: Bool) throws {
        // Several blocks.
        let source = source(chats(15_000, answer: "an answer of some length")), vocabulary = vocabulary, path = folder("cache")
        let alone = try data(source)
        let digest = try alone.digest
        for isFirstTime in [true, false] {
            let found = try withRanks(3) { ranks -> (digest: String?, kept: Int?) in
                let storage = inCache ? TrainingData.Storage.cache(DatasetCache(in: path), version: "1") : .temporary
                guard let pool = try? WorkerPool(threads: 1),
                      let data = try? TrainingData(source, vocabulary: vocabulary, storage: storage, over: ranks, on: pool)
                else { return (nil, nil) }
                return (try? data.digest, data.report?.kept)
            }
            #expect(found.map(\.digest) == [digest, digest, digest])
            // Only the first one has written the files.
            #expect(found.map(\.kept) == [isFirstTime || !inCache ? 15_000 : nil, nil, nil])
        }
        #expect(alone.report?.kept == 15_000)
    }

    @Test func `ranks with other settings write token files of their own`() throws {
        let source = source(chats(15_000, answer: "an answer of some length")), vocabulary = vocabulary, path = folder("cache")
        let found = try withRanks(3) { ranks -> String? in
            var own = source
            if ranks.rank == 1 { own.validationShare = 0.3 }
            guard let pool = try? WorkerPool(threads: 1) else { return nil }
            return try? TrainingData(
                own, vocabulary: vocabulary, storage: .cache(DatasetCache(in: path), version: "1"), over: ranks, on: pool).digest
        }
        var other = source
        other.validationShare = 0.3
        #expect(try found == [data(source).digest, data(other).digest, data(source).digest])
    }

    @Test func `slm train, slm finetune and slm tokenize split a file alike`() throws {
        let source = source(chats(100)), pool = try WorkerPool(threads: 2)
        // As slm train: chat files, tokenized into the cache, and read from it the second time.
        let cache = TrainingData.Storage.cache(DatasetCache(in: folder("cache")), version: "1")
        let trained = try TrainingData(source, vocabulary: vocabulary, storage: cache, on: pool)
        let cached = try TrainingData(source, vocabulary: vocabulary, storage: cache, on: pool)
        #expect(trained.report?.kept == 100 && cached.report == nil)
        // The folder in the cache can be given to slm train --data.
        let cachedFolder = try #require(FileManager.default.contentsOfDirectory(atPath: folder("cache")).first { !$0.hasPrefix(".") })
        let stored = try Vocabulary(reading: folder("cache/\(cachedFolder)/tokenizer.json"))
        // One that cannot be read is made again.
        folder.write("{}", to: "cache/\(cachedFolder)/meta.json")
        #expect(try TrainingData(source, vocabulary: vocabulary, storage: cache, on: pool).report?.kept == 100)
        #expect(stored.fingerprint == vocabulary.fingerprint)
        // As slm tokenize corpus, then slm train --data DIR.
        try CorpusEncoder(Tokenizer(vocabulary), file: "tokenizer.json", template: .specialTokens)
            .write(source.paths, to: folder("tokens"), on: pool)
        let prepared = try data(.init([folder("tokens")]))
        // As slm finetune.
        let processor = try Processor(threads: 2)
        let configuration = GPTConfiguration(layers: 1, heads: 2, width: 16, context: 32, vocabulary: vocabulary.count)
        let trainer = Trainer(configuration, on: processor, precision: .float32, seed: 5)
        try Checkpoint(configuration, trainer.parameters, vocabulary, .specialTokens).write(to: folder("base.h5"))
        let finetuned = try Finetuning(
            of: FinetuningBase(folder("base.h5"), on: processor), .init(data: source.paths), plan, in: folder("run"), on: processor
        ).data

        let validation = try numbers(in: trained.validation), training = try numbers(in: trained.training)
        #expect(!validation.isEmpty && (training + validation).sorted() == Array(0..<100))
        for (name, other) in [("cached", cached), ("prepared", prepared), ("fine-tuning", finetuned)] {
            #expect(try numbers(in: other.validation) == validation && numbers(in: other.training) == training, "\(name)")
            #expect(try other.digest == trained.digest && other.meta.identity == trained.meta.identity, "\(name)")
        }
    }

    @Test(arguments: [20, 40, 1_000])
    func `a conversation's index decides its set, and about a tenth are for validation`(count: Int) throws {
        let data = try data(source(chats(count))), split = ValidationSplit(seed: 1, share: 0.1)
        let expected = (0..<count).filter { split.isInValidationSet($0) }
        #expect(try numbers(in: data.validation) == expected)
        #expect(try numbers(in: data.training) == (0..<count).filter { !expected.contains($0) })
        #expect(data.exampleCount(.train, context: 32) + data.exampleCount(.val, context: 32) == count)
        // Three standard deviations of a binomial distribution.
        #expect(abs(Double(expected.count) - 0.1 * Double(count)) <= 3 * (0.09 * Double(count)).squareRoot())
    }

    @Test func `appended chats leave the sets of earlier ones unchanged`() throws {
        let before = try data(source(chats(60))), after = try data(source(chats(90)))
        let validation = try numbers(in: before.validation), training = try numbers(in: before.training)
        #expect(try numbers(in: after.validation).filter { $0 < 60 } == validation)
        #expect(try numbers(in: after.training).filter { $0 < 60 } == training)
    }

    @Test func `of a few chats at least one is for validation, and a single one is for training`() throws {
        for share in [0.001, 0.1, 0.5, 0.999] {
            for count in 1...12 {
                let data = try data(source(chats(count), share: share))
                let training = try numbers(in: data.training), validation = try numbers(in: data.validation)
                #expect(!training.isEmpty && validation.isEmpty == (count == 1), "\(count) chats, share \(share)")
                #expect((training + validation).sorted() == Array(0..<count), "\(count) chats, share \(share)")
            }
        }
        #expect(try data(source(chats(12), share: 0)).validation.count == 0)
    }

    @Test func `validation files replace the split`() throws {
        var source = source(chats(20))
        source.validation = [folder.write("[INST] 77 [/INST] b\n", to: "val.txt")]
        let data = try data(source)
        #expect(try numbers(in: data.training) == Array(0..<20) && numbers(in: data.validation) == [77])
    }

    @Test func `malformed lines are errors unless they are skipped`() throws {
        var source = source(#"{"user": "1", "assistant": "a"}"# + "\n{\n" + #"{"user": "2", "assistant": "a"}"# + "\n", "chats.jsonl")
        #expect(throws: CorpusError.self) { try data(source) }
        source.skipsBad = true
        #expect(try data(source).report?.malformed == 1)
    }

    @Test func `the memory of the data is that of tokens, turns and packed conversations`() throws {
        let data = try data(source(chats(20)))
        // Each conversation has a turn of the user and one of the assistant.
        let turns = DatasetSplit.allCases.reduce(0) { $0 + data.meta.counts(of: $1).turns }
        let files = data.training.residentBytes + data.validation.residentBytes
        #expect(data.memoryBytes == Double(files + turns * 8 + 20 * 48) && turns >= 40 && files > 0)
    }

    @Test func `the digest depends on the chats and on the split`() throws {
        let digest = try data(source(chats(100))).digest
        #expect(try data(source(chats(100))).digest == digest)
        #expect(try data(source(chats(100, answer: "b"))).digest != digest)
        #expect(try data(source(chats(100), share: 0.3)).digest != digest)
    }

    @Test func `tokens of another vocabulary are refused`() throws {
        try CorpusEncoder(Tokenizer(vocabulary), file: "tokenizer.json", template: .specialTokens)
            .write(source(chats(20)).paths, to: folder("tokens"), on: WorkerPool(threads: 1))
        let other = Vocabulary.ofBytes(specialTokens: ["<|user|>", "<|assistant|>", "<|eos|>"])
        let error = TrainingError.otherVocabulary(
            folder: folder("tokens"), found: vocabulary.fingerprint, expected: other.fingerprint)
        #expect(throws: error) { try TrainingData(.init([folder("tokens")]), vocabulary: other, on: WorkerPool(threads: 1)) }
    }

    @Test func `the end of a plain text is for validation, and its examples are as long as the context`() throws {
        let lines = (0..<40).map { "line \($0) of words\n" }, data = try data(source(lines.joined(), "text.txt"))
        let tokenizer = try Tokenizer(vocabulary)
        var ids: [TokenID] = []
        try data.training.read(0..<data.training.count, into: &ids)
        let training = tokenizer.text(of: ids.filter { $0 > 3 })
        try data.validation.read(0..<data.validation.count, into: &ids)
        let validation = tokenizer.text(of: ids.filter { $0 > 3 })
        #expect(training + validation == lines.joined() && (2...6).contains(validation.split(separator: "\n").count))
        #expect(data.exampleCount(.train, context: 32) == (data.training.count + 30) / 32)
        #expect(try data.packedBatches(.train, plan, context: 32).rowsPerEpoch == data.exampleCount(.train, context: 32))
    }

    @Test(arguments: [0.2, 0.25, 0.5, 0.07]) func `a replay mixture has the exact share of older rows and all new rows in order`(
        share: Double
    ) throws {
        var plan = plan
        plan.batch = 3
        let new = try data(source(chats(90))).packedBatches(.train, plan, context: 32)
        let old = try data(source(chats(200, answer: "zzz"))).packedBatches(.train, plan, context: 32)
        let mixture = ReplayMixture(of: new, and: old, share: share, rows: 3, context: 32)
        let rows = { (batch: Batch) in (0..<3).map { Array(batch.inputs[$0 * 32..<$0 * 32 + 32]) } }
        let isOld = { (row: [Int32]) in row.contains(126) }  // z is 122, plus 4 special tokens
        var newer: [[Int32]] = [], older = 0
        for step in 0..<60 {
            let batch = try mixture.batch(at: step)
            #expect(batch.rows == 3 && batch.inputs.count == 96)
            older += rows(batch).count(where: isOld)
            newer += rows(batch).filter { !isOld($0) }
            #expect(older == Int(Double(3 * (step + 1)) * share), "at step \(step)")
        }
        let alone = try (0..<60).flatMap { rows(try new.batch(at: $0)) }
        #expect(newer == Array(alone.prefix(newer.count)))
        #expect(abs(mixture.stepsPerEpoch * 3 * (1 - share) - Double(new.rowsPerEpoch)) < 1e-9)
    }
}
