import Checkpoint
import JSON
import Kernels
import Model

/// A family of encoders: what its files call the fields and the layers of a ``BERT``, and what it adds or leaves out.
enum EncoderFamily: String, CaseIterable {
    case bert
    /// Positions begin after that of padding. XLM-RoBERTa differs in its tokenizer only.
    case roberta, xlmRoBERTa = "xlm-roberta"
    /// Without kinds of tokens.
    case distilbert
    /// Without kinds of tokens, but with a bias for the distance of two tokens.
    case mpnet
    /// Rotary positions, gated MLPs, no biases.
    case nomic = "nomic_bert"
    /// These, too, with norms before attention and MLP, and layers whose tokens attend to a window.
    case modern = "modernbert"

    init(_ fields: HuggingFaceFields) throws(CheckpointError) {
        let type = try fields.text("model_type", else: "bert")
        guard let family = Self(rawValue: type) else {
            let known = Self.allCases.map(\.rawValue).joined(separator: ", ")
            throw fields.file.mismatch("model_type", "one of \(known)", String(type.prefix(60)).quoted)
        }
        self = family
    }

    /// The family of a configuration; nil if it is another model.
    init?(of root: JSONElement) {
        guard let name = root["model_type"]?.string else { return nil }
        self.init(rawValue: name)
    }

    func configuration(_ fields: HuggingFaceFields) throws(CheckpointError) -> BERTConfiguration {
        // transformers ignores the field in ModernBERT, whose files have several values.
        if self != .modern { _ = try fields.choice("position_embedding_type", of: ["absolute"]) }
        try fields.require("is_decoder", false)
        try fields.refuseUnsupported()
        let names = fieldNames(fields), usual = defaults
        var c = BERTConfiguration(
            vocabulary: try fields.integer("vocab_size", else: usual.vocabulary, 1...1 << 24),
            context: try fields.integer(names.context, else: usual.context, 1...1 << 20),
            width: try fields.integer(names.width, else: 768, 1...1 << 16),
            heads: try fields.integer(names.heads, else: 12, 1...1 << 12),
            layers: try fields.integer(names.layers, else: usual.layers, 1...1_024),
            hiddenWidth: try fields.integer(names.hidden, else: usual.hiddenWidth, 1...1 << 18))
        c.tokenTypes = hasTokenTypes ? try fields.integer("type_vocab_size", else: 2, 1...1_024) : 0
        c.normEpsilon = self == .distilbert ? 1e-12 : try fields.epsilon(names.epsilon, else: usual.epsilon)
        guard c.width % c.heads == 0 else {
            throw fields.file.mismatch(names.heads, "a divisor of \(names.width) \(c.width)", "\(c.heads)")
        }
        switch self {
        case .nomic: try readNomic(fields, into: &c)
        case .modern: try readModern(fields, into: &c)
        default: c.activation = try fields.activation(names.activation, else: "gelu")
        }
        if self == .mpnet || isRoBERTa {
            // The first positions belong to padding.
            c.firstPosition = self == .mpnet ? 2 : try fields.integer("pad_token_id", else: 1, 0...1 << 24) + 1
            c.context -= c.firstPosition
            guard c.context > 0 else {
                throw fields.file.mismatch("max_position_embeddings", "more than \(c.firstPosition)", "\(c.context + c.firstPosition)")
            }
        }
        if self == .mpnet {
            c.distanceBuckets = try fields.integer("relative_attention_num_buckets", else: 32, 4...1 << 16)
            guard c.distanceBuckets % 4 == 0 else {
                throw fields.file.mismatch("relative_attention_num_buckets", "a multiple of 4", "\(c.distanceBuckets)")
            }
        }
        return c
    }

    private typealias FieldNames = (
        context: String, width: String, heads: String, layers: String, hidden: String, epsilon: String, activation: String
    )

    private func fieldNames(_ fields: HuggingFaceFields) -> FieldNames {
        if self == .distilbert { return ("max_position_embeddings", "dim", "n_heads", "n_layers", "hidden_dim", "", "activation") }
        if isFirstNomic(fields) {
            let context = fields.root["max_trained_positions"] == nil ? "n_positions" : "max_trained_positions"
            return (context, "n_embd", "n_head", "n_layer", "n_inner", "layer_norm_epsilon", "activation_function")
        }
        return (
            "max_position_embeddings", "hidden_size", "num_attention_heads", "num_hidden_layers", "intermediate_size",
            self == .modern ? "norm_eps" : "layer_norm_eps", "hidden_act")
    }

