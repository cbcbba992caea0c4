/// How other programs' files keep a weight.
///
///     try HuggingFace.write(checkpoint, to: "exported", as: .bf16)
package enum WeightFormat: String, Sendable, CaseIterable {
    case f32, f16
    /// The upper half of an f32.
    case bf16

    var size: Int { self == .f32 ? 4 : 2 }
}

extension WeightFormat {
    /// The number that the little-endian bytes of a file are.
    @inline(__always)
    func number(at start: UnsafeRawPointer, _ index: Int) -> Float {
        switch self {
        case .f32: Float(bitPattern: start.loadUnaligned(fromByteOffset: 4 * index, as: UInt32.self))
        case .f16: Float(half: start.loadUnaligned(fromByteOffset: 2 * index, as: UInt16.self))
        case .bf16: Float(bitPattern: UInt32(start.loadUnaligned(fromByteOffset: 2 * index, as: UInt16.self)) << 16)
        }
    }

    /// Appends the nearest number that this format has, of two equally near the even one.
    @inline(__always)
    func append(_ number: Float, to bytes: inout [UInt8]) {
        let bits = self == .f32 ? number.bitPattern : UInt32(self == .f16 ? number.halfBits : number.upperHalf)
        for i in 0..<size { bytes.append(UInt8(truncatingIfNeeded: bits >> UInt32(8 * i))) }
    }
}

extension Float {
    /// The number that 16 bits are in IEEE 754's half precision: 1 sign, 5 exponent, 10 significand.
    package init(half bits: UInt16) {
        let sign = UInt32(bits & 0x8000) << 16, exponent = UInt32(bits >> 10 & 0x1F), significand = UInt32(bits & 0x3FF)
        switch exponent {
        case 0: self = Float(sign: sign == 0 ? .plus : .minus, exponent: 0, significand: Float(significand) * 0x1p-24)
        case 31: self.init(bitPattern: sign | 0x7F80_0000 | significand << 13)
        default: self.init(bitPattern: sign | (exponent + 112) << 23 | significand << 13)
        }
    }

    /// The nearest in half precision; infinity beyond 65,504.
    package var halfBits: UInt16 {
        let sign = UInt16(truncatingIfNeeded: bitPattern >> 16) & 0x8000, size = bitPattern & 0x7FFF_FFFF
        if size > 0x7F80_0000 { return sign | 0x7E00 | UInt16(truncatingIfNeeded: size >> 13) & 0x3FF }        // NaN, a quiet one
        if size >= 0x4780_0000 { return sign | 0x7C00 }                                                        // 65,536 and more
        // Below 2⁻¹⁴ the last place is 2⁻²⁴, whatever the number.
        if size < 0x3880_0000 { return sign | UInt16((magnitude * 0x1p24).rounded(.toNearestOrEven)) }
        let rounded = size + 0xFFF + (size >> 13 & 1)
        return sign | UInt16(truncatingIfNeeded: (rounded - 0x3800_0000) >> 13)
    }

    /// The nearest in bfloat16.
    package var upperHalf: UInt16 {
        if isNaN { return UInt16(truncatingIfNeeded: bitPattern >> 16) | 0x40 }
        return UInt16(truncatingIfNeeded: (UInt64(bitPattern) + 0x7FFF + UInt64(bitPattern >> 16 & 1)) >> 16)
    }
}
