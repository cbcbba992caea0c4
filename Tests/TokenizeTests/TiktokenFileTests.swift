import Testing
import Tokenize

@Suite struct TiktokenFileTests {
    @Test func `what is written is read as it was, if the caller says what the file does not hold`() throws {
        for (name, vocabulary) in try Fixture.all() where vocabulary.unit == .bytes && !vocabulary.addsPrefixSpace {
            var expected = vocabulary
            expected.ignoresMerges = true
            let bytes = try TiktokenFile.bytes(of: vocabulary)
            #expect(
                try TiktokenFile.read(bytes, path: "t.tiktoken", pattern: vocabulary.pattern, specialTokens: vocabulary.specialTokens)
                    == expected, "\(name)")
        }
    }

    @Test func `merges follow from ranks alone, also where they are not in order`() throws {
        // abc is made of a and bc, which comes later; abcd of no two: with cd first, ab is left, and then abcd would be ab and cd.
        let vocabulary = try read("YQ== 0\nYg== 1\nYw== 2\nZA== 3\nYWJj 4\nYmM= 5\nenp6 6\nY2Q= 7\n")
        #expect(vocabulary.merges == [.init(0, 5, 4), .init(1, 2, 5), .init(2, 3, 7)])
        #expect(vocabulary.ignoresMerges)
    }

    @Test func `a token as long as a text is no trouble`() throws {
        var lines = "YQ== 0\n"
        for power in 1...14 {
            lines += String(repeating: "YWFh", count: (1 << power) / 3) + ["", "YQ==", "YWE="][(1 << power) % 3] + " \(power)\n"
        }
        let vocabulary = try read(lines)
        #expect(vocabulary.merges == (1...14).map { .init($0 - 1, $0 - 1, $0) })
    }

    @Test func `tiktoken's own files are known by name, and by their size`() throws {
        let small = try TiktokenFile.read(Array("YQ== 0\n".utf8), path: "a/cl100k_base.tiktoken")
        #expect(small.pattern == .gpt4)
        #expect(small.specialTokens.isEmpty)
        let large = try TiktokenFile.read(Array("YQ== 0\nYg== 50255\n".utf8), path: "gpt2.tiktoken")
        #expect(large.pattern == .gpt2)
        #expect(large.specialTokens == [.init(id: 50_256, text: "<|endoftext|>")])
        #expect(large.count == 50_257)
    }

    @Test func `numbers go as far as the file is large, so that gaps take no more memory than it`() throws {
        let file = { (size: Int, id: Int) in String(repeating: "\n", count: size - 11) + "YQ== \(id)" }
        #expect(try read("YQ== 131071").count == 131_072)
        #expect(try read(file(200_000, 199_999)).count == 200_000)
        let error = #expect(throws: TokenizeError.self) { _ = try read(file(200_000, 200_000)) }
        #expect(error?.description.hasSuffix("expected a number from 0 to 199999 in a file of this size, found 200000.") == true)
    }

    @Test("what is wrong, in a sentence", arguments: [
        ("", "t.tiktoken: expected tokens, found none."),
        ("YQ== 0\nYg==\n", "t.tiktoken:2: expected a token in base64, a space and its rank, found 'Yg=='."),
        ("YQ== x", "t.tiktoken:1: expected a token in base64, a space and its rank, found 'YQ== x'."),
        ("YQ== -1", "t.tiktoken:1: expected a token in base64, a space and its rank, found 'YQ== -1'."),
        ("YQ== 9999999999", "t.tiktoken:1: expected a token in base64, a space and its rank, found 'YQ== 9999999999'."),
        ("YQ== 4194304", "t.tiktoken:1: expected a number from 0 to 131071 in a file of this size, found 4194304."),
        ("YQ= 0", "t.tiktoken:1: expected a token in base64, found 'YQ='."),
        ("YR== 0", "t.tiktoken:1: expected a token in base64, found 'YR=='."),
        ("Y*== 0", "t.tiktoken:1: expected a token in base64, found 'Y*=='."),
        (" 0", "t.tiktoken:1: expected a token in base64, found ''."),
        ("YQ== 0\r\n\r\nYg== 0", "t.tiktoken:3: expected a number for each token, found 0 a second time."),
        ("YQ== 0\nYQ== 1", "t.tiktoken:rank 1: expected each token once, found 'a' again."),
    ])
    func wrong(text: String, sentence: String) {
        let error = #expect(throws: TokenizeError.self) { _ = try read(text) }
        #expect(error?.description == sentence)
    }

    @Test func `what the file cannot hold is refused`() throws {
        var vocabulary = try Fixture.learned(specialTokens: ["<|eos|>"])
        vocabulary.merges.swapAt(1, 5)
        #expect(refusal(vocabulary) == "it makes token 262 where tiktoken would make 258.")
        vocabulary.merges.swapAt(1, 5)
        let last = vocabulary.merges.removeLast()
        #expect(refusal(vocabulary) == "nothing merges into token \(last.result).")
        vocabulary.merges.append(last)
        vocabulary.tokens.append("zzz".utf8)
        #expect(refusal(vocabulary) == "it has tokens that nothing merges into.")
        #expect(refusal(Fixture.characters) == "its tokens are characters.")
        vocabulary = try Fixture.learned()
        vocabulary.addsPrefixSpace = true
        #expect(refusal(vocabulary) == "it begins every text with a space.")
    }

    private func refusal(_ vocabulary: Vocabulary) -> String? {
        let error = #expect(throws: TokenizeError.self) { _ = try TiktokenFile.bytes(of: vocabulary) }
        return error?.description.replacing("A .tiktoken file cannot hold this vocabulary: ", with: "")
    }

    private func read(_ text: String) throws -> Vocabulary { try TiktokenFile.read(Array(text.utf8), path: "t.tiktoken") }
}
