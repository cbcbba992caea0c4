import Checkpoint
import Autograd
import JSON
import Kernels
import Model

extension HuggingFaceFamily {
    /// The family of a config.json. Throws for one that slm cannot compute.
    init(_ fields: HuggingFaceFields) throws(CheckpointError) {
        // Files of GPT-2 from before 2020 have no model_type.
        let isOldGPT2 = fields.root["model_type"] == nil && fields.root["n_layer"] != nil
        let type = isOldGPT2 ? HuggingFaceFamily.gpt2.rawValue : try fields.text("model_type", else: "")
        guard let family = Self(rawValue: type) else {
            if EncoderFamily(rawValue: type) != nil {
                throw fields.file.mismatch(
                    "model_type", "a model that generates text",
                    "'\(type)', an embedding model or a reranker: --embedding-model MODEL, or --reranker MODEL")
            }
            let known = Self.allCases.map(\.rawValue).joined(separator: ", ")
            throw fields.file.mismatch("model_type", "one of \(known)", type.isEmpty ? "nothing" : String(type.prefix(60)).quoted)
        }
        self = family
    }
}

extension GPTConfiguration {
    /// Reads a config.json. Missing fields have the defaults of transformers.
    init(_ family: HuggingFaceFamily, _ fields: HuggingFaceFields) throws(CheckpointError) {
        switch family {
        case .gpt2: try self.init(gpt2: fields)
        case .gptNeoX: try self.init(gptNeoX: fields)
        default: try self.init(family, llama: fields)  // most families have the fields of Llama
        }
        try fields.refuseUnsupported(hasExperts: experts != nil)
    }

    private init(gpt2 fields: HuggingFaceFields) throws(CheckpointError) {
        let heads = try fields.integer("n_head", else: 12, 1...65_536)
        let width = try fields.integer("n_embd", else: 768, 1...1_048_576)
        guard width % heads == 0 else { throw fields.file.mismatch("n_embd", "a multiple of the \(heads) heads (n_head)", "\(width)") }
        let context = try fields.integer("n_positions", else: fields.integer("n_ctx", else: 1_024, 1...16_777_216), 1...16_777_216)
        self.init(
            layers: try fields.integer("n_layer", else: 12, 0...1_024), heads: heads, width: width, context: context,
            vocabulary: try fields.integer("vocab_size", else: 50_257, 1...16_777_216)
        )
        hiddenWidth = try fields.integer("n_inner", else: 4 * width, 1...4_194_304)
        normEpsilon = try fields.epsilon("layer_norm_epsilon", else: 1e-5)
        activation = try fields.activation("activation_function", else: "gelu_new")
        isTied = try fields.boolean("tie_word_embeddings", else: true)
        dropout = try fields.dropout("resid_pdrop", else: 0.1)
        for (key, supported) in [
            ("scale_attn_weights", true), ("scale_attn_by_inverse_layer_idx", false), ("add_cross_attention", false),
        ] { try fields.require(key, supported) }
    }

    private init(gptNeoX fields: HuggingFaceFields) throws(CheckpointError) {
        let heads = try fields.integer("num_attention_heads", else: 64, 1...65_536)
        let width = try fields.integer("hidden_size", else: 6_144, 1...1_048_576)
        guard width % heads == 0 else { throw fields.file.mismatch("hidden_size", "a multiple of the \(heads) heads", "\(width)") }
        self.init(
            layers: try fields.integer("num_hidden_layers", else: 44, 0...1_024), heads: heads, width: width,
            context: try fields.integer("max_position_embeddings", else: 2_048, 1...16_777_216),
            vocabulary: try fields.integer("vocab_size", else: 50_432, 1...16_777_216)
        )
        hiddenWidth = try fields.integer("intermediate_size", else: 24_576, 1...4_194_304)
        normEpsilon = try fields.epsilon("layer_norm_eps", else: 1e-5)
        activation = try fields.activation("hidden_act", else: "gelu")
        isTied = try fields.boolean("tie_word_embeddings", else: false)
        isParallel = try fields.boolean("use_parallel_residual", else: true)
        dropout = try fields.dropout("hidden_dropout", else: 0)
        positions = .rotary
        rotary = try fields.rotary(theta: ("rotary_emb_base", 10_000), fraction: ("rotary_pct", 0.25), context: context, width: headWidth)
    }

