import Autograd
import Checkpoint
import Files
import Glibc
import Kernels
import Model
import Testing
import TestSupport
import Tokenize
import Formats

/// Models of several families as Hugging Face folders and GGUF files. Tests/Peers/check_models.py compares with transformers and llama.cpp.
@Suite struct FamilyTests {
    private let folder = TemporaryFolder()
    private let processor: Processor

    init() throws { processor = try Processor(threads: 1) }

    /// Whether all weights are equal, up to the rounding of Gemma's w + 1.
    private func isSame(_ a: Checkpoint, _ b: Checkpoint) -> Bool {
        a.weights.names == b.weights.names && a.weights.names.allSatisfy { name in
            let tolerance: Float = a.configuration.hasPostNorms && name.contains("norm") ? 1e-6 : 0
            return zip(a.weight(name), b.weight(name)).allSatisfy { abs($0 - $1) <= tolerance }
        }
    }

    @Test(arguments: SampleFamily.allCases) func `a written folder reads back unchanged`(family: SampleFamily) throws {
        let before = try family.checkpoint()
        try HuggingFace.write(before, to: folder.path)
        let config = String(decoding: try InputFile.contents(of: folder("config.json")), as: UTF8.self)
        #expect(config.contains("\"model_type\": \"\(family.modelType)\""))
        let after = try HuggingFace.read(folder.path, on: processor)
        #expect(after.configuration == before.configuration)
        #expect(isSame(before, after) && after.tokenizer == before.tokenizer)
    }

    @Test(arguments: SampleFamily.allCases) func `a written GGUF file reads back unchanged`(family: SampleFamily) throws {
        var before = try family.checkpoint()
        try before.writeGGUF(to: folder("a.gguf"), as: .f32)
        let bytes = try InputFile.contents(of: folder("a.gguf"))
        #expect(String(decoding: bytes[24..<100], as: UTF8.self).contains(family.architecture))
        let after = try Checkpoint(readingGGUF: folder("a.gguf"), on: processor)
        // llama.cpp's Llama has no windows: the context ends where the window would begin to matter.
        if family == .mistral { (before.configuration.layerAttention, before.configuration.context) = ([.full], 8) }
        if family == .mistral { before.configuration.slidingWindow = after.configuration.slidingWindow }
        #expect(after.configuration == before.configuration)
        // GGUF has no key for NFC, which the tokenizers of GPT-NeoX apply.
        var vocabulary = try before.vocabulary()
        if family == .gptNeoX { vocabulary.normalization = .nfc }
        #expect(try isSame(before, after) && after.vocabulary() == vocabulary && after.chatTemplate == .specialTokens)
    }

    @Test func `rows of queries and keys have the order of the family`() throws {
        // Heads of 8 channels, of which 2i and 2i + 1 rotate together in a GGUF file of a Llama.
        let llama = try SampleFamily.llama.checkpoint()
        try llama.writeGGUF(to: folder("a.gguf"), as: .f32)
        var plain = try InputFile.contents(of: folder("a.gguf"))
        let ours = llama.weight("layer0.qkv.weight")
        func row(_ i: Int) -> [UInt8] { ours[32 * i..<32 * (i + 1)].flatMap { GGUFBytes.little($0.bitPattern) } }
        func contains(_ rows: [Int]) -> Bool {
            let wanted = rows.flatMap(row)
            return plain.contains(wanted)
        }
        #expect(contains([0, 4, 1, 5, 2, 6, 3, 7, 8, 12]), "queries")
        #expect(contains([32, 36, 33, 37, 34, 38, 35, 39, 40, 44]), "keys")
        #expect(contains(Array(48..<64)), "values")
        // GPT-NeoX: head by head queries, keys, values; the first 2 of 8 channels rotate.
        let neox = try SampleFamily.gptNeoX.checkpoint()
        try HuggingFace.write(neox, to: folder.path)
        plain = try InputFile.contents(of: folder("model.safetensors"))
        let all = neox.weight("layer0.qkv.weight")
        func head(_ h: Int) -> [Float] {
            let order = [0, 4, 1, 2, 3, 5, 6, 7]
            let rows = order.map { 8 * h + $0 } + order.map { 32 + 8 * h + $0 } + (0..<8).map { 64 + 8 * h + $0 }
            return rows.flatMap { all[32 * $0..<32 * ($0 + 1)] }
        }
        let wanted = (0..<4).flatMap(head).flatMap { GGUFBytes.little($0.bitPattern) }
        #expect(plain.contains(wanted))
    }

    /// Writes a family's folder, changes its config.json, and reads it.
    private func read(_ family: SampleFamily, _ changes: (String, String)...) throws -> GPTConfiguration {
        try HuggingFace.write(family.checkpoint(), to: folder.path)
        var text = String(decoding: try InputFile.contents(of: folder("config.json")), as: UTF8.self)
        for (old, new) in changes {
            #expect(text.contains(old), "\(old) in \(text)")
            text = text.replacing(old, with: new)
        }
        folder.write(text, to: "config.json")
        return try HuggingFace.read(folder.path, on: processor).configuration
    }

