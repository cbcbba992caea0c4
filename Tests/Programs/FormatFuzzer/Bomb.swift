import TestSupport
import Formats

/// A small file that makes a careless reader use much memory or time, such as a million of a format's smallest items or deep nesting.
struct Bomb {
    let name: String
    let files: [String: [UInt8]]
    /// The file to read; empty for the folder.
    let entry: String
    /// That of its reader. Models are recognized.
    var format = FuzzedFormat.config

    static func all() -> [Bomb] { ggufs + importanceMatrices + safetensors + json + tokenizers + pickles + archives }

    private static let count = 100_000

    private init(_ name: String, _ entry: String, _ bytes: [UInt8]) {
        self.name = name
        files = [entry: bytes]
        self.entry = entry
    }

    /// A folder with a safetensors file with `numbers` data bytes.
    private init(_ name: String, folder: [String: String], header: String, numbers: Int = 0) {
        var files = folder.mapValues { Array($0.utf8) }
        files["model.safetensors"] = PyTorchBytes.little(header.utf8.count, 8) + Array(header.utf8) + [UInt8](repeating: 0, count: numbers)
        self.name = name
        self.files = files
        entry = ""
    }

    private static var ggufs: [Bomb] {
        func bomb(_ name: String, _ change: (inout GGUFBytes) -> Void) -> Bomb {
            var file = GGUFBytes.sample
            change(&file)
            return Bomb("gguf, " + name, "a.gguf", file.bytes)
        }
        let numbers = (0..<count).map { String($0, radix: 36) }
        let nested = (0..<3).reduce(GGUFBytes.little(UInt32(0)) + GGUFBytes.little(UInt64(0))) { inner, _ in
            GGUFBytes.little(UInt32(9)) + GGUFBytes.little(UInt64(40)) + (0..<40).flatMap { _ in inner }
        }
        return [
            bomb("keys") { file in for number in numbers { file.keys.append((number, GGUFBytes.little(UInt32(0)) + [0])) } },
            bomb("tensors") { file in for number in numbers { file.tensors.append((number, [1], 0, 0)) } },
            bomb("empty strings") { $0.set("a", GGUFBytes.array(8, count: UInt64(count), [UInt8](repeating: 0, count: 8 * count))) },
            bomb("arrays in arrays") { $0.set("a", GGUFBytes.little(UInt32(9)) + nested) },
            bomb("tokens") { $0.set("tokenizer.ggml.tokens", GGUFBytes.texts(numbers)) },
            bomb("tokens of a large model") { file in
                file.tensors[0].sizes = [2, UInt64(count)]
                file.tensors[0].offset = UInt64(file.data.count)
                file.data += repeatElement(0, count: 8 * count)
                file.set("tokenizer.ggml.tokens", GGUFBytes.texts(numbers))
                file.set(
                    "tokenizer.ggml.token_type",
                    GGUFBytes.array(5, count: UInt64(count), numbers.flatMap { _ in GGUFBytes.little(Int32(1)) }))
                file.set("tokenizer.ggml.merges", GGUFBytes.texts(["1 0", "1 1", "1 2"]))
            },
            bomb("merges of one token") { $0.set("tokenizer.ggml.merges", GGUFBytes.texts([String](repeating: "a b", count: count))) },
            bomb("a wide head") { file in
                file.set("general.architecture", GGUFBytes.text("llama"))
                let sizes = ["block_count": 1, "context_length": 8, "feed_forward_length": 8, "attention.head_count": 1, "vocab_size": 4]
                for (key, size) in sizes { file.set("llama." + key, GGUFBytes.u32(size)) }
                file.set("llama.embedding_length", GGUFBytes.u32(1 << 20))
                file.set("llama.attention.layer_norm_rms_epsilon", GGUFBytes.f32(1e-5))
            },
            bomb("a string of 2 GB in an array") { $0.set("a", GGUFBytes.array(8, count: 1, GGUFBytes.little(UInt64(2) << 30))) },
        ]
    }

    private static var importanceMatrices: [Bomb] {
        let numbers = (0..<50_000).map { String($0, radix: 36) }
        var file = GGUFBytes()
        file.keys = [("general.type", GGUFBytes.text("imatrix"))]
        for (i, number) in numbers.enumerated() {
            file.tensors.append((number + ".in_sum2", [1], 0, UInt64(64 * i)))
            file.tensors.append((number + ".counts", [1], 0, UInt64(64 * i + 32)))
        }
        file.data = [UInt8](repeating: 0, count: 64 * numbers.count)
        let older = SampleImportanceMatrix.older(numbers.map { ($0, [0]) })
        return [("matrices", file.bytes), ("matrices of the older format", older)].map { name, bytes in
            var bomb = Bomb("imatrix, " + name, "a.imatrix", bytes)
            bomb.format = .imatrix
            return bomb
        }
    }

