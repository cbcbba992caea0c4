import Testing
import Tokenize

@Suite struct AddedTokenTests {
    /// Bytes, then the added tokens with ids from 256 on.
    private func tokenizer(_ added: [(String, AddedTokenMatching)], special: [String] = [], nfc: Bool = false) throws -> Tokenizer {
        var vocabulary = Vocabulary.ofBytes()
        for (text, matching) in added {
            vocabulary.addedTokens.append(.init(id: TokenID(vocabulary.count), text: text, matching))
            vocabulary.tokens.append(text.utf8)
        }
        vocabulary.add(specialTokens: special)
        vocabulary.normalization = nfc ? .nfc : .none
        return try Tokenizer(vocabulary)
    }

    /// The ids from 256 on, and runs of bytes as text.
    private func parts(_ text: String, _ tokenizer: Tokenizer, _ handling: Tokenizer.SpecialTokenHandling = .asText) throws -> [String] {
        var parts: [String] = [], bytes: [UInt8] = []
        for id in try tokenizer.ids(of: text, specialTokens: handling) + [-1] {
            if (0..<256).contains(id) { bytes.append(UInt8(id)); continue }
            if !bytes.isEmpty { parts.append(String(decoding: bytes, as: UTF8.self)) }
            bytes = []
            if id >= 0 { parts.append("\(id)") }
        }
        return parts
    }

    @Test func `the longest added token at the leftmost place is found in every text`() throws {
        let tokenizer = try tokenizer([("<a>", []), ("<a><b>", []), ("  ", [])])
        #expect(try parts("x<a><b><a><a", tokenizer) == ["x", "257", "256", "<a"])
        #expect(try parts("a   b", tokenizer) == ["a", "258", " b"])
        #expect(tokenizer.text(of: [120, 257, 258]) == "x<a><b>  ")
    }

    @Test func `white space and word borders around added tokens`() throws {
        let tokenizer = try tokenizer([
            ("<l>", .stripsLeft), ("<r>", .stripsRight), ("word", .wholeWord), ("<lr>", [.stripsLeft, .stripsRight]),
        ])
        #expect(try parts("a \t\u{3000}<l> b", tokenizer) == ["a", "256", " b"])
        #expect(try parts("a <r> \n b", tokenizer) == ["a ", "257", "b"])
        #expect(try parts("a<r>  <lr>  <l> ", tokenizer) == ["a", "257", "259", "256", " "])
        #expect(try parts("word words sword word_ (word) éword", tokenizer) == ["258", " words sword word_ (", "258", ") éword"])
    }

    @Test func `a token is found in normalized text if it says so`() throws {
        let tokenizer = try tokenizer([("é", .normalized), ("e\u{301}x", [])], nfc: true)
        #expect(try parts("ae\u{301}é", tokenizer) == ["a", "256", "256"])
        #expect(try parts("ae\u{301}xe\u{301}", tokenizer) == ["a", "257", "256"])
    }

    @Test func `a special token that is not recognized hides added tokens inside it`() throws {
        let tokenizer = try tokenizer([("eos", [])], special: ["<|eos|>"])
        #expect(try parts("<|eos|>eos", tokenizer) == ["<|eos|>", "256"])
        #expect(try parts("<|eos|>eos", tokenizer, .recognized) == ["257", "256"])
    }

    @Test func `only a tokenizer with added tokens waits for the end of a text`() throws {
        for (added, expected) in [([], 2), ([("<a>", AddedTokenMatching())], 0)] {
            var encoder = try Encoder(tokenizer(added)), ids: [TokenID] = []
            #expect(try encoder.encode(Array("ab cd".utf8).span, isLast: false, into: &ids) >= expected)
            #expect(ids.isEmpty == (expected == 0))
        }
    }

    @Test func `a continued text gets no space`() throws {
        let tokenizer = try Tokenizer(VocabularyFixtures.sentencePiece(.evenBeforeSpace))
        var encoder = try Encoder(tokenizer), ids: [TokenID] = []
        try encoder.encode(Array("the".utf8).span, from: .insideText, into: &ids)
        #expect(ids.map { String(decoding: tokenizer.vocabulary.tokens[Int($0)], as: UTF8.self) } == ["the"])
    }
}
