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
        let positions = try fields.text("position_embedding_type", else: "absolute")
        guard positions == "absolute" else {
            throw fields.file.mismatch("position_embedding_type", "absolute", String(positions.prefix(60)).quoted)
        }
        try fields.require("is_decoder", false)
        try fields.refuseUnsupported()
        let isShort = self == .distilbert
        let (width, heads) = isShort ? ("dim", "n_heads") : ("hidden_size", "num_attention_heads")
        var c = BERTConfiguration(
            vocabulary: try fields.integer("vocab_size", else: isRoBERTa ? 50_265 : 30_522, 1...1 << 24),
            context: try fields.integer("max_position_embeddings", else: 512, 1...1 << 20),
            width: try fields.integer(width, else: 768, 1...1 << 16),
            heads: try fields.integer(heads, else: 12, 1...1 << 12),
            layers: try fields.integer(isShort ? "n_layers" : "num_hidden_layers", else: isShort ? 6 : 12, 1...1_024),
            hiddenWidth: try fields.integer(isShort ? "hidden_dim" : "intermediate_size", else: 3_072, 1...1 << 18))
        c.tokenTypes = self == .bert || isRoBERTa ? try fields.integer("type_vocab_size", else: 2, 1...1_024) : 0
        c.activation = try fields.activation(isShort ? "activation" : "hidden_act", else: "gelu")
        c.normEpsilon = isShort ? 1e-12 : try fields.epsilon("layer_norm_eps", else: 1e-12)
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
        guard c.width % c.heads == 0 else { throw fields.file.mismatch(heads, "a divisor of \(width) \(c.width)", "\(c.heads)") }
        return c
    }

    /// Before the names of the encoder's tensors, in models with a head for a task.
    var prefix: String { isRoBERTa ? "roberta." : rawValue + "." }

    private var isRoBERTa: Bool { self == .roberta || self == .xlmRoBERTa }

    /// The layer that makes a score, in a reranker of the family.
    var scoreLayer: String? {
        switch self {
        case .bert: "classifier"
        case .roberta, .xlmRoBERTa: "classifier.out_proj"
        case .distilbert, .mpnet: nil
        }
    }

    /// The tensors of one of slm's parameters, such as "layer0.qkv.weight".
    ///
    /// - Parameter prefix: What the names of the encoder's tensors begin with.
    func names(of parameter: String, _ prefix: String) -> [String] {
        let parts = parameter.split(separator: ".").map(String.init)
        if parts[0] == "classifier" { return ["\(scoreLayer ?? parts[0]).\(parts[1])"] }
        // RoBERTa has no pooler for it, but a layer of its own.
        if parts[0] == "pooler", isRoBERTa { return ["classifier.dense.\(parts[1])"] }
        if parts.count == 2 { return ["\(prefix)\(Self.outer[parts[0]] ?? parts[0]).\(parts[1])"] }
        let layer = "\(prefix)\(self == .distilbert ? "transformer" : "encoder").layer.\(parts[0].dropFirst("layer".count))."
        return (inner[parts[1]] ?? [parts[1]]).map { "\(layer)\($0).\(parts[2])" }
    }

    private static let outer = [
        "tokens": "embeddings.word_embeddings", "positions": "embeddings.position_embeddings",
        "types": "embeddings.token_type_embeddings", "norm": "embeddings.LayerNorm", "pooler": "pooler.dense",
        "distances": "encoder.relative_attention_bias",
    ]

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
        case .mpnet: [
            "qkv": ["attention.attn.q", "attention.attn.k", "attention.attn.v"], "output": ["attention.attn.o"],
            "norm1": ["attention.LayerNorm"], "up": ["intermediate.dense"], "down": ["output.dense"], "norm2": ["output.LayerNorm"],
        ]
        }
    }

    /// The heads of other tasks, and a buffer.
    func isUnused(_ name: String, _ prefix: String) -> Bool {
        let heads = ["cls.", "classifier.", "pre_classifier.", "vocab_transform.", "vocab_layer_norm.", "vocab_projector.", "lm_head."]
        return name == prefix + "embeddings.position_ids" || name.hasPrefix(prefix + "pooler.") || heads.contains { name.hasPrefix($0) }
    }
}
