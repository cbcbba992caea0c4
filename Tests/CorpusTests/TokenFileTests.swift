import Corpus
import Files
import Kernels
import TestSupport
import Testing
import Tokenize

@Suite struct TokenFileTests {
    let folder = TemporaryFolder()

    private func words(_ words: [UInt64]) -> [UInt8] { words.flatMap(\.littleEndianBytes) }

    private func reason(_ body: () throws(CorpusError) -> TokenFile) -> String? {
        do throws(CorpusError) {
            _ = try body()
            return nil
        } catch {
            guard case .damaged(_, let reason) = error else { return "\(error)" }
            return reason
        }
    }

    @Test func `every range reads as it was written`() throws {
        let path = folder.write("[INST] Hi [/INST] Yo\n[INST] A\n[INST] B [/INST] C [INST] D\n", to: "chats.txt")
        var encoder = CorpusEncoder(try byteTokenizer(), file: "tokenizer.json", template: .specialTokens)
        encoder.validationShare = 0
        try encoder.write([path], to: folder("out"), on: WorkerPool(threads: 2))
        let file = try TokenFile(.train, in: folder("out"))
        var whole: [TokenID] = [], roles: [TokenRole] = [], ids: [TokenID] = [], some: [TokenRole] = []
        try file.read(0..<file.count, into: &whole, roles: &roles)
        let text = "<|user|>Hi<|assistant|>Yo<|eos|><|user|>A<|eos|><|user|>B<|assistant|>C<|user|>D<|eos|>"
        #expect(try byteTokenizer().text(of: whole) == text)
        let digits = roles.map { "\($0.rawValue)" }.joined()
        #expect(digits == "01112220110112211")
        #expect(file.turns.map(\.start) == [0, 1, 4, 7, 8, 10, 11, 13, 15])
        for low in 0...file.count {
            for high in low...file.count {
                try file.read(low..<high, into: &ids, roles: &some)
                #expect(ids == Array(whole[low..<high]) && some == Array(roles[low..<high]))
            }
        }
    }

    @Test func `a vocabulary of more than 65,536 tokens has 32-bit ids`() throws {
        var vocabulary = try byteTokenizer().vocabulary
        for i in 0..<65_536 { vocabulary.tokens.append("token \(i)".utf8) }
        vocabulary.add(specialTokens: ["<|last|>"])
        let path = folder.write("[INST] Hi\n", to: "chats.txt")
        var encoder = CorpusEncoder(try Tokenizer(vocabulary), file: "t", template: .specialTokens)
        encoder.validationShare = 0
        try encoder.write([path], to: folder("out"), on: WorkerPool(threads: 1))
        let file = try TokenFile(.train, in: folder("out"))
        var ids: [TokenID] = []
        try file.read(0..<file.count, into: &ids)
        #expect(ids == [0, 76, 109, 2])
        #expect(try InputFile.contents(of: folder("out/train.bin")).count == 16)
    }

    @Test func `a damaged file is reported with the reason`() throws {
        let path = folder.write([1, 0, 2, 0, 3, 0] as [UInt8], to: "train.bin")
        #expect(try TokenFile(path, vocabularySize: 4).count == 3)
        #expect(reason { () throws(CorpusError) in try TokenFile(path, vocabularySize: 3) } == "expected IDs below 3, found 3 at token 2")
        #expect(
            reason { () throws(CorpusError) in try TokenFile(path, width: 4, vocabularySize: 4) }
                == "6 bytes are not a multiple of 32 bits; the file is truncated")
        let odd = folder.write([1, 0, 2] as [UInt8], to: "odd.bin")
        #expect(
            reason { () throws(CorpusError) in try TokenFile(odd, vocabularySize: 4) }
                == "3 bytes are not a multiple of 16 bits; the file is truncated")
        for (turns, expected) in [
            (words([0, 5, 10]), nil), (words([]), nil),
            (words([0, 5, 12]), "turn 2 does not start after the turn before it and within 3 tokens"),
            (words([5, 6]), "turn 1 does not start after the turn before it and within 3 tokens"),
            (words([.max]), "turn 0 does not start after the turn before it and within 3 tokens"),
            ([1, 2, 3], "3 bytes are not a multiple of 64 bits; the file is truncated"),
        ] as [([UInt8], String?)] {
            let turns = folder.write(turns, to: "turns.bin")
            #expect(reason { () throws(CorpusError) in try TokenFile(path, turns: turns, vocabularySize: 4) } == expected)
        }
    }

    @Test func `a file truncated anywhere is an error`() throws {
        let path = folder.write("[INST] Hi [/INST] Yo\n", to: "chats.txt"), out = folder("out")
        var encoder = CorpusEncoder(try byteTokenizer(), file: "t", template: .specialTokens)
        encoder.validationShare = 0
        try encoder.write([path], to: out, on: WorkerPool(threads: 1))
        for name in ["train.bin", "train.turns.bin", "meta.json"] {
            let whole = try InputFile.contents(of: out + "/" + name)
            for count in 0..<whole.count - 1 {              // the line end of meta.json may be missing
                folder.write(Array(whole[..<count]), to: "out/" + name)
                #expect(throws: CorpusError.self, "\(name) of \(count) bytes") { try TokenFile(.train, in: out) }
            }
            folder.write(whole, to: "out/" + name)
        }
        #expect(try TokenFile(.train, in: out).count == 7)
    }

    @Test func `meta json is validated`() throws {
        let path = folder.write("[INST] Hi [/INST] Yo\n", to: "chats.txt"), out = folder("out")
        var encoder = CorpusEncoder(try byteTokenizer(), file: "t", template: .humanAssistant)
        encoder.seed = .max
        encoder.maxTokens = 1_000
        encoder.validationShare = 0.25
        let report = try encoder.write([path], to: out, on: WorkerPool(threads: 1))
        let meta = try TokenMeta(reading: out + "/meta.json")
        #expect(
            meta.seed == .max && meta.maxTokens == 1_000 && meta.validationShare == 0.25 && meta.template == .humanAssistant
                && meta.report == report)
        #expect(meta.sources.map(\.format) == [.tinyChat])
        let text = String(decoding: try InputFile.contents(of: out + "/meta.json"), as: UTF8.self)
        for (old, new, expected) in [
            ("\"version\": 1", "\"version\": 2", "\"version\": expected 1, found 2"),
            ("uint16", "int8", "\"dtype\": expected uint16 or uint32, found \"int8\""),
            ("human-assistant", "other", "\"chat_template\": expected markers, human-assistant or text, found \"other\""),
            ("\"vocabulary\": 260", "\"vocabulary\": 70000", "\"vocabulary\": expected a size that fits in uint16, found 70000"),
            ("\"seed\"", "\"sed\"", "\"seed\": expected a whole number of 64 bits, found nothing"),
        ] {
            let changed = folder.write(text.replacing(old, with: new), to: "meta.json")
            #expect(throws: CorpusError.damaged(path: changed, reason: expected)) { try TokenMeta(reading: changed) }
        }
    }
}
