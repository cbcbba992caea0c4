import Autograd
package import Checkpoint
import Files
import Glibc
import Kernels
package import Model
import Tokenize
import Formats

/// A valid model of another program, and the file of it to damage.
package struct FuzzSeed: Sendable {
    /// By name in the folder.
    package let files: [String: [UInt8]]
    /// The name of the file to damage.
    package let damaged: String
    /// Where to damage it. Elsewhere, damage would only change weights.
    package let range: Range<Int>
    /// The path to read the model from: one of the files, or empty for the folder.
    package var entry = ""
    /// Makes the file from the damaged bytes.
    package var whole: @Sendable ([UInt8]) -> [UInt8] = { $0 }

    package var bytes: [UInt8] { files[damaged] ?? [] }
}

/// The formats of other programs, with sample files and words for the fuzzer.
package enum FuzzedFormat: String, CaseIterable, Sendable {
    case safetensors, config, tokenizer, gguf, imatrix, pt, peft

    package func seeds() throws -> [FuzzSeed] {
        switch self {
        case .safetensors:
            try (Self.folders() + Self.families()).flatMap {
                Self.seeds($0, ["model.safetensors", "model.safetensors.index.json", "a.safetensors"])
            }
        case .config: try (Self.folders().prefix(1) + Self.families()).flatMap { Self.seeds($0, ["config.json"]) }
        case .tokenizer:
            try Self.folders().prefix(1).flatMap { Self.seeds($0, ["tokenizer.json", "tokenizer_config.json"]) } + Self.vocabularies()
        case .gguf: try Self.ggufs()
        case .imatrix: try Self.importanceMatrices()
        case .pt: try Self.pickles()
        case .peft: try Self.adapters()
        }
    }

    /// The model that the damaged adapters belong to.
    package static func adapterBase() throws -> Checkpoint {
        var base = try SampleFamily.llama.checkpoint()
        base.tokenizer = nil
        return base
    }

    /// The model that the damaged importance matrices belong to.
    package static let importanceModel = SampleFamily.mixtral.configuration

    package var words: [String] {
        let json = [
            "null", "true", "\"\"", "{", "}", "[", "]", ",", ":", "0", "-1", "1e9", "1.5", "4611686018427387904", "9223372036854775807",
            "18446744073709551616", "\"\\ud800\"",
        ]
        switch self {
        case .safetensors:
            return json + [
                "F32", "BF16", "U8", "\"dtype\"", "data_offsets", "[0,16]", "[2,3]", "__metadata__", "transformer.wte.weight",
                "../a.safetensors", "weight_map",
            ]
        case .config:
            return json + [
                "\"gpt2\"", "\"n_ctx\":4", "\"n_layer\":1024", "\"n_embd\":1048576", "\"vocab_size\":16777216", "\"gelu\"", "16777216",
                "\"llama\"", "\"qwen3\"", "\"gemma3_text\"", "\"gpt_neox\"", "\"mistral\"", "\"head_dim\":8192",
                "\"num_key_value_heads\":1", "\"rope_type\":\"yarn\"", "\"rope_type\":\"llama3\"", "\"rope_parameters\":{}",
                "\"layer_types\":[]", "\"sliding_attention\"", "\"rotary_pct\":1e-9", "1e-12",
            ]
        case .tokenizer:
            return json + [
                "\"Ġ\"", "\"type\"", "\"Sequence\"", "\"Split\"", "\"Digits\"", "\"ByteLevel\"", #""Regex":"(?<=\\w{1,9})x|[\\s&&a]""#,
                "a b", "131071", "4194303", "chat_template",
            ]
        case .gguf:
            return [
                "GGUF", "gpt2", "llama", "gemma3", "gptneox", "general.alignment", "rope_freqs.weight", "tokenizer.ggml.tokens",
                "a b", "\u{8}\0\0\0", "\u{9}\0\0\0\u{9}\0\0\0",
            ]
        case .imatrix:
            return [
                "GGUF", "imatrix", "imatrix.chunk_count", ".in_sum2", ".counts", "blk.0.attn_q.weight", "blk.9.", "\u{1}\0\0\0",
                "\u{8}\0\0\0",
            ]
        case .pt:
            return [
                "()", "tR", "}q", "us", "N.", "cos\nsystem\n", "X\u{4}\0\0\0", "]a", "(((", "h\0", "QbR", "PK\u{5}\u{6}", "PK\u{1}\u{2}",
                "\0\0\0\0",
            ]
        case .peft:
            return json + [
                "\"LORA\"", "\"r\":65536", "\"lora_alpha\":1e-300", "alpha_pattern", "\"use_rslora\":true", "q_proj", "lora_A", "F16",
                "\"(a*)*\":1", "\".*_proj\":1e9", "\"shape\":[2,32]", "modules_to_save", "base_model.model.model.layers.0",
            ]
        }
    }
}

