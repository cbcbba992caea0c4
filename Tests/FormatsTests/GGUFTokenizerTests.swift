import Checkpoint
import Formats
import Kernels
import Model
import Testing
import TestSupport
import Tokenize

/// Tokenizers of other families in GGUF files: read, and written again.
@Suite struct GGUFTokenizerTests {
    private let folder = TemporaryFolder()
    private typealias File = GGUFBytes

    private func vocabulary(_ change: (inout GGUFBytes) -> Void) throws -> Vocabulary {
        var file = GGUFBytes.sample
        file.keys.removeAll { $0.name.hasSuffix("eos_token_id") }
        change(&file)
        return try Vocabulary(ofFile: folder.write(file.bytes, to: "in.gguf"))
    }

    private func set(_ pieces: [(String, Float, Int32)], _ file: inout GGUFBytes) {
        file.set("tokenizer.ggml.tokens", File.texts(pieces.map(\.0)))
        file.set("tokenizer.ggml.scores", File.array(6, count: UInt64(pieces.count), pieces.flatMap { File.little($0.1.bitPattern) }))
        file.set("tokenizer.ggml.token_type", File.array(5, count: UInt64(pieces.count), pieces.flatMap { File.little($0.2) }))
    }

    private func sentencePiece(_ change: (inout GGUFBytes) -> Void = { _ in }) throws -> Vocabulary {
        try vocabulary { file in
            var pieces: [(String, Float, Int32)] = [
                ("<unk>", 0, 2), ("<s>", 0, 3), ("</s>", 0, 3), ("▁▁", 0, 4), ("[PAD4]", 0, 4), ("x", 0, 5),
            ]
            for byte in 0...255 {
                let digits = String(byte, radix: 16, uppercase: true)
                pieces.append(("<0x\(digits.count == 1 ? "0" : "")\(digits)>", 0, 6))
            }
            pieces += [("▁", -8, 1), ("a", -9, 1), ("b", -9, 1), ("ab", -1, 1), ("▁a", -2, 1), ("▁ab", -3, 1)]
            set(pieces, &file)
            file.set("tokenizer.ggml.model", File.text("llama"))
            file.set("tokenizer.ggml.bos_token_id", File.u32(1))
            file.set("tokenizer.ggml.eos_token_id", File.u32(2))
            change(&file)
        }
    }

    @Test func `a SentencePiece tokenizer has bytes, a prefix space and a begin-of-text token`() throws {
        let vocabulary = try sentencePiece()
        let tokenizer = try Tokenizer(vocabulary)
        #expect(vocabulary.specialTokens.map(\.text) == ["<unk>", "<s>", "</s>"] && vocabulary.unknownToken == 0)
        #expect(vocabulary.addedTokens.map(\.text) == ["  "])
        #expect(vocabulary.tokens[4].isEmpty && vocabulary.tokens[5].isEmpty)
        #expect(try tokenizer.promptIDs(of: "ab\n") == [1, 267, 16])
        #expect(try tokenizer.ids(of: "b  ab") == [262, 264, 3, 267])
        #expect(tokenizer.text(of: [267, 266, 16]) == "ab a\n")
        let other = try sentencePiece { file in
            for (key, value) in [("add_bos_token", 0), ("add_eos_token", 1), ("add_space_prefix", 0)] {
                file.set("tokenizer.ggml.\(key)", File.little(UInt32(7)) + [UInt8(value)])
            }
        }
        #expect(other.prefixSpace == .never && other.textPrefix.isEmpty && other.textSuffix == [2])
    }

    @Test func `a SentencePiece tokenizer reads back unchanged`() throws {
        for keepsSpace in [true, false] {
            let before = try sentencePiece { $0.set("tokenizer.ggml.add_space_prefix", File.little(UInt32(7)) + [keepsSpace ? 1 : 0]) }
            var checkpoint = try SampleGGUF(tied: false) { $0.vocabulary = 300 }.checkpoint
            checkpoint.tokenizer = try StoredTokenizer(before)
            checkpoint.chatTemplate = nil
            try checkpoint.writeGGUF(to: folder("out.gguf"), as: .f32)
            let after = try Checkpoint(readingGGUF: folder("out.gguf"), on: Processor(threads: 1)).vocabulary()
            #expect(after == before)
        }
    }

