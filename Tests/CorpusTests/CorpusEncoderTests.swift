import Corpus
import Files
import Kernels
import TestSupport
import Testing
import Tokenize

@Suite struct CorpusEncoderTests {
    let folder = TemporaryFolder()
    let outputs = ["meta.json", "train.bin", "train.turns.bin", "val.bin", "val.turns.bin"]

    private func makeEncoder(
        _ template: ChatTemplate = .specialTokens, specialTokens: [String] = ["<|user|>", "<|assistant|>", "<|eos|>", "<|pad|>"]
    ) throws -> CorpusEncoder {
        CorpusEncoder(try byteTokenizer(specialTokens: specialTokens), file: "tokenizer.json", template: template)
    }

    private func text(_ split: DatasetSplit, in path: String) throws -> String {
        let file = try TokenFile(split, in: path)
        var ids: [TokenID] = []
        try file.read(0..<file.count, into: &ids)
        return try byteTokenizer().text(of: ids)
    }

    @Test func `a Jinja template renders the chats, and the metadata has it`() throws {
        var template = JinjaChatTemplate("{% for m in messages %}{{ '<|' + m.role + '|>' + m.content + '<|eos|>' }}{% endfor %}")
        template.tokens = ["eos_token": "<|eos|>"]
        let path = folder.write("[INST] Hi [/INST] Yo\n", to: "chats.txt"), out = folder("out")
        var encoder = try makeEncoder(.jinja(template))
        encoder.validationShare = 0
        try encoder.write([path], to: out, on: WorkerPool(threads: 1))
        #expect(try text(.train, in: out) == "<|user|>Hi<|eos|><|assistant|>Yo<|eos|>")
        let turns = try InputFile.contents(of: out + "/train.turns.bin")
        let words: [UInt8] = [0, 1 * 4 + 1, 4 * 4 + 2]
        #expect(stride(from: 0, to: turns.count, by: 8).map { turns[$0] } == words)
        #expect(try TokenMeta(reading: out + "/meta.json").template == .jinja(template))
    }

