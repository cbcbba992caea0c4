import Checkpoint
import Kernels
import Testing
import TestSupport
import Tokenize
import Formats

/// GGUF files made to harm their reader. Each is rejected with the field, the expected and the found value.
@Suite struct MaliciousGGUFTests {
    private let folder = TemporaryFolder()
    private let processor: Processor
    private typealias File = GGUFBytes

    init() throws { processor = try Processor(threads: 1) }

    private func refusal(_ bytes: [UInt8]) throws -> String {
        let path = folder.write(bytes, to: "a.gguf")
        do throws(CheckpointError) { _ = try Checkpoint(readingGGUF: path, on: processor) } catch {
            return "\(error)".replacing(folder.path + "/", with: "")
        }
        return "accepted"
    }

    private func refusal(_ change: (inout GGUFBytes) -> Void) throws -> String {
        var file = File.sample
        change(&file)
        return try refusal(file.bytes)
    }

    @Test func `the sample is valid in both versions`() throws {
        #expect(try refusal { _ in } == "accepted")
        #expect(try refusal { $0.version = 2 } == "accepted")
        let path = folder.write(File.sample.bytes, to: "a.gguf")
        let vocabulary = try Checkpoint(readingGGUF: path, on: processor).vocabulary()
        #expect(vocabulary.count == 4 && vocabulary.specialTokenID("<|eos|>") == 3 && vocabulary.merges == [.init(0, 1, 2)])
    }

    @Test func `every truncation is rejected`() throws {
        let bytes = File.sample.bytes
        for count in 0..<bytes.count - 32 where try refusal(Array(bytes[..<count])) == "accepted" {
            Issue.record("\(count) of \(bytes.count) bytes")
        }
    }

    @Test func `invalid headers are rejected`() throws {
        #expect(try refusal([]) == "a.gguf is not a GGUF file: it is an empty file.")
        #expect(try refusal { $0.version = 1 }.contains("at byte 4 expected version 2 or 3, found 1."))
        #expect(try refusal { $0.version = 3 << 24 }.contains("expected version 2 or 3, found a big-endian file"))
        // CVE-2024-21836, CVE-2024-25666: a tensor count that makes the table's size overflow.
        for count in [.max, 1 << 63, 1 << 32, 0xBA2E_8BA2_E8BA_2E9] as [UInt64] {
            #expect(try refusal { $0.tensorCount = count }.contains("tensors in the"), "\(count)")
            // CVE-2024-23605, CVE-2024-25664: the same for keys.
            #expect(try refusal { $0.keyCount = count }.contains("at byte 16 expected at most"), "\(count)")
        }
        #expect(try refusal { $0.keyCount = 0 } != "accepted")
    }

    /// CVE-2024-23496, CVE-2024-25665: a length that overflows to 0 when the terminator is added, or that exceeds the file.
    @Test(arguments: [UInt64.max, UInt64.max - 1, 1 << 63, 1 << 40, 100_000])
    func `strings longer than the file are rejected`(length: UInt64) throws {
        let found = "found \(length)"
        #expect(try refusal { $0.set("general.name", File.little(UInt32(8)) + File.little(length)) }.contains(found))
        #expect(try refusal { $0.set("a", File.array(8, count: 1, File.little(length))) }.contains(found))
        var bytes = File.sample.bytes
        bytes.replaceSubrange(24..<32, with: File.little(length))
        #expect(try refusal(bytes).contains(found))
    }

