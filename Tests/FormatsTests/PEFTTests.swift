import Autograd
import Checkpoint
import Files
import JSON
import Kernels
import Model
import Testing
import TestSupport
import Formats

/// LoRA adapters as folders of Hugging Face's PEFT. Tests/Peers/check_peft.py compares with PEFT itself.
@Suite struct PEFTTests {
    private let folder = TemporaryFolder()
    private let processor: Processor

    init() throws { processor = try Processor(threads: 1) }

    /// An adapter with random A and B, and with 0 outside of the blocks.
    private func adapter(
        _ family: SampleFamily, _ shape: LoRAConfiguration, withPrincipals: Bool = false, isTied: Bool? = nil
    ) throws -> (base: Checkpoint, adapter: Checkpoint) {
        var base = try family.checkpoint()
        if let isTied, isTied != base.configuration.isTied {
            base.configuration.isTied = isTied
            base.weights["head.weight"] = isTied ? nil : base.weights["tokens.weight"]
        }
        let list = ParameterList(of: base.configuration, lora: shape)
        let values = try [1, 2].map { try list.normalValues(seed: $0) }
        for buffer in values { list.clearOutsideBlocks(buffer) }
        var adapter = Checkpoint(values[0], adapter: shape, of: base)
        if withPrincipals { adapter.adapter?.principals = OrderedDictionary(values[1], of: list.parameters) }
        return (base, adapter)
    }

    private func read(_ base: Checkpoint) throws -> Checkpoint {
        try PEFT.read(folder.path, base: base, basePath: "base.h5", on: processor)
    }

    private func config() throws -> String { String(decoding: try InputFile.contents(of: folder("adapter_config.json")), as: UTF8.self) }

    @Test(arguments: SampleFamily.allCases) func `a written adapter reads back unchanged`(family: SampleFamily) throws {
        let targets = GPT.loraTargets(of: family.configuration)
        let (base, adapter) = try adapter(family, LoRAConfiguration(rank: 3, alpha: 4, targets: targets))
        try PEFT.write(adapter, to: folder.path, on: processor)
        let found = try read(base)
        #expect(found.adapter?.shape == adapter.adapter?.shape && found.adapter?.baseDigest == base.weightsDigest)
        #expect(found.weights.names == adapter.weights.names && found.tokenizer == base.tokenizer)
        for name in found.weights.names { expectSame(found.weight(name), adapter.weight(name), name) }
        #expect(try config().contains("\"fan_in_fan_out\": \(family == .gpt2)"))
    }