extension FuzzedFormat {
    private static func seeds(_ files: [String: [UInt8]], _ names: [String]) -> [FuzzSeed] {
        names.flatMap { name in
            guard let bytes = files[name] else { return [FuzzSeed]() }
            let whole = FuzzSeed(files: files, damaged: name, range: 0..<bytes.count)
            guard name.hasSuffix(".safetensors") else { return [whole] }
            // Twice as many seeds damage the header.
            let end = 8 + bytes.prefix(3).enumerated().reduce(0) { $0 | Int($1.element) << (8 * $1.offset) }
            let header = FuzzSeed(files: files, damaged: name, range: 0..<min(end + 8, bytes.count))
            return [header, header, whole]
        }
    }

    /// A byte-level model with a few special tokens, small enough to be read ten thousand times a second.
    private static func model(width: Int = 32) throws -> Checkpoint {
        try SampleGGUF { configuration in
            configuration.layers = 1
            configuration.heads = 2
            configuration.width = width
            configuration.headWidth = width / 2
            configuration.hiddenWidth = 4 * width
            configuration.context = 4
        }.checkpoint
    }

    /// Hugging Face folders: in f32, in bf16, and with an index of the weight files.
    private static func folders() throws -> [[String: [UInt8]]] {
        var small = try model(width: 4)
        var result: [[String: [UInt8]]] = []
        for format in [WeightFormat.f32, .bf16] {
            let folder = TemporaryFolder()
            try HuggingFace.write(small, to: folder.path, as: format)
            result.append(try contents(of: folder))
            small.tokenizer = nil                             // so that most bytes belong to the weight files
        }
        var split = result[1]
        let weights = split.removeValue(forKey: "model.safetensors") ?? []
        let names = try SafeTensorsHeader(of: weights.span, path: "a").tensors.names
        split["a.safetensors"] = weights
        split["model.safetensors.index.json"] = Array(
            "{\"weight_map\": {\(names.map { "\"\($0)\": \"a.safetensors\"" }.joined(separator: ", "))}}".utf8)
        return result + [split]
    }

    /// Folders of small models of every other family, without tokenizers; of gpt-oss also with experts in MXFP4.
    private static func families() throws -> [[String: [UInt8]]] {
        let quantized = TemporaryFolder()
        _ = try SampleMXFP4.write(to: quantized)
        return try [contents(of: quantized)] + SampleFamily.allCases.filter { $0 != .gpt2 }.map { family in
            var checkpoint = try family.checkpoint()
            checkpoint.tokenizer = nil
            let folder = TemporaryFolder()
            try HuggingFace.write(checkpoint, to: folder.path, as: .bf16)
            return try contents(of: folder)
        }
    }

    private static func contents(of folder: TemporaryFolder) throws -> [String: [UInt8]] {
        Dictionary(uniqueKeysWithValues: try folder.names.map { ($0, try InputFile.contents(of: folder($0))) })
    }

    /// Adapters of PEFT in f32, with the same A for several modules, and in bf16 with blocks.
    private static func adapters() throws -> [FuzzSeed] {
        let base = try adapterBase(), processor = try Processor(threads: 1)
        var shapes = [LoRAConfiguration(rank: 2, alpha: 3), LoRAConfiguration(rank: 1, targets: ["qkv", "down"])]
        shapes[1].blocks["qkv"] = [LoRABlock(rows: 32, rank: 1), LoRABlock(rows: 16, rank: 0), LoRABlock(rows: 16, rank: 2)]
        return try shapes.enumerated().flatMap { index, shape in
            let list = ParameterList(of: base.configuration, lora: shape)
            let values = processor.zeros(list.count), folder = TemporaryFolder()
            processor.normal(into: values, seed: 3)
            var adapter = Checkpoint(base.configuration, weights: OrderedDictionary(values, of: list.parameters))
            adapter.adapter = LoRAAdapter(shape, baseDigest: "", basePath: "")
            try PEFT.write(adapter, to: folder.path, as: index == 0 ? .f32 : .bf16, on: processor)
            return Self.seeds(try contents(of: folder), ["adapter_config.json", "adapter_model.safetensors"])
        }
    }

    /// Folders with minimal tokenizer files.
    private static func vocabularies() throws -> [FuzzSeed] {
        guard var files = try folders().last else { return [] }
        let specialToken = #"{"id": 3, "content": "<|eos|>", "special": true}"#
        let split = #"{"type": "Split", "pattern": {"Regex": "\\p{N}{1,3}| ?\\w+|\\s+"}, "behavior": "Isolated"}"#
        let byteLevel = #"{"type": "ByteLevel", "add_prefix_space": false, "use_regex": false}"#
        let model = #"{"type": "BPE", "vocab": {"a": 0, "b": 1, "ab": 2, "<|eos|>": 3}, "merges": ["a b"]}"#
        let tokenizer = #"{"version": "1.0", "added_tokens": [\#(specialToken)], "normalizer": null, "#
            + #""pre_tokenizer": {"type": "Sequence", "pretokenizers": [\#(split), \#(byteLevel)]}, "model": \#(model)}"#
        files["tokenizer.json"] = Array(tokenizer.utf8)
        files["vocab.json"] = Array(#"{"a": 0, "b": 1, "ab": 2, "Ċ": 3}"#.utf8)
        files["merges.txt"] = Array("#version: 0.2\na b\n".utf8)
        let first = seeds(files, ["tokenizer.json"])
        files["tokenizer.json"] = nil
        return first + seeds(files, ["vocab.json", "merges.txt"])
    }

    private static func ggufs() throws -> [FuzzSeed] {
        let sample = GGUFBytes.sample, model = try model(), folder = TemporaryFolder()
        var files = [(sample.bytes, sample.bytes.count - sample.data.count)]
        for format in GGUFFormat.allCases {
            try model.writeGGUF(to: folder("a.gguf"), as: format, on: Processor(threads: 1))
            let bytes = try InputFile.contents(of: folder("a.gguf"))
            // Names, sizes and offsets come last before the weights.
            files.append((bytes, min(bytes.count, 6_000)))
        }
        for family in SampleFamily.allCases {
            try family.checkpoint().writeGGUF(to: folder("a.gguf"), as: .bf16)
            let bytes = try InputFile.contents(of: folder("a.gguf"))
            files.append((bytes, min(bytes.count, 9_000)))
        }
        return files.map { bytes, end in FuzzSeed(files: ["a.gguf": bytes], damaged: "a.gguf", range: 0..<end, entry: "a.gguf") }
    }

    /// Both formats of llama.cpp.
    private static func importanceMatrices() throws -> [FuzzSeed] {
        let folder = TemporaryFolder(), matrix = try SampleImportanceMatrix.matrix(of: importanceModel, path: "a")
        try matrix.write(to: folder("a.imatrix"))
        let older = SampleImportanceMatrix.older(matrix.entries.sorted { $0.key < $1.key }.map { ($0.key, $0.value.sums) })
        return try [InputFile.contents(of: folder("a.imatrix")), older].map { bytes in
            FuzzSeed(files: ["a.imatrix": bytes], damaged: "a.imatrix", range: 0..<bytes.count, entry: "a.imatrix")
        }
    }

    /// Complete archives, in which checksums detect most damage, and pickles that are packed into an archive after damage.
    private static func pickles() throws -> [FuzzSeed] {
        var seeds = try ["nanogpt.pt", "nanogpt-finetuned.pt"].map { name in
            let bytes = try InputFile.contents(of: GoldenTensors.path(of: name))
            return FuzzSeed(files: ["a.pt": bytes], damaged: "a.pt", range: 0..<bytes.count, entry: "a.pt")
        }
        let arguments = PyTorchBytes.dictionary([("n_head", PyTorchBytes.integer(2)), ("dropout", [0x47, 0, 0, 0, 0, 0, 0, 0, 0])])
        let stoi = PyTorchBytes.dictionary([("b", PyTorchBytes.integer(0)), ("c", PyTorchBytes.integer(1))])
        let pickle = PyTorchBytes.pickle(
            PyTorchBytes.dictionary([("model", PyTorchBytes.dictionary(PyTorchBytes.state())), ("model_args", arguments), ("stoi", stoi)]))
        let archive = PyTorchBytes.zip(PyTorchBytes.files(pickle))
        seeds.append(FuzzSeed(files: ["a.pt": archive], damaged: "a.pt", range: 0..<archive.count, entry: "a.pt"))
        let inner = FuzzSeed(files: ["a.pt": pickle], damaged: "a.pt", range: 0..<pickle.count, entry: "a.pt") {
            PyTorchBytes.zip(PyTorchBytes.files($0))
        }
        return seeds + [inner, inner, inner]  // the most complex part
    }
}
