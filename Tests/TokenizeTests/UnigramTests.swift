import Testing
import TestSupport
import Tokenize

/// The tokenizer of XLM-RoBERTa. The expected ids are those of Hugging Face's tokenizers 0.23.3 for a model that SentencePiece trained;
/// Tests/Peers/check_embeddings.py compares many more.
@Suite struct UnigramTests {
    private static let vocabulary: [(token: String, score: Double)] = [
        ("<s>", 0), ("<pad>", 0), ("</s>", 0), ("<unk>", 0), ("e", -2.1737), ("▁th", -2.3327), ("▁", -2.4547), ("▁pump", -2.5163),
        ("s", -3.026), ("▁a", -3.1067), ("f", -3.1176), ("a", -3.271), ("r", -3.4357), ("l", -3.4357), ("o", -3.4357), ("u", -3.4357),
        ("w", -3.4357), ("▁valve", -3.4397), ("▁reset", -3.4397), ("na", -3.6513), ("n", -3.8101), ("af", -3.9049), ("t", -4.1399),
        ("h", -4.1399), ("b", -4.1415), ("c", -4.1415), ("d", -4.1415), ("g", -4.1415), ("é", -4.1415), ("ï", -4.1415), ("v", -4.1429),
        ("m", -4.143), ("p", -4.1431), ("ve", -4.1431),
    ]

    /// SentencePiece's table of eight rules: Ａ → A, ﬁ → fi, tab, line feed, carriage return → space, e + U+0301 → é, … → ..., U+200B →
    /// nothing.
    private static let characters: String =
        "AAQAAAAgAAAJCQAACgUAAAEAAIDMDAIADRkAAIEFAAAMAACAgCgCAIsNAAAAAACAAwAAgKwAAgCBDQAACQAAgKF9AAAHAACAEAAAABMAAAASAAAAFQAAABQA"
            + "AAAXAAAAFgAAABkAAAAYAAAAGwAAABoAAAC8yAIAHAAAAB8AAAAeAAAAIQAAACAAAAAjAAAAIgAAAKa9AAAkAAAAJwAAACYAAAApAAAAKAAAACsAAAAqAAAA"
            + "LQAAACwAAAAvAAAALgAAADEAAAAwAAAAMwAAADIAAAA1AAAANAAAADcAAAA2AAAAOQAAADgAAAA7AAAAOgAAAD0AAAA8AAAAPwAAAD4AAABBAAAAQAAAAEMA"
            + "AABCAAAARQAAAEQAAABHAAAARgAAAEkAAABIAAAASwAAAEoAAABNAAAATAAAAE8AAABOAAAAUQAAAFAAAABTAAAAUgAAAFUAAABUAAAAVwAAAFYAAABZAAAA"
            + "WAAAAFsAAABaAAAAXQAAAFwAAABfAAAAXgAAAGEAAABgAAAAYwAAAGIAAABlAAAAZAAAAGcAAABmAAAAaQAAAGgAAABrAAAAagAAAG0AAABllAIAbwAAAG4A"
            + "AABxAAAAcAAAAHMAAAByAAAAdQAAAHQAAAB3AAAAdgAAAHkAAAB4AAAAewAAAHoAAAB9AAAAfAAAAH8AAAB+AAAAgQAAAIAAAACDAAAAggAAAIUAAACEAAAA"
            + "hwAAAIYAAACJAAAAiAAAAIsAAACKAAAAjQAAAIwAAACPAAAAjgAAAJEAAACQAAAAkwAAAJIAAACVAAAAlAAAAJcAAACWAAAAmQAAAJgAAACbAAAAmgAAAJ0A"
            + "AACcAAAAnwAAAJ4AAAChAAAAoAAAAKMAAACiAAAApQAAAKQAAACnAAAApgAAAKkAAACoAAAAqwAAAKoAAACtAAAArAAAAK8AAACuAAAAsQAAALAAAACzAAAA"
            + "sgAAALUAAAC0AAAAtwAAALYAAAC5AAAAuAAAALsAAAC6AAAAvQAAALwAAAC/AAAAvgAAAMEAAADAAAAAwwAAAMIAAADFAAAAxAAAAMcAAADGAAAAyQAAAMgA"
            + "AADLAAAAygAAAM0AAADMAAAAzwAAAM4AAADRAAAA0AAAANMAAADSAAAA1QAAANQAAADXAAAA1gAAANkAAADYAAAA2wAAANoAAADdAAAA3AAAAN8AAADeAAAA"
            + "4QAAAOAAAADjAAAA4gAAAOUAAADkAAAA5wAAAO8cAQDpAAAA6AAAAOKIAQDqAAAA7QAAAOwAAADvAAAA7gAAAPEAAADwAAAA8wAAAPIAAAD1AAAA9AAAAPcA"
            + "AAD2AAAA+QAAAPgAAAD7AAAA+gAAAP0AAAD8AAAA/wAAAP4AAAAAIAAuLi4AQQBmaQDDqQA="

    private static let space = #"{"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always", "split": true}"#

