import Corpus
import Files
import Kernels
import TestSupport
import Testing
import Tokenize

@Suite struct CorpusEncodingTests {
    let folder = TemporaryFolder()
    let outputs = ["meta.json", "train.bin", "train.turns.bin", "val.bin", "val.turns.bin"]

    private func encoding(
        _ form: ChatTemplate = .specialTokens, specialTokens: [String] = ["<|user|>", "<|assistant|>", "<|eos|>", "<|pad|>"]
    ) throws -> CorpusEncoder {
        CorpusEncoder(try byteTokenizer(specialTokens: specialTokens), file: "tokenizer.json", template: form)
    }

    private func text(_ part: DatasetSplit, in path: String) throws -> String {
        let file = try TokenFile(part, in: path)
        var ids: [TokenID] = []
        file.read(0..<file.count, into: &ids)
        return try byteTokenizer().text(of: ids)
    }

    @Test func `two conversations become these bytes`() throws {
        let path = folder.write("[INST] Hi [/INST] Yo\n[INST] A\n", to: "chats.txt"), out = folder("out")
        var encoding = try encoding()
        encoding.validationShare = 0
        try encoding.write([path], to: out, on: WorkerPool(threads: 1))
        let bytes = try InputFile.contents(of: out + "/train.bin"), turns = try InputFile.contents(of: out + "/train.turns.bin")
        let ids: [UInt8] = [0, 76, 109, 1, 93, 115, 2, 0, 69, 2]                // <|user|> H i <|assistant|> Y o <|eos|> …
        let words: [UInt8] = [0, 1 * 4 + 1, 4 * 4 + 2, 7 * 4, 8 * 4 + 1]
        #expect(bytes == ids.flatMap { [$0, 0] as [UInt8] })
        #expect(turns == words.flatMap { [$0, 0, 0, 0, 0, 0, 0, 0] as [UInt8] })
        #expect(try InputFile.contents(of: out + "/val.bin").isEmpty)
        let meta = String(decoding: try InputFile.contents(of: out + "/meta.json"), as: UTF8.self)
        #expect(meta == """
            {
              "version": 1,
              "tokenizer": {
                "file": "tokenizer.json",
                "hash": "\(try byteTokenizer().vocabulary.fingerprint)",
                "vocabulary": 260
              },
              "form": "markers",
              "dtype": "uint16",
              "seed": 1,
              "held_out": 0.0,
              "conversations": {
                "kept": 2,
                "cut": 0,
                "empty": 0,
                "malformed": 0
              },
              "train": {
                "conversations": 2,
                "messages": 3,
                "tokens": 10,
                "turns": 5,
                "bytes": {
                  "user": 3,
                  "assistant": 2,
                  "system": 0
                }
              },
              "val": {
                "conversations": 0,
                "messages": 0,
                "tokens": 0,
                "turns": 0,
                "bytes": {
                  "user": 0,
                  "assistant": 0,
                  "system": 0
                }
              },
              "sources": [
                {
                  "path": "\(path)",
                  "bytes": 30,
                  "format": "tinychat"
                }
              ]
            }

            """)
    }

    @Test func `threads and blocks make no difference, the seed does`() throws {
        var lines = ""
        for i in 0..<3_000 { lines += "[INST] question \(i) [/INST] " + String(repeating: "answer ", count: i % 13 + 1) + "\n" }
        folder.write(lines, to: "a.txt")
        folder.write(String(repeating: "text of no one\n", count: 500), to: "b.txt")
        var results: [[[UInt8]]] = []
        for (threads, block, seed) in [(1, 1 << 18, 1), (2, 1 << 18, 1), (3, 777, 1), (2, 100, 1), (1, 1 << 18, 2)] as [(Int, Int, UInt64)]
        {
            var encoding = try encoding()
            encoding.blockSize = block
            encoding.seed = seed
            let report = try encoding.write([folder("a.txt"), folder("b.txt")], to: folder("out"), on: WorkerPool(threads: threads))
            #expect(report.kept == 3_002 && report.train.conversations + report.val.conversations == 3_002)      // the text is in both
            #expect((250...350).contains(report.val.conversations))
            results.append(try ["train.bin", "val.bin"].map { try InputFile.contents(of: folder("out/" + $0)) })
        }
        #expect(results[1] == results[0] && results[2] == results[0] && results[3] == results[0] && results[4] != results[0])
    }

    @Test func `a file for validation leaves all else for training`() throws {
        folder.write("[INST] a\n[INST] b\n", to: "data.txt")
        let val = folder.write(#"{"user": "c", "assistant": "d"}"#, to: "val.jsonl")      // in the folder, and not learned from
        try encoding().write([folder.path], validation: [val], to: folder("out"), on: WorkerPool(threads: 2))
        #expect(try text(.train, in: folder("out")) == "<|user|>a<|eos|><|user|>b<|eos|>")
        #expect(try text(.val, in: folder("out")) == "<|user|>c<|assistant|>d<|eos|>")
    }

    @Test func `of a plain text the last lines are for validation`() throws {
        let lines = (0..<100).map { "line \($0)\n" }.joined(), path = folder.write(lines, to: "text.txt")
        for block in [10, 64, 1 << 18] {
            var encoding = try encoding(specialTokens: [])
            encoding.blockSize = block
            let report = try encoding.write([path], to: folder("out"), on: WorkerPool(threads: 2))
            let train = try InputFile.contents(of: folder("out/train.bin"))
            let val = try InputFile.contents(of: folder("out/val.bin"))
            let text = String(decoding: stride(from: 0, to: train.count + val.count, by: 2).map { (train + val)[$0] }, as: UTF8.self)
            #expect(text == lines, "blocks of \(block)")
            #expect(val.count / 2 == 72 && report.val.bytes.assistant == 72 && report.kept == 2, "blocks of \(block)")
        }
        let meta = try TokenMeta(reading: folder("out/meta.json"))
        #expect(meta.template == nil && meta.report.train.bytes.total == lines.utf8.count - 72)
        // With a token for it, both parts of the text have an end.
        try encoding().write([path], to: folder("out"), on: WorkerPool(threads: 1))
        #expect(
            try text(.train, in: folder("out")).hasSuffix("line 90\n<|eos|>") && text(.val, in: folder("out")).hasSuffix("line 99\n<|eos|>")
        )
    }

    @Test func `a text that begins every line with a space is cut all the same, and whole`() throws {
        let lines = String(repeating: " é x\n\n", count: 900_000)                     // over 4 MB with nowhere to cut
        let path = folder.write(lines, to: "text.txt")
        var encoding = try encoding()
        encoding.validationShare = 0
        let report = try encoding.write([path], to: folder("out"), on: WorkerPool(threads: 2))
        #expect(report.kept == 1 && report.train.bytes.assistant == lines.utf8.count && report.train.tokens == lines.utf8.count + 1)
        #expect(try text(.train, in: folder("out")) == lines + "<|eos|>")
    }

    @Test func `what is too long is cut and counted`() throws {
        let path = folder.write("[INST] abc [/INST] defg\n[INST] a\n", to: "a.txt")
        var encoding = try encoding()
        encoding.validationShare = 0
        encoding.maxTokens = 6
        let report = try encoding.write([path], to: folder("out"), on: WorkerPool(threads: 1))
        #expect(try text(.train, in: folder("out")) == "<|user|>abc<|assistant|>d<|user|>a<|eos|>")
        #expect(report.cut == 1 && report.kept == 1 && report.train.bytes.user == 4 && report.train.bytes.assistant == 1)
    }

    @Test func `an error leaves what was there, and nothing half written`() throws {
        let good = folder.write("[INST] a\n", to: "good.txt"), bad = folder.write("[INST] b\nno\n", to: "bad.txt"), out = folder("out")
        var encoding = try encoding()
        encoding.validationShare = 0
        #expect(throws: CorpusError.malformed(MalformedLine(path: bad, line: 2, reason: "no [INST]"))) {
            try encoding.write([good, bad], to: out, on: WorkerPool(threads: 2))
        }
        #expect(folder.names(in: "out") == [])
        try encoding.write([good], to: out, on: WorkerPool(threads: 2))
        #expect(folder.names(in: "out") == outputs)
        #expect(throws: CorpusError.self) { try encoding.write([good, bad], to: out, on: WorkerPool(threads: 2)) }
        encoding.progress = { _ throws(CorpusError) in throw .stopped }
        #expect(throws: CorpusError.stopped) { try encoding.write([good], to: out, on: WorkerPool(threads: 2)) }
        #expect(folder.names(in: "out") == outputs)
        #expect(try text(.train, in: out) == "<|user|>a<|eos|>")
        encoding.progress = { _ in }
        encoding.skipsBad = true
        let report = try encoding.write([good, bad], to: out, on: WorkerPool(threads: 2))
        #expect(report.malformed == 1 && report.malformedLines.map(\.description) == ["\(bad):2: no [INST]"] && report.kept == 2)
        #expect(try text(.train, in: out) == "<|user|>a<|eos|><|user|>b<|eos|>")
    }

    @Test func `nothing to learn is an error that says why`() throws {
        let path = folder.write("[INST] [/INST]\n", to: "a.txt")
        let error = #expect(throws: CorpusError.self) { try encoding().write([path], to: folder("out"), on: WorkerPool(threads: 1)) }
        #expect(error?.description == "nothing to learn in 1 file: 1 conversations are empty and 0 malformed.")
        #expect(folder.names(in: "out") == [])
    }

    @Test func `chats need markers, and what has no token is a fault`() throws {
        let path = folder.write("[INST] a\n", to: "a.txt")
        #expect(throws: CorpusError.tokenizer(.missingSpecialToken("<|user|>", form: "markers"))) {
            try self.encoding(specialTokens: []).write([path], to: folder("out"), on: WorkerPool(threads: 1))
        }
        var vocabulary = Vocabulary()
        vocabulary.unit = .characters
        vocabulary.add(specialTokens: ["<|user|>", "<|assistant|>", "<|eos|>"])
        vocabulary.tokens.append("a".utf8)
        var encoding = CorpusEncoder(try Tokenizer(vocabulary), file: "t", template: .specialTokens)
        encoding.validationShare = 0
        encoding.skipsBad = true
        let report = try encoding.write(
            [folder.write("[INST] a [/INST] b\n[INST] aa\n", to: "b.txt")], to: folder("out"), on: WorkerPool(threads: 1))
        #expect(report.kept == 1 && report.malformedLines.first?.line == 1 && report.train.tokens == 4 && report.train.bytes.user == 2)
    }

    @Test(arguments: [PreTokenizationPattern.gpt2, .gpt4, .llama3]) func `a plain text in blocks has the ids of the whole`(
        pattern: PreTokenizationPattern
    ) throws {
        var noise = TestRandom(8), vocabulary = Vocabulary.ofBytes()
        let pieces = ["word", "Is.", "7", "!", "\n", "\n", "\n\n", " \n", "\n ", " ", "it's", "日本", "\t"]
        let text = Array((0..<4_000).map { _ in pieces[Int(noise.next() % UInt64(pieces.count))] }.joined().utf8)
        // Pairs of everything that stands at borders.
        vocabulary.pattern = pattern
        for (left, right) in [(10, 10), (32, 10), (10, 32), (33, 10), (46, 10), (256, 10), (9, 10)] as [(TokenID, TokenID)] {
            vocabulary.merges.append(.init(left, right, TokenID(vocabulary.count)))
            vocabulary.tokens.append(Array(vocabulary.tokens[Int(left)] + vocabulary.tokens[Int(right)]))
        }
        let tokenizer = try Tokenizer(vocabulary)
        var encoding = CorpusEncoder(tokenizer, file: "t.json", template: .specialTokens)
        encoding.validationShare = 0
        encoding.format = .text
        folder.write(text, to: "plain.txt")
        for block in [100, 777, 1 << 17] {
            encoding.blockSize = block
            try encoding.write([folder("plain.txt")], to: folder("plain"), on: WorkerPool(threads: 2))
            let file = try TokenFile(.train, in: folder("plain"))
            var ids: [TokenID] = []
            file.read(0..<file.count, into: &ids)
            let isEqual = ids == (try tokenizer.ids(of: text))
            #expect(isEqual, "blocks of \(block)")
        }
    }
}

extension TemporaryFolder {
    func names(in name: String) -> [String] { Self.names(in: path + "/" + name).sorted() }
}
