import Testing
import Tokenize
import TestSupport

@Suite struct EncodingTests {
    /// A vocabulary with random merges of few letters, so that most pairs merge. If shuffled, a merge may come before the tokens it needs.
    private func vocabulary(merges count: Int, shuffled: Bool, _ random: inout TestRandom) -> Vocabulary {
        var vocabulary = Vocabulary(), known = Set<[UInt8]>(), letters = (97..<101).map { TokenID($0) }
        vocabulary.pattern = .none
        for byte in UInt8.min...UInt8.max { vocabulary.tokens.append([byte]) }
        while vocabulary.merges.count < count {
            guard let left = letters.randomElement(using: &random), let right = letters.randomElement(using: &random) else { break }
            let bytes = Array(vocabulary.tokens[Int(left)] + vocabulary.tokens[Int(right)])
            guard bytes.count < 12, known.insert(bytes).inserted else { continue }
            letters.append(TokenID(vocabulary.count))
            vocabulary.merges.append(Vocabulary.Merge(left, right, TokenID(vocabulary.count)))
            vocabulary.tokens.append(bytes)
        }
        if shuffled { vocabulary.merges.shuffle(using: &random) }
        return vocabulary
    }

    @Test(arguments: [false, true])
    func `words of any length encode like naive BPE`(shuffled: Bool) throws {
        var random = TestRandom(11)
        for round in 0..<120 {
            let vocabulary = vocabulary(merges: 1 + round, shuffled: shuffled, &random), tokenizer = try Tokenizer(vocabulary)
            for length in [0, 1, 2, 7, 39, 40, 41, 42, 150] {
                let letters = 1 + UInt8.random(in: 0..<4, using: &random)
                let word = (0..<length).map { _ in 97 + UInt8.random(in: 0..<letters, using: &random) }
                let expected = NaiveBPE.encode(word.map { TokenID($0) }, by: vocabulary.merges)
                #expect(try tokenizer.ids(of: word) == expected)
                #expect(tokenizer.bytes(of: expected) == word)
            }
        }
    }

    @Test func `the cache and splitting the text do not change the ids`() throws {
        var random = TestRandom(5)
        for (_, text) in BPETrainerTests.corpora {
            for pattern in [PreTokenizationPattern.gpt2, .gpt4, .llama3, .none] {
                var counts = try WordCounts(pattern: pattern), trainer = BPETrainer(vocabularySize: 400)
                trainer.pattern = pattern
                try counts.add(text.span)
                let tokenizer = try Tokenizer(trainer.train(on: counts).vocabulary), expected = try tokenizer.ids(of: text)
                #expect(tokenizer.bytes(of: expected) == text)
                // With 2 slots, nearly every word evicts another.
                for bits in [1, 4, 16] {
                    var encoder = try Encoder(tokenizer, cacheBits: bits), ids: [TokenID] = [], pending: [UInt8] = [], at = 0
                    while at < text.count {
                        let end = min(text.count, at + Int.random(in: 1...200, using: &random))
                        pending += text[at..<end]
                        pending.removeFirst(try encoder.encode(pending.span, isLast: end == text.count, into: &ids))
                        at = end
                    }
                    #expect(ids == expected)
                }
            }
        }
    }

    @Test func `special tokens in a text are ordinary text unless they are recognized`() throws {
        var vocabulary = Vocabulary()
        vocabulary.add(specialTokens: ["<|eos|>", "<|eos|>more"])
        for byte in UInt8.min...UInt8.max { vocabulary.tokens.append([byte]) }
        let tokenizer = try Tokenizer(vocabulary), text = "a<|eos|><|eos|>more<|eos|"
        #expect(try tokenizer.ids(of: text) == text.utf8.map { TokenID($0) + 2 })
        let recognized = try tokenizer.ids(of: text, specialTokens: .recognized)
        #expect(recognized == [99, 0, 1] + "<|eos|".utf8.map { TokenID($0) + 2 })
        #expect(tokenizer.text(of: recognized) == text)
    }

    @Test func `a byte or character without a token is reported with its offset`() throws {
        var bytes = Vocabulary()
        for byte in "abc ".utf8 { bytes.tokens.append([byte]) }
        #expect(throws: TokenizeError.noToken(for: "byte 120", at: 5)) { try Tokenizer(bytes).ids(of: "ab caxb") }
        var characters = Vocabulary()
        characters.unit = .characters
        for character in ["a", "ß", "日"] { characters.tokens.append(character.utf8) }
        let tokenizer = try Tokenizer(characters)
        #expect(try tokenizer.ids(of: "日aßa") == [2, 0, 1, 0])
        #expect(throws: TokenizeError.noToken(for: "é", at: 3)) { try tokenizer.ids(of: "aßé") }
        #expect(throws: TokenizeError.noToken(for: "byte 255", at: 1)) { try tokenizer.ids(of: [97, 255]) }
    }

    @Test func `a word that is a token is encoded as it if merges are ignored`() throws {
        var vocabulary = Vocabulary()
        for byte in UInt8.min...UInt8.max { vocabulary.tokens.append([byte]) }
        vocabulary.tokens.append("bc".utf8)
        vocabulary.tokens.append("ab".utf8)
        vocabulary.tokens.append("abc".utf8)                       // merges of its bytes lead to a, bc
        vocabulary.merges = [.init(98, 99, 256), .init(97, 98, 257), .init(257, 99, 258)]
        #expect(try Tokenizer(vocabulary).ids(of: "abc") == [97, 256])
        vocabulary.ignoresMerges = true
        #expect(try Tokenizer(vocabulary).ids(of: "abc abcd") == [258, 32, 97, 256, 100])
    }
}
