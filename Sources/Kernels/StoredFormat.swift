internal import CKernels

/// The number format of weights in files of other programs: plain numbers, or llama.cpp's blocks of numbers of a row. Raw values are those
/// of GGUF files.
package enum StoredFormat: UInt32, CaseIterable, Sendable {
    case f32 = 0, f16 = 1, q4_0 = 2, q4_1 = 3, q5_0 = 6, q5_1 = 7, q8_0 = 8, q2_K = 10, q3_K = 11, q4_K = 12, q5_K = 13, q6_K = 14
    case iq4_NL = 20, iq4_XS = 23, bf16 = 30, mxfp4 = 39

    private struct Properties {
        /// Numbers and bytes per block.
        let count, size: Int
        let precision: WeightPrecision
        var layout: Int32?
        var isFitted = false
        var limit = Float.infinity

        init(_ count: Int, _ size: Int, _ precision: WeightPrecision) {
            self.count = count
            self.size = size
            self.precision = precision
        }

        /// - Parameter limit: In units of the largest scale.
        init(_ count: Int, _ size: Int, _ precision: WeightPrecision, _ layout: Int, isFitted: Bool = false, limit: Float) {
            self.init(count, size, precision)
            self.layout = Int32(layout)
            self.isFitted = isFitted
            self.limit = limit * Float(Float16.greatestFiniteMagnitude)
        }
    }

    private var properties: Properties {
        switch self {
        case .f32: Properties(1, 4, .float32)
        case .f16: Properties(1, 2, .float32)
        case .bf16: Properties(1, 2, .bfloat16)
        // f16 scale, two numbers per byte; f16 minimum; fifth bits.
        case .q4_0: Properties(32, 2 + 16, .int4, SLM_WEIGHTS_Q4_0, limit: 8)
        case .q4_1: Properties(32, 2 + 2 + 16, .int4, SLM_WEIGHTS_Q4_1, limit: 1)
        case .q5_0: Properties(32, 2 + 4 + 16, .int6, SLM_WEIGHTS_Q5_0, isFitted: true, limit: 16)
        case .q5_1: Properties(32, 2 + 2 + 4 + 16, .int6, SLM_WEIGHTS_Q5_1, isFitted: true, limit: 1)
        // f16 scale, i8.
        case .q8_0: Properties(32, 2 + 32, .int8, SLM_WEIGHTS_Q8_0, limit: 127)
        // 4 bits each for scale and minimum, four numbers per byte, f16 scales of both.
        case .q2_K: Properties(256, 16 + 64 + 2 + 2, .int4, SLM_WEIGHTS_Q2_K, limit: 3 * 15)
        // Third bits, four numbers per byte, 6 bits for each scale, f16 scale of scales.
        case .q3_K: Properties(256, 32 + 64 + 12 + 2, .int4, SLM_WEIGHTS_Q3_K, limit: 4 * 32)
        // f16 scales of scales and of minimums, 6 bits for each, two numbers per byte; fifth bits.
        case .q4_K: Properties(256, 2 + 2 + 12 + 128, .int4, SLM_WEIGHTS_Q4_K, isFitted: true, limit: 63)
        case .q5_K: Properties(256, 2 + 2 + 12 + 32 + 128, .int6, SLM_WEIGHTS_Q5_K, isFitted: true, limit: 63)
        // Lower 4 bits, upper 2 bits, i8 scale per 16 numbers, f16 scale of the block.
        case .q6_K: Properties(256, 128 + 64 + 16 + 2, .int6, SLM_WEIGHTS_Q6_K, isFitted: true, limit: 32 * 127)
        // f16 scale, two indices of levels per byte; 6 bits for each scale.
        case .iq4_NL: Properties(32, 2 + 16, .int4, SLM_WEIGHTS_IQ4_NL, isFitted: true, limit: 127)
        case .iq4_XS: Properties(256, 2 + 2 + 4 + 128, .int4, SLM_WEIGHTS_IQ4_XS, isFitted: true, limit: 127 * 32)
        // Exponent of a power of two, two numbers per byte.
        case .mxfp4: Properties(32, 1 + 16, .int4, SLM_WEIGHTS_MXFP4, limit: .infinity)
        }
    }

    /// Numbers per block.
    package var blockCount: Int { properties.count }

    /// Bytes per block.
    package var blockSize: Int { properties.size }

    package var name: String { "\(self)".uppercased() }

    /// The precision of inference that keeps these numbers: plain numbers of as many bits, or their codes and scales as they are.
    package var precision: WeightPrecision { properties.precision }

    /// The layout of packed weights with the codes and scales of these blocks; nil for plain numbers.
    var layout: Int32? { properties.layout }

    /// Whether ``Processor/blocks(_:outputs:inputs:as:weighting:)`` writes this format.
    package var isFitted: Bool { properties.isFitted }

    /// The largest magnitude that the format can represent.
    package var limit: Float { self == .f16 ? Float(Float16.greatestFiniteMagnitude) : properties.limit }

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
