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
    /// The number that 16 bits are in IEEE 754's half precision.
    package init(half bits: UInt16) { self.init(Float16(bitPattern: bits)) }

    /// The nearest in half precision; infinity beyond 65,504.
    package var halfBits: UInt16 { Float16(self).bitPattern }

    /// The nearest in bfloat16.
    package var upperHalf: UInt16 {
        if isNaN { return UInt16(truncatingIfNeeded: bitPattern >> 16) | 0x40 }
        return UInt16(truncatingIfNeeded: (UInt64(bitPattern) + 0x7FFF + UInt64(bitPattern >> 16 & 1)) >> 16)
    }
}
