import Testing
import Tokenize

@Suite struct VocabularyAndMergesTests {
    @Test func `what is written is read as it was`() throws {
        for (name, vocabulary) in try Fixture.all()
        where vocabulary.unit == .bytes && vocabulary.pattern == .gpt2 && !vocabulary.addsPrefixSpace {
            let (bytes, merges) = try VocabularyAndMerges.bytes(of: vocabulary)
            let again = try VocabularyAndMerges.read(vocabulary: bytes, path: "vocab.json", merges: merges, mergesPath: "merges.txt")
            #expect(again == vocabulary, "\(name)")
        }
    }

    @Test func `what nothing merges into is special, unless it is a byte`() throws {
        let vocabulary = try read(#"{"<|endoftext|>":4,"Ġ":0,"Ċ":1,"ĠĊ":2,"Ġx":3,"日":5}"#, "#version: 0.2\nĠ Ċ\n")
        #expect(vocabulary.specialTokens == [.init(id: 3, text: "Ġx"), .init(id: 4, text: "<|endoftext|>"), .init(id: 5, text: "日")])
        #expect(vocabulary.merges == [.init(0, 1, 2)])
        #expect(Array(vocabulary.tokens[2]) == [32, 10])
        #expect(Array(vocabulary.tokens[3]) == Array("Ġx".utf8))
    }

    @Test func `a first line without a version is a merge, and lines may end as on Windows`() throws {
        #expect(try read(#"{"a":0,"b":1,"ab":2,"abb":3}"#, "a b\r\n\r\nab b").merges == [.init(0, 1, 2), .init(2, 1, 3)])
    }

    @Test("what is wrong, in a sentence", arguments: [
        ("[]", "", "v.json:the file: expected an object with a number for each token, found an array."),
        (#"{"a":{}}"#, "", "v.json:'a': expected a whole number, found an object."),
        ("{\n\"a\":0,\n}", "", "v.json:3: expected a key in quotation marks, found '}'."),
        (#"{"a":0,"b":0}"#, "", "v.json:'b': expected a number for each token, found 0 a second time."),
        (#"{"a":0,"a":1}"#, "", "v.json:1: expected each token once, found 'a' again."),
        (#"{"a":0,"b":1}"#, "#version: 0.2\na b", "m.txt:2: expected tokens that the vocabulary has, found 'ab'."),
        (#"{"a":0,"b":1,"ab":2}"#, "a b\nb c", "m.txt:2: expected tokens that the vocabulary has, found 'c'."),
        (#"{"a":0}"#, "a", "m.txt:1: expected two tokens with a space between them, found 'a'."),
        (#"{"a":0}"#, "a  a", "m.txt:1: expected two tokens with a space between them, found 'a  a'."),
        (#"{"a":0}"#, "a 日", "m.txt:1: expected tokens in GPT-2's alphabet for bytes, found 'a 日'."),
        (#"{"a":0,"aa":1}"#, "a a\na a", "m.txt:2: expected each merge once, found 'aa' again."),
    ])
    func wrong(json: String, merges: String, sentence: String) {
        let error = #expect(throws: TokenizeError.self) { _ = try read(json, merges) }
        #expect(error?.description == sentence)
    }

    @Test func `what the files cannot hold is refused`() throws {
        #expect(refusal(Fixture.characters) == "its tokens are characters")
        #expect(refusal(try Fixture.learned(pattern: .gpt4)) == "they hold no pattern, so GPT-2's is meant, and this has another")
        var vocabulary = try Fixture.learned()
        vocabulary.tokens.append("zzz".utf8)
        #expect(refusal(vocabulary) == "nothing merges into token 300, so it would be taken for a special one")
        #expect(refusal(try Fixture.learned(256, specialTokens: ["é"])) == "token 234 is written like another, 'é'")
    }

    private func refusal(_ vocabulary: Vocabulary) -> String? {
        let error = #expect(throws: TokenizeError.self) { _ = try VocabularyAndMerges.bytes(of: vocabulary) }
        return error?.description.replacing("vocab.json with merges.txt cannot hold this vocabulary: ", with: "").replacing(
            "; tokenizer.json can.", with: "")
    }

    private func read(_ json: String, _ merges: String) throws -> Vocabulary {
        try VocabularyAndMerges.read(vocabulary: Array(json.utf8), path: "v.json", merges: Array(merges.utf8), mergesPath: "m.txt")
    }
}
