import Testing
import TestSupport
import Tokenize

/// The tokenizer of BERT. The expected ids are those of transformers: Tests/Peers/check_embeddings.py compares many more.
@Suite struct WordPieceTests {
    static let lines = [
        "[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "un", "##aff", "##able", "hello", ",", "cafe", "Café", "##s", "日", "本", "!", "=",
        "a", "##b", "straße", "가", "##ᆨ", "ᄀ", "##ᅡ",
    ]
    static let vocabulary = Array(lines.joined(separator: "\n").utf8)

    private func texts(_ text: String, settings: String? = nil, limit: Int = .max) throws -> String {
        let tokenizer = try WordPieceTokenizer(vocabulary: Self.vocabulary, path: "vocab.txt", settings: settings.map { Array($0.utf8) })
        return tokenizer.ids(of: text, limit: limit).map { Self.lines[Int($0)] }.joined(separator: " ")
    }

    @Test(arguments: [
        ("Unaffable hello, CAFÉ!", "[CLS] un ##aff ##able hello , cafe ! [SEP]"),
        ("cafe\u{301}s", "[CLS] cafe ##s [SEP]"), ("日本a", "[CLS] 日 本 a [SEP]"), ("unxaff", "[CLS] [UNK] [SEP]"),
        ("", "[CLS] [SEP]"), ("a\u{0}b \u{200B}a\u{FFFD}", "[CLS] a ##b a [SEP]"), ("a\tb", "[CLS] a [UNK] [SEP]"),
        ("a\u{2003}a\u{3000}a", "[CLS] a a a [SEP]"), ("≠", "[CLS] = [SEP]"), ("[SEP]", "[CLS] [UNK] [UNK] [UNK] [SEP]"),
        ("가각", "[CLS] [UNK] [SEP]"), ("가", "[CLS] ᄀ ##ᅡ [SEP]"), ("STRASSE", "[CLS] [UNK] [SEP]"), ("Straße", "[CLS] straße [SEP]"),
    ])
    func `words become the longest tokens`(text: String, expected: String) throws {
        #expect(try texts(text) == expected)
    }

    @Test func `a cased vocabulary keeps case and accents`() throws {
        #expect(try texts("Café cafe", settings: "{\"do_lower_case\": false}") == "[CLS] Café cafe [SEP]")
        #expect(try texts("가", settings: "{\"do_lower_case\": false}") == "[CLS] 가 [SEP]")
    }

    @Test func `words of more than 100 characters are unknown, and long texts lose their end`() throws {
        #expect(try texts("a" + String(repeating: "b", count: 99)).hasSuffix("##b [SEP]"))
        #expect(try texts("a" + String(repeating: "b", count: 100)) == "[CLS] [UNK] [SEP]")
        #expect(try texts("hello hello hello", limit: 4) == "[CLS] hello hello [SEP]")
        #expect(try texts("hello", limit: 1) == "[CLS]")
    }

    /// The longer text of a pair loses its end; if half of the room is not enough for the shorter one, both do.
    @Test(arguments: [
        (2, 1, 99, "hello hello [SEP] a [SEP]"), (2, 1, 6, "hello hello [SEP] a [SEP]"), (2, 1, 5, "hello [SEP] a [SEP]"),
        (1, 4, 7, "hello [SEP] a a a [SEP]"), (4, 3, 9, "hello hello hello [SEP] a a a [SEP]"),
        (4, 3, 8, "hello hello hello [SEP] a a [SEP]"),
        (3, 4, 8, "hello hello [SEP] a a a [SEP]"), (3, 3, 8, "hello hello [SEP] a a a [SEP]"), (0, 2, 99, "[SEP] a a [SEP]"),
        (2, 2, 3, "[SEP] [SEP]"),
    ])
    func `two texts share the room`(first: Int, second: Int, limit: Int, expected: String) throws {
        let tokenizer = try WordPieceTokenizer(vocabulary: Self.vocabulary, path: "vocab.txt", settings: nil)
        func text(_ word: String, _ count: Int) -> String { Array(repeating: word, count: count).joined(separator: " ") }
        let ids = tokenizer.ids(of: text("hello", first), with: text("a", second), limit: limit)
        #expect(ids.map { Self.lines[Int($0)] }.joined(separator: " ") == "[CLS] " + expected)
    }

    /// A tokenizer.json with a few members replaced.
    static func file(_ members: String = "", vocabulary: String? = nil) -> String {
        let tokens = lines.enumerated().map { "\($0.element.debugDescription): \($0.offset)" }.joined(separator: ",")
        return """
            {"added_tokens": [{"id": 2, "content": "[CLS]", "special": true}], "normalizer": {"type": "BertNormalizer", "lowercase": true},
            "pre_tokenizer": {"type": "BertPreTokenizer"}, "post_processor": {"type": "BertProcessing", "sep": ["[SEP]", 3], "cls":
            ["[CLS]", 2]}, "model": {"type": "WordPiece", "unk_token": "[UNK]", "vocab": {\(vocabulary ?? tokens)}}\(members)}
            """
    }

    @Test func `a tokenizer json has the same tokens`() throws {
        let tokenizer = try readEncoderTokenizer(tokenizerJSON: Array(Self.file().utf8), path: "t.json")
        #expect(tokenizer.ids(of: "Unaffable, CAFÉ") == [2, 5, 6, 7, 9, 10, 3] && tokenizer.count == Self.lines.count)
    }

    @Test(arguments: [
        (
            file().replacing("\"WordPiece\"", with: "\"WordLevel\""),
            "t.json: its model is 'WordLevel'. Embedding models need WordPiece, Unigram or BPE."
        ),
        (file().replacing("\"BertNormalizer\"", with: "\"NFC\""), "t.json: its normalizer is 'NFC'. Embedding models need BertNormalizer."),
        (file(vocabulary: "\"a\": 0"), "t.json:model.unk_token: expected a token of the vocabulary, found '[UNK]'."),
        (file(vocabulary: "\"[UNK]\": 0, \"b\": 0"), "t.json:model.vocab['b']: expected a unique ID for each token, found 0 again."),
    ])
    func `files that are not BERT's are refused`(file: String, message: String) {
        let error = #expect(throws: TokenizeError.self) { try readEncoderTokenizer(tokenizerJSON: Array(file.utf8), path: "t.json") }
        #expect(error?.description == message)
    }

    @Test func `damaged files and any text never trap`() throws {
        let words = ["null", "-1", "131071", "\"type\"", "{}", "\"ids\"", "\n", "[SEP]", "e\u{301}", "\u{0}"]
        var mutator = Mutator(seed: 7, words: words)
        for _ in 0..<fuzzRounds(default: 3_000) {
            var bytes = Array(Self.file().utf8), lines = Self.vocabulary, text = Array("Un café, 日本! [SEP] straße ≠ 가".utf8)
            for _ in 0..<3 { mutator.damage(&bytes) }
            mutator.damage(&lines)
            mutator.damage(&text)
            let input = String(decoding: text, as: UTF8.self)
            for tokenizer: (any EncoderTokenizer)? in [
                try? readEncoderTokenizer(tokenizerJSON: bytes, path: "t.json"), try? WordPieceTokenizer(vocabulary: lines, path: "v.txt"),
            ] {
                guard let tokenizer else { continue }
                #expect(tokenizer.ids(of: input).allSatisfy { (0..<tokenizer.count).contains(Int($0)) })
            }
        }
    }
}
