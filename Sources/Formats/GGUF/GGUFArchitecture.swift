import Autograd
import Kernels
import Model

/// The architectures of llama.cpp that slm shares, by their name in `general.architecture`.
enum GGUFArchitecture: String, ModelFamily {
    case gpt2, llama, qwen2, qwen3, gemma2, gemma3, gptNeoX = "gptneox", granite, olmo2, smolLM3 = "smollm3", phi3
    case stableLM = "stablelm", qwen2MoE = "qwen2moe", qwen3MoE = "qwen3moe", olmoe, graniteMoE = "granitemoe", gptOSS = "gpt-oss"

    /// What llama.cpp computes, which is less than transformers does.
    var features: FamilyFeatures {
        var features: FamilyFeatures
        switch self {
        case .gpt2: features = .gpt2
        case .llama: features = .llama
        case .qwen2: features = .qwen2
        case .qwen3: features = .qwen3
        case .gemma2: features = .gemma2
        case .gemma3: features = .gemma3
        case .gptNeoX: features = .gptNeoX
        case .granite: features = .granite
        case .olmo2: features = .olmo2
        case .smolLM3: features = .smolLM3
        case .phi3: features = .phi3
        case .stableLM: features = .stableLM
        case .qwen2MoE: features = .qwen2MoE
        case .qwen3MoE: features = .qwen3MoE
        case .olmoe: features = .olmoe
        case .graniteMoE: features = .graniteMoEShared
        case .gptOSS: features = .gptOSS
        }
        switch self {
        // A Llama with experts is Mixtral.
        case .llama: features.mixtures = .sometimes
        case .qwen3MoE: features.normalizesExpertWeights = [true]
        case .qwen2MoE, .olmoe: features.normalizesExpertWeights = [false]
        default: break
        }
        switch self {
        case .gpt2: features.activations = [.gelu]
        // llama.cpp computes the tanh approximation; the models were trained with GELU itself.
        case .gptNeoX: features.activations = [.exactGELU, .gelu]
        case .gemma2, .gemma3: features.activations = [.gelu]
        case .gptOSS: features.activations = [.clampedSiLU]
        default: features.activations = [.silu]
        }
        if !hasLayersWithWindow { features.sliding = .none }
        if self == .gemma3 { features.hasScoreCap = false }
        features.hasAttentionScale = features.hasMultipliers
        // Only this architecture has a tensor of factors for the angles.
        if self != .llama { features.scalings.removeAll { $0 == "llama3" } }
        return features
    }

    /// Whether files can lack biases that slm stores.
    var canLackBiases: Bool { features.biases == [.none, .all] }

    var isGemma: Bool { self == .gemma2 || self == .gemma3 }
    /// Whether some layers see only a window of positions.
    var hasLayersWithWindow: Bool { isGemma || self == .gptOSS }

    var names: TensorNames {
        var names = TensorNames(
            layerPrefix: "blk.", model: ["tokens": "token_embd", "positions": "position_embd", "norm": "output_norm", "head": "output"],
            layer: [
                "norm1": ["attn_norm"], "qkv": ["attn_q", "attn_k", "attn_v"], "output": ["attn_output"], "norm2": ["ffn_norm"],
                "up": ["ffn_gate", "ffn_up"], "down": ["ffn_down"],
            ]
        )
        if features.qkNorm != .none { names.layer["qknorm"] = ["attn_q_norm", "attn_k_norm"] }
        if !features.hasPreNorms { for norm in ["norm1", "norm2"] { names.layer[norm] = nil } }
        if features.mixtures != .never {
            names.layer["router"] = ["ffn_gate_inp"]
            names.layer["expert.up"] = ["ffn_gate_exps", "ffn_up_exps"]
            names.layer["expert.down"] = ["ffn_down_exps"]
        }
        if features.sharedExperts != .none {
            names.layer["shared.up"] = ["ffn_gate_shexp", "ffn_up_shexp"]
            names.layer["shared.down"] = ["ffn_down_shexp"]
            names.layer["shared.router"] = ["ffn_gate_inp_shexp"]
            names.vectors = ["shared.router"]
        }
        if features.hasPostNorms { (names.layer["postnorm1"], names.layer["postnorm2"]) = (["post_attention_norm"], ["post_ffw_norm"]) }
        if self == .gptOSS { (names.layer["sinks"], names.layer["norm2"]) = (["attn_sinks"], ["post_attention_norm"]) }
        if !features.isGated || self == .phi3 { (names.layer["qkv"], names.layer["up"]) = (["attn_qkv"], ["ffn_up"]) }
        if [.llama, .granite, .graniteMoE, .smolLM3].contains(self) { names.rotaryOrder = .neighbors }
        if features.hasPartialRotary { names.rotaryOrder = .halvesOfRotating }
        return names
    }

    /// Whether a file always contains the head, even if its weights are those of the token embedding.
    var storesTiedHead: Bool { self == .gptNeoX || self == .stableLM }

    /// Why llama.cpp cannot compute a model as this architecture; empty if it can.
    func reasons(against configuration: GPTConfiguration) -> [String] {
        var reasons = features.differences(from: configuration)
        let c = configuration
        if c.layers == 0 { reasons.append("it has no layers") }
        if [.qwen2, .qwen2MoE, .stableLM].contains(self), let reason = features.reasonOfWideHeads(c) { reasons.append(reason) }
        // Of gpt-oss, too, which is trained without rounding: the difference is small.
        if self != .gptOSS, case .yarn(_, _, _, _, _, truncates: false) = c.rotary.scaling {
            reasons.append("llama.cpp rounds the range of its YaRN scaling")
        }
        if c.layers == layersOf27B {
            reasons.append("llama.cpp scales attention differently in models of \(c.layers) layers")
        }
        if self == .smolLM3, (0..<c.layers).contains(where: { (c.attention(of: $0) == .positionless) != ($0 % 4 == 3) }) {
            reasons.append("llama.cpp expects every fourth layer without positions")
        }
        if self == .gemma2 || self == .gptOSS, (0..<c.layers).contains(where: { (c.attention(of: $0) == .sliding) != ($0 % 2 == 0) }) {
            reasons.append("llama.cpp expects a sliding window in the first of every two layers")
        }
        if self == .gemma2, c.scoreCap == nil || c.logitCap == nil { reasons.append("llama.cpp expects soft-capped scores and logits") }
        return reasons
    }

    /// The layers of Gemma 2 or 3 27B, by which llama.cpp recognizes that scores are multiplied by 1/√(C/H).
    var layersOf27B: Int? { switch self { case .gemma2: 46; case .gemma3: 62; default: nil } }
}

extension GPTConfiguration {
    /// The same model with shorter contexts, in which a sliding window that all layers have makes no difference. llama.cpp's Llama has
    /// no windows.
    var withoutWindow: GPTConfiguration {
        guard layerAttention.allSatisfy({ $0 == .sliding }), slidingRotary == nil || slidingRotary == rotary else { return self }
        var full = self
        full.layerAttention = [.full]
        full.context = min(context, slidingWindow)
        return full
    }
}
