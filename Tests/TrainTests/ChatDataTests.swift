import Corpus
import Files
import Kernels
import Testing
import TestSupport
import Tokenize
import Train

@Suite struct ChatDataTests {
    private let folder = TemporaryFolder()

    private func data(_ text: String, seed: UInt64 = 1, context: Int = 32) throws -> ChatData {
        let tokenizer = try Tokenizer(.ofBytes(specialTokens: ["<|user|>", "<|assistant|>", "<|eos|>", "<|pad|>"]))
        return try ChatData(
            [folder.write(text, to: "chats.txt")], tokenizer, form: .specialTokens, context: context, seed: seed, on: WorkerPool(threads: 2)
        )
    }

    private func chats(_ count: Int, answer: String = "a") -> String { (0..<count).map { "[INST] \($0) [/INST] \(answer)\n" }.joined() }

    @Test(arguments: [(2, 1), (9, 1), (10, 1), (14, 1), (15, 2), (20, 2), (1_000, 100)]) func `a tenth is kept to check with`(
        count: Int, held: Int
    ) throws {
        let data = try data(chats(count)), all = (data.train + data.val).sorted { $0.lowerBound < $1.lowerBound }
        #expect(data.val.count == held && data.chats == count)
        // Every token belongs to one conversation of one side.
        #expect(all.first?.lowerBound == 0 && zip(all, all.dropFirst()).allSatisfy { $0.upperBound == $1.lowerBound })
        #expect(data.count(of: .train) + data.count(of: .val) == all.last?.upperBound)
    }

    @Test func `the seed alone says which, and the digest which chats these are`() throws {
        let a = try data(chats(100))
        let again = try data(chats(100))
        let other = try data(chats(100), seed: 2)
        #expect(a.val == again.val && a.val != other.val && a.digest == again.digest && a.digest == other.digest)
        #expect(try data(chats(100, answer: "b")).digest != a.digest)
    }

    @Test func `plain text is taken in passages`() throws {
        let data = try data(String(repeating: "words and words ", count: 40), context: 32)
        #expect(data.chats == 20 && data.val.count == 2 && data.train.allSatisfy { $0.count <= 33 })
        #expect(try data.examples(.val, rows: 4, context: 32, seed: 1, lossScope: .all, padding: 3).rowsPerEpoch == 2)
    }

    @Test func `what is checked with is seen once`() throws {
        let data = try data(chats(300)), examples = try data.examples(.val, rows: 4, context: 32, seed: 1, lossScope: .all, padding: 3)
        var seen: [Int32] = []
        for step in 0..<Int(examples.stepsPerEpoch.rounded(.up)) { seen += examples.batch(at: step).targets.filter { $0 >= 0 } }
        let once = data.count(of: .val) - data.val.count
        #expect(seen.count >= once && seen.count < once + 2 * 32)
    }

    @Test(arguments: [0.2, 0.25, 0.5, 0.07]) func `of all rows so far, the share is older, and each newer row comes in its turn`(
        share: Double
    ) throws {
        let new = try data(chats(90)).examples(.train, rows: 3, context: 32, seed: 1, lossScope: .all, padding: 3)
        let old = try data(chats(200, answer: "zzz")).examples(.train, rows: 3, context: 32, seed: 1, lossScope: .all, padding: 3)
        let mixture = ReplayMixture(of: new, and: old, share: share, rows: 3, context: 32)
        let rows = { (batch: Batch) in (0..<3).map { Array(batch.inputs[$0 * 32..<$0 * 32 + 32]) } }
        let isOld = { (row: [Int32]) in row.contains(126) }                       // z is 122 + 4 specials
        var newer: [[Int32]] = [], older = 0
        for step in 0..<60 {
            let batch = mixture.batch(at: step)
            #expect(batch.rows == 3 && batch.inputs.count == 96)
            older += rows(batch).count(where: isOld)
            newer += rows(batch).filter { !isOld($0) }
            #expect(older == Int(Double(3 * (step + 1)) * share), "at step \(step)")
        }
        let alone = (0..<60).flatMap { rows(new.batch(at: $0)) }
        #expect(newer == Array(alone.prefix(newer.count)))
        #expect(abs(mixture.stepsPerEpoch * 3 * (1 - share) - Double(new.rowsPerEpoch)) < 1e-9)
    }
}