    /// Reads Llama and the families that extend it.
    private init(_ family: HuggingFaceFamily, llama fields: HuggingFaceFields) throws(CheckpointError) {
        let isGemma = family.isGemma, defaults = family.defaults
        let heads = try fields.integer("num_attention_heads", else: defaults.heads, 1...65_536)
        let width = try fields.integer("hidden_size", else: defaults.width, 1...1_048_576)
        let headWidth = try fields.integer("head_dim", else: defaults.headWidth ?? max(1, width / heads), 1...8_192)
        guard headWidth % 2 == 0 else { throw fields.file.mismatch("head_dim", "an even number", "\(headWidth)") }
        self.init(
            layers: try fields.integer("num_hidden_layers", else: defaults.layers, 0...1_024),
            heads: heads, width: width, headWidth: headWidth,
            context: try fields.integer("max_position_embeddings", else: defaults.context, 1...16_777_216),
            vocabulary: try fields.integer("vocab_size", else: defaults.vocabulary, 1...16_777_216)
        )
        keyValueHeads = try fields.integer("num_key_value_heads", else: defaults.keyValueHeads ?? heads, 1...heads)
        guard heads % keyValueHeads == 0 else {
            throw fields.file.mismatch("num_key_value_heads", "a divisor of the \(heads) heads (num_attention_heads)", "\(keyValueHeads)")
        }
        hiddenWidth = try fields.integer("intermediate_size", else: defaults.hiddenWidth, 1...4_194_304)
        isGated = true
        norm = family.features.norm
        normEpsilon = try fields.epsilon(norm == .rms ? "rms_norm_eps" : "layer_norm_eps", else: defaults.epsilon)
        activation = family == .gptOSS ? .clampedSiLU
            : try fields.activation(isGemma ? "hidden_activation" : "hidden_act", else: isGemma ? "gelu_pytorch_tanh" : "silu")
        isTied = try fields.boolean("tie_word_embeddings", else: isGemma || family == .smolLM3)
        hasQKVBias = family.features.biases == [.queriesKeysValues]
        hasBias = false
        hasNormBias = family.features.hasNormBias
        if family == .gptOSS {
            guard fields.root["rope_parameters"] != nil || fields.root["rope_scaling"] != nil else {
                throw fields.file.mismatch("rope_parameters", "the scaling of rotary positions", "nothing")
            }
            try fields.require("attention_bias", true)
            hasBias = true
        } else if family.features.biases.contains(.all) {
            let hasMLPBias = try fields.boolean("mlp_bias", else: false)
            hasBias = try fields.boolean("attention_bias", else: false) || hasMLPBias
        } else if family.features.biases.contains(.none) {
            try fields.require("attention_bias", false)
        } else {
            try fields.require("qkv_bias", true)
        }
        qkNorm = family.features.qkNorm
        guard qkNorm != .wholeRows || keyValueHeads == heads else {
            throw fields.file.mismatch("num_key_value_heads", "\(heads), as many as heads of queries", "\(keyValueHeads)")
        }
        hasAttentionSinks = family.features.hasAttentionSinks
        hasPreNorms = family.features.hasPreNorms
        hasPostNorms = family.features.hasPostNorms
        positions = .rotary
        rotary = try fields.rotary(
            theta: ("rope_theta", defaults.theta),
            fraction: family.features.hasPartialRotary ? ("partial_rotary_factor", defaults.rotaryShare) : nil,
            kind: "full_attention", context: context, width: headWidth)
        embeddingScale = family.features.embeddingScale(width: width)
        if family.features.mixtures != .never { try readExperts(family, fields) }
        if family.features.hasMultipliers { try readMultipliers(fields) }
        if family == .smolLM3 { try readPositionlessLayers(fields) }
        if family == .stableLM {
            hasQKVBias = try fields.boolean("use_qkv_bias", else: false)
            // Those of StableLM 2 12B: a norm with weights of its own for each head, and one norm for attention and MLP.
            for key in ["qk_layernorm", "use_parallel_residual"] { try fields.require(key, false) }
        }
        try readSlidingWindow(family, fields)
        if isGemma {
            let scalar = try fields.number("query_pre_attn_scalar", else: 256, 1e-6...1e6)
            if Int(exactly: scalar) != headWidth { attentionScale = Float(1 / scalar.squareRoot()) }
            try fields.require("use_bidirectional_attention", false)
            scoreCap = try fields.cap("attn_logit_softcapping", else: defaults.scoreCap)
            logitCap = try fields.cap("final_logit_softcapping", else: defaults.logitCap)
        }
    }

