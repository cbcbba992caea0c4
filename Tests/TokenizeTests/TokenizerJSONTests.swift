import Testing
import Tokenize

@Suite struct TokenizerJSONTests {
    @Test func `a written vocabulary is read back unchanged`() throws {
        for (name, vocabulary) in try VocabularyFixtures.all() {
            let bytes = try TokenizerJSON.bytes(of: vocabulary)
            #expect(try TokenizerJSON.read(bytes, path: "t.json") == vocabulary, "\(name)")
            #expect(try TokenizerJSON.bytes(of: vocabulary) == bytes)
        }
    }

    static let preTokenizers: [(String, PreTokenizationPattern)] = [
        (#"{"type":"ByteLevel","add_prefix_space":false}"#, PreTokenizationPattern.gpt2),
        (#"{"type":"ByteLevel","add_prefix_space":false,"use_regex":false}"#, .none),
        (#"{"type":"Sequence","pretokenizers":[{"type":"ByteLevel","add_prefix_space":false,"use_regex":true}]}"#, .gpt2),
        (
            split(
                #"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}"#
                    + #"| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"#
            ),
            .llama3
        ),
        (split(#"'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+"#, "Removed", true), .gpt2),
        (split("a+"), .regex("a+")),
        (split(#"\\p{L}+"#).replacing("Regex", with: "String"), .regex(#"\x{5c}p\x{7b}L\x{7d}\x{2b}"#)),
        (#"{"type":"Sequence","pretokenizers":[{"type":"Digits","individual_digits":true},{"type":"ByteLevel","add_prefix_space":false}]}"#,
         .smollm),
        (
            split(
                #"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+"#
                    + #"|\\s+(?!\\S)|\\s+"#
            ),
            .qwen2
        ),
        (split("a+").replacing(#"[{"type":"Split""#, with: #"[{"type":"Digits"},{"type":"Split""#),
         .sequence([.regex(#"\p{N}+"#), .regex("a+")])),
        // In Oniguruma, \p{N}{1,3}+ matches any number of digits, so this is not equivalent to tiktoken's identical pattern.
        (
            split(
                #"'(?i:[sdmt]|ll|ve|re)|[^\\r\\n\\p{L}\\p{N}]?+\\p{L}++|\\p{N}{1,3}+"#
                    + #"| ?[^\\s\\p{L}\\p{N}]++[\\r\\n]*+|\\s++$|\\s*[\\r\\n]|\\s+(?!\\S)|\\s"#
            ),
            .regex(
                #"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}+"#
                    + #"| ?[^\s\p{L}\p{N}]++[\r\n]*+|\s++$|\s*[\r\n]|\s+(?!\S)|\s"#
            )
        ),
    ]

    @Test("pre-tokenizers of other programs", arguments: preTokenizers)
    func patterns(preTokenizer: String, pattern: PreTokenizationPattern) throws {
        let vocabulary = try read(file(preTokenizer: preTokenizer))
        #expect(vocabulary.pattern == pattern)
        #expect(vocabulary.unit == .bytes)
        #expect(vocabulary.prefixSpace == .never)
    }

    @Test func `merges are strings or pairs, and an added token that is not special is an added token`() throws {
        let vocabulary = try read(
            file(
                added: #"{"id":5,"content":"<|eos|>","special":true},{"id":1,"content":"b","special":false}"#,
                vocab: #""a":0,"b":1,"Ġ":2,"ab":3"#, merges: #"["a","b"]"#, rest: #","unk_token":"","dropout":null"#))
        #expect(vocabulary.specialTokens == [.init(id: 5, text: "<|eos|>")])
        #expect(vocabulary.addedTokens == [.init(id: 1, text: "b", .mergeable)])
        #expect(
            vocabulary.tokens.indices.map { String(decoding: vocabulary.tokens[$0], as: UTF8.self) } == [
                "a", "b", " ", "ab", "", "<|eos|>",
            ])
    }

    static let malformed: [(String, String)] = [
        ("[", "t.json:1: expected a value, found the end."),
        ("[]", #"t.json: expected an object with "model", found an array."#),
        ("{}", "t.json:model: expected an object, found nothing."),
        (file(vocab: #""a":"x""#), "t.json:model.vocab['a']: expected a whole number, found a string."),
        (file(vocab: #""a":1.5"#), "t.json:model.vocab['a']: expected a whole number, found 1.5."),
        (file(vocab: #""a":-1"#), "t.json:model.vocab['a']: expected an ID from 0 to 131071 in a file of this size, found -1."),
        (
            file(vocab: #""a":4194304"#),
            "t.json:model.vocab['a']: expected an ID from 0 to 131071 in a file of this size, found 4194304."
        ),
        (file(vocab: #""a":0,"b":0"#), "t.json:model.vocab['b']: expected a unique ID for each token, found 0 again."),
        (file(vocab: #""a":0,"a":1"#), "t.json:model.vocab: expected each token once, found 'a' again."),
        (
            file(vocab: #""日":0"#),
            "t.json:model.vocab: expected tokens in GPT-2's byte-to-unicode alphabet or in added_tokens, found '日'."
        ),
        (file(vocab: #""":0"#), "t.json:model.vocab['']: expected a token, found nothing."),
        (file(merges: #""ab""#), "t.json:model.merges[0]: expected two tokens separated by a space, found 'ab'."),
        (file(merges: #""a b","a a""#), "t.json:model.merges[1]: expected tokens of the vocabulary, found 'aa'."),
        (file(merges: #""a b","a b""#), "t.json:model.merges[1]: expected each merge once, found 'ab' again."),
        (file(merges: #"["a"]"#), "t.json:model.merges[0]: expected two tokens, found an array."),
        (
            file(added: #"{"id":0,"content":"x","special":true}"#),
            "t.json:added_tokens: expected a unique ID for each token, found 0 again."
        ),
        (file(added: #"{"id":7,"content":"a"}"#), "t.json:model.vocab['a']: expected 7, its ID in added_tokens, found 0."),
        (file(added: #"{"id":7}"#), "t.json:added_tokens[0].content: expected a string, found nothing."),
        (
            file(preTokenizer: #"{"type":"Whitespace"}"#),
            "t.json: it splits text by Whitespace (pre_tokenizer). Supported are ByteLevel, alone or after Split or Digits, Metaspace, "
                + "and neither for character-level tokenizers."
        ),
        (
            file(preTokenizer: split("a").replacing("Isolated", with: "MergedWithNext")),
            "t.json: it splits text by a Split with behavior MergedWithNext (pre_tokenizer.pretokenizers[0]). Supported is Isolated."
        ),
        (
            file(preTokenizer: split("(")),
            "t.json:pre_tokenizer.pretokenizers[0].pattern: expected a regular expression, "
                + "found '(', at character 1: missing closing parenthesis."
        ),
        (
            file(normalizer: #"{"type":"NFKC"}"#),
            "t.json: it normalizes text before pre-tokenization (NFKC in normalizer). "
                + "Supported are NFC, and SentencePiece's Prepend and Replace with U+2581."
        ),
        (
            file(rest: #","unk_token":"<unk>""#),
            "t.json: it encodes unknown text as '<unk>' (unk_token). "
                + "A byte-level tokenizer with an unk_token is only supported if all bytes are tokens."
        ),
        (
            file(rest: #","byte_fallback":true"#),
            "t.json: it is byte-level and encodes bytes as tokens such as <0x0A> (byte_fallback). Supported is one of the two."
        ),
        (file(rest: #","dropout":0.1"#), "t.json: it skips merges at random (dropout 0.1). Set model.dropout to null."),
        (file(rest: #","end_of_word_suffix":"</w>""#),
         "t.json: it marks parts of words with '</w>' (end_of_word_suffix). Only BPE without such marks is supported."),
        (file().replacing("BPE", with: "WordPiece"), "t.json: its model is WordPiece. Only BPE is supported."),
    ]

    @Test("malformed files", arguments: malformed)
    func malformed(json: String, message: String) {
        let error = #expect(throws: TokenizeError.self) { _ = try read(json) }
        #expect(error?.description == message)
    }

    @Test func `an unrepresentable vocabulary is rejected`() throws {
        var duplicate = try VocabularyFixtures.trained(256)
        var unused = duplicate
        var special = duplicate
        duplicate.tokens.append("a".utf8)
        unused.tokens.append([])
        special.add(specialTokens: ["Ġ"])
        #expect(message(rejecting: duplicate) == "tokenizer.json cannot hold this vocabulary: token 256 has the same name as another, 'a'.")
        #expect(message(rejecting: unused) == "tokenizer.json cannot hold this vocabulary: its last ID, 256, is unused.")
        #expect(message(rejecting: special) == "tokenizer.json cannot hold this vocabulary: token 256 has the same name as another, 'Ġ'.")
    }

    private func message(rejecting vocabulary: Vocabulary) -> String? {
        #expect(throws: TokenizeError.self) { _ = try TokenizerJSON.bytes(of: vocabulary) }?.description
    }

    private func read(_ json: String) throws -> Vocabulary { try TokenizerJSON.read(Array(json.utf8), path: "t.json") }

    static func split(_ regex: String, _ behavior: String = "Isolated", _ invert: Bool = false) -> String {
        #"{"type":"Sequence","pretokenizers":[{"type":"Split","pattern":{"Regex":""# + regex + #""},"behavior":""# + behavior
            + #"","invert":\#(invert)},{"type":"ByteLevel","add_prefix_space":false,"use_regex":false}]}"#
    }

    static func file(
        added: String = "", normalizer: String = "null", preTokenizer: String = #"{"type":"ByteLevel","add_prefix_space":false}"#,
        vocab: String = #""a":0,"b":1,"ab":2"#, merges: String = "", rest: String = ""
    ) -> String {
        #"{"added_tokens":[\#(added)],"normalizer":\#(normalizer),"pre_tokenizer":\#(preTokenizer),"decoder":{"type":"ByteLevel"},"#
            + #""model":{"type":"BPE","vocab":{\#(vocab)},"merges":[\#(merges)]\#(rest)}}"#
    }

    private func file(
        added: String = "", preTokenizer: String = #"{"type":"ByteLevel","add_prefix_space":false}"#,
        vocab: String = #""a":0,"b":1,"ab":2"#, merges: String = "", rest: String = ""
    ) -> String {
        Self.file(added: added, preTokenizer: preTokenizer, vocab: vocab, merges: merges, rest: rest)
    }

    @Test func `a prefix space is only representable with GPT-2's pattern`() throws {
        var vocabulary = try VocabularyFixtures.trained(pattern: .llama3)
        vocabulary.prefixSpace = .always
        let error = TokenizeError.notExpressible(
            format: "tokenizer.json", reason: "it adds a prefix space and does not use GPT-2's pattern"
        )
        #expect(throws: error) { _ = try TokenizerJSON.bytes(of: vocabulary) }
    }
}
