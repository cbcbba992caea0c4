import Autograd
package import Checkpoint
import Kernels
package import Model

/// Small models of the families that slm exchanges with other programs, with random weights.
package enum SampleFamily: String, CaseIterable, Sendable {
    case gpt2, llama, llama3, mistral, qwen2, qwen3, gemma2, gemma3, gptNeoX, granite, olmo2, smolLM3, phi3
    case stableLM, mixtral, qwen2MoE, qwen3MoE, olmoe, graniteMoE, graniteMoEShared, gptOSS

    /// The `model_type` of transformers.
    package var modelType: String {
        switch self {
        case .llama3: "llama"
        case .gemma3: "gemma3_text"
        case .gptNeoX: "gpt_neox"
        case .smolLM3: "smollm3"
        case .stableLM: "stablelm"
        case .qwen2MoE: "qwen2_moe"
        case .qwen3MoE: "qwen3_moe"
        case .graniteMoE: "granitemoe"
        case .graniteMoEShared: "granitemoeshared"
        case .gptOSS: "gpt_oss"
        default: rawValue
        }
    }

    /// The architecture of llama.cpp.
    package var architecture: String {
        switch self {
        case .llama3, .mistral, .mixtral: "llama"
        case .gptNeoX: "gptneox"
        case .smolLM3: "smollm3"
        case .stableLM: "stablelm"
        case .qwen2MoE: "qwen2moe"
        case .qwen3MoE: "qwen3moe"
        case .graniteMoE, .graniteMoEShared: "granitemoe"
        case .gptOSS: "gpt-oss"
        default: rawValue
        }
    }

    package var configuration: GPTConfiguration {
        var c = GPTConfiguration(layers: 3, heads: 4, width: 32, context: 16, vocabulary: 262)
        c.hiddenWidth = 64
        guard self != .gpt2 else { return c }
        c.positions = .rotary
        c.isTied = [.qwen2, .gemma2, .gemma3].contains(self)
        if self == .gptNeoX {
            c.isParallel = true
            c.activation = .exactGELU
            c.rotary.width = 2
            return c
        }
        c.norm = .rms
        c.normEpsilon = 1e-6
        c.hasBias = false
        c.isGated = true
        c.activation = .silu
        c.keyValueHeads = 2
        switch self {
        case .llama3:
            c.rotary = .init(base: 500_000)
            // One of the pairs lies between the two limits, so that the factors determine the context.
            c.rotary.scaling = .llama3(factor: 8, low: 1, high: 4, context: 256)
        case .mistral:
            c.layerAttention = [.sliding]
            c.slidingWindow = 8
        case .granite, .graniteMoE, .graniteMoEShared:
            c.embeddingScale = 3
            c.residualScale = 0.25
            c.logitScale = 0.125
            c.attentionScale = 0.5
        case .phi3:
            c.rotary.width = 6
            c.rotary.scaling = .long(.init(short: [1, 1.5, 2], long: [1, 4, 16], context: 8, magnitude: 1.25))
        case .smolLM3:
            c.layers = 4
            c.layerAttention = [.full, .full, .full, .positionless]
        case .gptOSS:
            c.hasBias = true
            c.hasAttentionSinks = true
            c.activation = .clampedSiLU
            c.headWidth = 16
            c.layerAttention = [.sliding, .full]
            c.slidingWindow = 8
            c.rotary = .init(base: 150_000)
            c.rotary.scaling = .yarn(factor: 4, fast: 32, slow: 1, context: 4, magnitude: 1.138_629_436_111_989_1, truncates: false)
        case .olmo2, .olmoe:
            c.qkNorm = .wholeRows
            c.keyValueHeads = 4
            c.hasPreNorms = self == .olmoe
            c.hasPostNorms = self == .olmo2
        case .qwen2, .qwen2MoE: c.hasQKVBias = true
        case .stableLM:
            c.norm = .layer
            c.hasNormBias = true
            c.hasQKVBias = true
            c.rotary.width = 2
        case .qwen3, .qwen3MoE:
            c.qkNorm = .scaled
            c.headWidth = 16
        case .gemma2, .gemma3:
            c.hasPostNorms = true
            c.activation = .gelu
            c.embeddingScale = Float(32).squareRoot()
            c.layerAttention = [.sliding, .full]
            c.slidingWindow = 8
            if self == .gemma2 {
                c.scoreCap = 3
                c.logitCap = 4
                break
            }
            c.qkNorm = .scaled
            c.slidingRotary = .init()
            c.rotary = .init(base: 1_000_000)
        default: break
        }
        if [.mixtral, .qwen2MoE, .qwen3MoE, .olmoe, .graniteMoE, .graniteMoEShared, .gptOSS].contains(self) {
            c.experts = Experts(count: 5, active: 2)
            c.experts?.normalizesWeights = self != .olmoe && self != .qwen2MoE
            if self == .qwen2MoE || self == .graniteMoEShared { c.experts?.shared = .init(width: 96, hasGate: self == .qwen2MoE) }
        }
        return c
    }

    package func checkpoint() throws -> Checkpoint { try Checkpoint(configuration, seed: 5) }
}
