import Autograd
import Kernels
import Model

extension StoredFormat {
    /// Names of llama.cpp's other types, for messages about unsupported ones.
    static func name(of code: UInt32) -> String {
        let others: [UInt32: String] = [
            9: "Q8_1", 15: "Q8_K", 16: "IQ2_XXS", 17: "IQ2_XS", 18: "IQ3_XXS", 19: "IQ1_S", 21: "IQ3_S", 22: "IQ2_S", 24: "I8",
            25: "I16", 26: "I32", 27: "I64", 28: "F64", 29: "IQ1_M", 34: "TQ1_0", 35: "TQ2_0",
        ]
        return others[code] ?? "type \(code)"
    }
}

/// The format of matrices in an exported GGUF file. Norms, biases and positions stay f32, as with llama.cpp's own converter.
package enum GGUFFormat: String, Sendable, CaseIterable {
    case f32, f16, bf16, q8_0, q6_k, q5_k_m, q4_k_m, iq4_xs, q4_0

    /// llama.cpp's `general.file_type`.
    var fileType: UInt32 {
        switch self {
        case .f32: 0
        case .f16: 1
        case .q4_0: 2
        case .q8_0: 7
        case .q4_k_m: 15
        case .q5_k_m: 17
        case .q6_k: 18
        case .iq4_xs: 30
        case .bf16: 32
        }
    }

    /// The type of most matrices.
    private var own: StoredFormat {
        switch self {
        case .f32: .f32
        case .f16: .f16
        case .bf16: .bf16
        case .q8_0: .q8_0
        case .q4_0: .q4_0
        case .q6_k: .q6_K
        case .q5_k_m: .q5_K
        case .q4_k_m: .q4_K
        case .iq4_xs: .iq4_XS
        }
    }

    /// Whether weights are fitted to blocks with scales, which calibration helps.
    package var isFitted: Bool { own.isFitted }

    /// The type of a matrix: that of llama.cpp's quantizer.
    ///
    /// - Parameters:
    ///   - name: The tensor, such as "blk.3.ffn_down.weight".
    ///   - isHead: Whether it is the head, or an embedding that is the head too.
    ///   - isCalibrated: Whether the weights are fitted to activations.
    func type(of name: String, columns: Int, in model: GPTConfiguration, isHead: Bool, isCalibrated: Bool) -> StoredFormat {
        guard isFitted else { return own }
        let type = isHead ? .q6_K : typeInLayer(of: name, in: model, isCalibrated: isCalibrated)
        if columns % type.blockCount == 0 { return type }
        return switch type { case .q4_K: .q5_0; case .q5_K: .q5_1; case .iq4_XS: .iq4_NL; default: .q8_0 }
    }

    private func typeInLayer(of name: String, in model: GPTConfiguration, isCalibrated: Bool) -> StoredFormat {
        let parts = name.split(separator: "."), layers = model.layers
        guard parts.count == 4, let layer = Int(parts[1]) else { return own }
        let isSmall = self == .q4_k_m || self == .iq4_xs, isMixtral = model.experts?.count == 8
        // The first and last eighth of the layers, and every third one between them.
        let usesMoreBits = layer < layers / 8 || layer >= 7 * layers / 8 || (layer - layers / 8) % 3 == 2
        switch parts[2] {
        // Small beside the experts.
        case "attn_k" where isMixtral, "attn_v" where isMixtral: return .q8_0
        case "attn_output" where isMixtral && isSmall: return .q5_K
        // So are the values of heads that several queries share.
        case "attn_v" where self == .iq4_xs, "attn_qkv" where self == .iq4_xs:
            return model.heads >= 4 * model.keyValueHeads ? .q5_K : own
        case "attn_qkv": return self == .q4_k_m ? .q5_K : .q6_K
        case "attn_v", "ffn_down", "ffn_down_exps", "ffn_down_shexp":
            if self == .iq4_xs { return layer < layers / 8 && !isCalibrated ? .q5_K : own }
            return usesMoreBits ? .q6_K : own
        default: return own
        }
    }
}