    private static var safetensors: [Bomb] {
        func bomb(_ name: String, _ header: String) -> Bomb { Bomb("safetensors, " + name, folder: ["config.json": "{}"], header: header) }
        let empty = (0..<count).map { #""\#($0)":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}"# }.joined(separator: ",")
        return [
            bomb("tensors", "{\(empty)}"), bomb("brackets", String(repeating: "[", count: 10 * count)),
            bomb("sizes", #"{"a":{"dtype":"U8","shape":[\#(String(repeating: "1,", count: 10 * count))1],"data_offsets":[0,0]}}"#),
            bomb("metadata", #"{"__metadata__":{\#((0..<count).map { #""\#($0)":"""# }.joined(separator: ","))}}"#),
        ]
    }

    private static var json: [Bomb] {
        func bomb(_ name: String, _ text: String) -> Bomb { Bomb("config.json, " + name, folder: ["config.json": text], header: "{}") }
        let sizes = #""num_hidden_layers":1024,"num_attention_heads":1,"hidden_size":1048576,"intermediate_size":1048576,"#
            + #""max_position_embeddings":16777216,"vocab_size":16777216"#
        return [
            bomb("brackets", String(repeating: "[", count: 10 * count)),
            bomb("nesting", String(repeating: "{\"a\":", count: count) + String(repeating: "}", count: count)),
            bomb("numbers", "{\"n_layer\":[" + String(repeating: "0,", count: 10 * count) + "0]}"),
            bomb(
                "a model of a thousand terabytes",
                #"{"n_layer":1024,"n_head":1,"n_embd":1048576,"n_positions":16777216,"vocab_size":16777216}"#),
            bomb("a Llama of a thousand terabytes", #"{"model_type":"llama","num_key_value_heads":1,\#(sizes)}"#),
            bomb("a GPT-NeoX of a thousand terabytes", #"{"model_type":"gpt_neox","rotary_pct":0.25,\#(sizes)}"#),
        ]
    }

    /// With a valid minimal model, so that the tokenizer is read.
    private static var tokenizers: [Bomb] {
        let configuration = #"{"n_layer":0,"n_head":1,"n_embd":1,"n_positions":1,"vocab_size":\#(count)}"#, end = 2 * count
        let header =
            #"{"wte.weight":{"dtype":"F16","shape":[\#(count),1],"data_offsets":[0,\#(end)]},"#
            + #""wpe.weight":{"dtype":"F16","shape":[1,1],"data_offsets":[\#(end),\#(end + 2)]},"#
            + #""ln_f.weight":{"dtype":"F16","shape":[1],"data_offsets":[\#(end + 2),\#(end + 4)]},"#
            + #""ln_f.bias":{"dtype":"F16","shape":[1],"data_offsets":[\#(end + 4),\#(end + 6)]}}"#
        func bomb(_ name: String, pattern: String = " ?x", _ vocabulary: String, _ merges: String = "") -> Bomb {
            let preTokenizer = #"{"type":"Sequence","pretokenizers":[{"type":"Split","pattern":{"Regex":"\#(pattern)"},"#
                + #""behavior":"Isolated"},"#
                + #"{"type":"ByteLevel","add_prefix_space":false,"use_regex":false}]}"#
            let model = #"{"model":{"type":"BPE","vocab":{\#(vocabulary)},"merges":[\#(merges)]},"pre_tokenizer":\#(preTokenizer)}"#
            return Bomb(
                "tokenizer.json, " + name, folder: ["config.json": configuration, "tokenizer.json": model], header: header, numbers: end + 6
            )
        }
        let letters = "Human:".enumerated().map { #""\#($0.element)":\#($0.offset)"# }.joined(separator: ",")
        return [
            bomb("tokens", (0..<count).map { #""\#($0)":\#($0)"# }.joined(separator: ",")),
            bomb("nesting", "\"a\":" + String(repeating: "[", count: 10 * count)),
            bomb("a large id", #""a":131071"#), bomb("the largest valid id", #""a":\(count - 1)"#),
            bomb("merges", #""1":0,"2":1,"12":2"#, [String](repeating: "\"1 2\"", count: count).joined(separator: ",")),
            bomb("a pattern with catastrophic backtracking", pattern: "(?:(?:[a-zH:]*)*)*!", letters),
            bomb(
                "a nested pattern", pattern: String(repeating: "(?:a{1,99}", count: 200) + String(repeating: "){1,99}", count: 200),
                letters),
        ]
    }

    private static var pickles: [Bomb] {
        func bomb(_ name: String, _ pickle: [UInt8]) -> Bomb { Bomb("pickle, " + name, "a.pt", PyTorchBytes.file(pickle)) }
        func many(_ bytes: [UInt8]) -> [UInt8] {
            var result: [UInt8] = []
            for _ in 0..<10 * count { result += bytes }
            return result
        }
        let names = (0..<count).flatMap { (number: Int) -> [UInt8] in PyTorchBytes.text("\(number)") + [0x4E] }
        return [
            bomb("lists", many([0x5D])), bomb("dictionaries", many([0x7D])), bomb("marks", many([0x28])), bomb("Nones", many([0x4E])),
            bomb("tuples", many([0x29])),
            bomb("duplicates", [0x4E] + many([0x32])), bomb("texts", many([0x8C, 0])), bomb("memoized", [0x4E] + many([0x94])),
            bomb("names", ([0x7D, 0x28] as [UInt8]) + names + [0x75]),
            bomb("a list in a list", many([0x5D]) + [UInt8](repeating: 0x61, count: 10 * count - 1)),
            bomb("floats", many([0x47, 0, 0, 0, 0, 0, 0, 0, 0])),
            bomb("objects", (0..<count).flatMap { (_: Int) -> [UInt8] in PyTorchBytes.global("model", "GPTConfig") + [0x29, 0x81] }),
            bomb("a pickle that is too large", [UInt8](repeating: 0x5D, count: 17 << 20)),
        ]
    }

    private static var archives: [Bomb] {
        let files = PyTorchBytes.files(PyTorchBytes.pickle(PyTorchBytes.dictionary(PyTorchBytes.state())))
        return [Bomb("zip, files", "a.pt", PyTorchBytes.zip(files + (0..<30_000).map { (name: "a/data/x\($0)", bytes: []) }))]
    }
}
