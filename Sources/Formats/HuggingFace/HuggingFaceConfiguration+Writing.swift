import Autograd
import JSON
import Kernels
import Model

extension GPTConfiguration {
    /// Writes the config.json of a family that can express the model.
    func huggingFaceJSON(_ family: HuggingFaceFamily, _ specialTokens: HuggingFaceSpecialTokens, _ format: WeightFormat) -> [UInt8] {
        JSONWriter.file {
            $0.array("architectures") { $0.string(family.architecture) }
            $0["model_type"] = family.rawValue
            switch family {
            case .gpt2: writeGPT2(to: &$0)
            case .gptNeoX: writeGPTNeoX(to: &$0)
            default: writeLlama(family, to: &$0)
            }
            $0["tie_word_embeddings"] = isTied
            specialTokens.write(to: &$0)
            for key in ["dtype", "torch_dtype"] { $0[key] = format.huggingFaceName }
        }
    }

    private func writeGPT2(to object: inout JSONWriter) {
        for (key, value) in [
            ("n_layer", layers), ("n_head", heads), ("n_embd", width), ("n_positions", context), ("n_ctx", context),
            ("vocab_size", vocabulary),
        ] { object[key] = value }
        object["n_inner"] = hiddenWidth == 4 * width ? nil : hiddenWidth
        object["activation_function"] = activationName
        object["layer_norm_epsilon"] = shortest(normEpsilon)
        // slm has no dropout on attention weights.
        let rate = shortest(dropout)
        for (key, value) in [("resid_pdrop", rate), ("embd_pdrop", rate), ("attn_pdrop", 0)] { object[key] = value }
    }

    private func writeShape(to object: inout JSONWriter) {
        for (key, value) in [
            ("num_hidden_layers", layers), ("num_attention_heads", heads), ("hidden_size", width), ("intermediate_size", hiddenWidth),
            ("max_position_embeddings", context), ("vocab_size", vocabulary),
        ] { object[key] = value }
    }

    private func writeGPTNeoX(to object: inout JSONWriter) {
        writeShape(to: &object)
        object["hidden_act"] = activationName
        object["layer_norm_eps"] = shortest(normEpsilon)
        object["use_parallel_residual"] = isParallel
        object["attention_bias"] = true
        object["hidden_dropout"] = shortest(dropout)
        object["attention_dropout"] = 0.0
        object["rotary_emb_base"] = rotary.base
        object["rotary_pct"] = rotaryShare
        object.key("rope_scaling"); rotary.writeScaling(to: &object)
    }

    private func writeLlama(_ family: HuggingFaceFamily, to object: inout JSONWriter) {
        writeShape(to: &object)
        object["num_key_value_heads"] = keyValueHeads
        object["head_dim"] = headWidth
        object[family.isGemma ? "hidden_activation" : "hidden_act"] = activationName
        object[norm == .rms ? "rms_norm_eps" : "layer_norm_eps"] = shortest(normEpsilon)
        if ![.mistral, .mixtral, .stableLM].contains(family) { object["attention_bias"] = hasQKVBias || hasBias }
        if family.features.biases.contains(.all), family != .gptOSS { object["mlp_bias"] = hasBias }
        if let experts { write(experts, family, to: &object) }
        if family.features.hasMultipliers {
            for (key, factor) in [
                ("embedding_multiplier", embeddingScale), ("residual_multiplier", residualScale), ("logits_scaling", 1 / logitScale),
                ("attention_multiplier", attentionHeads(of: 0).scale),
            ] { object[key] = shortest(factor) }
        }
        object["rope_theta"] = rotary.base
        if family == .gptOSS, rotary.scaling == .none {
            // Without it, transformers takes the scaling of gpt-oss-20b.
            object.object("rope_parameters") { $0["rope_type"] = "default"; $0["rope_theta"] = rotary.base }
        } else {
            object.key("rope_scaling"); rotary.writeScaling(to: &object)
        }
        let kinds = (0..<layers).map { attention(of: $0) }, isSliding = kinds.contains(.sliding)
        switch family {
        case .mistral: object["sliding_window"] = slidingWindow
        case .mixtral, .phi3:
            object["sliding_window"] = isSliding ? slidingWindow : nil
            if family == .phi3 { writePhi3(to: &object) }
        case .stableLM:
            object["use_qkv_bias"] = hasQKVBias
            object["qk_layernorm"] = false
            object["use_parallel_residual"] = false
            object["partial_rotary_factor"] = rotaryShare
        case .smolLM3:
            object.array("no_rope_layers") { for kind in kinds { $0.integer(kind == .positionless ? 0 : 1) } }
        case .gptOSS:
            write(kinds, to: &object)
            object["swiglu_limit"] = 7.0
        case .gemma2, .gemma3:
            write(kinds, to: &object)
            if family == .gemma3 { object["rope_local_base_freq"] = (slidingRotary ?? rotary).base }
            for (key, cap) in [("attn_logit_softcapping", scoreCap), ("final_logit_softcapping", logitCap)] {
                object[key] = cap.map { shortest($0) }
            }
            object["query_pre_attn_scalar"] = Int(queryPreAttentionScalar.rounded())
        default:
            guard family.features.sliding != .none else { return }
            object["use_sliding_window"] = isSliding
            if isSliding { write(kinds, to: &object) }
        }
    }

    private func writePhi3(to object: inout JSONWriter) {
        object["partial_rotary_factor"] = rotaryShare
        object["original_max_position_embeddings"] = defaultContext
    }

    /// The share of a head's channels that rotate. transformers rounds its product with the width down.
    private var rotaryShare: Double {
        let share = Double(rotaryWidth) / Double(headWidth)
        return Int(Double(headWidth) * share) == rotaryWidth ? share : share.nextUp
    }

    private func write(_ experts: Experts, _ family: HuggingFaceFamily, to object: inout JSONWriter) {
        // transformers 5 calls it num_local_experts in all families; versions before do in these.
        let isLocal = [.mixtral, .graniteMoE, .graniteMoEShared, .gptOSS].contains(family)
        object[isLocal ? "num_local_experts" : "num_experts"] = experts.count
        object["num_experts_per_tok"] = experts.active
        object["router_aux_loss_coef"] = shortest(experts.balance)
        if family.features.normalizesExpertWeights.count > 1 { object["norm_topk_prob"] = experts.normalizesWeights }
        if [.qwen2MoE, .qwen3MoE].contains(family) { object["moe_intermediate_size"] = hiddenWidth }
        if let shared = experts.shared {
            object[shared.hasGate ? "shared_expert_intermediate_size" : "shared_intermediate_size"] = shared.width
        }
    }

    private func write(_ kinds: [LayerAttention], to object: inout JSONWriter) {
        object["sliding_window"] = slidingWindow
        object.array("layer_types") { for kind in kinds { $0.string(kind == .sliding ? "sliding_attention" : "full_attention") } }
    }

    private var activationName: String {
        if isGated, activation == .gelu { return "gelu_pytorch_tanh" }
        return HuggingFaceActivation.all.first { $0.function == activation }?.name ?? "gelu_new"
    }

    /// The f32's shortest digits.
    private func shortest(_ value: Float) -> Double { Double("\(value)") ?? Double(value) }
}

extension WeightFormat {
    fileprivate var huggingFaceName: String { switch self { case .f32: "float32"; case .f16: "float16"; case .bf16: "bfloat16" } }
}
