import Checkpoint
import Files
import Glibc
import Kernels
import Model
import Tokenize
import Formats

/// A sound model of another program, and which of its files is to be damaged.
package struct FuzzSeed: Sendable {
    /// By their names in a folder.
    package let files: [String: [UInt8]]
    /// The one that is damaged, and where; elsewhere, damage would change nothing but a weight.
    package let damaged: String
    package let range: Range<Int>
    /// What a model is read from: one of the files, or the folder.
    package var entry = ""
    /// Makes the file from its damaged part.
    package var whole: @Sendable ([UInt8]) -> [UInt8] = { $0 }

    package var bytes: [UInt8] { files[damaged] ?? [] }
}

/// The formats of other programs, a few files of each, and words that mean something in them.
package enum FuzzedFormat: String, CaseIterable, Sendable {
    case safetensors, config, tokenizer, gguf, pt

    package func seeds() throws -> [FuzzSeed] {
        switch self {
        case .safetensors:
            try Self.folders().flatMap { files in Self.seeds(files, ["model.safetensors", "model.safetensors.index.json", "a.safetensors"])
            }
        case .config: try Self.folders().prefix(1).flatMap { Self.seeds($0, ["config.json"]) }
        case .tokenizer:
            try Self.folders().prefix(1).flatMap { Self.seeds($0, ["tokenizer.json", "tokenizer_config.json"]) } + Self.vocabularies()
        case .gguf: try Self.ggufs()
        case .pt: try Self.pickles()
        }
    }

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
            ]
        case .tokenizer:
            return json + [
                "\"Ġ\"", "\"type\"", "\"Sequence\"", "\"Split\"", "\"Digits\"", "\"ByteLevel\"", #""Regex":"(?<=\\w{1,9})x|[\\s&&a]""#,
                "a b", "131071", "4194303", "chat_template",
            ]
        case .gguf: return ["GGUF", "gpt2", "general.alignment", "tokenizer.ggml.tokens", "a b", "\u{8}\0\0\0", "\u{9}\0\0\0\u{9}\0\0\0"]
        case .pt:
            return [
                "()", "tR", "}q", "us", "N.", "cos\nsystem\n", "X\u{4}\0\0\0", "]a", "(((", "h\0", "QbR", "PK\u{5}\u{6}", "PK\u{1}\u{2}",
                "\0\0\0\0",
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
            // Most of it where its header is.
            let end = 8 + bytes.prefix(3).enumerated().reduce(0) { $0 | Int($1.element) << (8 * $1.offset) }
            let header = FuzzSeed(files: files, damaged: name, range: 0..<min(end + 8, bytes.count))
            return [header, header, whole]
        }
    }

    /// A model of all bytes and a few markers, small enough to be read ten thousand times a second.
    private static func model() throws -> Checkpoint {
        try SampleGGUF { ($0.layers, $0.heads, $0.width, $0.context) = (1, 2, 32, 4) }.checkpoint
    }

    /// Hugging Face's folders: in f32, in 16 bits, and with an index in front of the weights.
    private static func folders() throws -> [[String: [UInt8]]] {
        var small = try SampleGGUF { ($0.layers, $0.heads, $0.width, $0.context) = (1, 2, 4, 4) }.checkpoint
        var result: [[String: [UInt8]]] = []
        for format in [WeightFormat.f32, .bf16] {
            let folder = TemporaryFolder()
            try HuggingFace.write(small, to: folder.path, as: format)
            result.append(try contents(of: folder))
            small.tokenizer = nil                             // of the weights' files, most bytes shall matter
        }
        var split = result[1]
        let weights = split.removeValue(forKey: "model.safetensors") ?? []
        let names = try SafeTensorsHeader(of: weights.span, path: "a").tensors.names
        split["a.safetensors"] = weights
        split["model.safetensors.index.json"] = Array(
            "{\"weight_map\": {\(names.map { "\"\($0)\": \"a.safetensors\"" }.joined(separator: ", "))}}".utf8)
        return result + [split]
    }

    private static func contents(of folder: TemporaryFolder) throws -> [String: [UInt8]] {
        Dictionary(uniqueKeysWithValues: try folder.names.map { ($0, try InputFile.contents(of: folder($0))) })
    }

    /// Vocabularies in which every byte matters.
    private static func vocabularies() throws -> [FuzzSeed] {
        guard var files = try folders().last else { return [] }
        files["tokenizer.json"] = Array(
            #"{"version": "1.0", "added_tokens": [{"id": 3, "content": "<|eos|>", "special": true}], "normalizer": null, "pre_tokenizer": {"type": "Sequence", "pretokenizers": [{"type": "Split", "pattern": {"Regex": "\\p{N}{1,3}| ?\\w+|\\s+"}, "behavior": "Isolated"}, {"type": "ByteLevel", "add_prefix_space": false, "use_regex": false}]}, "model": {"type": "BPE", "vocab": {"a": 0, "b": 1, "ab": 2, "<|eos|>": 3}, "merges": ["a b"]}}"#
                .utf8)
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
            try model.writeGGUF(to: folder("a.gguf"), as: format)
            let bytes = try InputFile.contents(of: folder("a.gguf"))
            // Names, sizes and places are the last before the numbers.
            files.append((bytes, min(bytes.count, 6_000)))
        }
        return files.map { bytes, end in FuzzSeed(files: ["a.gguf": bytes], damaged: "a.gguf", range: 0..<end, entry: "a.gguf") }
    }

    /// Archives as a whole, whose checksums mostly tell; and pickles that are put into archives after they were damaged.
    private static func pickles() throws -> [FuzzSeed] {
        let golden = RelativePath.folder(ofFileAt: #filePath) + "/../Golden/"
        var seeds = try ["nanogpt.pt", "nanogpt-finetuned.pt"].map { name in
            let bytes = try InputFile.contents(of: golden + name)
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
        return seeds + [inner, inner, inner]  // where most of the faults could be
    }
}