    /// Whether a config.json of nomic-bert has the fields of its authors, which are GPT-2's, not those of transformers.
    private func isFirstNomic(_ fields: HuggingFaceFields) -> Bool { self == .nomic && fields.root["n_embd"] != nil }

    /// Rotary positions, gated MLPs, no biases.
    private func readNomic(_ fields: HuggingFaceFields, into c: inout BERTConfiguration) throws(CheckpointError) {
        c.hasAttentionBias = false
        c.hasMLPBias = false
        c.isGated = true
        c.activation = .silu
        let width = c.width / c.heads
        guard isFirstNomic(fields) else {
            c.activation = try fields.activation("hidden_act", else: "silu")
            c.rotary = try fields.rotary(theta: ("rope_theta", 1_000), context: c.context, width: width)
            return
        }
        _ = try fields.choice("activation_function", of: ["swiglu"])
        for key in ["qkv_proj_bias", "mlp_fc1_bias", "mlp_fc2_bias", "prenorm", "rotary_emb_interleaved"] {
            try fields.require(key, false)
        }
        c.rotary = try fields.rotary(
            theta: ("rotary_emb_base", 1_000), fraction: ("rotary_emb_fraction", 1), scaling: nil, context: c.context, width: width)
    }

    /// Norms come first, biases are rare, and in most layers a token attends to a window.
    private func readModern(_ fields: HuggingFaceFields, into c: inout BERTConfiguration) throws(CheckpointError) {
        c.hasAttentionBias = try fields.boolean("attention_bias", else: false)
        c.hasMLPBias = try fields.boolean("mlp_bias", else: false)
        c.hasNormBias = try fields.boolean("norm_bias", else: false)
        c.isPreNorm = true
        c.isGated = true
        c.activation = try fields.activation("hidden_activation", else: "gelu")
        let width = c.width / c.heads
        let rotary = try fields.rotary(
            theta: ("global_rope_theta", 160_000), kind: "full_attention", context: c.context, width: width)
        c.rotary = rotary
        let interval = try fields.integer("global_attn_every_n_layers", else: 3, 1...1_024)
        let kinds = try fields.layerTypes(count: c.layers) ?? (0..<c.layers).map { $0 % interval == 0 ? .full : .sliding }
        let local = kinds.indices.filter { kinds[$0] == .sliding }
        if local.isEmpty { return }
        // null was the global one, before the field had a default.
        let theta = fields.root["local_rope_theta"]?.isNull == true ? rotary.base : 10_000
        c.local = BERTConfiguration.LocalAttention(
            layers: local, reach: try fields.integer("local_attention", else: 128, 1...1 << 21) / 2,
            rotary: try fields.rotary(
                theta: ("local_rope_theta", theta), kind: "sliding_attention", context: c.context, width: width))
    }

    /// How a reranker of the family makes a score.
    func score(_ fields: HuggingFaceFields) throws(CheckpointError) -> BERTConfiguration.Score {
        var score = BERTConfiguration.Score()
        guard self == .modern else { return score }
        score.isMean = try fields.choice("classifier_pooling", of: ["cls", "mean"]) == "mean"
        score.activation = try fields.activation("classifier_activation", else: "gelu")
        score.hasBias = try fields.boolean("classifier_bias", else: false)
        score.hasNorm = true
        return score
    }

    /// Before the names of the encoder's tensors, in models with a head for a task.
    var prefix: String {
        switch self {
        case .roberta, .xlmRoBERTa: "roberta."
        case .modern: "model."
        case .bert, .distilbert, .mpnet, .nomic: rawValue + "."
        }
    }

    private var hasTokenTypes: Bool { ![.distilbert, .mpnet, .modern].contains(self) }

    private var isRoBERTa: Bool { self == .roberta || self == .xlmRoBERTa }

    /// The layer that makes a score, in a reranker of the family.
    var scoreLayer: String? {
        switch self {
        case .bert, .modern: "classifier"
        case .roberta, .xlmRoBERTa: "classifier.out_proj"
        case .distilbert, .mpnet, .nomic: nil
        }
    }

