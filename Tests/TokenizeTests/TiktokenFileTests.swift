import Testing
import Tokenize

@Suite struct TiktokenFileTests {
    @Test func `a written vocabulary is read back, given the pattern and special tokens`() throws {
        for (name, vocabulary) in try VocabularyFixtures.all()
        where vocabulary.unit == .bytes && vocabulary.prefixSpace == .never && vocabulary.addedTokens.isEmpty {
            var expected = vocabulary
            expected.ignoresMerges = true
            let bytes = try TiktokenFile.bytes(of: vocabulary)
            #expect(
                try TiktokenFile.read(bytes, path: "t.tiktoken", pattern: vocabulary.pattern, specialTokens: vocabulary.specialTokens)
                    == expected, "\(name)")
        }
    }

    @Test func `merges are recovered from ranks alone, even if not in order`() throws {
        // abc merges from a and bc, although bc has a higher rank. Nothing merges into zzz, because z is not a token.
        let vocabulary = try read("YQ== 0\nYg== 1\nYw== 2\nZA== 3\nYWJj 4\nYmM= 5\nenp6 6\nY2Q= 7\n")
        #expect(vocabulary.merges == [.init(0, 5, 4), .init(1, 2, 5), .init(2, 3, 7)])
        #expect(vocabulary.ignoresMerges)
    }

    @Test func `very long tokens are read in reasonable time`() throws {
        var lines = "YQ== 0\n"
        for power in 1...14 {
            let length = 1 << power, end = ["", "YQ==", "YWE="][length % 3]
            lines += "\(String(repeating: "YWFh", count: length / 3))\(end) \(power)\n"
        }
        let vocabulary = try read(lines)
        #expect(vocabulary.merges == (1...14).map { .init($0 - 1, $0 - 1, $0) })
    }

    @Test func `tiktoken's own files are recognized by name and size`() throws {
        let small = try TiktokenFile.read(Array("YQ== 0\n".utf8), path: "a/cl100k_base.tiktoken")
        #expect(small.pattern == .gpt4)
        #expect(small.specialTokens.isEmpty)
        let large = try TiktokenFile.read(Array("YQ== 0\nYg== 50255\n".utf8), path: "gpt2.tiktoken")
        #expect(large.pattern == .gpt2)
        #expect(large.specialTokens == [.init(id: 50_256, text: "<|endoftext|>")])
        #expect(large.count == 50_257)
    }

    @Test func `ids are limited by the file size, so that unused ids take no more memory than the file`() throws {
        let file = { (size: Int, id: Int) in String(repeating: "\n", count: size - 11) + "YQ== \(id)" }
        #expect(try read("YQ== 131071").count == 131_072)
        #expect(try read(file(200_000, 199_999)).count == 200_000)
        let error = #expect(throws: TokenizeError.self) { _ = try read(file(200_000, 200_000)) }
        #expect(error?.description.hasSuffix("expected an ID from 0 to 199999 in a file of this size, found 200000.") == true)
    }

    @Test("malformed files", arguments: [
        ("", "t.tiktoken: expected tokens, found none."),
        ("YQ== 0\nYg==\n", "t.tiktoken:2: expected a token in Base64, a space and its rank, found 'Yg=='."),
        ("YQ== x", "t.tiktoken:1: expected a token in Base64, a space and its rank, found 'YQ== x'."),
        ("YQ== -1", "t.tiktoken:1: expected a token in Base64, a space and its rank, found 'YQ== -1'."),
        ("YQ== 9999999999", "t.tiktoken:1: expected a token in Base64, a space and its rank, found 'YQ== 9999999999'."),
        ("YQ== 4194304", "t.tiktoken:1: expected an ID from 0 to 131071 in a file of this size, found 4194304."),
        ("YQ= 0", "t.tiktoken:1: expected a token in Base64, found 'YQ='."),
        ("YR== 0", "t.tiktoken:1: expected a token in Base64, found 'YR=='."),
        ("Y*== 0", "t.tiktoken:1: expected a token in Base64, found 'Y*=='."),
        (" 0", "t.tiktoken:1: expected a token in Base64, found ''."),
        ("YQ== 0\r\n\r\nYg== 0", "t.tiktoken:3: expected a unique ID for each token, found 0 again."),
        ("YQ== 0\nYQ== 1", "t.tiktoken:rank 1: expected each token once, found 'a' again."),
    ])
    func malformed(text: String, message: String) {
        let error = #expect(throws: TokenizeError.self) { _ = try read(text) }
        #expect(error?.description == message)
    }

    @Test func `an unrepresentable vocabulary is rejected`() throws {
        var vocabulary = try VocabularyFixtures.trained(specialTokens: ["<|eos|>"])
        vocabulary.merges.swapAt(1, 5)
        #expect(reason(rejecting: vocabulary) == "its next merge makes token 262, and tiktoken's would make 258.")
        vocabulary.merges.swapAt(1, 5)
        let last = vocabulary.merges.removeLast()
        #expect(reason(rejecting: vocabulary) == "no merge makes token \(last.result).")
        vocabulary.merges.append(last)
        vocabulary.tokens.append("zzz".utf8)
        #expect(reason(rejecting: vocabulary) == "it has tokens that no merge makes.")
        #expect(reason(rejecting: VocabularyFixtures.characters) == "its tokens are characters.")
        vocabulary = try VocabularyFixtures.trained()
        vocabulary.prefixSpace = .always
        #expect(reason(rejecting: vocabulary) == "it adds a prefix space to every text.")
    }

    private func reason(rejecting vocabulary: Vocabulary) -> String? {
        let error = #expect(throws: TokenizeError.self) { _ = try TiktokenFile.bytes(of: vocabulary) }
        return error?.description.replacing("a .tiktoken file cannot hold this vocabulary: ", with: "")
    }

    private func read(_ text: String) throws -> Vocabulary { try TiktokenFile.read(Array(text.utf8), path: "t.tiktoken") }
}
