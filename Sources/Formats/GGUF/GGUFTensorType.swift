import Kernels

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
    case f32, f16, bf16, q8_0, q6_k, q5_k_m, q4_k_m, q4_0

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
        case .bf16: 32
        }
    }

    /// Whether weights are fitted to blocks with scales, which calibration helps.
    package var isFitted: Bool { [.q6_k, .q5_k_m, .q4_k_m].contains(self) }

    /// The type of a matrix: that of llama.cpp's quantizer.
    ///
    /// - Parameters:
    ///   - name: The tensor, such as "blk.3.ffn_down.weight".
    ///   - isHead: Whether it is the head, or an embedding that is the head too.
    func type(of name: String, columns: Int, layers: Int, isHead: Bool) -> StoredFormat {
        let type: StoredFormat
        switch self {
        case .f32: return .f32
        case .f16: return .f16
        case .bf16: return .bf16
        case .q8_0: return .q8_0
        case .q4_0: return .q4_0
        case .q6_k: type = .q6_K
        case .q4_k_m, .q5_k_m:
            let parts = name.split(separator: "."), own = self == .q4_k_m ? StoredFormat.q4_K : .q5_K
            if isHead {
                type = .q6_K
            } else if name.hasSuffix("attn_qkv.weight") {
                type = self == .q4_k_m ? .q5_K : .q6_K
            } else if name.hasSuffix("attn_v.weight") || name.hasSuffix("ffn_down.weight"), parts.count > 1, let layer = Int(parts[1]) {
                type = Self.usesMoreBits(layer: layer, of: layers) ? .q6_K : own
            } else {
                type = own
            }
        }
        if columns % type.blockCount == 0 { return type }
        return switch type { case .q4_K: .q5_0; case .q5_K: .q5_1; default: .q8_0 }
    }

    /// The first and last eighth of the layers, and every third one between them.
    private static func usesMoreBits(layer: Int, of layers: Int) -> Bool {
        layer < layers / 8 || layer >= 7 * layers / 8 || (layer - layers / 8) % 3 == 2
    }
}
