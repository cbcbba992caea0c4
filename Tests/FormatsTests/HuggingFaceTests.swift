import Autograd
import Checkpoint
import Files
import Foundation
import Kernels
import Model
import Testing
import TestSupport
import Tokenize
import Formats

/// Writing and reading Hugging Face folders, of a GPT-2 where the family does not matter.
@Suite struct HuggingFaceTests {
    private let folder = TemporaryFolder()
    private let processor: Processor

    init() throws { processor = try Processor(threads: 1) }

    /// A small GPT-2 whose weights, including biases and norms, are random.
    private func sample(
        isTied: Bool = false, hasBias: Bool = true, _ change: (inout GPTConfiguration) -> Void = { _ in }
    ) throws -> Checkpoint {
        var configuration = GPTConfiguration(layers: 2, heads: 2, width: 20, context: 6, vocabulary: 262)
        configuration.isTied = isTied
        configuration.hasBias = hasBias
        configuration.dropout = 0.15
        change(&configuration)
        return try Checkpoint(configuration, seed: 3)
    }

    private func read() throws(CheckpointError) -> Checkpoint { try HuggingFace.read(folder.path, on: processor) }

    private func refusal() -> String {
        do { _ = try read() } catch { return "\(error)".replacing(folder.path, with: "folder") }
        return "accepted"
    }

