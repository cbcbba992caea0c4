internal import CKernels

/// The number format of weights in files of other programs: plain numbers, or llama.cpp's blocks of numbers of a row. Raw values are those
/// of GGUF files.
package enum StoredFormat: UInt32, CaseIterable, Sendable {
    case f32 = 0, f16 = 1, q4_0 = 2, q4_1 = 3, q5_0 = 6, q5_1 = 7, q8_0 = 8, q2_K = 10, q3_K = 11, q4_K = 12, q5_K = 13, q6_K = 14
    case iq4_NL = 20, iq4_XS = 23, bf16 = 30

    /// Numbers per block.
    package var blockCount: Int {
        switch self {
        case .f32, .f16, .bf16: 1
        case .q4_0, .q4_1, .q5_0, .q5_1, .q8_0, .iq4_NL: 32
        case .q2_K, .q3_K, .q4_K, .q5_K, .q6_K, .iq4_XS: 256
        }
    }

    /// Bytes per block.
    package var blockSize: Int {
        switch self {
        case .f32: 4
        case .f16, .bf16: 2
        case .q4_0: 2 + 16                    // f16 scale, two numbers per byte
        case .q4_1: 2 + 2 + 16                // f16 scale, f16 minimum, two numbers per byte
        case .q5_0: 2 + 4 + 16                // f16 scale, fifth bits, two numbers per byte
        case .q5_1: 2 + 2 + 4 + 16            // f16 scale, f16 minimum, fifth bits, two numbers per byte
        case .q8_0: 2 + 32                    // f16 scale, i8
        case .q2_K: 16 + 64 + 2 + 2           // 4 bits each for scale and minimum, four numbers per byte, f16 scales of both
        case .q3_K: 32 + 64 + 12 + 2          // third bits, four numbers per byte, 6 bits for each scale, f16 scale of scales
        case .q4_K: 2 + 2 + 12 + 128          // f16 scales of scales and of minimums, 6 bits for each, two numbers per byte
        case .q5_K: 2 + 2 + 12 + 32 + 128     // the same with fifth bits
        case .q6_K: 128 + 64 + 16 + 2         // lower 4 bits, upper 2 bits, i8 scale per 16 numbers, f16 scale of the block
        case .iq4_NL: 2 + 16                  // f16 scale, two indices of levels per byte
        case .iq4_XS: 2 + 2 + 4 + 128         // f16 scale of scales, 6 bits for each, two indices of levels per byte
        }
    }

    package var name: String { "\(self)".uppercased() }

    /// The precision of inference that keeps these numbers: plain numbers of as many bits, or their codes and scales as they are.
    package var precision: WeightPrecision {
        switch self {
        case .f32, .f16: .float32
        case .bf16: .bfloat16
        case .q8_0: .int8
        case .q5_0, .q5_1, .q5_K, .q6_K: .int6
        case .q4_0, .q4_1, .q4_K, .q2_K, .q3_K, .iq4_NL, .iq4_XS: .int4
        }
    }

    /// The layout of packed weights with the codes and scales of these blocks; nil for plain numbers.
    var layout: Int32? {
        switch self {
        case .f32, .f16, .bf16: nil
        case .q4_0: Int32(SLM_WEIGHTS_Q4_0)
        case .q4_1: Int32(SLM_WEIGHTS_Q4_1)
        case .q5_0: Int32(SLM_WEIGHTS_Q5_0)
        case .q5_1: Int32(SLM_WEIGHTS_Q5_1)
        case .q8_0: Int32(SLM_WEIGHTS_Q8_0)
        case .q2_K: Int32(SLM_WEIGHTS_Q2_K)
        case .q3_K: Int32(SLM_WEIGHTS_Q3_K)
        case .q4_K: Int32(SLM_WEIGHTS_Q4_K)
        case .q5_K: Int32(SLM_WEIGHTS_Q5_K)
        case .q6_K: Int32(SLM_WEIGHTS_Q6_K)
        case .iq4_NL: Int32(SLM_WEIGHTS_IQ4_NL)
        case .iq4_XS: Int32(SLM_WEIGHTS_IQ4_XS)
        }
    }

    /// Whether ``Processor/blocks(_:outputs:inputs:as:calibration:)`` writes this format.
    package var isFitted: Bool {
        switch self {
        case .q5_0, .q5_1, .q4_K, .q5_K, .q6_K: true
        default: false
        }
    }

    /// The largest magnitude that the format can represent.
    package var limit: Float {
        let largestScale = Float(Float16.greatestFiniteMagnitude)
        return switch self {
        case .f32, .bf16: .infinity
        case .f16, .q4_1, .q5_1: largestScale
        case .q8_0: 127 * largestScale
        case .q4_0: 8 * largestScale
        case .q5_0: 16 * largestScale
        case .q2_K: 3 * 15 * largestScale
        case .q3_K: 4 * 32 * largestScale
        case .q4_K, .q5_K: 63 * largestScale
        case .q6_K: 32 * 127 * largestScale
        case .iq4_NL: 127 * largestScale
        case .iq4_XS: 127 * 32 * largestScale
        }
    }

    /// Reads whole blocks into as many numbers, with the kernels that every CPU runs.
    package func read(_ bytes: Span<UInt8>, into numbers: inout MutableSpan<Float>) {
        let count = bytes.count / blockSize * blockCount
        require(bytes.count % blockSize == 0 && numbers.count >= count, "\(name): \(bytes.count) bytes into \(numbers.count) numbers")
        bytes.withUnsafeBytes { bytes in
            numbers.withUnsafeMutableBufferPointer { numbers in
                guard let from = bytes.baseAddress, let to = numbers.baseAddress else { return }
                guard let kernels = slm_kernels_named("plain") else { fatalError("every build has the plain kernels") }
                kernels.pointee.read_stored(Int32(rawValue), from, count, to, DataType.float32.code)
            }
        }
    }
}
