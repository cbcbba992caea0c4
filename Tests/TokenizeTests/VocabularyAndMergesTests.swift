import Testing
import Tokenize

@Suite struct VocabularyAndMergesTests {
    @Test func `a written vocabulary is read back unchanged`() throws {
        for (name, vocabulary) in try VocabularyFixtures.all()
        where vocabulary.unit == .bytes && vocabulary.pattern == .gpt2 && vocabulary.prefixSpace == .never {
            let (bytes, merges) = try VocabularyAndMerges.bytes(of: vocabulary)
            let again = try VocabularyAndMerges.read(vocabulary: bytes, path: "vocab.json", merges: merges, mergesPath: "merges.txt")
            #expect(again == vocabulary, "\(name)")
        }
    }

    @Test func `a token that is neither a byte nor the result of a merge is special`() throws {
        let vocabulary = try read(#"{"<|endoftext|>":4,"Ġ":0,"Ċ":1,"ĠĊ":2,"Ġx":3,"日":5}"#, "#version: 0.2\nĠ Ċ\n")
        #expect(vocabulary.specialTokens == [.init(id: 3, text: "Ġx"), .init(id: 4, text: "<|endoftext|>"), .init(id: 5, text: "日")])
        #expect(vocabulary.merges == [.init(0, 1, 2)])
        #expect(Array(vocabulary.tokens[2]) == [32, 10])
        #expect(Array(vocabulary.tokens[3]) == Array("Ġx".utf8))
    }

    @Test func `a first line without a version is a merge, and CR LF ends a line`() throws {
        #expect(try read(#"{"a":0,"b":1,"ab":2,"abb":3}"#, "a b\r\n\r\nab b").merges == [.init(0, 1, 2), .init(2, 1, 3)])
    }

    @Test("malformed files", arguments: [
        ("[]", "", "v.json:the file: expected an object with the ID of each token, found an array."),
        (#"{"a":{}}"#, "", "v.json:'a': expected a whole number, found an object."),
        ("{\n\"a\":0,\n}", "", "v.json:3: expected a key in quotation marks, found '}'."),
        (#"{"a":0,"b":0}"#, "", "v.json:'b': expected a unique ID for each token, found 0 again."),
        (#"{"a":0,"a":1}"#, "", "v.json:1: expected each token once, found 'a' again."),
        (#"{"a":0,"b":1}"#, "#version: 0.2\na b", "m.txt:2: expected tokens of the vocabulary, found 'ab'."),
        (#"{"a":0,"b":1,"ab":2}"#, "a b\nb c", "m.txt:2: expected tokens of the vocabulary, found 'c'."),
        (#"{"a":0}"#, "a", "m.txt:1: expected two tokens separated by a space, found 'a'."),
        (#"{"a":0}"#, "a  a", "m.txt:1: expected two tokens separated by a space, found 'a  a'."),
        (#"{"a":0}"#, "a 日", "m.txt:1: expected tokens in GPT-2's byte-to-unicode alphabet, found 'a 日'."),
        (#"{"a":0,"aa":1}"#, "a a\na a", "m.txt:2: expected each merge once, found 'aa' again."),
    ])
    func malformed(json: String, merges: String, message: String) {
        let error = #expect(throws: TokenizeError.self) { _ = try read(json, merges) }
        #expect(error?.description == message)
    }

    @Test func `an unrepresentable vocabulary is rejected`() throws {
        #expect(reason(rejecting: VocabularyFixtures.characters) == "its tokens are characters")
        let gpt4 = try VocabularyFixtures.trained(pattern: .gpt4)
        #expect(reason(rejecting: gpt4) == "it has another pattern than GPT-2's, which these files imply")
        var vocabulary = try VocabularyFixtures.trained()
        vocabulary.tokens.append("zzz".utf8)
        #expect(reason(rejecting: vocabulary) == "no merge makes token 300, so it would be read as a special token")
        let duplicate = try VocabularyFixtures.trained(256, specialTokens: ["é"])
        #expect(reason(rejecting: duplicate) == "token 234 has the same name as another, 'é'")
    }

    private func reason(rejecting vocabulary: Vocabulary) -> String? {
        let error = #expect(throws: TokenizeError.self) { _ = try VocabularyAndMerges.bytes(of: vocabulary) }
        return error?.description
            .replacing("vocab.json with merges.txt cannot hold this vocabulary: ", with: "")
            .replacing("; tokenizer.json can.", with: "")
    }

    private func read(_ json: String, _ merges: String) throws -> Vocabulary {
        try VocabularyAndMerges.read(vocabulary: Array(json.utf8), path: "v.json", merges: Array(merges.utf8), mergesPath: "m.txt")
    }
}