    @Test(arguments: UnaryFunction.allCases.filter { ![.exp, .log, .sqrt, .clampedSiLU].contains($0) }, [false, true])
    func `a written folder reads back unchanged`(activation: UnaryFunction, isTied: Bool) throws {
        let sample = try sample(isTied: isTied) { $0.activation = activation }
        try HuggingFace.write(sample, to: folder.path)
        #expect(
            folder.names == [
                "config.json", "generation_config.json", "model.safetensors", "special_tokens_map.json", "tokenizer.json",
                "tokenizer_config.json",
            ])
        let again = try read(), isSame = again.everything.map(\.bits) == sample.everything.map(\.bits)
        #expect(isSame && again.weights.names == sample.weights.names && again.everything.count == sample.everything.count)
        #expect(again.configuration == sample.configuration && again.tokenizer == sample.tokenizer && again.chatTemplate == .specialTokens)
        #expect(try ImportedModel(reading: folder.path, on: processor).checkpoint.weightsDigest == sample.weightsDigest)
    }

    /// Its matrices would be missing in the file, or zero.
    @Test func `a quantized model is refused before anything is written`() throws {
        let quantized = try sample().quantized(to: .int8, on: processor)
        let error = #expect(throws: CheckpointError.self) { try HuggingFace.write(quantized, to: folder("out")) }
        #expect(error?.description.contains("tokens.weight is stored in int8, and has to be converted to f32 first") == true)
        #expect(folder.names.isEmpty)
        try HuggingFace.write(quantized.dequantized(on: processor), to: folder.path)
        #expect(try read().weight("layer0.qkv.weight").contains { $0 != 0 })
    }

    @Test(arguments: [WeightFormat.f16, .bf16]) func `16-bit weights are rounded to the nearest number`(format: WeightFormat) throws {
        let sample = try sample()
        try HuggingFace.write(sample, to: folder.path, as: format)
        let again = try read()
        for name in sample.weights.names {
            let rounded = sample.weight(name).map { format == .f16 ? Float(Float16($0)) : Float(bitPattern: UInt32($0.bf16Bits) << 16) }
            let isSame = again.weight(name) == rounded
            #expect(isSame, "\(name)")
        }
    }

    @Test func `a model without biases gets zero biases and computes the same`() throws {
        let sample = try sample(hasBias: false)
        try HuggingFace.write(sample, to: folder.path)
        let again = try read(), added = again.weights.names.filter { sample.weights[$0] == nil }
        #expect(
            added.count == 2 * 6 + 1 && added.allSatisfy { name in again.weight(name).allSatisfy { $0 == 0 } }
                && again.configuration.hasBias)
        let logits = try [sample, again].map { checkpoint in
            let (model, parameters) = try checkpoint.model(on: processor), tape = Tape(processor, parameters: parameters)
            return tape.withoutRecording { model.logits(of: tape.ids([3, 1, 4, 1, 5], [1, 5]), on: tape) }.floats
        }
        let isSame = logits[0] == logits[1]
        #expect(isSame)
    }

    @Test func `linear layers are stored as [in, out]`() throws {
        let sample = try sample()
        try HuggingFace.write(sample, to: folder.path)
        let bytes = try InputFile.contents(of: folder("model.safetensors")), header = try SafeTensorsHeader(of: bytes.span, path: "a")
        let up = try #require(header.tensors["transformer.h.1.mlp.c_fc.weight"]), ours = sample.weight("layer1.up.weight")
        #expect(up.type == "F32" && up.shape == [20, 80] && up.range.lowerBound % 4 == 0)
        let isSame = (0..<20 * 80).allSatisfy { i in
            let at = up.range.lowerBound + 4 * i, bits = UInt32(littleEndian: bytes.span.extracting(at..<at + 4))
            return bits == ours[i % 80 * 20 + i / 80].bitPattern
        }
        #expect(isSame)
    }

    /// Edits a written file, to imitate other programs.
    private func edit(_ file: String, _ changes: (String, String)...) throws {
        var text = String(decoding: try InputFile.contents(of: folder(file)), as: UTF8.self)
        for (old, new) in changes {
            #expect(text.contains(old), "\(old) in \(file)")
            text = text.replacing(old, with: new)
        }
        folder.write(text, to: file)
    }

    /// Writes a copy of the safetensors file with tensors renamed, removed or added.
    private func rewrite(
        as name: String = "model.safetensors", _ change: (String) -> String?, adding: [(String, type: String, [Int])] = []
    ) throws {
        let bytes = try InputFile.contents(of: folder("model.safetensors")), header = try SafeTensorsHeader(of: bytes.span, path: "a")
        var numbers: [UInt8] = [], entries: [String: Any] = [:]
        func add(_ name: String, _ type: String, _ shape: [Int], _ bytes: some Collection<UInt8>) {
            entries[name] = ["dtype": type, "shape": shape, "data_offsets": [numbers.count, numbers.count + bytes.count]] as [String: Any]
            numbers += bytes
        }
        for (name, tensor) in header.tensors { if let new = change(name) { add(new, tensor.type, tensor.shape, bytes[tensor.range]) } }
        for (name, type, shape) in adding { add(name, type, shape, [UInt8](repeating: 1, count: shape.reduce(type == "F32" ? 4 : 1, *))) }
        let text = Array(try JSONSerialization.data(withJSONObject: entries))
        folder.write(text.count.littleEndianBytes + text + numbers, to: name)
    }

    @Test func `old names, mask buffers and a stored tied head are read`() throws {
        let sample = try sample(isTied: true)
        try HuggingFace.write(sample, to: folder.path)
        let table = try #require(sample.weights["tokens.weight"]).values.read { span in span.indices.map { span[$0].bitPattern } }
        try rewrite(
            { String($0.dropFirst("transformer.".count)) },
            adding: [
                ("h.0.attn.bias", "BOOL", [1, 1, 6, 6]), ("h.1.attn.bias", "F32", [1, 1, 6, 6]), ("h.1.attn.masked_bias", "F32", []),
            ])
        try edit("config.json", ("\"tie_word_embeddings\": true", "\"_name\": \"x\""), ("\"n_positions\": 6,", ""))
        for name in ["generation_config.json", "tokenizer.json", "tokenizer_config.json"] { unlink(folder(name)) }
        let again = try read(), isSame = again.everything.map(\.bits) == sample.everything.map(\.bits)
        #expect(
            isSame && again.tokenizer == nil && again.chatTemplate == nil && again.configuration == sample.configuration && !table.isEmpty)
        try rewrite({ $0 }, adding: [("lm_head.weight", "F32", [262, 20])])
        #expect(
            refusal()
                == "folder: lm_head.weight: expected the same numbers as wte.weight, "
                + "since config.json ties them (tie_word_embeddings), found other numbers."
        )
        try rewrite({ $0 == "lm_head.weight" ? nil : $0 }, adding: [("score.weight", "F32", [2])])
        #expect(
            refusal() == "folder/model.safetensors: tensor 'score.weight': expected no such tensor in this GPT-2, found F32 [2].")
    }

    private func tensorNames() throws -> [String] {
        let bytes = try InputFile.contents(of: folder("model.safetensors")), header = try SafeTensorsHeader(of: bytes.span, path: "a")
        return header.tensors.names
    }

    @Test func `a model split into several files is read`() throws {
        let sample = try sample()
        try HuggingFace.write(sample, to: folder.path)
        func isFirst(_ name: String) -> Bool { name.contains("c_") }
        try rewrite(as: "a.safetensors", { isFirst($0) ? $0 : nil })
        try rewrite(as: "b.safetensors", { isFirst($0) ? nil : $0 })
        let names = try tensorNames()
        unlink(folder("model.safetensors"))
        func index(_ change: (String) -> String?) {
            let entries = names.compactMap { name in change(name).map { "\"\(name)\": \"\($0)\"" } }
            folder.write("{\"metadata\": {}, \"weight_map\": {\(entries.joined(separator: ", "))}}", to: "model.safetensors.index.json")
        }
        index { isFirst($0) ? "a.safetensors" : "b.safetensors" }
        let again = try read(), isSame = again.everything.map(\.bits) == sample.everything.map(\.bits)
        #expect(isSame)
        for (name, message) in [
            ("../a.safetensors", "expected the name of a file in this folder, found '../a.safetensors'."),
            ("..", "in this folder, found '..'."),
            ("b.safetensors", "expected a tensor of b.safetensors, found no such tensor there."),
            ("c.safetensors", "folder/c.safetensors: cannot be read"),
        ] {
            index { $0.hasSuffix("h.0.mlp.c_fc.bias") ? name : isFirst($0) ? "a.safetensors" : "b.safetensors" }
            #expect(refusal().contains(message), "\(refusal())")
        }
        folder.write(try InputFile.contents(of: folder("a.safetensors")), to: "b.safetensors")
        index { isFirst($0) ? "a.safetensors" : "b.safetensors" }
        #expect(refusal().contains(": expected each tensor in one file, found it in folder/b.safetensors as well."))
        folder.write("{}", to: "model.safetensors.index.json")
        #expect(refusal() == "folder/model.safetensors.index.json: weight_map: expected an object, found nothing.")
    }

    @Test(arguments: [
        (
            "\"model_type\": \"gpt2\"", "\"model_type\": \"opt\"",
            "model_type: expected one of gpt2, llama, mistral, qwen2, qwen3, gemma2, gemma3_text, gpt_neox, granite, olmo2, smollm3, phi3, "
            + "stablelm, mixtral, qwen2_moe, qwen3_moe, olmoe, granitemoe, granitemoeshared, gpt_oss, found 'opt'."
        ),
        ("\"n_layer\": 2", "\"n_layer\": 3", "tensor 'transformer.h.2.ln_1.weight': expected a tensor [20], found nothing."),
        ("\"n_layer\": 2", "\"n_layer\": 1", "expected no such tensor in this GPT-2, found F32"),
        ("\"n_layer\": 2", "\"n_layer\": 2000000000", "n_layer: expected a whole number from 0 to 1024, found 2000000000."),
        ("\"n_head\": 2", "\"n_head\": 3", "n_embd: expected a multiple of the 3 heads (n_head), found 20."),
        ("\"n_head\": 2", "\"n_head\": 0", "n_head: expected a whole number from 1"),
        ("\"n_embd\": 20", "\"n_embd\": \"x\"", "n_embd: expected a whole number, found a string."),
        ("\"n_embd\": 20", "\"n_embd\": 1048576", "tensor 'transformer.wte.weight'.shape: expected [262, 1048576], found [262, 20]."),
        (
            "\"vocab_size\": 262", "\"vocab_size\": 16777216",
            "tensor 'transformer.wte.weight'.shape: expected [16777216, 20], found [262, 20]."
        ),
        ("\"n_positions\": 6", "\"n_positions\": 7", "tensor 'transformer.wpe.weight'.shape: expected [7, 20], found [6, 20]."),
        ("\"n_inner\": null", "\"n_inner\": 81", ".h.0.mlp.c_fc.weight'.shape: expected [20, 81], found [20, 80]."),
        ("\"gelu_new\"", "\"mish\"", "activation_function: expected one of gelu_new, "),
        ("1e-05", "2", "layer_norm_epsilon: expected a number from 1e-12 to 1.0, found 2.0."),
        ("\"resid_pdrop\": 0.15", "\"resid_pdrop\": 1", "resid_pdrop: expected a number from 0 to below 1, found 1.0."),
        (
            "\"n_ctx\"", "\"scale_attn_weights\": false, \"n_ctx\"",
            "scale_attn_weights: expected true, the only supported value, found false."
        ),
        ("\"n_ctx\"", "\"scale_attn_by_inverse_layer_idx\": true, \"n_ctx\"", "scale_attn_by_inverse_layer_idx: expected false"),
        ("\"n_ctx\"", "\"quantization_config\": {}, \"n_ctx\"", "quantization_config: expected no such field"),
        (
            "\"tie_word_embeddings\": false", "\"tie_word_embeddings\": true",
            "lm_head.weight: expected the same numbers as transformer.wte.weight"
        ),
        ("{", "[", "of the JSON"),
    ]) func `unsupported configurations are errors`(old: String, new: String, message: String) throws {
        try HuggingFace.write(sample(), to: folder.path)
        try edit("config.json", (old, new))
        #expect(refusal().contains(message) && refusal().hasPrefix("folder"), "\(refusal())")
    }

    @Test func `tensors of another type and too large vocabularies are errors`() throws {
        try HuggingFace.write(sample(), to: folder.path)
        try rewrite({ $0.hasSuffix("ln_f.bias") ? nil : $0 }, adding: [("transformer.ln_f.bias", "U8", [20])])
        #expect(refusal() == "folder/model.safetensors: tensor 'transformer.ln_f.bias'.dtype: expected F32, F16 or BF16, found U8.")
        try HuggingFace.write(sample { $0.vocabulary = 260 }, to: folder.path)
        #expect(refusal() == "accepted")
        try edit(
            "tokenizer.json", ("\"content\": \"<|pad|>\"", "\"content\": \"<|pad|>\", \"x\": 1"), ("\"id\": 259", "\"id\": 260"),
            ("\"<|pad|>\": 259", "\"<|pad|>\": 260"))
        #expect(refusal().contains("tokenizer: expected at most 260 tokens, the model's vocabulary size, found 261."), "\(refusal())")
        unlink(folder("model.safetensors"))
        #expect(refusal().contains("folder: cannot be read: it contains neither model.safetensors nor model.safetensors.index.json."))
    }

    @Test func `the stored chat template decides between several supported ones`() throws {
        var sample = try sample()
        sample.chatTemplate = .humanAssistant
        try HuggingFace.write(sample, to: folder.path)
        #expect(try read().chatTemplate == .humanAssistant)
        folder.write(#"{"chat_template": "another", "model_max_length": 1000000000000000019884624838656}"#, to: "tokenizer_config.json")
        #expect(try read().chatTemplate == .specialTokens)
        folder.write("[", to: "tokenizer_config.json")
        #expect(refusal().hasPrefix("folder/tokenizer_config.json: byte 1 of the JSON"), "\(refusal())")
    }

    @Test func `a Jinja template keeps its text and tokens, also from chat_template.jinja`() throws {
        var sample = try sample()
        var template = JinjaChatTemplate("{% for m in messages %}<|user|>{{ m.content }}<|eos|>{% endfor %}")
        template.tokens = ["bos_token": "<|user|>", "eos_token": "<|eos|>", "pad_token": "<|pad|>"]
        sample.chatTemplate = .jinja(template)
        try HuggingFace.write(sample, to: folder.path)
        guard case .jinja(let again)? = try read().chatTemplate else {
            Issue.record("another template")
            return
        }
        let eos = try #require(SampleCheckpoint.vocabulary.specialTokenID("<|eos|>"))
        #expect(again.source == template.source && again.tokens == template.tokens && again.stopTokens == [eos])
        folder.write(
            #"{"chat_template": [{"name": "rag", "template": "x"}, {"name": "default", "template": "{{ messages[0].content }}"}],"#
                + #" "eos_token": {"content": "<|eos|>", "lstrip": false}}"#, to: "tokenizer_config.json")
        guard case .jinja(let named)? = try read().chatTemplate else { throw TokenizeError.chatTemplate("none") }
        #expect(named.source == "{{ messages[0].content }}" && named.tokens == ["eos_token": "<|eos|>"])
        folder.write("{% for m in messages %}{{ m.content }}{% endfor %}", to: "chat_template.jinja")
        guard case .jinja(let file)? = try read().chatTemplate else { throw TokenizeError.chatTemplate("none") }
        #expect(file.source == "{% for m in messages %}{{ m.content }}{% endfor %}")
    }

    @Test func `vocab.json with merges.txt is read, and without role tokens the text template is used`() throws {
        var sample = try sample()
        var vocabulary = Vocabulary()
        for byte in UInt8.min...UInt8.max { vocabulary.tokens.append(CollectionOfOne(byte)) }
        vocabulary.tokens.append("th".utf8)
        vocabulary.merges = [.init(116, 104, 256)]
        vocabulary.add(specialTokens: ["<|endoftext|>"])
        sample.tokenizer = try StoredTokenizer(vocabulary)
        sample.chatTemplate = .humanAssistant
        try HuggingFace.write(sample, to: folder.path)
        #expect(try read().chatTemplate == .humanAssistant && read().vocabulary() == vocabulary)
        unlink(folder("tokenizer.json"))
        try vocabulary.write(to: folder.path)
        #expect(try read().chatTemplate == .humanAssistant && read().vocabulary() == vocabulary)
        let generation = String(decoding: try InputFile.contents(of: folder("generation_config.json")), as: UTF8.self).filter {
            !$0.isWhitespace
        }
        #expect(generation == #"{"bos_token_id":257,"pad_token_id":257,"eos_token_id":[10,257],"do_sample":true}"#)
    }

    @Test func `models that no family can represent are not written`() throws {
        for (change, reason) in [
            ({ $0.positions = .none }, "it has no positions, and GPT-2 has learned ones"),
            ({ $0.qkNorm = .unit }, "it normalizes queries and keys (QK-norm)"), ({ $0.norm = .rms }, "it uses RMS norm"),
            ({ $0.activation = .exp }, "GPT-2 lacks its activation, exp"),
        ] as [((inout GPTConfiguration) -> Void, String)] {
            do {
                try HuggingFace.write(sample(change), to: folder.path)
                Issue.record("written though \(reason)")
            } catch let error as CheckpointError {
                #expect("\(error)".hasPrefix("A Hugging Face folder cannot hold this model: \(reason)"), "\(error)")
            }
        }
        #expect(folder.names.isEmpty)
    }
}
