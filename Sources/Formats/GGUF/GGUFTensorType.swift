import Kernels

extension StoredFormat {
    /// Names of llama.cpp's other types, for messages about unsupported ones.
    static func name(of code: UInt32) -> String {
        let others: [UInt32: String] = [
            9: "Q8_1", 10: "Q2_K", 11: "Q3_K", 15: "Q8_K", 20: "IQ4_NL", 23: "IQ4_XS", 24: "I8", 25: "I16", 26: "I32", 27: "I64",
            28: "F64",
        ]
        return others[code] ?? "type \(code)"
    }
}

/// The format of matrices in an exported GGUF file. Norms, biases and positions stay f32, as with llama.cpp's own converter.
package enum GGUFFormat: String, Sendable, CaseIterable {
    case f32, f16, bf16, q8_0, q4_0

    var type: StoredFormat {
        switch self { case .f32: .f32; case .f16: .f16; case .bf16: .bf16; case .q8_0: .q8_0; case .q4_0: .q4_0 }
    }

    /// llama.cpp's `general.file_type`.
    var fileType: UInt32 { switch self { case .f32: 0; case .f16: 1; case .q4_0: 2; case .q8_0: 7; case .bf16: 32 } }

    /// The largest magnitude that the format can represent.
    var limit: Float {
        let largestScale = Float(Float16.greatestFiniteMagnitude)
        return switch self {
        case .f32, .bf16: .infinity
        case .f16: largestScale
        case .q8_0: 127 * largestScale
        case .q4_0: 8 * largestScale
        }
    }
}
