import Files
import Testing
import TestSupport
import Tokenize

@Suite struct SentencePieceTests {
    private func pieces(_ text: String, _ vocabulary: Vocabulary) throws -> [String] {
        try Tokenizer(vocabulary).ids(of: text).map { id in
            if let byte = vocabulary.byteTokens.firstIndex(of: id) { return "<\(byte)>" }
            return String(decoding: vocabulary.tokens[Int(id)], as: UTF8.self)
        }
    }

    @Test func `a space is prepended as the vocabulary says`() throws {
        let expected: [(Vocabulary.PrefixSpace, [String], [String])] = [
            (.never, ["the", " the"], [" the"]), (.first, [" the", " the"], [" the"]), (.always, [" the", " the"], [" the"]),
            (.evenBeforeSpace, [" the", " the"], [" ", " the"]),
        ]
        for (prefix, plain, spaced) in expected {
            let vocabulary = VocabularyFixtures.sentencePiece(prefix)
            #expect(try pieces("the the", vocabulary) == plain, "\(prefix)")
            #expect(try pieces(" the", vocabulary) == spaced, "\(prefix)")
            #expect(try pieces("", vocabulary).isEmpty)
            let tokenizer = try Tokenizer(vocabulary)
            #expect(tokenizer.text(of: try tokenizer.ids(of: "the weather")) == "the weather")
        }
    }

    @Test func `characters that are no tokens are encoded as bytes, and without those as one unknown token`() throws {
        var vocabulary = VocabularyFixtures.sentencePiece(.never)
        #expect(try pieces("a本\n本z", vocabulary) == ["a", "<230>", "<156>", "<172>", "<10>", "<230>", "<156>", "<172>", "<122>"])
        let tokenizer = try Tokenizer(vocabulary)
        var decoder = StreamDecoder(vocabulary)
        #expect(try tokenizer.ids(of: "a本🙂").map { decoder.add($0) } == ["a", "", "", "本", "", "", "", "🙂"])
        vocabulary.byteTokens = []
        #expect(try pieces("a本🙂本a", vocabulary) == ["a", "<unk>", "a"])
        vocabulary.fusesUnknown = false
        #expect(try pieces("a本🙂本a", vocabulary) == ["a", "<unk>", "<unk>", "<unk>", "a"])
    }

    @Test func `U+2581 is a space, and each space starts a word if the pattern says so`() throws {
        #expect(try pieces("the▁▁the", VocabularyFixtures.sentencePiece(.never)) == ["the", " ", " the"])
        #expect(try pieces("the  the", VocabularyFixtures.sentencePiece(.never, .spaces)) == ["the", " ", " the"])
    }

    @Test func `long words of all merges encode like naive BPE`() throws {
        let vocabulary = VocabularyFixtures.sentencePiece(.never), tokenizer = try Tokenizer(vocabulary)
        var random = TestRandom(3)
        for _ in 0..<200 {
            let text = String((0..<random.below(200)).map { _ in Array("tthhe  x日語")[random.below(10)] })
            let characters = text.unicodeScalars.flatMap { scalar in
                vocabulary.tokens.indices.dropFirst(258).first { vocabulary.tokens[$0].elementsEqual(String(scalar).utf8) }
                    .map { [TokenID($0)] }
                    ?? String(scalar).utf8.map { vocabulary.byteTokens[Int($0)] }
            }
            #expect(try tokenizer.ids(of: text) == NaiveBPE.encode(characters, by: vocabulary.merges))
        }
        let long = try tokenizer.ids(of: String(repeating: "the", count: 100_000))
        #expect(long.count == 100_000)
    }

    @Test func `a text is split only where no token has a space inside`() throws {
        var vocabulary = VocabularyFixtures.sentencePiece(.never)
        let space = TokenID(vocabulary.tokens.indices.dropFirst(258).first { vocabulary.tokens[$0].elementsEqual(" ".utf8) } ?? 0)
        let e = TokenID(vocabulary.tokens.indices.dropFirst(258).first { vocabulary.tokens[$0].elementsEqual("e".utf8) } ?? 0)
        vocabulary.tokens.append("e ".utf8)
        vocabulary.merges.insert(.init(e, space, TokenID(vocabulary.count - 1)), at: 0)
        #expect(try pieces("the the", vocabulary) == ["th", "e ", "the"])
    }