    private mutating func readExperts(_ family: HuggingFaceFamily, _ fields: HuggingFaceFields) throws(CheckpointError) {
        let usual: (count: Int, active: Int) = switch family {
        case .qwen2MoE: (60, 4)
        case .qwen3MoE: (128, 8)
        case .olmoe: (64, 8)
        case .gptOSS: (128, 4)
        default: (8, 2)
        }
        // transformers 5 has renamed it.
        let key = fields.root["num_experts"] == nil ? "num_local_experts" : "num_experts"
        let count = try fields.integer(key, else: usual.count, Experts.possibleCounts)
        guard count * layers <= Self.mostExperts else {
            throw fields.file.mismatch(key, "at most \(Self.mostExperts) in all layers", "\(count)")
        }
        var experts = Experts(count: count, active: try fields.integer("num_experts_per_tok", else: usual.active, 1...count))
        if family.features.normalizesExpertWeights.count > 1 {
            experts.normalizesWeights = try fields.boolean("norm_topk_prob", else: false)
        }
        experts.balance = Float(try fields.number("router_aux_loss_coef", else: 0.001, 0...1_000))
        let isQwen2 = family == .qwen2MoE, widths = isQwen2 ? 1...4_194_304 : 0...4_194_304
        if family.features.sharedExperts != .none {
            let key = isQwen2 ? "shared_expert_intermediate_size" : "shared_intermediate_size"
            let width = try fields.integer(key, else: isQwen2 ? 5_632 : 0, widths)
            if width > 0 { experts.shared = .init(width: width, hasGate: isQwen2) }
        }
        self.experts = experts
        if isQwen2 || family == .qwen3MoE {
            hiddenWidth = try fields.integer("moe_intermediate_size", else: isQwen2 ? 1_408 : 768, 1...4_194_304)
            let others = fields.root["mlp_only_layers"]?.elements?.map(\.integer) ?? []
            guard try fields.integer("decoder_sparse_step", else: 1, 1...1_024) == 1, others.isEmpty
            else { throw fields.file.mismatch("decoder_sparse_step", "1, and no mlp_only_layers: all layers have experts", "others") }
        }
        if let clip = fields.root["clip_qkv"], !clip.isNull { throw fields.file.mismatch("clip_qkv", "null", "a number") }
    }

    private mutating func readMultipliers(_ fields: HuggingFaceFields) throws(CheckpointError) {
        embeddingScale = Float(try fields.number("embedding_multiplier", else: 1, 1e-6...1e6))
        residualScale = Float(try fields.number("residual_multiplier", else: 1, 1e-6...1e6))
        logitScale = Float(1 / (try fields.number("logits_scaling", else: 1, 1e-6...1e6)))
        attentionScale = Float(try fields.number("attention_multiplier", else: 1, 1e-6...1_000))
    }

    /// Reads which layers have rotary positions: 1 in `no_rope_layers`, or all but every fourth.
    private mutating func readPositionlessLayers(_ fields: HuggingFaceFields) throws(CheckpointError) {
        try fields.require("use_sliding_window", false)
        var kinds: [LayerAttention] = []
        if let stored = fields.root["no_rope_layers"]?.elements {
            kinds = stored.map { $0.integer == 0 ? .positionless : .full }
            guard kinds.count == layers else {
                throw fields.file.mismatch("no_rope_layers", "one for each of the \(layers) layers", "\(kinds.count)")
            }
        } else {
            let interval = try fields.integer("no_rope_layer_interval", else: 4, 1...1_024)
            kinds = (0..<layers).map { ($0 + 1) % interval == 0 ? .positionless : .full }
        }
        setAttention(of: kinds)
    }

