import Kernels
import Model

/// The families of models that transformers and slm share, by the `model_type` of their config.json.
enum HuggingFaceFamily: String, ModelFamily {
    case gpt2, llama, mistral, qwen2, qwen3, gemma2, gemma3 = "gemma3_text", gptNeoX = "gpt_neox", granite, olmo2, smolLM3 = "smollm3", phi3
    case stableLM = "stablelm", mixtral, qwen2MoE = "qwen2_moe", qwen3MoE = "qwen3_moe", olmoe, graniteMoE = "granitemoe"
    case graniteMoEShared = "granitemoeshared", gptOSS = "gpt_oss"

    private var properties: (architecture: String, features: FamilyFeatures, names: TensorNames) {
        switch self {
        case .gpt2: ("GPT2LMHeadModel", .gpt2, .gpt2)
        case .llama: ("LlamaForCausalLM", .llama, .llama)
        case .qwen2: ("Qwen2ForCausalLM", .qwen2, .llama)
        case .qwen3: ("Qwen3ForCausalLM", .qwen3, .qwen3)
        case .gemma2: ("Gemma2ForCausalLM", .gemma2, .gemma2)
        case .gemma3: ("Gemma3ForCausalLM", .gemma3, .gemma3)
        case .gptNeoX: ("GPTNeoXForCausalLM", .gptNeoX, .gptNeoX)
        case .mistral: ("MistralForCausalLM", .mistral, .llama)
        case .granite: ("GraniteForCausalLM", .granite, .llama)
        case .olmo2: ("Olmo2ForCausalLM", .olmo2, .olmo2)
        case .smolLM3: ("SmolLM3ForCausalLM", .smolLM3, .llama)
        case .phi3: ("Phi3ForCausalLM", .phi3, .phi3)
        case .stableLM: ("StableLmForCausalLM", .stableLM, .stableLM)
        case .mixtral: ("MixtralForCausalLM", .mixtral, .mixtral)
        case .qwen2MoE: ("Qwen2MoeForCausalLM", .qwen2MoE, .qwen2MoE)
        case .qwen3MoE: ("Qwen3MoeForCausalLM", .qwen3MoE, .qwen3MoE)
        case .olmoe: ("OlmoeForCausalLM", .olmoe, .qwen3MoE)
        case .graniteMoE: ("GraniteMoeForCausalLM", .graniteMoE, .graniteMoE)
        case .graniteMoEShared: ("GraniteMoeSharedForCausalLM", .graniteMoEShared, .graniteMoEShared)
        case .gptOSS: ("GptOssForCausalLM", .gptOSS, .gptOSS)
        }
    }

    /// The class of transformers.
    var architecture: String { properties.architecture }

    var features: FamilyFeatures {
        var features = properties.features
        features.activations = self == .gptOSS ? [.clampedSiLU] : HuggingFaceActivation.all.map(\.function)
        return features
    }

    var names: TensorNames { properties.names }

    var isGemma: Bool { self == .gemma2 || self == .gemma3 }

    /// Whether files can lack biases that slm stores, because attention and MLP have options of their own (`attention_bias`, `mlp_bias`).
    var canLackBiases: Bool { [.llama, .gptNeoX, .granite, .smolLM3].contains(self) }

    /// Why a model cannot be written as this family; empty if it can.
    func reasons(against configuration: GPTConfiguration) -> [String] {
        var reasons = features.differences(from: configuration)
        // transformers checks it.
        if configuration.width % configuration.heads != 0 {
            reasons.append("its width is not a multiple of its \(configuration.heads) heads")
        }
        if self == .stableLM, let reason = features.reasonOfWideHeads(configuration) { reasons.append(reason) }
        if isGemma {
            let scalar = configuration.queryPreAttentionScalar
            if abs(scalar - scalar.rounded()) > 1e-3 {
                reasons.append("query_pre_attn_scalar would be \(scalar), and has to be a whole number")
            }
        }
        return reasons
    }
}

extension TensorNames {
    static let gpt2 = TensorNames(
        prefix: "transformer.", layerPrefix: "h.", model: ["tokens": "wte", "positions": "wpe", "norm": "ln_f", "head": "lm_head"],
        layer: [
            "norm1": ["ln_1"], "qkv": ["attn.c_attn"], "output": ["attn.c_proj"], "norm2": ["ln_2"], "up": ["mlp.c_fc"],
            "down": ["mlp.c_proj"],
        ],
        transposed: .all
    )

    static let llama = TensorNames(
        prefix: "model.", layerPrefix: "layers.", model: ["tokens": "embed_tokens", "norm": "norm", "head": "lm_head"],
        layer: [
            "norm1": ["input_layernorm"], "qkv": ["self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"],
            "output": ["self_attn.o_proj"],
            "norm2": ["post_attention_layernorm"], "up": ["mlp.gate_proj", "mlp.up_proj"], "down": ["mlp.down_proj"],
        ]
    )

    static let qwen3: TensorNames = {
        var names = llama
        names.layer["qknorm"] = ["self_attn.q_norm", "self_attn.k_norm"]
        return names
    }()