    /// The tensors of one of slm's parameters, such as "layer0.qkv.weight".
    ///
    /// - Parameter prefix: What the names of the encoder's tensors begin with.
    func names(of parameter: String, _ prefix: String) -> [String] {
        let parts = parameter.split(separator: ".").map(String.init)
        if parts[0] == "classifier" { return ["\(scoreLayer ?? parts[0]).\(parts[1])"] }
        // RoBERTa and ModernBERT have no pooler for it, but layers of their own.
        if parts[0] == "pooler", isRoBERTa { return ["classifier.dense.\(parts[1])"] }
        if self == .modern, let layer = ["pooler": "head.dense", "scoreNorm": "head.norm"][parts[0]] { return ["\(layer).\(parts[1])"] }
        if parts.count == 2 { return ["\(prefix)\(outer[parts[0]] ?? parts[0]).\(parts[1])"] }
        let list = switch self {
        case .distilbert: "transformer.layer"
        case .nomic: "encoder.layers"
        case .modern: "layers"
        default: "encoder.layer"
        }
        let layer = "\(prefix)\(list).\(parts[0].dropFirst("layer".count))."
        return (inner[parts[1]] ?? [parts[1]]).map { "\(layer)\($0).\(parts[2])" }
    }

    private var outer: [String: String] {
        if self == .modern { return ["tokens": "embeddings.tok_embeddings", "norm": "embeddings.norm", "finalNorm": "final_norm"] }
        return [
            "tokens": "embeddings.word_embeddings", "positions": "embeddings.position_embeddings",
            "types": "embeddings.token_type_embeddings", "norm": self == .nomic ? "emb_ln" : "embeddings.LayerNorm",
            "pooler": "pooler.dense", "distances": "encoder.relative_attention_bias",
        ]
    }

    private var inner: [String: [String]] {
        switch self {
        case .bert, .roberta, .xlmRoBERTa: [
            "qkv": ["attention.self.query", "attention.self.key", "attention.self.value"], "output": ["attention.output.dense"],
            "norm1": ["attention.output.LayerNorm"], "up": ["intermediate.dense"], "down": ["output.dense"], "norm2": ["output.LayerNorm"],
        ]
        case .distilbert: [
            "qkv": ["attention.q_lin", "attention.k_lin", "attention.v_lin"], "output": ["attention.out_lin"],
            "norm1": ["sa_layer_norm"], "up": ["ffn.lin1"], "down": ["ffn.lin2"], "norm2": ["output_layer_norm"],
        ]
        case .nomic: [
            "qkv": ["attn.Wqkv"], "output": ["attn.out_proj"], "up": ["mlp.fc12", "mlp.fc11"], "down": ["mlp.fc2"],
        ]
        case .modern: [
            "attentionNorm": ["attn_norm"], "qkv": ["attn.Wqkv"], "output": ["attn.Wo"], "mlpNorm": ["mlp_norm"], "up": ["mlp.Wi"],
            "down": ["mlp.Wo"],
        ]
        case .mpnet: [
            "qkv": ["attention.attn.q", "attention.attn.k", "attention.attn.v"], "output": ["attention.attn.o"],
            "norm1": ["attention.LayerNorm"], "up": ["intermediate.dense"], "down": ["output.dense"], "norm2": ["output.LayerNorm"],
        ]
        }
    }

    /// The heads of other tasks, and a buffer.
    func isUnused(_ name: String, _ prefix: String) -> Bool {
        let heads = self == .modern ? ["head.", "classifier.", "decoder."]
            : ["cls.", "classifier.", "pre_classifier.", "vocab_transform.", "vocab_layer_norm.", "vocab_projector.", "lm_head."]
        return name == prefix + "embeddings.position_ids" || name.hasPrefix(prefix + "pooler.") || heads.contains { name.hasPrefix($0) }
    }
}

/// The values of fields that a config.json lacks.
private struct EncoderDefaults {
    var vocabulary = 30_522, context = 512, layers = 12, hiddenWidth = 3_072
    var epsilon = 1e-12
}

extension EncoderFamily {
    private var defaults: EncoderDefaults {
        switch self {
        case .roberta, .xlmRoBERTa: .init(vocabulary: 50_265)
        case .distilbert: .init(layers: 6)
        case .nomic: .init(vocabulary: 30_528, context: 2_048)
        case .modern: .init(vocabulary: 50_368, context: 8_192, layers: 22, hiddenWidth: 1_152, epsilon: 1e-5)
        case .bert, .mpnet: .init()
        }
    }
}
