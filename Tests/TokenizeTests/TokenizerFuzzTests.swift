import Glibc
import Testing
import Tokenize
import TestSupport

/// Reads randomly damaged files: each is read, or rejected with an error that names the file; nothing traps or hangs.
///
/// Set `SLM_FUZZ_ROUNDS=1000000` for a long run. A failed round is reproducible by its number.
@Suite struct TokenizerFuzzTests {
    static let rounds = fuzzRounds(default: 2_000)

    @Test func `tokenizer.json`() throws {
        let seeds = try VocabularyFixtures.all().map { _, vocabulary in try TokenizerJSON.bytes(of: vocabulary.shortened()) }
            + TokenizerJSONTests.preTokenizers.map { Array(TokenizerJSONTests.file(preTokenizer: $0.0).utf8) }
            + TokenizerJSONTests.malformed.map { Array($0.0.utf8) }
        try run(
            seeds,
            words: [
                "null", "true", "{}", "[]", "\"\"", "-1", "131071", "1e9", "18446744073709551616", "\"Ġ\"", "\"\\ud800\"", "\"type\"",
                "\"Sequence\"", "\"Split\"", "\"Digits\"", "\"ByteLevel\"", "\"Regex\":\"(?<=\\\\w{1,9})x|[\\\\s&&a]\"", "a b", ",", "}",
                "\"Metaspace\"", "\"Replace\"", "\"Prepend\"", "\"NFC\"", "▁", "<0x0A>", "\"normalized\":true", "\"TemplateProcessing\"",
            ]
        ) { bytes in
            let vocabulary = try TokenizerJSON.read(bytes, path: "t.json")
            if let again = try? TokenizerJSON.bytes(of: vocabulary) { #expect(try TokenizerJSON.read(again, path: "t.json") == vocabulary) }
            try use(vocabulary)
        }
    }

    @Test func `vocab.json with merges.txt`() throws {
        let vocabulary = try VocabularyFixtures.trained(specialTokens: ["<|eos|>"]).shortened()
        let (json, merges) = try VocabularyAndMerges.bytes(of: vocabulary)
        try run(
            [json + [0] + merges, Array("{\"a\":0,\"b\":1,\"ab\":2}\0#version: 0.2\na b\n".utf8)],
            words: ["Ġ", "\n", "a b\n", "0", "\"", ",", ":", "{", "\0", "131071", "#version"]
        ) { bytes in
            let parts = bytes.split(separator: 0, maxSplits: 1, omittingEmptySubsequences: false).map(Array.init)
            let read = try VocabularyAndMerges.read(vocabulary: parts[0], path: "t.json", merges: parts.last ?? [], mergesPath: "t.json")
            if let (json, merges) = try? VocabularyAndMerges.bytes(of: read) {
                #expect(try VocabularyAndMerges.read(vocabulary: json, path: "t.json", merges: merges, mergesPath: "t.json") == read)
            }
            try use(read)
        }
    }

    @Test func `.tiktoken`() throws {
        let seeds = try [
            TiktokenFile.bytes(of: VocabularyFixtures.trained(specialTokens: ["<|eos|>"]).shortened(allBytes: true)),
            Array("YQ== 0\nYWE= 1\nYWFh 2\nYWFhYQ== 3\n".utf8),
        ]
        try run(seeds, words: [" ", "\n", "=", "YWFhYQ== ", "0", "9", "131071", "AAAAAAAA"]) { bytes in
            let vocabulary = try TiktokenFile.read(bytes, path: "t.json", specialTokens: [])
            if let again = try? TiktokenFile.bytes(of: vocabulary) {
                #expect(try TiktokenFile.read(again, path: "t.json", specialTokens: []) == vocabulary)
            }
            try use(vocabulary)
        }
    }

    @Test func `tokenizer.model`() throws {
        try run(
            [SentencePieceTests.model(scores: SentencePieceTests.scores)],
            words: ["\u{1}", "\u{8}", "\n", "\u{12}", "▁", "<0x0A>", "th", "\u{7F}", "\u{18}\u{4}", "\u{18}\u{2}", "\u{FF}"]
        ) { bytes in
            let vocabulary = try SentencePieceModel.read(bytes, path: "t.json")
            if let json = try? TokenizerJSON.bytes(of: vocabulary) {
                let again = try TokenizerJSON.read(json, path: "t.json")
                #expect(again.tokens == vocabulary.tokens)
                #expect(again.byteTokens == vocabulary.byteTokens)
                #expect(again.addedTokens == vocabulary.addedTokens)
                #expect(again.specialTokens == vocabulary.specialTokens)
                #expect(again == vocabulary)
            }
            try use(vocabulary)
        }
    }

    @Test func patterns() throws {
        let alphabet = Array(#"(((|))?:=!<>[]^$.*+?{}1,23-\\\pLsSwWdhvbBRXKAzZu0041imx&&:alpha: 'aé日"#.unicodeScalars)
        var random = TestRandom(4)
        for round in 0..<Self.rounds {
            let pattern = String(String.UnicodeScalarView((0..<1 + random.below(14)).map { _ in alphabet[random.below(alphabet.count)] }))
            let text = random.text(pieces: 6, broken: round % 2 == 0)
            do {
                let ends = try split(text, by: pattern)
                #expect(ends.last.map(Int.init) ?? 0 == text.count && zip(ends, ends.dropFirst()).allSatisfy(<), "\(pattern)")
            } catch .badPattern(_, let offset, let reason) {
                #expect(offset <= pattern.unicodeScalars.count && !reason.isEmpty, "\(pattern)")
            } catch { #expect("\(error)".contains("takes too long")) }
        }
    }

    private func split(_ text: [UInt8], by pattern: String) throws(TokenizeError) -> [UInt32] {
        var regex = try RegexPreTokenizer(pattern), ends: [UInt32] = []
        try regex.split(text.span, isLast: true, into: &ends)
        return ends
    }

    /// Checks that a vocabulary that was read can be used.
    private func use(_ vocabulary: Vocabulary) throws {
        _ = try? Tokenizer(vocabulary).ids(of: "ab the other 12")
        #expect(vocabulary.merges.allSatisfy { [$0.left, $0.right, $0.result].allSatisfy { vocabulary.tokens.indices.contains(Int($0)) } })
    }

    private func run(_ seeds: [[UInt8]], words: [String], _ read: ([UInt8]) throws -> Void) throws {
        var random = TestRandom(1)
        for round in 0..<Self.rounds {
            var bytes = seeds[random.below(seeds.count)]
            for _ in 0...random.below(3) { damage(&bytes, words, &random) }
            do { try read(bytes) } catch let error as TokenizeError {
                #expect(error.description.hasPrefix("t.json"), "round \(round): \(error)")
            }
        }
    }

    private func damage(_ bytes: inout [UInt8], _ words: [String], _ random: inout TestRandom) {
        let at = random.below(bytes.count + 1), end = min(bytes.count, at + random.below(24))
        switch random.below(6) {
        case 0 where at < bytes.count: bytes[at] = UInt8(truncatingIfNeeded: random.next())
        case 1: bytes.removeSubrange(at..<end)
        case 2: bytes.insert(contentsOf: bytes[at..<end], at: random.below(bytes.count + 1))
        case 3: bytes.replaceSubrange(at..<end, with: words[random.below(words.count)].utf8)
        case 4: bytes.insert(contentsOf: words[random.below(words.count)].utf8, at: at)
        default:
            if random.below(4) == 0 {
                bytes.removeSubrange(at...)
            } else {
                bytes.insert(contentsOf: random.bytes(1 + random.below(4)), at: at)
            }
        }
    }
}

extension Vocabulary {
    /// The vocabulary without the bytes that no merge uses, so that damage hits the other parts of the file.
    fileprivate func shortened(allBytes: Bool = false) throws -> Vocabulary {
        guard unit == .bytes, !allBytes, !merges.isEmpty else { return self }
        var short = self, used = Set(specialTokens.map(\.id))
        for merge in merges { used.formUnion([merge.left, merge.right, merge.result]) }
        used.formUnion(addedTokens.map(\.id) + textPrefix + textSuffix)
        short.tokens = ByteStrings()
        for id in tokens.indices where id <= used.max() ?? 0 { short.tokens.append(used.contains(TokenID(id)) ? tokens[id] : []) }
        return short.tokens.count > 0 ? short : self
    }
}