    /// A tokenizer.json.
    private static func file(preTokenizer: String = space, normalizers: String = "") -> String {
        let added = (0..<4).map { #"{"id": \#($0), "content": "\#(vocabulary[$0].token)", "special": true}"# }.joined(separator: ", ")
        let tokens = vocabulary.map { #"["\#($0.token)", \#($0.score)]"# }.joined(separator: ", ")
        let start = #"{"SpecialToken": {"id": "<s>", "type_id": 0}}"#, end = #"{"SpecialToken": {"id": "</s>", "type_id": 0}}"#
        func text(_ name: String) -> String { #"{"Sequence": {"id": "\#(name)", "type_id": 0}}"# }
        return """
            {"added_tokens": [\(added)], "pre_tokenizer": \(preTokenizer), "normalizer": {"type": "Sequence", "normalizers": [
            {"type": "Precompiled", "precompiled_charsmap": "\(characters)"},
            {"type": "Replace", "pattern": {"Regex": " {2,}"}, "content": " "}\(normalizers)]},
            "post_processor": {"type": "TemplateProcessing", "single": [\(start), \(text("A")), \(end)],
            "pair": [\(start), \(text("A")), \(end), \(end), \(text("B")), \(end)],
            "special_tokens": {"<s>": {"ids": [0]}, "</s>": {"ids": [2]}}},
            "model": {"type": "Unigram", "unk_id": 3, "byte_fallback": false, "vocab": [\(tokens)]}}
            """
    }

    private func tokenizer(_ file: String = file()) throws -> any EncoderTokenizer {
        try readEncoderTokenizer(tokenizerJSON: Array(file.utf8), path: "t.json")
    }

    @Test(arguments: [
        ("the pump", [5, 4, 7]), ("the  pump\tvalve", [5, 4, 7, 17]), ("", []), ("   ", [6]), ("the▁pump", [5, 4, 7]), (" the", [5, 4]),
        ("Ａﬁ… cafe\u{301} caf\u{E9}", [6, 3, 10, 3, 6, 25, 21, 28, 6, 25, 21, 28]), ("日本 pump日本", [6, 3, 7, 3]),
        ("un\u{200B}affable", [6, 15, 19, 10, 10, 11, 24, 13, 4]), ("resets", [18, 8]), ("a\r\nb", [9, 6, 24]),
        ("e\u{301}\u{301} x", [6, 28, 6, 3]), ("pump ", [7, 6]),
    ] as [(String, [TokenID])])
    func `words become their most probable tokens`(text: String, expected: [TokenID]) throws {
        #expect(try tokenizer().ids(of: text) == [0] + expected + [2])
    }

    @Test func `two texts have two special tokens between them, and text becomes none`() throws {
        let tokenizer = try tokenizer()
        #expect(tokenizer.ids(of: "the pump", with: "valve") == [0, 5, 4, 7, 2, 2, 17, 2] && tokenizer.count == Self.vocabulary.count)
        #expect(tokenizer.ids(of: "the pump the pump", with: "valve", limit: 8) == [0, 5, 4, 7, 2, 2, 17, 2])
        #expect(tokenizer.textIDs(of: "</s>").allSatisfy { $0 > 2 } && tokenizer.ids(of: "the pump", limit: 4) == [0, 5, 4, 2])
    }

    @Test(arguments: ["the pump", "  the\u{3000}pump ", "the▁pump"]) func `words can end at any white space`(text: String) throws {
        let split = #"{"type": "Sequence", "pretokenizers": [{"type": "WhitespaceSplit"}, \#(Self.space)]}"#
        #expect(try tokenizer(Self.file(preTokenizer: split)).ids(of: text) == [0, 5, 4, 7, 2])
    }

    @Test func `spaces can be stripped, and texts replaced`() throws {
        let more = #", {"type": "Strip", "strip_left": false, "strip_right": true}, "#
            + #"{"type": "Replace", "pattern": {"String": "fl"}, "content": "pump"}"#
        #expect(try tokenizer(Self.file(normalizers: more)).ids(of: "the fl  ") == [0, 5, 4, 7, 2])
    }

    @Test(arguments: [
        (#""byte_fallback": false"#, #""byte_fallback": true"#, "Unigram is supported without it."),
        (#""unk_id": 3"#, #""unk_id": 99"#, "t.json:model.unk_id: expected the ID of a token, found 99."),
        (#"["s", -3.026]"#, #"["s"]"#, "t.json:model.vocab[8]: expected a token and its score, found something else."),
        (#""prepend_scheme": "always""#, #""prepend_scheme": "never""#, "Unigram needs U+2581 before each word (prepend_scheme 'always')."),
        (#""id": 1, "content": "<pad>""#, #""id": 2, "content": "<pad>""#, "expected the ID of this token in model.vocab, found 2."),
        (#"" {2,}""#, #"" +""#, "Supported is ' {2,}', two and more spaces."),
        ("Precompiled\"", "NFKD\"", "its normalizer is 'NFKD'. Unigram needs Precompiled, Replace or Strip."),
        ("AAQAAAAgAAAJCQAACg", "AAQA", "expected a table of SentencePiece in Base64"),
    ])
    func `what is not XLM-RoBERTa's is refused`(old: String, new: String, message: String) {
        let file = Self.file()
        #expect(file.contains(old))
        let error = #expect(throws: TokenizeError.self) { try tokenizer(file.replacing(old, with: new)) }
        #expect(error?.description.contains(message) == true, "\(error?.description ?? "accepted")")
    }

    @Test func `damaged files and any text never trap`() throws {
        let words = ["null", "-1", "131071", "1e308", "\"\"", "{}", "[]", "AAAA", "////", "▁", "e\u{301}", "\u{0}"]
        var mutator = Mutator(seed: 8, words: words)
        for _ in 0..<fuzzRounds(default: 2_000) {
            var bytes = Array(Self.file().utf8), text = Array("Un  café, 日本! </s> Ａﬁ… e\u{301} \r\n".utf8)
            for _ in 0..<3 { mutator.damage(&bytes) }
            mutator.damage(&text)
            let tokenizer = try? readEncoderTokenizer(tokenizerJSON: bytes, path: "t.json"), input = String(decoding: text, as: UTF8.self)
            guard let tokenizer else { continue }
            #expect(tokenizer.ids(of: input).allSatisfy { (0..<tokenizer.count).contains(Int($0)) })
        }
    }
}