    /// Reads which layers see only a window of positions.
    private mutating func readSlidingWindow(_ family: HuggingFaceFamily, _ fields: HuggingFaceFields) throws(CheckpointError) {
        let window: Int
        switch family {
        case .mistral, .mixtral, .phi3:
            // null: no window.
            let isUsual = fields.root["sliding_window"] == nil && family == .mistral
            window = try fields.integer("sliding_window", else: isUsual ? 4_096 : 0, 0...16_777_216)
        case .gptOSS: window = try fields.integer("sliding_window", else: 128, 1...16_777_216)
        case .gemma2, .gemma3: window = try fields.integer("sliding_window", else: 4_096, 1...16_777_216)
        default:
            guard family.features.sliding != .none, try fields.boolean("use_sliding_window", else: false) else { return }
            window = try fields.integer("sliding_window", else: 4_096, 0...16_777_216)
        }
        guard window > 0 else { return }
        let kinds: [LayerAttention]
        if family.features.sliding != .some {
            kinds = [.sliding]
        } else if let stored = try fields.layerTypes(count: layers) {
            kinds = stored
        } else if family.isGemma || family == .gptOSS {
            let pattern = family != .gemma3 ? 2 : try fields.integer("sliding_window_pattern", else: 6, 1...1_024)
            kinds = (0..<layers).map { ($0 + 1) % pattern == 0 ? .full : .sliding }
        } else {
            let first = try fields.integer("max_window_layers", else: 28, 0...1_024)
            kinds = (0..<layers).map { $0 >= first ? .sliding : .full }
        }
        setAttention(of: kinds)
        guard layerAttention.contains(.sliding) else { return }
        slidingWindow = window
        if family == .gemma3 {
            slidingRotary = try fields.rotary(
                theta: ("rope_local_base_freq", 10_000), kind: "sliding_attention", scaling: nil, context: context, width: headWidth
            )
        }
    }
}

/// The values of fields that a config.json lacks.
private struct HuggingFaceDefaults {
    var vocabulary = 151_936, width = 4_096, hiddenWidth = 22_016, layers = 32, heads = 32
    var keyValueHeads: Int?, headWidth: Int?
    var context = 32_768
    var scoreCap: Float?, logitCap: Float?
    var theta = 10_000.0, epsilon = 1e-6, rotaryShare = 1.0
}

extension HuggingFaceFamily {
    fileprivate var defaults: HuggingFaceDefaults {
        switch self {
        case .llama, .granite, .graniteMoE, .graniteMoEShared: .init(vocabulary: 32_000, hiddenWidth: 11_008, context: 2_048)
        case .mistral: .init(vocabulary: 32_000, hiddenWidth: 14_336, keyValueHeads: 8, context: 131_072)
        case .mixtral: .init(vocabulary: 32_000, hiddenWidth: 14_336, keyValueHeads: 8, context: 131_072, theta: 1e6, epsilon: 1e-5)
        case .gpt2, .gptNeoX, .qwen2: .init()
        case .qwen3: .init(headWidth: 128)
        case .qwen2MoE: .init(width: 2_048, hiddenWidth: 5_632, layers: 24, heads: 16)
        case .qwen3MoE: .init(width: 2_048, hiddenWidth: 6_144, layers: 24, keyValueHeads: 4)
        case .olmo2: .init(vocabulary: 50_304, hiddenWidth: 11_008, context: 2_048, epsilon: 1e-5)
        case .olmoe: .init(vocabulary: 50_304, width: 2_048, hiddenWidth: 2_048, layers: 16, heads: 16, context: 4_096, epsilon: 1e-5)
        case .smolLM3: .init(
            vocabulary: 128_256, width: 2_048, hiddenWidth: 11_008, layers: 36, heads: 16, keyValueHeads: 4, theta: 2e6)
        case .phi3: .init(vocabulary: 32_064, width: 3_072, hiddenWidth: 8_192, context: 4_096, epsilon: 1e-5)
        case .stableLM: .init(
            vocabulary: 50_304, width: 2_560, hiddenWidth: 6_912, keyValueHeads: 32, context: 4_096, epsilon: 1e-5, rotaryShare: 0.25)
        case .gptOSS: .init(
            vocabulary: 201_088, width: 2_880, hiddenWidth: 2_880, layers: 36, heads: 64, keyValueHeads: 8, headWidth: 64, context: 131_072,
            theta: 150_000, epsilon: 1e-5)
        case .gemma2: .init(
            vocabulary: 256_000, width: 2_304, hiddenWidth: 9_216, layers: 26, heads: 8, keyValueHeads: 4, headWidth: 256, context: 8_192,
            scoreCap: 50, logitCap: 30)
        case .gemma3: .init(
            vocabulary: 262_208, width: 2_304, hiddenWidth: 9_216, layers: 26, heads: 8, keyValueHeads: 4, headWidth: 256,
            context: 131_072, theta: 1e6)
        }
    }
}
