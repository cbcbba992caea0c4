import Files
import Kernels

/// Encodes GGUF's block formats; `read_stored` in `stored_numbers.h` reads them. Arithmetic and rounding are those of llama.cpp's plain C,
/// so that equal numbers give equal bytes.
///
///     GGUFBlocks.encode(row, .q8_0, into: &bytes)
enum GGUFBlocks {
    /// Appends the numbers, whose count must be a multiple of the block size. Fitted formats are those of ``Processor``.
    static func encode(_ numbers: Span<Float>, _ format: StoredFormat, into bytes: inout [UInt8]) {
        switch format {
        case .f32: for i in numbers.indices { bytes.append(littleEndian: numbers[i].bitPattern) }
        case .f16: for i in numbers.indices { bytes.append(littleEndian: numbers[i].f16Bits) }
        case .bf16: for i in numbers.indices { bytes.append(littleEndian: numbers[i].bf16Bits) }
        case .q8_0: for start in stride(from: 0, to: numbers.count, by: 32) { encodeQ8(numbers, start, into: &bytes) }
        case .q4_0: for start in stride(from: 0, to: numbers.count, by: 32) { encodeQ4(numbers, start, into: &bytes) }
        case .q5_0, .q5_1, .q4_K, .q5_K, .q6_K, .iq4_NL, .iq4_XS: preconditionFailure("\(format.name) blocks are fitted to many numbers")
        case .q4_1, .q2_K, .q3_K, .mxfp4: preconditionFailure("\(format.name) blocks are only read")
        }
    }

    private static func encodeQ8(_ numbers: Span<Float>, _ start: Int, into bytes: inout [UInt8]) {
        var largest: Float = 0
        for i in start..<start + 32 { largest = max(largest, abs(numbers[i])) }
        let d = largest / 127, inverse = d == 0 ? 0 : 1 / d
        bytes.append(littleEndian: d.f16Bits)
        // Clamped, because the inverse of a tiny scale is infinite.
        for i in start..<start + 32 { bytes.append(UInt8(bitPattern: Int8(max(-127, min(127, (numbers[i] * inverse).rounded()))))) }
    }

    private static func encodeQ4(_ numbers: Span<Float>, _ start: Int, into bytes: inout [UInt8]) {
        var largest: Float = 0
        for i in start..<start + 32 where abs(numbers[i]) > abs(largest) { largest = numbers[i] }
        let d = largest / -8, inverse = d == 0 ? 0 : 1 / d
        func code(_ x: Float) -> UInt8 { UInt8(max(0, min(15, x * inverse + 8.5))) }
        bytes.append(littleEndian: d.f16Bits)
        for i in start..<start + 16 { bytes.append(code(numbers[i]) | code(numbers[i + 16]) << 4) }
    }
}