    static let olmo2: TensorNames = {
        var names = qwen3
        for norm in ["norm1", "norm2"] { names.layer[norm] = nil }
        names.layer["postnorm1"] = ["post_attention_layernorm"]
        names.layer["postnorm2"] = ["post_feedforward_layernorm"]
        return names
    }()

    static let phi3: TensorNames = {
        var names = llama
        names.layer["qkv"] = ["self_attn.qkv_proj"]
        names.layer["up"] = ["mlp.gate_up_proj"]
        names.rotaryOrder = .halvesOfRotating
        return names
    }()

    static let stableLM: TensorNames = {
        var names = llama
        names.rotaryOrder = .halvesOfRotating
        return names
    }()

    static let mixtral: TensorNames = {
        var names = llama
        names.layer["router"] = ["block_sparse_moe.gate"]
        names.layer["expert.up"] = ["block_sparse_moe.experts.#.w1", "block_sparse_moe.experts.#.w3"]
        names.layer["expert.down"] = ["block_sparse_moe.experts.#.w2"]
        return names
    }()

    static let qwen3MoE: TensorNames = {
        var names = qwen3
        names.layer["router"] = ["mlp.gate"]
        names.layer["expert.up"] = ["mlp.experts.#.gate_proj", "mlp.experts.#.up_proj"]
        names.layer["expert.down"] = ["mlp.experts.#.down_proj"]
        return names
    }()

    static let qwen2MoE: TensorNames = {
        var names = qwen3MoE
        names.layer["qknorm"] = nil
        names.layer["shared.up"] = ["mlp.shared_expert.gate_proj", "mlp.shared_expert.up_proj"]
        names.layer["shared.down"] = ["mlp.shared_expert.down_proj"]
        names.layer["shared.router"] = ["mlp.shared_expert_gate"]
        return names
    }()

    static let graniteMoE: TensorNames = {
        var names = llama
        names.layer["router"] = ["block_sparse_moe.router.layer"]
        names.layer["expert.up"] = ["block_sparse_moe.input_linear"]
        names.layer["expert.down"] = ["block_sparse_moe.output_linear"]
        return names
    }()

    static let graniteMoEShared: TensorNames = {
        var names = graniteMoE
        names.layer["shared.up"] = ["shared_mlp.input_linear"]
        names.layer["shared.down"] = ["shared_mlp.output_linear"]
        return names
    }()

    static let gptOSS: TensorNames = {
        var names = llama
        names.layer["sinks"] = ["self_attn.sinks"]
        names.layer["router"] = ["mlp.router"]
        names.layer["expert.up"] = ["mlp.experts.gate_up_proj"]
        names.layer["expert.down"] = ["mlp.experts.down_proj"]
        names.bareParts = ["sinks", "expert.up", "expert.down"]
        names.transposed = .experts
        names.alternatesGates = true
        return names
    }()

    static let gemma2: TensorNames = {
        var names = llama
        names.layer["postnorm1"] = ["post_attention_layernorm"]
        names.layer["norm2"] = ["pre_feedforward_layernorm"]
        names.layer["postnorm2"] = ["post_feedforward_layernorm"]
        names.normOffset = 1
        return names
    }()

    static let gemma3: TensorNames = {
        var names = gemma2
        names.layer["qknorm"] = qwen3.layer["qknorm"]
        return names
    }()

    static let gptNeoX = TensorNames(
        prefix: "gpt_neox.", layerPrefix: "layers.", model: ["tokens": "embed_in", "norm": "final_layer_norm", "head": "embed_out"],
        layer: [
            "norm1": ["input_layernorm"], "qkv": ["attention.query_key_value"], "output": ["attention.dense"],
            "norm2": ["post_attention_layernorm"], "up": ["mlp.dense_h_to_4h"], "down": ["mlp.dense_4h_to_h"],
        ],
        rotaryOrder: .halvesOfRotating, alternatesHeads: true
    )

    /// Tensors that hold no weights: the causal mask and rotary angles, which old versions of transformers stored.
    static func isBuffer(_ name: String) -> Bool {
        [".attn.bias", ".attn.masked_bias", ".attention.bias", ".attention.masked_bias", ".rotary_emb.inv_freq"]
            .contains { name.hasSuffix($0) }
    }
}

/// Hugging Face's names for slm's activations. If there are several, the first one is written.
enum HuggingFaceActivation {
    static let all: [(name: String, function: UnaryFunction)] = [
        ("gelu_new", .gelu), ("gelu_pytorch_tanh", .gelu), ("gelu_fast", .gelu), ("gelu", .exactGELU),
        ("relu", .relu), ("relu2", .reluSquared), ("silu", .silu), ("swish", .silu), ("tanh", .tanh),
        ("sigmoid", .sigmoid), ("linear", .identity),
    ]
}

extension GPTConfiguration {
    /// Gemma's name for D, if the scores are multiplied by 1/√D.
    var queryPreAttentionScalar: Double { attentionScale.map { 1 / (Double($0) * Double($0)) } ?? Double(headWidth) }
}
