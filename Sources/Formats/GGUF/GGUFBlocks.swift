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
            case .q4_1:
                decodeHalves(bytes, from + 4, fifth: nil, into: &numbers, to, scale: f16(bytes, from), minimum: f16(bytes, from + 2))
            case .q5_0:
                let d = f16(bytes, from)
                decodeHalves(bytes, from + 6, fifth: from + 2, into: &numbers, to, zero: 16, scale: d, minimum: 0)
            case .q5_1:
                decodeHalves(
                    bytes, from + 8, fifth: from + 4, into: &numbers, to, scale: f16(bytes, from), minimum: f16(bytes, from + 2)
                )
            case .q4_K: decodeK(bytes, from, fifth: nil, into: &numbers, to)
            case .q5_K: decodeK(bytes, from, fifth: from + 16, into: &numbers, to)
            case .q6_K: decodeQ6(bytes, from, into: &numbers, to)
            }
        }
    }

    /// Decodes 32 numbers: the lower halves of 16 bytes, then the upper halves.
    ///
    /// - Parameters:
    ///   - fifth: Where the 32 fifth bits are; nil for numbers of 4 bits.
    ///   - zero: The code of 0.
    private static func decodeHalves(
        _ bytes: Span<UInt8>, _ from: Int, fifth: Int?, into numbers: inout MutableSpan<Float>, _ to: Int, zero: Int = 0,
        scale: Float, minimum: Float
    ) {
        for i in 0..<32 {
            var code = Int(i < 16 ? bytes[from + i] & 15 : bytes[from + i - 16] >> 4)
            if let fifth { code |= Int(bytes[fifth + i / 8] >> UInt8(i % 8) & 1) << 4 }
            let number = Float(code - zero) * scale
            numbers[to + i] = zero == 0 ? number + minimum : number
        }
    }

    /// Decodes 256 numbers of 4 or 5 bits. Each group of 32 has a scale and a minimum of 6 bits; two groups share 32 bytes.
    private static func decodeK(_ bytes: Span<UInt8>, _ from: Int, fifth: Int?, into numbers: inout MutableSpan<Float>, _ to: Int) {
        let scales = from + 4, codes = (fifth.map { $0 + 32 }) ?? from + 16
        for group in 0..<8 {
            let scale: UInt8, minimum: UInt8
            if group < 4 {
                scale = bytes[scales + group] & 63
                minimum = bytes[scales + group + 4] & 63
            } else {
                let low = bytes[scales + group + 4]
                scale = low & 15 | (bytes[scales + group - 4] >> 6) << 4
                minimum = low >> 4 | (bytes[scales + group] >> 6) << 4
            }
            let d = f16(bytes, from) * Float(scale), m = f16(bytes, from + 2) * Float(minimum)
            for i in 0..<32 {
                var code = bytes[codes + 32 * (group / 2) + i] >> UInt8(group % 2 * 4) & 15
                if let fifth { code |= (bytes[fifth + i] >> UInt8(group) & 1) << 4 }
                numbers[to + 32 * group + i] = d * Float(code) - m
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