    @Test func `the assistant learns its calls, and a template without tools rejects them`() throws {
        let template = JinjaChatTemplate("""
            {% for t in tools %}{{ t.function.name }};{% endfor %}{% for m in messages %}{{ '<|' + m.role + '|>' + m.content }}\
            {% for c in m.tool_calls %}{{ c.function | tojson }}{% endfor %}{{ '<|eos|>' }}{% endfor %}
            """)
        let call = #"{"function": {"name": "f", "arguments": {"x": 1}}}"#
        let question = #"{"role": "user", "content": "Hi"}, {"role": "assistant", "tool_calls": [\#(call)]}"#
        let answer = #"{"role": "tool", "content": "R"}, {"role": "assistant", "content": "Yo"}"#
        let tools = #"[{"type": "function", "function": {"name": "f"}}]"#
        let path = folder.write(#"{"tools": \#(tools), "messages": [\#(question), \#(answer)]}"#, to: "chats.jsonl"), out = folder("out")
        var encoder = try makeEncoder(.jinja(template))
        encoder.validationShare = 0
        try encoder.write([path], to: out, on: WorkerPool(threads: 1))
        let written = #"f;<|user|>Hi<|eos|><|assistant|>{"name": "f", "arguments": {"x": 1}}<|eos|><|tool|>R<|eos|><|assistant|>Yo<|eos|>"#
        #expect(try text(.train, in: out) == written)
        // Calls count as what the assistant said.
        #expect(try TokenMeta(reading: out + "/meta.json").report.train.bytes.assistant == 4)

        let expected = "the chat template: markers has no tools"
        #expect(throws: CorpusError.malformed(MalformedLine(path: path, line: 1, reason: expected))) {
            try makeEncoder().write([path], to: folder("markers"), on: WorkerPool(threads: 1))
        }
        let plain = JinjaChatTemplate("{% for m in messages %}{{ '<|' + m.role + '|>' + m.content + '<|eos|>' }}{% endfor %}")
        #expect(throws: CorpusError.malformed(MalformedLine(path: path, line: 1, reason: "the chat template: it has no tools"))) {
            try makeEncoder(.jinja(plain)).write([path], to: folder("plain"), on: WorkerPool(threads: 1))
        }
    }

    @Test func `two conversations give the expected bytes`() throws {
        let path = folder.write("[INST] Hi [/INST] Yo\n[INST] A\n", to: "chats.txt"), out = folder("out")
        var encoder = try makeEncoder()
        encoder.validationShare = 0
        try encoder.write([path], to: out, on: WorkerPool(threads: 1))
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
                "fingerprint": "\(try byteTokenizer().vocabulary.fingerprint)",
                "vocabulary": 260
              },
              "chat_template": "markers",
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

    @Test func `each document is a text of its own`() throws {
        let folder = TemporaryFolder()
        let path = folder.write((0..<20).map { #"{"text": "n\#($0)\n"}"# + "\n" }.joined(), to: "texts.jsonl")
        var encoder = CorpusEncoder(try byteTokenizer(), file: "t.json", template: .specialTokens)
        encoder.validationShare = 0.25
        let report = try encoder.write([path], to: folder("data"), on: WorkerPool(threads: 1))
        #expect(report.kept == 20 && report.train.conversations + report.val.conversations == 20 && report.val.conversations > 0)
        #expect(try TokenMeta(reading: folder("data/meta.json")).template == nil)
        // <|eos|> ends each document, and nothing else does.
        let corpus = try encoder.tokens(of: [path], on: WorkerPool(threads: 1)), ids = corpus.tokens.ids
        #expect(corpus.entries.count == 20 && ids.count { $0 == 2 } == 20)
        for entry in corpus.entries {
            let first = ids[entry.range.lowerBound], last = ids[entry.range.upperBound - 1]
            #expect(entry.isPlainText && first == TokenID(UInt8(ascii: "n")) + 4 && last == 2)
        }
    }

    @Test func `the result depends on the seed, not on threads or blocks`() throws {
        var lines = ""
        for i in 0..<3_000 { lines += "[INST] question \(i) [/INST] " + String(repeating: "answer ", count: i % 13 + 1) + "\n" }
        folder.write(lines, to: "a.txt")
        folder.write(String(repeating: "plain text\n", count: 500), to: "b.txt")
        var results: [[[UInt8]]] = []
        let variants: [(Int, Int, UInt64)] = [(1, 1 << 18, 1), (2, 1 << 18, 1), (3, 777, 1), (2, 100, 1), (1, 1 << 18, 2)]
        for (threads, block, seed) in variants {
            var encoder = try makeEncoder()
            encoder.blockSize = block
            encoder.seed = seed
            let report = try encoder.write([folder("a.txt"), folder("b.txt")], to: folder("out"), on: WorkerPool(threads: threads))
            // The plain text is in both splits.
            #expect(report.kept == 3_002 && report.train.conversations + report.val.conversations == 3_002)
            #expect((250...350).contains(report.val.conversations))
            results.append(try ["train.bin", "val.bin"].map { try InputFile.contents(of: folder("out/" + $0)) })
        }
        #expect(results[1] == results[0] && results[2] == results[0] && results[3] == results[0] && results[4] != results[0])
    }

    @Test func `with a validation file, all other files are for training`() throws {
        folder.write("[INST] a\n[INST] b\n", to: "data.txt")
        let val = folder.write(#"{"user": "c", "assistant": "d"}"#, to: "val.jsonl")      // in the same folder
        try makeEncoder().write([folder.path], validation: [val], to: folder("out"), on: WorkerPool(threads: 2))
        #expect(try text(.train, in: folder("out")) == "<|user|>a<|eos|><|user|>b<|eos|>")
        #expect(try text(.val, in: folder("out")) == "<|user|>c<|assistant|>d<|eos|>")
    }

    @Test func `the last lines of a plain text are for validation`() throws {
        let lines = (0..<100).map { "line \($0)\n" }.joined(), path = folder.write(lines, to: "text.txt")
        for block in [10, 64, 1 << 18] {
            var encoder = try makeEncoder(specialTokens: [])
            encoder.blockSize = block
            let report = try encoder.write([path], to: folder("out"), on: WorkerPool(threads: 2))
            let train = try InputFile.contents(of: folder("out/train.bin"))
            let val = try InputFile.contents(of: folder("out/val.bin"))
            let text = String(decoding: stride(from: 0, to: train.count + val.count, by: 2).map { (train + val)[$0] }, as: UTF8.self)
            #expect(text == lines, "blocks of \(block)")
            #expect(val.count / 2 == 72 && report.val.bytes.assistant == 72 && report.kept == 2, "blocks of \(block)")
        }
        let meta = try TokenMeta(reading: folder("out/meta.json"))
        #expect(meta.template == nil && meta.report.train.bytes.total == lines.utf8.count - 72)
        // If the vocabulary has an end token, it ends the text in both splits.
        try makeEncoder().write([path], to: folder("out"), on: WorkerPool(threads: 1))
        #expect(
            try text(.train, in: folder("out")).hasSuffix("line 90\n<|eos|>") && text(.val, in: folder("out")).hasSuffix("line 99\n<|eos|>")
        )
    }

    @Test func `a text without safe borders is split and encoded completely`() throws {
        let lines = String(repeating: " é x\n\n", count: 900_000)                     // over 4 MB without a safe border
        let path = folder.write(lines, to: "text.txt")
        var encoder = try makeEncoder()
        encoder.validationShare = 0
        let report = try encoder.write([path], to: folder("out"), on: WorkerPool(threads: 2))
        #expect(report.kept == 1 && report.train.bytes.assistant == lines.utf8.count && report.train.tokens == lines.utf8.count + 1)
        #expect(try text(.train, in: folder("out")) == lines + "<|eos|>")
    }

    @Test func `long conversations are truncated and counted`() throws {
        let path = folder.write("[INST] abc [/INST] defg\n[INST] a\n", to: "a.txt")
        var encoder = try makeEncoder()
        encoder.validationShare = 0
        encoder.maxTokens = 6
        let report = try encoder.write([path], to: folder("out"), on: WorkerPool(threads: 1))
        #expect(try text(.train, in: folder("out")) == "<|user|>abc<|assistant|>d<|user|>a<|eos|>")
        #expect(report.truncated == 1 && report.kept == 1 && report.train.bytes.user == 4 && report.train.bytes.assistant == 1)
    }

    @Test func `after an error the previous files are unchanged and no partial files remain`() throws {
        let good = folder.write("[INST] a\n", to: "good.txt")
        let bad = folder.write("[INST] b\nno\n", to: "bad.txt")
        let out = folder("out")
        var encoder = try makeEncoder()
        encoder.validationShare = 0
        #expect(throws: CorpusError.malformed(MalformedLine(path: bad, line: 2, reason: "no [INST]"))) {
            try encoder.write([good, bad], to: out, on: WorkerPool(threads: 2))
        }
        #expect(folder.names(in: "out") == [])
        try encoder.write([good], to: out, on: WorkerPool(threads: 2))
        #expect(folder.names(in: "out") == outputs)
        #expect(throws: CorpusError.self) { try encoder.write([good, bad], to: out, on: WorkerPool(threads: 2)) }
        encoder.progress = { _ throws(CorpusError) in throw .stopped }
        #expect(throws: CorpusError.stopped) { try encoder.write([good], to: out, on: WorkerPool(threads: 2)) }
        #expect(folder.names(in: "out") == outputs)
        #expect(try text(.train, in: out) == "<|user|>a<|eos|>")
        encoder.progress = { _ in }
        encoder.skipsBad = true
        let report = try encoder.write([good, bad], to: out, on: WorkerPool(threads: 2))
        #expect(report.malformed == 1 && report.malformedLines.map(\.description) == ["\(bad):2: no [INST]"] && report.kept == 2)
        #expect(try text(.train, in: out) == "<|user|>a<|eos|><|user|>b<|eos|>")
    }

    @Test func `a corpus without training data is an error that says why`() throws {
        let path = folder.write("[INST] [/INST]\n", to: "a.txt")
        let error = #expect(throws: CorpusError.self) { try makeEncoder().write([path], to: folder("out"), on: WorkerPool(threads: 1)) }
        #expect(error?.description == "nothing to train on in 1 file: 1 conversations are empty and 0 lines are malformed.")
        #expect(folder.names(in: "out") == [])
    }

    @Test func `chats need role tokens, and text without a token is malformed`() throws {
        let path = folder.write("[INST] a\n", to: "a.txt")
        #expect(throws: CorpusError.tokenizer(.missingSpecialToken("<|user|>", template: "markers"))) {
            try makeEncoder(specialTokens: []).write([path], to: folder("out"), on: WorkerPool(threads: 1))
        }
        var vocabulary = Vocabulary()
        vocabulary.unit = .characters
        vocabulary.add(specialTokens: ["<|user|>", "<|assistant|>", "<|eos|>"])
        vocabulary.tokens.append("a".utf8)
        var encoder = CorpusEncoder(try Tokenizer(vocabulary), file: "t", template: .specialTokens)
        encoder.validationShare = 0
        encoder.skipsBad = true
        let report = try encoder.write(
            [folder.write("[INST] a [/INST] b\n[INST] aa\n", to: "b.txt")], to: folder("out"), on: WorkerPool(threads: 1))
        #expect(report.kept == 1 && report.malformedLines.first?.line == 1 && report.train.tokens == 4 && report.train.bytes.user == 2)
    }

    @Test(arguments: [PreTokenizationPattern.gpt2, .gpt4, .llama3]) func `a plain text in blocks has the ids of the whole`(
        pattern: PreTokenizationPattern
    ) throws {
        var random = TestRandom(8), vocabulary = Vocabulary.ofBytes()
        let pieces = ["word", "Is.", "7", "!", "\n", "\n", "\n\n", " \n", "\n ", " ", "it's", "日本", "\t"]
        let text = Array((0..<4_000).map { _ in pieces[Int(random.next() % UInt64(pieces.count))] }.joined().utf8)
        // Merges of all pairs that may be at a border.
        vocabulary.pattern = pattern
        for (left, right) in [(10, 10), (32, 10), (10, 32), (33, 10), (46, 10), (256, 10), (9, 10)] as [(TokenID, TokenID)] {
            vocabulary.merges.append(.init(left, right, TokenID(vocabulary.count)))
            vocabulary.tokens.append(Array(vocabulary.tokens[Int(left)] + vocabulary.tokens[Int(right)]))
        }
        let tokenizer = try Tokenizer(vocabulary)
        var encoder = CorpusEncoder(tokenizer, file: "t.json", template: .specialTokens)
        encoder.validationShare = 0
        encoder.format = .text
        folder.write(text, to: "plain.txt")
        for block in [100, 777, 1 << 17] {
            encoder.blockSize = block
            try encoder.write([folder("plain.txt")], to: folder("plain"), on: WorkerPool(threads: 2))
            let file = try TokenFile(.train, in: folder("plain"))
            var ids: [TokenID] = []
            try file.read(0..<file.count, into: &ids)
            let isEqual = ids == (try tokenizer.ids(of: text))
            #expect(isEqual, "blocks of \(block)")
        }
    }
}

extension TemporaryFolder {
    func names(in name: String) -> [String] { Self.names(in: path + "/" + name).sorted() }
}
