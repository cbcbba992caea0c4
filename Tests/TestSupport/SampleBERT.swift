import Files
import Glibc

/// A small BERT with random weights as a folder of sentence-transformers.
///
///     let sample = SampleBERT()
///     sample.write(to: folder, "bert")                         // config.json, model.safetensors, vocab.txt, modules.json, …
///     SampleBERT { $0.isReranker = true }                      // with a head that scores
package struct SampleBERT: Sendable {
    package var width = 12, heads = 3, layers = 2, hiddenWidth = 20, context = 24
    package var isMean = true, isNormalized = true
    package var isReranker = false
    package var family = Family.bert
    /// More members of config.json.
    package var settings = ""
    package var prompts = ""
    package static let words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "the", "pump", "valve", "reset", "##s", "?", "query", ":", "red", "car"]

    package init(_ change: (inout SampleBERT) -> Void = { _ in }) { change(&self) }

    /// What the files call fields and tensors.
    package enum Family: String, Sendable, CaseIterable {
        case bert, distilbert, mpnet, roberta, nomic = "nomic_bert"

        /// The rows of the table of positions that belong to padding.
        package var paddingPositions: Int { self == .mpnet || self == .roberta ? 2 : 0 }
        fileprivate var tokenTypes: Int { switch self { case .bert, .nomic: 2; case .roberta: 1; case .distilbert, .mpnet: 0 } }

        /// The family's name of a tensor of BERT.
        fileprivate func name(of tensor: String) -> String {
            let changes = switch self {
            case .bert: [(String, String)]()
            case .roberta: [("pooler.dense", "classifier.dense"), ("classifier", "classifier.out_proj")]
            case .distilbert: [
                ("encoder.layer", "transformer.layer"), ("attention.self.query", "attention.q_lin"),
                ("attention.self.key", "attention.k_lin"), ("attention.self.value", "attention.v_lin"),
                ("attention.output.dense", "attention.out_lin"), ("attention.output.LayerNorm", "sa_layer_norm"),
                ("intermediate.dense", "ffn.lin1"), ("output.dense", "ffn.lin2"), ("output.LayerNorm", "output_layer_norm"),
            ]
            case .nomic: [
                ("encoder.layer", "encoder.layers"), ("embeddings.LayerNorm", "emb_ln"), ("attention.self.qkv", "attn.Wqkv"),
                ("attention.output.dense", "attn.out_proj"), ("attention.output.LayerNorm", "norm1"), ("intermediate.gate", "mlp.fc12"),
                ("intermediate.dense", "mlp.fc11"), ("output.dense", "mlp.fc2"), ("output.LayerNorm", "norm2"),
            ]
            case .mpnet: [
                ("attention.self.query", "attention.attn.q"), ("attention.self.key", "attention.attn.k"),
                ("attention.self.value", "attention.attn.v"), ("attention.output.dense", "attention.attn.o"),
                ("attention.output.LayerNorm", "attention.LayerNorm"),
            ]
            }
            // Each name has one change in a layer.
            let (layer, rest) = (changes.first { $0.0 == "encoder.layer" }, changes.filter { $0.0 != "encoder.layer" })
            let renamed = layer.map { tensor.replacing($0.0, with: $0.1) } ?? tensor
            return rest.first { renamed.contains($0.0) }.map { renamed.replacing($0.0, with: $0.1) } ?? renamed
        }
    }

    /// By BERT's name.
    package var tensors: [(name: String, shape: [Int], numbers: [Float])] {
        var random = TestRandom(11), all: [(String, [Int], [Float])] = []
        func add(_ name: String, _ shape: [Int]) {
            let isNorm = name.contains("LayerNorm.weight")
            let numbers = (0..<shape.reduce(1, *)).map { _ in (isNorm ? 1 : 0) + 0.3 * (Float(random.below(2_001)) / 1_000 - 1) }
            all.append((name, shape, numbers))
        }
        let isNomic = family == .nomic
        func linear(_ name: String, _ I: Int, _ O: Int) {
            add(name + ".weight", [O, I])
            if !isNomic { add(name + ".bias", [O]) }
        }
        func norm(_ name: String) { for part in ["weight", "bias"] { add("\(name).\(part)", [width]) } }
        let positions = context + family.paddingPositions
        let tables = [("word", Self.words.count), ("position", isNomic ? 0 : positions), ("token_type", family.tokenTypes)]
        for (name, rows) in tables where rows > 0 {
            add("embeddings.\(name)_embeddings.weight", [rows, width])
        }
        if family == .mpnet { add("encoder.relative_attention_bias.weight", [32, heads]) }
        norm("embeddings.LayerNorm")
        for layer in 0..<layers {
            let prefix = "encoder.layer.\(layer)."
            for part in ["query", "key", "value"] { linear("\(prefix)attention.self.\(part)", width, width) }
            linear(prefix + "attention.output.dense", width, width)
            norm(prefix + "attention.output.LayerNorm")
            linear(prefix + "intermediate.dense", width, hiddenWidth)
            if isNomic { linear(prefix + "intermediate.gate", width, hiddenWidth) }
            linear(prefix + "output.dense", hiddenWidth, width)
            norm(prefix + "output.LayerNorm")
        }
        if isReranker {
            linear("pooler.dense", width, width)
            linear("classifier", width, 1)
        }
        return all
    }

    /// In files of nomic-bert, queries, keys and values are one tensor.
    private var storedTensors: [(name: String, shape: [Int], numbers: [Float])] {
        guard family == .nomic else { return tensors }
        var stored: [(name: String, shape: [Int], numbers: [Float])] = []
        for (name, shape, numbers) in tensors {
            if name.contains("self.key") || name.contains("self.value") {
                stored[stored.count - 1].numbers += numbers
                continue
            }
            let isFirst = name.contains("self.query")
            stored.append((name.replacing("self.query", with: "self.qkv"), isFirst ? [3 * shape[0], shape[1]] : shape, numbers))
        }
        return stored
    }

    package var configuration: String {
        if family == .distilbert {
            return """
                {"model_type": "distilbert", "vocab_size": \(Self.words.count), "dim": \(width), "n_layers": \(layers),
                "n_heads": \(heads), "hidden_dim": \(hiddenWidth), "max_position_embeddings": \(context), "activation": "gelu"\(settings)}
                """
        }
        if family == .nomic {
            return """
                {"model_type": "nomic_bert", "vocab_size": \(Self.words.count), "n_embd": \(width), "n_layer": \(layers),
                "n_head": \(heads), "n_inner": \(hiddenWidth), "n_positions": \(context), "activation_function": "swiglu",
                "rotary_emb_base": 1000, "rotary_emb_fraction": 1.0, "qkv_proj_bias": false, "type_vocab_size": 2,
                "layer_norm_epsilon": 1e-12\(settings)}
                """
        }
        let positions = context + family.paddingPositions
        return """
            {"model_type": "\(family.rawValue)", "vocab_size": \(Self.words.count), "hidden_size": \(width),
            "num_hidden_layers": \(layers), "num_attention_heads": \(heads), "intermediate_size": \(hiddenWidth),
            "max_position_embeddings": \(positions), "type_vocab_size": \(family.tokenTypes), "hidden_act": "gelu",
            "layer_norm_eps": 1e-12\(settings)}
            """
    }

    /// By name in the folder.
    package var files: [String: [UInt8]] {
        let module = "sentence_transformers.models."
        let normalize = isNormalized ? #", {"idx": 2, "path": "2_Normalize", "type": "\#(module)Normalize"}"# : ""
        let texts = [
            "config.json": configuration, "vocab.txt": Self.words.joined(separator: "\n") + "\n",
            "modules.json": """
                [{"idx": 0, "path": "", "type": "\(module)Transformer"}, {"idx": 1, "path": "1_Pooling", "type": "\(module)Pooling"}\
                \(normalize)]
                """,
            "1_Pooling/config.json": #"{"pooling_mode_cls_token": \#(!isMean), "pooling_mode_mean_tokens": \#(isMean)}"#,
            "config_sentence_transformers.json": #"{"prompts": {\#(prompts)}}"#,
        ]
        var files = texts.mapValues { Array($0.utf8) }
        var header: [String] = [], data: [UInt8] = []
        for (name, shape, numbers) in storedTensors {
            let end = data.count + 4 * numbers.count
            header.append(#""\#(family.name(of: name))": {"dtype": "F32", "shape": \#(shape), "data_offsets": [\#(data.count), \#(end)]}"#)
            for number in numbers { data.append(littleEndian: number.bitPattern) }
        }
        let json = Array("{\(header.joined(separator: ","))}".utf8)
        files["model.safetensors"] = json.count.littleEndianBytes + json + data
        return files
    }

    /// The same BERT as a GGUF file. Its vectors are scaled.
    package var gguf: GGUFBytes {
        var file = GGUFBytes()
        let special = Self.words.map { $0.hasPrefix("[") }, architecture = family == .nomic ? "nomic-bert" : "bert"
        file.keys = [
            ("general.architecture", GGUFBytes.text(architecture)), ("bert.context_length", GGUFBytes.u32(context)),
            ("bert.embedding_length", GGUFBytes.u32(width)), ("bert.block_count", GGUFBytes.u32(layers)),
            ("bert.feed_forward_length", GGUFBytes.u32(hiddenWidth)), ("bert.attention.head_count", GGUFBytes.u32(heads)),
            ("bert.attention.layer_norm_epsilon", GGUFBytes.f32(1e-12)),
            ("bert.pooling_type", GGUFBytes.u32(isReranker ? 4 : isMean ? 1 : 2)), ("tokenizer.ggml.model", GGUFBytes.text("bert")),
            ("tokenizer.ggml.tokens", GGUFBytes.texts(zip(Self.words, special).map { word, isSpecial in
                isSpecial ? word : word.hasPrefix("##") ? String(word.dropFirst(2)) : "▁" + word
            })),
            ("tokenizer.ggml.token_type", GGUFBytes.array(
                5, count: UInt64(special.count), special.flatMap { GGUFBytes.little(Int32($0 ? 3 : 1)) })),
            ("tokenizer.ggml.bos_token_id", GGUFBytes.u32(2)), ("tokenizer.ggml.seperator_token_id", GGUFBytes.u32(3)),
            ("tokenizer.ggml.unknown_token_id", GGUFBytes.u32(1)),
        ]
        file.keys = file.keys.map { ($0.name.hasPrefix("bert.") ? architecture + $0.name.dropFirst(4) : $0.name, $0.value) }
        let names = [
            ("embeddings.word_embeddings", "token_embd"), ("embeddings.position_embeddings", "position_embd"),
            ("embeddings.token_type_embeddings", "token_types"), ("embeddings.LayerNorm", "token_embd_norm"), ("pooler.dense", "cls"),
            ("classifier", "cls.output"), ("encoder.layer", "blk"), ("attention.self.query", "attn_q"), ("attention.self.key", "attn_k"),
            ("attention.self.value", "attn_v"), ("attention.self.qkv", "attn_qkv"), ("intermediate.gate", "ffn_gate"),
            ("attention.output.dense", "attn_output"),
            ("attention.output.LayerNorm", "attn_output_norm"), ("intermediate.dense", "ffn_up"), ("output.dense", "ffn_down"),
            ("output.LayerNorm", "layer_output_norm"),
        ]
        for (name, shape, numbers) in storedTensors {
            let name = names.reduce(name) { $0.replacing($1.0, with: $1.1) }
            file.tensors.append((name, shape.reversed().map { UInt64($0) }, 0, UInt64(file.data.count)))
            for number in numbers { file.data.append(littleEndian: number.bitPattern) }
            file.data += repeatElement(0, count: (32 - file.data.count % 32) % 32)
        }
        return file
    }

    /// Returns the path of the folder.
    @discardableResult
    package func write(to folder: TemporaryFolder, _ name: String) -> String {
        mkdir(folder(name), 0o755)
        mkdir(folder(name + "/1_Pooling"), 0o755)
        for (file, bytes) in files { folder.write(bytes, to: "\(name)/\(file)") }
        return folder(name)
    }
}
