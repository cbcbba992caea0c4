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
    /// Tokens on each side of a token that it attends to, in every second layer of ModernBERT.
    package static let reach = 8
    package static let words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "the", "pump", "valve", "reset", "##s", "?", "query", ":", "red", "car"]

    package init(_ change: (inout SampleBERT) -> Void = { _ in }) { change(&self) }

    /// What the files call fields and tensors.
    package enum Family: String, Sendable, CaseIterable {
        case bert, distilbert, mpnet, roberta, nomic = "nomic_bert", modern = "modernbert"

        /// The rows of the table of positions that belong to padding.
        package var paddingPositions: Int { self == .mpnet || self == .roberta ? 2 : 0 }
        fileprivate var tokenTypes: Int {
            switch self {
            case .bert, .nomic: 2
            case .roberta: 1
            case .distilbert, .mpnet, .modern: 0
            }
        }

        /// The base of rotary positions; nil without them.
        package func rotaryBase(ofLayer layer: Int) -> Double? {
            switch self {
            case .nomic: 1_000
            case .modern: isLocal(layer) ? 100 : 5_000
            case .bert, .distilbert, .mpnet, .roberta: nil
            }
        }

        /// Whether tokens attend to near ones only.
        package func isLocal(_ layer: Int) -> Bool { self == .modern && layer % 2 == 1 }

        fileprivate var isRotary: Bool { rotaryBase(ofLayer: 0) != nil }

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
            case .modern: [
                ("encoder.layer", "layers"), ("word_embeddings", "tok_embeddings"), ("embeddings.LayerNorm", "embeddings.norm"),
                ("attention.input.LayerNorm", "attn_norm"), ("attention.self.qkv", "attn.Wqkv"), ("attention.output.dense", "attn.Wo"),
                ("intermediate.LayerNorm", "mlp_norm"), ("intermediate.gate", "mlp.Wi"), ("output.dense", "mlp.Wo"),
                ("final.LayerNorm", "final_norm"), ("pooler.dense", "head.dense"), ("pooler.LayerNorm", "head.norm"),
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
        let isModern = family == .modern
        func linear(_ name: String, _ I: Int, _ O: Int, bias: Bool) {
            add(name + ".weight", [O, I])
            if bias { add(name + ".bias", [O]) }
        }
        func norm(_ name: String) { for part in isModern ? ["weight"] : ["weight", "bias"] { add("\(name).\(part)", [width]) } }
        let positions = context + family.paddingPositions
        let tables = [("word", vocabulary), ("position", family.isRotary ? 0 : positions), ("token_type", family.tokenTypes)]
        for (name, rows) in tables where rows > 0 {
            add("embeddings.\(name)_embeddings.weight", [rows, width])
        }
        if family == .mpnet { add("encoder.relative_attention_bias.weight", [32, heads]) }
        norm("embeddings.LayerNorm")
        for layer in 0..<layers {
            let prefix = "encoder.layer.\(layer).", bias = !family.isRotary
            if isModern, layer > 0 { norm(prefix + "attention.input.LayerNorm") }
            for part in ["query", "key", "value"] { linear("\(prefix)attention.self.\(part)", width, width, bias: bias) }
            linear(prefix + "attention.output.dense", width, width, bias: bias)
            norm(prefix + (isModern ? "intermediate.LayerNorm" : "attention.output.LayerNorm"))
            if family.isRotary { linear(prefix + "intermediate.gate", width, hiddenWidth, bias: bias) }
            linear(prefix + "intermediate.dense", width, hiddenWidth, bias: bias)
            linear(prefix + "output.dense", hiddenWidth, width, bias: bias)
            if !isModern { norm(prefix + "output.LayerNorm") }
        }
        if isModern { norm("final.LayerNorm") }
        if isReranker {
            linear("pooler.dense", width, width, bias: !isModern)
            if isModern { norm("pooler.LayerNorm") }
            linear("classifier", width, 1, bias: true)
        }
        return all
    }

    /// In files of nomic-bert and ModernBERT, queries, keys and values are one tensor; in those of ModernBERT, gates and values, too.
    private var storedTensors: [(name: String, shape: [Int], numbers: [Float])] {
        guard family.isRotary else { return tensors }
        let appended = ["self.key", "self.value"] + (family == .modern ? ["intermediate.dense"] : [])
        var stored: [(name: String, shape: [Int], numbers: [Float])] = []
        for (name, shape, numbers) in tensors {
            if appended.contains(where: { name.contains($0) }) {
                stored[stored.count - 1].shape[0] += shape[0]
                stored[stored.count - 1].numbers += numbers
            } else {
                stored.append((name.replacing("self.query", with: "self.qkv"), shape, numbers))
            }
        }
        return stored
    }

    /// The rows of the table of tokens.
    package var vocabulary: Int { family == .modern ? Self.byteLevelTokens.count : Self.words.count }

    /// The tokens of ModernBERT: the special tokens, each byte in GPT-2's alphabet, and those of two merges.
    package static let byteLevelTokens: [String] = {
        var next: UInt32 = 255
        let bytes = (0..<256 as Range<UInt32>).map { byte in
            let isPrintable = 33...126 ~= byte || 161...172 ~= byte || byte >= 174
            if !isPrintable { next += 1 }
            return UnicodeScalar(isPrintable ? byte : next).map(String.init) ?? ""
        }
        return Array(words.prefix(4)) + bytes + ["pu", "pum"]
    }()
    private static let merges = ["p u", "pu m"]

    private static let tokenizerJSON: String = {
        let specials = words.prefix(4).enumerated().map { #"{"id": \#($0), "content": "\#($1)", "special": true}"# }
        let vocabulary = byteLevelTokens.enumerated().dropFirst(4).map { id, token in
            (token == "\"" || token == "\\" ? "\"\\\(token)\"" : "\"\(token)\"") + ": \(id)"
        }
        func piece(_ token: String) -> String { #"{"SpecialToken": {"id": "\#(token)", "type_id": 0}}"# }
        func text(_ name: String) -> String { #"{"Sequence": {"id": "\#(name)", "type_id": 0}}"# }
        let single = [piece("[CLS]"), text("A"), piece("[SEP]")], pair = single + [text("B"), piece("[SEP]")]
        return """
            {"added_tokens": [\(specials.joined(separator: ", "))], "normalizer": {"type": "NFC"},
            "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true},
            "post_processor": {"type": "TemplateProcessing", "single": [\(single.joined(separator: ", "))],
            "pair": [\(pair.joined(separator: ", "))], "special_tokens": {"[CLS]": {"id": "[CLS]", "ids": [2], "tokens": ["[CLS]"]},
            "[SEP]": {"id": "[SEP]", "ids": [3], "tokens": ["[SEP]"]}}}, "decoder": {"type": "ByteLevel"},
            "model": {"type": "BPE", "vocab": {\(vocabulary.joined(separator: ", "))},
            "merges": [\(merges.map { "\"\($0)\"" }.joined(separator: ", "))]}}
            """
    }()

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
        if family == .modern {
            return """
                {"model_type": "modernbert", "vocab_size": \(vocabulary), "hidden_size": \(width), "num_hidden_layers": \(layers),
                "num_attention_heads": \(heads), "intermediate_size": \(hiddenWidth), "max_position_embeddings": \(context),
                "norm_eps": 1e-12, "hidden_activation": "gelu", "global_attn_every_n_layers": 2, "local_attention": \(2 * Self.reach),
                "global_rope_theta": 5000.0, "local_rope_theta": 100.0, "classifier_pooling": "\(isMean ? "mean" : "cls")"\(settings)}
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
        var texts = [
            "config.json": configuration,
            "modules.json": """
                [{"idx": 0, "path": "", "type": "\(module)Transformer"}, {"idx": 1, "path": "1_Pooling", "type": "\(module)Pooling"}\
                \(normalize)]
                """,
            "1_Pooling/config.json": #"{"pooling_mode_cls_token": \#(!isMean), "pooling_mode_mean_tokens": \#(isMean)}"#,
            "config_sentence_transformers.json": #"{"prompts": {\#(prompts)}}"#,
        ]
        if family == .modern {
            texts["tokenizer.json"] = Self.tokenizerJSON
        } else {
            texts["vocab.txt"] = Self.words.joined(separator: "\n") + "\n"
        }
        var files = texts.mapValues { Array($0.utf8) }
        var header: [String] = [], data: [UInt8] = []
        for (name, shape, numbers) in storedTensors {
            let end = data.count + 4 * numbers.count, own = family.name(of: name)
            // Models with a head have the encoder of ModernBERT as a part.
            let isPart = family == .modern && isReranker && !own.hasPrefix("head.") && !own.hasPrefix("classifier.")
            let stored = isPart ? "model." + own : own
            header.append(#""\#(stored)": {"dtype": "F32", "shape": \#(shape), "data_offsets": [\#(data.count), \#(end)]}"#)
            for number in numbers { data.append(littleEndian: number.bitPattern) }
        }
        let json = Array("{\(header.joined(separator: ","))}".utf8)
        files["model.safetensors"] = json.count.littleEndianBytes + json + data
        return files
    }

    /// The same BERT as a GGUF file. Its vectors are scaled.
    package var gguf: GGUFBytes {
        var file = GGUFBytes()
        let architecture = switch family { case .nomic: "nomic-bert"; case .modern: "modern-bert"; default: "bert" }
        file.keys = [
            ("general.architecture", GGUFBytes.text(architecture)), ("bert.context_length", GGUFBytes.u32(context)),
            ("bert.embedding_length", GGUFBytes.u32(width)), ("bert.block_count", GGUFBytes.u32(layers)),
            ("bert.feed_forward_length", GGUFBytes.u32(hiddenWidth)), ("bert.attention.head_count", GGUFBytes.u32(heads)),
            ("bert.attention.layer_norm_epsilon", GGUFBytes.f32(1e-12)),
            ("bert.pooling_type", GGUFBytes.u32(isReranker ? 4 : isMean ? 1 : 2)),
            ("tokenizer.ggml.bos_token_id", GGUFBytes.u32(2)), ("tokenizer.ggml.seperator_token_id", GGUFBytes.u32(3)),
            ("tokenizer.ggml.unknown_token_id", GGUFBytes.u32(1)),
        ]
        let tokens = family == .modern ? Self.byteLevelTokens : Self.words
        let special = tokens.map { $0.hasPrefix("[") && $0.count > 1 }
        file.set("tokenizer.ggml.token_type", GGUFBytes.array(
            5, count: UInt64(special.count), special.flatMap { GGUFBytes.little(Int32($0 ? 3 : 1)) }))
        if family == .modern {
            file.keys += [
                ("tokenizer.ggml.model", GGUFBytes.text("gpt2")), ("tokenizer.ggml.pre", GGUFBytes.text("modern-bert")),
                ("tokenizer.ggml.tokens", GGUFBytes.texts(tokens)), ("tokenizer.ggml.merges", GGUFBytes.texts(Self.merges)),
                ("bert.attention.sliding_window", GGUFBytes.u32(2 * Self.reach)), ("bert.rope.freq_base", GGUFBytes.f32(5_000)),
                ("bert.attention.sliding_window_pattern", GGUFBytes.u32(2)), ("bert.rope.freq_base_swa", GGUFBytes.f32(100)),
            ]
        } else {
            file.keys += [
                ("tokenizer.ggml.model", GGUFBytes.text("bert")),
                ("tokenizer.ggml.tokens", GGUFBytes.texts(zip(tokens, special).map { word, isSpecial in
                    isSpecial ? word : word.hasPrefix("##") ? String(word.dropFirst(2)) : "▁" + word
                })),
            ]
        }
        file.keys = file.keys.map { ($0.name.hasPrefix("bert.") ? architecture + $0.name.dropFirst(4) : $0.name, $0.value) }
        let names = [
            ("embeddings.word_embeddings", "token_embd"), ("embeddings.position_embeddings", "position_embd"),
            ("embeddings.token_type_embeddings", "token_types"), ("embeddings.LayerNorm", "token_embd_norm"), ("pooler.dense", "cls"),
            ("classifier", "cls.output"), ("encoder.layer", "blk"), ("attention.self.query", "attn_q"), ("attention.self.key", "attn_k"),
            ("attention.self.value", "attn_v"), ("attention.self.qkv", "attn_qkv"),
            ("intermediate.gate", family == .modern ? "ffn_up" : "ffn_gate"),
            ("attention.input.LayerNorm", "attn_norm"), ("intermediate.LayerNorm", "ffn_norm"), ("final.LayerNorm", "output_norm"),
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