    @Test func `a streamed text may start with the prepended space`() {
        let vocabulary = VocabularyFixtures.sentencePiece(.first)
        let the = TokenID(vocabulary.tokens.indices.first { vocabulary.tokens[$0].elementsEqual(" the".utf8) } ?? 0)
        var continued = StreamDecoder(vocabulary), whole = StreamDecoder(vocabulary, startsText: true)
        #expect([continued.add(the), continued.add(the)] == [" the", " the"])
        #expect([whole.add(the), whole.add(the)] == ["the", " the"])
    }

    /// A tokenizer.model: the pieces <unk>, <s>, the bytes, and the letters and tokens of `scores`.
    static func model(scores: [(String, Float)], type: UInt8 = 2, normalizer: [UInt8] = [0x18, 1, 0x20, 0]) -> [UInt8] {
        var bytes: [UInt8] = []
        func add(_ text: String, _ score: Float, _ kind: UInt8) {
            var piece: [UInt8] = [0x0A, UInt8(text.utf8.count)] + Array(text.utf8) + [0x15]
            piece += score.bitPattern.littleEndianBytes + [0x18, kind]
            bytes += [0x0A, UInt8(piece.count)] + piece
        }
        add("<unk>", 0, 2)
        add("<s>", 0, 3)
        for byte in UInt8.min...UInt8.max {
            let digits = String(byte, radix: 16, uppercase: true)
            add("<0x\(digits.count == 1 ? "0" : "")\(digits)>", 0, 6)
        }
        for (text, score) in scores { add(text, score, 1) }
        return bytes + [0x12, 2, 0x18, type] + [0x1A, UInt8(normalizer.count)] + normalizer
    }

    static let scores: [(String, Float)] = [
        ("▁", -9), ("t", -9), ("h", -9), ("e", -9), ("th", -1), ("he", -2), ("▁the", -4), ("the", -3), ("▁t", -5),
    ]

    @Test func `a tokenizer model merges by scores, each way to split a token`() throws {
        let vocabulary = try SentencePieceModel.read(Self.model(scores: Self.scores), path: "t.model")
        let merges = vocabulary.merges.map { merge in
            [merge.left, merge.right].map { String(decoding: vocabulary.tokens[Int($0)], as: UTF8.self) }.joined(separator: "+")
        }
        #expect(merges == ["t+h", "h+e", "th+e", "t+he", " t+he", " +the", " +t"])
        #expect(vocabulary.prefixSpace == .evenBeforeSpace)
        #expect(vocabulary.textPrefix == [1])
        #expect(try Tokenizer(vocabulary).promptIDs(of: "the") == [1, 264])
        #expect(try pieces("the x", vocabulary) == [" the", " ", "<120>"])
        #expect(try TokenizerJSON.read(TokenizerJSON.bytes(of: vocabulary), path: "t.json") == vocabulary)
    }

    @Test func `an unsupported tokenizer model is rejected`() {
        func message(_ bytes: [UInt8]) -> String? {
            #expect(throws: TokenizeError.self) { _ = try SentencePieceModel.read(bytes, path: "t.model") }?.description
        }
        let advice = " Supported is SentencePiece BPE with the normalizer identity, as Llama 2's."
        #expect(message(Self.model(scores: Self.scores, type: 1)) == "t.model: its model is of type 1 and not BPE (2)." + advice)
        let mapped = Self.model(scores: Self.scores, normalizer: [0x12, 1, 7, 0x20, 0])
        #expect(message(mapped) == "t.model: it normalizes characters." + advice)
        #expect(
            message(Self.model(scores: Self.scores, normalizer: [])) == "t.model: it removes spaces (remove_extra_whitespaces)." + advice)
        #expect(message([0x0A, 9, 0x0A]) == "t.model:byte 1: expected a length of at most 1, found 9.")
        #expect(
            message(Self.model(scores: [("▁", 0), ("▁", 1)]))
                == "t.model:tokenizer.ggml.tokens[259]: expected each token once, found '▁' again.")
    }
}
