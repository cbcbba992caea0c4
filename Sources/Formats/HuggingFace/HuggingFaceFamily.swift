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

    static let qwen3 = llama.changing(["qknorm": ["self_attn.q_norm", "self_attn.k_norm"]])

    static let olmo2 = qwen3.changing([
        "norm1": [], "norm2": [], "postnorm1": ["post_attention_layernorm"], "postnorm2": ["post_feedforward_layernorm"],
    ])

    static let phi3 = stableLM.changing(["qkv": ["self_attn.qkv_proj"], "up": ["mlp.gate_up_proj"]])

    static let stableLM = llama.changing { $0.rotaryOrder = .halvesOfRotating }

    static let mixtral = llama.changing([
        "router": ["block_sparse_moe.gate"], "expert.up": ["block_sparse_moe.experts.#.w1", "block_sparse_moe.experts.#.w3"],
        "expert.down": ["block_sparse_moe.experts.#.w2"],
    ])

    static let qwen3MoE = qwen3.changing([
        "router": ["mlp.gate"], "expert.up": ["mlp.experts.#.gate_proj", "mlp.experts.#.up_proj"],
        "expert.down": ["mlp.experts.#.down_proj"],
    ])

    static let qwen2MoE = qwen3MoE.changing([
        "qknorm": [], "shared.up": ["mlp.shared_expert.gate_proj", "mlp.shared_expert.up_proj"],
        "shared.down": ["mlp.shared_expert.down_proj"], "shared.router": ["mlp.shared_expert_gate"],
    ])

    static let graniteMoE = llama.changing([
        "router": ["block_sparse_moe.router.layer"], "expert.up": ["block_sparse_moe.input_linear"],
        "expert.down": ["block_sparse_moe.output_linear"],
    ])

    static let graniteMoEShared = graniteMoE.changing([
        "shared.up": ["shared_mlp.input_linear"], "shared.down": ["shared_mlp.output_linear"],
    ])

    static let gptOSS = llama.changing([
        "sinks": ["self_attn.sinks"], "router": ["mlp.router"], "expert.up": ["mlp.experts.gate_up_proj"],
        "expert.down": ["mlp.experts.down_proj"],
    ]) {
        $0.bareParts = ["sinks", "expert.up", "expert.down"]
        $0.transposed = .experts
        $0.alternatesGates = true
    }

    static let gemma2 = llama.changing([
        "postnorm1": ["post_attention_layernorm"], "norm2": ["pre_feedforward_layernorm"], "postnorm2": ["post_feedforward_layernorm"],
    ]) { $0.normOffset = 1 }

    static let gemma3 = gemma2.changing(["qknorm": ["self_attn.q_norm", "self_attn.k_norm"]])

    static let gptNeoX = TensorNames(
        prefix: "gpt_neox.", layerPrefix: "layers.", model: ["tokens": "embed_in", "norm": "final_layer_norm", "head": "embed_out"],
        layer: [
            "norm1": ["input_layernorm"], "qkv": ["attention.query_key_value"], "output": ["attention.dense"],
            "norm2": ["post_attention_layernorm"], "up": ["mlp.dense_h_to_4h"], "down": ["mlp.dense_4h_to_h"],
        ],
        rotaryOrder: .halvesOfRotating, alternatesHeads: true
    )

    /// Tensors that hold no weights: the causal mask and rotary angles, which old versions of transformers stored.
    /// Other names for parts of a layer, none for a part that the layer lacks, and other properties.
    private func changing(_ layer: [String: [String]] = [:], _ change: (inout TensorNames) -> Void = { _ in }) -> TensorNames {
        var names = self
        names.layer.merge(layer) { $1 }
        change(&names)
        return names
    }

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