    @Test func `rotary positions are read in the old and the present form`() throws {
        let old = try read(.llama3)
        let scaling = #""rope_type": "llama3", "factor": 8, "low_freq_factor": 1.0, "high_freq_factor": 4, "#
            + #""original_max_position_embeddings": 256"#
        let added = #""x": 0, "rope_parameters": {"rope_theta": 500000.0, \#(scaling)}"#
        let new = try read(.llama3, ("\"rope_theta\": 500000.0", added), ("\"rope_scaling\":", "\"y\":"))
        #expect(old == new && new.rotary.scaling == .llama3(factor: 8, low: 1, high: 4, context: 256))
        let yarn = #""rope_scaling": {"type": "yarn", "factor": 4.0, "original_max_position_embeddings": 8}"#
        let magnitude = 0.1 * log(4.0) + 1
        let expected = RotaryPositions.Scaling.yarn(factor: 4, fast: 32, slow: 1, context: 8, magnitude: magnitude, truncates: true)
        #expect(try read(.llama, ("\"rope_scaling\": null", yarn)).rotary.scaling == expected)
        let dynamic = #""rope_scaling": {"type": "dynamic", "factor": 4.0}"#
        #expect {
            _ = try read(.llama, ("\"rope_scaling\": null", dynamic))
        } throws: { "\($0)".contains("rope_scaling.rope_type: expected default, linear, llama3, yarn or longrope, found 'dynamic'") }
    }

    @Test func `LongRoPE is read as files of Phi-3 have it, and its factors depend on the length of sequences`() throws {
        let scaling = #""type": "su", "short_factor": [1, 1.5, 2], "long_factor": [1, 4, 16]"#
        let written = try read(.phi3).rotary, text = String(decoding: try InputFile.contents(of: folder("config.json")), as: UTF8.self)
        let start = try #require(text.firstRange(of: "\"rope_scaling\": {"))
        let end = try #require(text[start.upperBound...].firstIndex(of: "}"))
        let old = try read(.phi3, (String(text[start.lowerBound...end]), "\"rope_scaling\": {\(scaling)}")).rotary
        // 16 positions are twice those of the first training.
        let magnitude = (1 + log(2.0) / log(8.0)).squareRoot()
        #expect(old.scaling == .long(.init(short: [1, 1.5, 2], long: [1, 4, 16], context: 8, magnitude: magnitude)))
        #expect(old.width == 6 && written.width == 6)
        let plain = RotaryPositions(width: 6).frequencies(width: 8)
        for (length, divisors) in [(8, [1, 1.5, 2]), (9, [1.0, 4, 16])] {
            #expect(old.ofSequences(upTo: length).frequencies(width: 8) == zip(plain, divisors + [1]).map { $0 / $1 })
        }
        let other = ("\"partial_rotary_factor\": 0.75", "\"partial_rotary_factor\": 0.5")
        let error = #expect(throws: CheckpointError.self) { _ = try read(.phi3, other) }
        #expect(error?.description.contains("rope_scaling.short_factor: expected 2 numbers above 0") == true)
    }

    @Test func `sliding windows are read in all forms`() throws {
        #expect(try read(.mistral, ("\"sliding_window\": 8", "\"sliding_window\": null")).layerAttention == [.full])
        let layers = "\"layer_types\": [\n    \"sliding_attention\",\n    \"full_attention\",\n    \"sliding_attention\"\n  ]"
        let pattern = try read(.gemma3, (layers, "\"sliding_window_pattern\": 3"))
        #expect(pattern.layerAttention == [.sliding, .sliding, .full] && pattern.slidingWindow == 8)
        let qwen = try read(
            .qwen2, ("\"use_sliding_window\": false", "\"use_sliding_window\": true, \"sliding_window\": 4, \"max_window_layers\": 2")
        )
        #expect(qwen.layerAttention == [.full, .full, .sliding] && qwen.slidingWindow == 4)
    }

    @Test(arguments: [
        (SampleFamily.llama, "\"model_type\": \"llama\"", "\"model_type\": \"mamba\"", "model_type: expected one of gpt2, llama, "),
        (.llama, "\"vocab_size\"", "\"num_local_experts\": 8, \"vocab_size\"", "slm has no such mixture of experts, found 8"),
        (.qwen3MoE, "\"num_experts\": 5", "\"num_experts\": 0", "num_experts: expected a whole number from 2 to 1024, found 0"),
        (.qwen3MoE, "\"num_experts\": 5", "\"num_experts\": 6", "mlp.gate.weight'.shape: expected [6, 32], found [5, 32]"),
        (.mixtral, "\"num_experts_per_tok\": 2", "\"num_experts_per_tok\": 6", "num_experts_per_tok: expected a whole number from 1 to 5"),
        (.qwen3MoE, "\"vocab_size\"", "\"mlp_only_layers\": [1], \"vocab_size\"", "decoder_sparse_step: expected 1, and no"),
        (.graniteMoE, "\"num_local_experts\": 5", "\"num_local_experts\": 4", "weight'.shape: expected [4, 32], found [5, 32]"),
        (.olmo2, "\"num_key_value_heads\": 4", "\"num_key_value_heads\": 2", "num_key_value_heads: expected 4, as many as"),
        (.olmoe, "\"vocab_size\"", "\"clip_qkv\": 8.0, \"vocab_size\"", "clip_qkv: expected null, found a number"),
        (.llama, "\"vocab_size\"", "\"quantization_config\": {\"bits\": 4}, \"vocab_size\"", "quantization_config: expected no such field"),
        (.gemma2, "\"final_logit_softcapping\": 4.0", "\"final_logit_softcapping\": 0", "final_logit_softcapping: expected a number from"),
        (.gemma3, "\"vocab_size\"", "\"use_bidirectional_attention\": true, \"vocab_size\"", "use_bidirectional_attention: expected false"),
        (.qwen3, "\"attention_bias\": false", "\"attention_bias\": true", "attention_bias: expected false"),
        (.llama, "\"num_key_value_heads\": 2", "\"num_key_value_heads\": 3", "num_key_value_heads: expected a divisor of the 4 heads"),
        (.llama, "\"head_dim\": 8", "\"head_dim\": 7", "head_dim: expected an even number, found 7"),
        (.llama, "\"head_dim\": 8", "\"head_dim\": 16", "self_attn.q_proj.weight'.shape: expected [64, 32], found [32, 32]"),
        (.llama, "\"hidden_act\": \"silu\"", "\"hidden_act\": \"mish\"", "hidden_act: expected one of "),
        (.llama, "\"num_hidden_layers\": 3", "\"num_hidden_layers\": 2", "'model.layers.2"),
        (.llama, "\"num_hidden_layers\": 3", "\"num_hidden_layers\": 1000", "num_hidden_layers: expected no more layers than the"),
        (.gemma3, "full_attention", "chunked_attention", "layer_types: expected full_attention and sliding_attention"),
        (.stableLM, "\"qk_layernorm\": false", "\"qk_layernorm\": true", "qk_layernorm: expected false, the only supported value"),
        (
            .stableLM, "\"use_parallel_residual\": false", "\"use_parallel_residual\": true",
            "use_parallel_residual: expected false, the only supported value"
        ),
        (.stableLM, "\"use_qkv_bias\": true", "\"use_qkv_bias\": false", "_proj.bias': expected no such tensor in this StableLM"),
        (.gptNeoX, "\"rotary_pct\": 0.25", "\"rotary_pct\": 0.1", "rotary_pct: expected a share of the 8 channels of a head"),
    ]) func `unsupported options are errors that name the field`(family: SampleFamily, old: String, new: String, message: String) throws {
        let error = #expect(throws: CheckpointError.self) { _ = try read(family, (old, new)) }
        #expect(error?.description.contains(message) == true, "\(error?.description ?? "accepted")")
    }

    @Test func `what llama.cpp cannot compute is not written as GGUF`() throws {
        func reason(_ family: SampleFamily, _ change: (inout GPTConfiguration) -> Void) throws -> String {
            var checkpoint = try family.checkpoint()
            change(&checkpoint.configuration)
            do throws(CheckpointError) { try checkpoint.writeGGUF(to: folder("a.gguf"), as: .f32) } catch { return "\(error)" }
            return "accepted"
        }
        #expect(try reason(.qwen2) { $0.layerAttention = [.full, .sliding] }.contains("layers with a sliding window"))
        #expect(try reason(.gemma3) { $0.scoreCap = 5 }.contains("its attention scores are soft-capped, and Gemma 3's are not"))
        #expect(try reason(.qwen2) { $0.logitCap = 5 }.contains("its logits are soft-capped, and Qwen2's are not"))
        #expect(try reason(.gemma2) { $0.scoreCap = nil }.contains("llama.cpp expects soft-capped scores and logits"))
        #expect(try reason(.gemma2) { $0.layerAttention = [.full, .sliding] }.contains("a sliding window in the first of every two layers"))
        #expect(try reason(.gemma3) { $0.attentionScale = 0.5 }.contains("its attention scores are multiplied by 0.5"))
        #expect(try reason(.llama) { $0.rotary.scaling = .yarn(factor: 2, fast: 32, slow: 1, context: 8, magnitude: 1, truncates: false) }
            .contains("rounds the range of its YaRN scaling"))
        #expect(try reason(.smolLM3) { $0.layerAttention = [.positionless, .full] }.contains("it has layers without positions, and"))
        #expect(try reason(.qwen3MoE) { $0.experts?.normalizesWeights = false }.contains("are not divided by their sum"))
        #expect(try reason(.llama) { $0.activation = .relu }.contains("Llama lacks its activation, relu"))
        #expect(folder.names.isEmpty)
    }
}