    /// CVE-2024-21825, CVE-2024-25667, CVE-2024-25668: count times size overflows.
    @Test(arguments: [UInt64.max, 1 << 63, 1 << 62, 1 << 61, 0x1000_0000_0000_0001]) func `arrays longer than the file are rejected`(
        count: UInt64
    ) throws {
        for kind in [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12] as [UInt32] {
            #expect(try refusal { $0.set("a", File.array(kind, count: count, [])) }.contains("elements in the"), "\(kind)")
        }
        #expect(
            try refusal { $0.set("a", File.array(9, count: 1, File.little(UInt32(8)) + File.little(count))) }.contains("elements in the"))
    }

    @Test func `invalid types, deep nesting and invalid booleans are rejected`() throws {
        #expect(try refusal { $0.set("a", File.little(UInt32(13)) + [0]) }.contains("expected a value type from 0 to 12, found 13"))
        #expect(try refusal { $0.set("a", File.array(.max, count: 0, [])) }.contains("found 4294967295"))
        #expect(try refusal { $0.set("a", File.little(UInt32(7)) + [2]) }.contains("expected 0 or 1, found 2"))
        func nested(_ depth: Int) -> [UInt8] {
            File.little(UInt32(9)) + (1..<depth).flatMap { _ in File.little(UInt32(9)) + File.little(UInt64(1)) } + File.little(UInt32(0))
                + File.little(UInt64(0))
        }
        #expect(try refusal { $0.set("a", nested(4)) } == "accepted")
        for depth in [5, 6, 100_000] {
            #expect(try refusal { $0.set("a", nested(depth)) }.contains("expected arrays nested at most 4 deep"))
        }
        #expect(try refusal { $0.keys.append($0.keys[0]) }.contains(#"expected each key once, found "general.architecture" again"#))
        #expect(try refusal { $0.set("", File.u32(1)) }.contains("a key of 1 to 65535 bytes"))
    }

    @Test func `invalid alignments are rejected`() throws {
        for wrong in [0, 1, 3, 4, 33, 1 << 21, 1 << 31] {
            #expect(
                try refusal { $0.set("general.alignment", File.u32(wrong)) }.contains("a power of two from 8 to 1048576, found \(wrong)"))
        }
        #expect(try refusal { $0.set("general.alignment", File.text("32")) }.contains("found a string"))
        #expect(try refusal { $0.set("general.alignment", File.u32(64)) }.contains("a multiple of 64"))
    }

    /// CVE-2024-21802 (more than four dimensions), CVE-2025-53630, CVE-2026-27940 and CVE-2026-33298 (sizes that overflow).
    @Test func `invalid dimensions and types are rejected`() throws {
        for count in [0, 5, 8, 1_000] {
            #expect(
                try refusal { $0.tensors[0].sizes = Array(repeating: 1, count: count) }.contains(
                    "expected 1 to 4 dimensions of token_embd.weight, found \(count)"))
        }
        #expect(try refusal { $0.tensors[0].sizes = [2, 0] }.contains("expected a size of token_embd.weight above 0, found 0"))
        #expect(try refusal { $0.tensors[0].sizes = [2, 1 << 63] }.contains("above 0, found 9223372036854775808"))
        for sizes in [
            [1 << 32, 1 << 32], [1 << 61, 1 << 61, 1 << 61, 1 << 61], [2, 1 << 62], [0x7FFF_FFFF_FFFF_FFFF, 2], [2, 1 << 30],
        ] as [[UInt64]] {
            for type in [0, 1, 30] as [UInt32] {
                #expect(
                    try refusal { ($0.tensors[0].sizes, $0.tensors[0].type) = (sizes, type) }.contains(
                        "expected token_embd.weight no larger than the file"))
            }
        }
        #expect(try refusal { $0.tensors[0].type = 2 }.contains("in rows of whole Q4_0 blocks of 32, found 2"))
        #expect(try refusal { $0.tensors[0].type = 16 }.contains("found IQ2_XXS"))
        for type in [4, 36, 255, 1 << 31, .max] as [UInt32] {
            #expect(try refusal { $0.tensors[0].type = type }.contains("found type \(type)"))
        }
    }

    /// llama.cpp's issues and pull requests 15711, 18674, 19856, 24759, 26318 and 27203, and CVE-2026-7482 (Ollama): sums, paddings and
    /// signs that overflow.
    @Test func `sizes near integer limits are rejected`() throws {
        for size in [.max / 4, .max / 4 - 1, .max / 8, 1 << 62, UInt64(Int64.max)] as [UInt64] {
            for sizes in [[size], [size, 2], [2, size]] {
                #expect(try refusal { $0.tensors[2].sizes = sizes } != "accepted")
                #expect(
                    try refusal { $0.tensors[2].sizes = sizes }.contains("expected output_norm.weight no larger than the file"), "\(sizes)")
            }
        }
        // Two sizes whose sum overflows to 0 in 64 bits.
        #expect(try refusal { ($0.tensors[2].sizes, $0.tensors[3].sizes) = ([1 << 61], [7 << 61]) }.contains("no larger than the file"))
        // Tensors that begin in the file and end after it.
        #expect(try refusal { $0.tensors[0].sizes = [2, 1_000] }.contains("no larger than the file"))
        #expect(
            try refusal { file in file.tensors[0].sizes = [2, UInt64(file.data.count) / 8] }.contains(
                "after token_embd.weight, which ends at"))
        for count in [.max / 33, .max / 400, .max / 72, 1 << 55] as [UInt64] {
            #expect(try refusal { $0.tensorCount = count }.contains("tensors in the"), "\(count)")
        }
        // llama.cpp reads the type as a signed number.
        for type in [.max, 1 << 31, .max - 7] as [UInt32] {
            #expect(try refusal { $0.tensors[0].type = type }.contains("found type \(type)"))
        }
        // An alignment must be u32; llama.cpp read other types as u32.
        #expect(
            try refusal { $0.set("general.alignment", File.little(UInt32(5)) + File.little(Int32(-32))) }.contains(
                "a power of two from 8 to 1048576, found -32"))
    }

    @Test func `invalid offsets are rejected`() throws {
        for offset in [1, 8, 31] as [UInt64] {
            #expect(try refusal { $0.tensors[1].offset = offset }.contains("a multiple of 32, found \(offset)"))
        }
        for offset in [.max, .max - 31, 1 << 63, 1 << 40] as [UInt64] {
            #expect(try refusal { $0.tensors[1].offset = offset }.contains("in the file, a multiple of 32"))
        }
        #expect(try refusal { $0.tensors[1].offset = UInt64($0.data.count) }.contains("bytes of tensors, found the offset"))
        #expect(try refusal { $0.data.removeLast(33) }.contains("bytes of tensors, found the offset"))
        #expect(try refusal { $0.data = [] }.contains("bytes of tensors, found the offset"))
        #expect(try refusal { $0.tensors[1].offset = $0.tensors[0].offset }.contains(" after "))
        #expect(try refusal { file in
            file.tensors.append(file.tensors[0])
            file.tensors[file.tensors.count - 1].offset = UInt64(file.data.count)
            file.data += repeatElement(0, count: 32)
        }.contains(#"expected each tensor once, found "token_embd.weight" again"#))
    }

    @Test func `valid files whose metadata and tensors disagree are rejected`() throws {
        #expect(
            try refusal { $0.set("general.architecture", File.text("mamba")) }
                == "a.gguf: general.architecture: expected one of gpt2, llama, qwen2, qwen3, gemma2, gemma3, gptneox, granite, olmo2, "
                + "smollm3, phi3, stablelm, qwen2moe, qwen3moe, olmoe, granitemoe, gpt-oss, found mamba.")
        for (key, wrong, expected) in [
            ("context_length", 4, "position_embd.weight: expected a tensor [4, 2], found F32 [3, 2]"),
            ("embedding_length", 0, "from 1 to 1048576, found 0"),
            ("block_count", 3, "from 0 to 2, found 3"), ("block_count", 1 << 31, "found 2147483648"),
            ("attention.head_count", 3, "a divisor of the 2"),
            ("attention.head_count", 0, "found 0"), ("feed_forward_length", 9, "blk.0.ffn_up.weight: expected a tensor [9, 2]"),
            ("block_count", 0, "blk.0.attn_norm.bias: expected no such tensor"),
        ] {
            #expect(try refusal { $0.set("gpt2.\(key)", File.u32(wrong)) }.contains(expected), "\(key) \(wrong)")
        }
        #expect(
            try refusal { $0.set("gpt2.attention.layer_norm_epsilon", File.f32(2)) }
                .contains("layer_norm_epsilon: expected a number from 1e-12 to 1.0"))
        #expect(try refusal { $0.set("gpt2.attention.layer_norm_epsilon", File.f32(.nan)) }.contains("found nan"))
        #expect(try refusal { $0.tensors.removeLast() }.contains("blk.0.ffn_norm.bias: expected a tensor [2], found nothing"))
        #expect(try refusal { $0.tensors[3].name = "output.weight" }.contains("output_norm.bias: expected a tensor [2], found nothing"))
        #expect(try refusal { $0.tensors[0].sizes = [4, 2] }.contains("token_embd.weight: expected a tensor [2, 2], found F32 [2, 4]"))
    }

    /// Includes CVE-2025-49847 (a token longer than an i32) as far as a small file can show it, and arrays whose type or length does not
    /// match the tokens.
    @Test func `invalid vocabularies are rejected`() throws {
        func tokens(_ texts: [String]) -> (inout GGUFBytes) -> Void { { $0.set("tokenizer.ggml.tokens", File.texts(texts)) } }
        #expect(try refusal(tokens(["a", "b", "ab", "c", "d"])).contains("at most 4 tokens"))
        #expect(try refusal(tokens(["a", "b", "ab"])).contains("token_type: expected one for each of the 3 tokens, found 4"))
        #expect(try refusal(tokens(["a", "b", "ab", ""])).contains("tokens[3]: expected a token, found nothing"))
        #expect(try refusal(tokens(["a", "b", "a", "e"])).contains("expected each token once"))
        #expect(try refusal(tokens(["a", "日", "ab", "e"])).contains("GPT-2's byte-to-unicode alphabet"))
        #expect(try refusal(tokens(["a", "b", "ab", String(repeating: "e", count: 1 << 20)])) == "accepted")
        #expect(
            try refusal { $0.set("tokenizer.ggml.tokens", File.array(4, count: 1, File.little(UInt32(1)))) }.contains(
                "an array of string, found an array of 1 u32"))
        #expect(
            try refusal { $0.set("tokenizer.ggml.token_type", File.array(0, count: 4, [1, 1, 1, 3])) }.contains(
                "an array of i32 or u32, found an array of 4 u8"))
        #expect(
            try refusal { $0.set("tokenizer.ggml.token_type", File.array(5, count: 4, Array(repeating: 255, count: 16))) }.contains(
                "a number from 1 to 6"))
        #expect(
            try refusal { $0.set("tokenizer.ggml.merges", File.texts(["a c"])) }.contains(
                "merges[0]: expected tokens of the vocabulary"))
        #expect(try refusal { $0.set("tokenizer.ggml.merges", File.texts([" "])) }.contains("merges[0]"))
        // Ids of special tokens that are out of range, and invalid byte tokens, are not used as indices.
        for part in ["bos", "eos", "unknown", "padding", "eot"] {
            #expect(try refusal { file in
                file.keys.removeAll { $0.name == "tokenizer.ggml.token_type" }
                file.set("tokenizer.ggml.\(part)_token_id", File.u32(0xFFFF_FFFF))
            } == "accepted")
        }
        #expect(try refusal(tokens(["a", "b", "ab", "<0x-1>"])) == "accepted")
        #expect(try refusal { $0.set("tokenizer.ggml.model", File.text("llama")) }.contains("scores: expected an array of f32"))
        #expect(try refusal { $0.set("tokenizer.ggml.model", File.text("bert")) }.contains("gemma4 (SentencePiece BPE), found bert"))
        #expect(try refusal { $0.set("tokenizer.ggml.pre", File.text("bloom")) }.contains("expected one of chatglm-bpe, codeshell"))
    }
}