    @Test func `modules that slm stores as one layer become blocks`() throws {
        var shape = LoRAConfiguration(rank: 2, alpha: 2, targets: ["qkv", "up", "down"])
        shape.blocks = [
            "qkv": [.init(rows: 32, rank: 2), .init(rows: 16, rank: 0), .init(rows: 16, rank: 3)],
            "up": [.init(rows: 64, rank: 2), .init(rows: 64, rank: 1)],
            "layer1.up": [],
        ]
        let (base, adapter) = try adapter(.llama, shape)
        #expect(adapter.weights["layer0.qkv.lora_A"]?.shape == [5, 32] && adapter.weights["layer1.up.lora_A"] == nil)
        try PEFT.write(adapter, to: folder.path, baseModel: "llama", on: processor)
        let bytes = try InputFile.contents(of: folder("adapter_model.safetensors"))
        let header = try SafeTensorsHeader(of: bytes.span, path: "")
        func tensor(_ name: String) -> [Int]? { header.tensors["base_model.model.model.layers.\(name).weight"]?.shape }
        #expect(tensor("0.self_attn.v_proj.lora_A") == [3, 32] && tensor("0.self_attn.v_proj.lora_B") == [16, 3])
        #expect(tensor("0.self_attn.k_proj.lora_A") == nil && tensor("1.mlp.gate_proj.lora_A") == nil)
        #expect(tensor("2.mlp.up_proj.lora_B") == [64, 1] && tensor("1.mlp.down_proj.lora_A") == [2, 64])
        let text = try config()
        for part in [
            "\"base_model_name_or_path\": \"llama\"", "\"model.layers.1.self_attn.v_proj\": 3", "\"model.layers.0.mlp.up_proj\": 1",
            "\"r\": 2", "\"lora_alpha\": 2",
        ] { #expect(text.contains(part), "\(part) in \(text)") }
        let found = try read(base)
        #expect(found.adapter?.shape == shape)
        for name in adapter.weights.names { expectSame(found.weight(name), adapter.weight(name), name) }
        // Its file, too.
        try found.write(to: folder("adapter.h5"))
        #expect(try Checkpoint(reading: folder("adapter.h5")).adapter?.shape == shape)
    }

    @Test(arguments: SampleFamily.allCases, [false, true])
    func `adapters of parts of qkv, the head and the embedding read back unchanged`(family: SampleFamily, isTied: Bool) throws {
        var configuration = try family.checkpoint().configuration
        configuration.isTied = isTied
        let names = ["q", "v", GPT.loraTargets(of: configuration).contains("up") ? "up" : "output", "head", "embedding"]
        let shape = LoRAConfiguration(rank: 2, alpha: 3, names: names, of: configuration)
        let (base, adapter) = try adapter(family, shape, isTied: isTied)
        // GPT-2 and GPT-NeoX have queries, keys and values in one module.
        if [.gpt2, .gptNeoX, .phi3].contains(family) { return try checkFusedModules(base, adapter) }
        #expect(adapter.adapter?.shape.targetNames == names)
        try PEFT.write(adapter, to: folder.path, on: processor)
        let bytes = try InputFile.contents(of: folder("adapter_model.safetensors"))
        let tensors = try SafeTensorsHeader(of: bytes.span, path: "").tensors
        let V = configuration.vocabulary, C = configuration.width
        #expect(tensors["base_model.model.model.embed_tokens.lora_embedding_A"]?.shape == [2, V])
        #expect(tensors["base_model.model.model.embed_tokens.lora_embedding_B"]?.shape == [C, 2])
        #expect(tensors["base_model.model.lm_head.lora_B.weight"]?.shape == [V, 2])
        #expect(tensors["base_model.model.model.layers.0.self_attn.k_proj.lora_A.weight"] == nil)
        let found = try read(base)
        #expect(found.adapter?.shape == shape && found.weights.names == adapter.weights.names)
        for name in found.weights.names { expectSame(found.weight(name), adapter.weight(name), name) }
    }

    /// The parts become one module, with the rank of all.
    private func checkFusedModules(_ base: Checkpoint, _ adapter: Checkpoint) throws {
        try PEFT.write(adapter, to: folder.path, on: processor)
        let found = try read(base)
        #expect(found.adapter?.shape.blocks["qkv"] == [LoRABlock(rows: base.configuration.attentionHeads(of: 0).rowWidth, rank: 4)])
        for name in adapter.weights.names { expectSame(found.weight(name), adapter.weight(name), name) }
        let models = try [adapter, found].map { try $0.merged(over: base, on: processor) }
        #expect(models[0].weights.names.contains("head.weight") && models[0].configuration.isTied == false)
        for name in models[0].weights.names { expectSame(models[1].weight(name), models[0].weight(name), name) }
    }

    @Test(arguments: [SampleFamily.gpt2, .llama, .gptNeoX])
    func `an adapter of PiSSA is written as its difference from the base`(family: SampleFamily) throws {
        let (base, adapter) = try adapter(family, LoRAConfiguration(rank: 2, alpha: 3), withPrincipals: true)
        try base.write(to: folder("base.h5"))
        try adapter.write(to: folder("adapter.h5"))
        try PEFT.write(adapter, to: folder("peft"), on: processor)
        let found = try PEFT.read(folder("peft"), base: base, basePath: "base.h5", on: processor)
        #expect(found.adapter?.shape == LoRAConfiguration(rank: 4, alpha: 6) && found.adapter?.principals.count == 0)
        try found.write(to: folder("found.h5"))
        let merged = try ["adapter.h5", "found.h5"].map { try Checkpoint(reading: folder($0)).merged(on: processor) }
        for name in base.weights.names {
            expectClose(merged[1].weight(name), merged[0].weight(name), within: .gradient, name)
        }
    }

    /// Reads an adapter of rank 2 for Llama after a change to its settings.
    private func scale(_ changes: (String, String)...) throws -> [String: Float] {
        let (base, adapter) = try adapter(.llama, LoRAConfiguration(rank: 2, alpha: 2))
        try PEFT.write(adapter, to: folder.path, on: processor)
        var text = try config()
        for (old, new) in changes {
            #expect(text.contains(old), "\(old) in \(text)")
            text = text.replacing(old, with: new)
        }
        folder.write(text, to: "adapter_config.json")
        let found = try read(base), factor = found.adapter?.shape.scale ?? 0
        var scales: [String: Float] = [:]
        for target in GPT.loraTargets {
            for layer in 0..<3 {
                let name = "layer\(layer).\(target).lora_B", (a, b) = (adapter.weight(name), found.weight(name))
                // The last row belongs to the last module of the layer.
                scales["\(layer).\(target)"] = factor * (b.last ?? 0) / (a.last ?? 1)
            }
        }
        return scales
    }

    @Test func `scales of modules follow lora_alpha, alpha_pattern and rank-stabilized LoRA`() throws {
        let plain = try scale(("\"lora_alpha\": 2", "\"lora_alpha\": 5"))
        #expect(plain.values.allSatisfy { abs($0 - 2.5) < 1e-6 })
        let stable = try scale(("\"use_rslora\": false", "\"use_rslora\": true"))
        #expect(stable.values.allSatisfy { abs($0 - Float(2).squareRoot()) < 1e-6 })
        let pattern = #""alpha_pattern": {"down_proj": 6, "model\\.layers\\.[12]\\.self_attn\\..*": 4, "v_proj": 8}"#
        let scales = try scale(("\"alpha_pattern\": {}", pattern))
        let expected: [String: Float] = ["0.down": 3, "1.down": 3, "0.qkv": 4, "1.qkv": 2, "2.output": 2, "0.output": 1, "1.up": 1]
        for (name, scale) in expected { #expect(abs((scales[name] ?? 0) - scale) < 1e-5, "\(name): \(scales[name] ?? 0)") }
    }

    @Test(arguments: [
        ("\"peft_type\": \"LORA\"", "\"peft_type\": \"IA3\"", "peft_type: expected LORA, the only supported method, found 'IA3'"),
        ("\"bias\": \"none\"", "\"bias\": \"all\"", "bias: expected none"),
        ("\"use_dora\": false", "\"use_dora\": true", "lora_magnitude_vector': expected a tensor [32], found nothing"),
        ("\"modules_to_save\": null", "\"modules_to_save\": [\"lm_head\"]", "modules_to_save: expected the tensors of these modules"),
        ("\"init_lora_weights\": true", "\"init_lora_weights\": \"pissa_niter_4\"", "path_initial_model_for_weight_conversion=…), found"),
        ("\"r\": 2", "\"r\": 0", "r: expected a whole number from 1 to 65536, found 0"),
        ("\"lora_alpha\": 2", "\"lora_alpha\": -2", "lora_alpha: expected a number from"),
        ("\"alpha_pattern\": {}", "\"alpha_pattern\": {\"(\": 1}", "alpha_pattern: expected names of modules or regular expressions"),
        ("\"alpha_pattern\": {}", "\"alpha_pattern\": {\"v_proj\": 0}", "alpha_pattern.'v_proj': expected a number above 0, found"),
    ]) func `adapters that do more than A and B are refused`(old: String, new: String, message: String) throws {
        let error = #expect(throws: CheckpointError.self) { _ = try scale((old, new)) }
        #expect(error?.description.contains(message) == true, "\(error?.description ?? "accepted")")
    }

    @Test func `tensors that are missing, misshapen or of other modules are refused`() throws {
        let (base, adapter) = try adapter(.llama, LoRAConfiguration(rank: 2))
        try PEFT.write(adapter, to: folder.path, on: processor)
        let bytes = try InputFile.contents(of: folder("adapter_model.safetensors"))
        func refusal(_ old: String, _ new: String) throws -> String {
            #expect(old.utf8.count == new.utf8.count)
            let changed = bytes.replacing(Array(old.utf8), with: Array(new.utf8))
            #expect(changed != bytes)
            folder.write(changed, to: "adapter_model.safetensors")
            do { _ = try read(base) } catch { return "\(error)".replacing(folder.path, with: "folder") }
            return "accepted"
        }
        #expect(try refusal("layers.1.self_attn.q_proj.lora_A", "layers.1.self_attn.q_proj.lora_C")
            == "folder: tensor 'base_model.model.model.layers.1.self_attn.q_proj.lora_A.weight': expected a tensor [2, 32], found nothing.")
        #expect(try refusal("layers.1.self_attn.q_proj", "layers.9.self_attn.q_proj")
            .contains("expected lora_A or lora_B of a linear layer, the head or the embedding of this Llama, found F32 [2, 32]"))
        #expect(try refusal("\"shape\":[32,2]", "\"shape\":[16,4]").contains("expected [32, 2], found [16, 4]"))
        #expect(try refusal("\"dtype\":\"F32\"", "\"dtype\":\"I32\"").contains("expected F32, F16 or BF16, found I32"))
        folder.write([UInt8](), to: "adapter_model.bin")
        try Folder.remove(["adapter_model.safetensors"], in: folder.path)
        #expect { _ = try read(base) } throws: { "\($0)".contains("save_pretrained(FOLDER, safe_serialization=True)") }
    }

    @Test func `names without the prefix of the head's model are read`() throws {
        let (base, adapter) = try adapter(.qwen2, LoRAConfiguration(rank: 2))
        try PEFT.write(adapter, to: folder.path, on: processor)
        let bytes = try InputFile.contents(of: folder("adapter_model.safetensors"))
        let count = Int(littleEndian: bytes.span.extracting(0..<8))
        let header = String(decoding: bytes[8..<8 + count], as: UTF8.self).replacing("base_model.model.model.", with: "base_model.model.")
        let padded = Array((header + String(repeating: " ", count: (8 - header.utf8.count % 8) % 8)).utf8)
        folder.write(padded.count.littleEndianBytes + padded + bytes[(8 + count)...], to: "adapter_model.safetensors")
        let found = try read(base)
        for name in adapter.weights.names { expectSame(found.weight(name), adapter.weight(name), name) }
    }
}
