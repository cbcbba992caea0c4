/// Decodes and encodes GGUF's block formats. Arithmetic and rounding are those of llama.cpp's plain C, so that equal numbers give equal
/// bytes.
///
///     GGUFBlocks.decode(bytes, .q8_0, into: &row)
///     GGUFBlocks.encode(row, .q8_0, into: &bytes)
enum GGUFBlocks {
    static func decode(_ bytes: Span<UInt8>, _ type: GGUFTensorType, into numbers: inout MutableSpan<Float>) {
        let size = type.blockSize, count = type.blockCount
        for block in 0..<bytes.count / size {
            let from = block * size, to = block * count
            switch type {
            case .f32: numbers[to] = Float(bitPattern: UInt32(uint16(bytes, from)) | UInt32(uint16(bytes, from + 2)) << 16)
            case .f16: numbers[to] = f16(bytes, from)
            case .bf16: numbers[to] = Float(bf16Bits: uint16(bytes, from))
            case .q8_0:
                let d = f16(bytes, from)
                for i in 0..<32 { numbers[to + i] = Float(Int8(bitPattern: bytes[from + 2 + i])) * d }
            case .q4_0:
                let d = f16(bytes, from)
                for i in 0..<16 {
                    numbers[to + i] = Float(Int(bytes[from + 2 + i] & 15) - 8) * d
                    numbers[to + 16 + i] = Float(Int(bytes[from + 2 + i] >> 4) - 8) * d
                }
            case .q6_K: decodeQ6(bytes, from, into: &numbers, to)
            }
        }
    }

    /// Decodes 256 numbers of 6 bits. In each half, four rows of 32 numbers share 64 bytes of lower bits and 32 bytes of upper bits.
    private static func decodeQ6(_ bytes: Span<UInt8>, _ from: Int, into numbers: inout MutableSpan<Float>, _ to: Int) {
        let d = f16(bytes, from + 208)
        for half in 0..<2 {
            for row in 0..<4 {
                for i in 0..<32 {
                    let low = bytes[from + 64 * half + 32 * (row % 2) + i] >> (row < 2 ? 0 : 4) & 15
                    let high = bytes[from + 128 + 32 * half + i] >> UInt8(2 * row) & 3
                    let scale = Int8(bitPattern: bytes[from + 192 + 8 * half + 2 * row + i / 16])
                    numbers[to + 128 * half + 32 * row + i] = d * Float(scale) * Float(Int(low | high << 4) - 32)
                }
            }
        }
    }

    private static func uint16(_ bytes: Span<UInt8>, _ i: Int) -> UInt16 { UInt16(bytes[i]) | UInt16(bytes[i + 1]) << 8 }

    private static func f16(_ bytes: Span<UInt8>, _ i: Int) -> Float { Float(f16Bits: uint16(bytes, i)) }
}

extension GGUFBlocks {
    /// Appends the numbers, whose count must be a multiple of the block size.
    static func encode(_ numbers: Span<Float>, _ format: GGUFFormat, into bytes: inout [UInt8]) {
        switch format {
        case .f32: for i in numbers.indices { bytes.append(littleEndian: numbers[i].bitPattern) }
        case .f16: for i in numbers.indices { bytes.append(littleEndian: numbers[i].f16Bits) }
        case .bf16: for i in numbers.indices { bytes.append(littleEndian: numbers[i].bf16Bits) }
        case .q8_0: for start in stride(from: 0, to: numbers.count, by: 32) { encodeQ8(numbers, start, into: &bytes) }
        case .q4_0: for start in stride(from: 0, to: numbers.count, by: 32) { encodeQ4(numbers, start, into: &bytes) }
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
