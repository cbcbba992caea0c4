/// The storage format of a tensor in a GGUF file: blocks of one or more numbers of a row.
enum GGUFTensorType: UInt32, CaseIterable {
    case f32 = 0, f16 = 1, q4_0 = 2, q4_1 = 3, q5_0 = 6, q5_1 = 7, q8_0 = 8, q4_K = 12, q5_K = 13, q6_K = 14, bf16 = 30

    /// Numbers per block.
    var blockCount: Int {
        switch self {
        case .f32, .f16, .bf16: 1
        case .q4_0, .q4_1, .q5_0, .q5_1, .q8_0: 32
        case .q4_K, .q5_K, .q6_K: 256
        }
    }

    /// Bytes per block.
    var blockSize: Int {
        switch self {
        case .f32: 4
        case .f16, .bf16: 2
        case .q4_0: 2 + 16                    // f16 scale, two numbers per byte
        case .q4_1: 2 + 2 + 16                // f16 scale, f16 minimum, two numbers per byte
        case .q5_0: 2 + 4 + 16                // f16 scale, fifth bits, two numbers per byte
        case .q5_1: 2 + 2 + 4 + 16            // f16 scale, f16 minimum, fifth bits, two numbers per byte
        case .q8_0: 2 + 32                    // f16 scale, i8
        case .q4_K: 2 + 2 + 12 + 128          // f16 scales of scales and of minimums, 6 bits for each, two numbers per byte
        case .q5_K: 2 + 2 + 12 + 32 + 128     // the same with fifth bits
        case .q6_K: 128 + 64 + 16 + 2         // lower 4 bits, upper 2 bits, i8 scale per 16 numbers, f16 scale of the block
        }
    }

    var name: String { "\(self)".uppercased() }

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

    var type: GGUFTensorType {
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