    @Test func `names of patterns`() throws {
        for (name, pattern, normalization) in [
            ("qwen2", PreTokenizationPattern.qwen2, Vocabulary.Normalization.nfc), ("smollm", .smollm, .none),
            ("starcoder", .smollm, .none),
            ("llama-bpe", .llama3, .none), ("olmo", .gpt2, .nfc), ("modern-bert", .gpt2, .nfc), ("default", .llamaCppDefault, .none),
            ("deepseek-llm", .deepSeekLLM, .none), ("deepseek-coder", .deepSeekCoder, .none), ("deepseek-v3", .deepSeekV3, .none),
            ("tekken", .regex(PreTokenizationPattern.tekken), .none), ("glm4", .llama3, .none),
        ] {
            let vocabulary = try vocabulary { $0.set("tokenizer.ggml.pre", File.text(name)) }
            #expect(vocabulary.pattern == pattern && vocabulary.normalization == normalization, "\(name)")
        }
        let neoX = try vocabulary { file in
            file.keys.removeAll { $0.name == "tokenizer.ggml.pre" }
            file.set("general.architecture", File.text("gptneox"))
        }
        #expect(neoX.pattern == .gpt2 && neoX.normalization == .nfc)
        let llama3 = try vocabulary { file in
            file.set("tokenizer.ggml.pre", File.text("llama-bpe"))
            file.set("tokenizer.ggml.bos_token_id", File.u32(3))
        }
        #expect(llama3.textPrefix == [3] && llama3.ignoresMerges)
    }

    @Test(arguments: [
        ("default", "Hi, it's 12345 $x<y  z", ["Hi", ",", " it", "'", "s", " ", "123", "45", " ", "$", "x", "<", "y", " ", " z"]),
        ("deepseek-llm", "Hi, it's 123 日本語x  z\n ab  ", [
            "Hi", ",", " it", "'", "s", " ", "123", " ", "日本語", "x", " ", " z", "\n", " ab", "  ",
        ]),
        ("deepseek-coder", "Hi, 12 日本 z", ["Hi", ",", " ", "1", "2", " ", "日本", " z"]),
        ("deepseek-v3", "Hi, it's 12345 日本語x (ab\n\n  z", [
            "Hi", ",", " it", "'s", " ", "123", "45", " ", "日本語", "x", " (", "ab", "\n\n", " ", " z",
        ]),
        ("tekken", "HelloWorld it's 123 a/b/\n  z", ["Hello", "World", " it", "'s", " ", "1", "2", "3", " a", "/b", "/\n", " ", " z"]),
        ("glm4", "it's 12345", ["it", "'s", " ", "123", "45"]),
    ])
    func `words of patterns`(name: String, text: String, expected: [String]) throws {
        let pattern = try vocabulary { $0.set("tokenizer.ggml.pre", File.text(name)) }.pattern
        // Each word is a token, and no merge makes any other.
        var vocabulary = Vocabulary.ofBytes()
        vocabulary.pattern = pattern
        vocabulary.ignoresMerges = true
        for word in Set(expected.map { Array($0.utf8) }) where word.count > 1 { vocabulary.tokens.append(word) }
        let tokenizer = try Tokenizer(vocabulary)
        #expect(try tokenizer.ids(of: Array(text.utf8)).map { String(decoding: vocabulary.tokens[Int($0)], as: UTF8.self) } == expected)
    }

    @Test func `invalid SentencePiece tokenizers are rejected`() throws {
        func message(_ change: @escaping (inout GGUFBytes) -> Void) -> String? {
            #expect(throws: CheckpointError.self) { _ = try sentencePiece(change) }.map { "\($0)" }
        }
        #expect(message { $0.set("tokenizer.ggml.scores", File.array(6, count: 0, [])) }?.contains("each of the 268 tokens") == true)
        #expect(message { set([("<0xZZ>", 0, 6)], &$0) }?.contains("expected a byte such as <0x0A>") == true)
        #expect(message { set([("▁", 0, 1), ("▁", 0, 1)], &$0) }?.contains("expected each token once") == true)
        #expect(message { $0.set("tokenizer.ggml.add_bos_token", File.u32(1)) }?.contains("expected true or false") == true)
    }
}
