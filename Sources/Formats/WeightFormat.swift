import Kernels

/// The number format of weights in other programs' files.
///
///     try HuggingFace.write(checkpoint, to: "exported", as: .bf16)
package enum WeightFormat: String, Sendable, CaseIterable {
    case f32, f16, bf16

    /// Bytes per number.
    var size: Int { self == .f32 ? 4 : 2 }
}

extension WeightFormat {
    /// The same format, as kernels read it.
    var stored: StoredFormat {
        switch self {
        case .f32: .f32
        case .f16: .f16
        case .bf16: .bf16
        }
    }

    /// Appends a number, rounded to nearest even.
    @inline(__always)
    func append(_ number: Float, to bytes: inout [UInt8]) {
        let bits = self == .f32 ? number.bitPattern : UInt32(self == .f16 ? number.f16Bits : number.bf16Bits)
        for i in 0..<size { bytes.append(UInt8(truncatingIfNeeded: bits >> UInt32(8 * i))) }
    }
}

extension Float {
    /// Converts from IEEE 754 half precision.
    @inline(__always)
    package init(f16Bits bits: UInt16) { self.init(Float16(bitPattern: bits)) }

    /// Converts from bfloat16, the upper half of an f32.
    @inline(__always)
    package init(bf16Bits bits: UInt16) { self.init(bitPattern: UInt32(bits) << 16) }

    /// The nearest half-precision number; infinity above 65,504.
    package var f16Bits: UInt16 { Float16(self).bitPattern }

    /// The nearest bfloat16, ties to even. A NaN stays a NaN.
    package var bf16Bits: UInt16 {
        if isNaN { return UInt16(truncatingIfNeeded: bitPattern >> 16) | 0x40 }
        return UInt16(truncatingIfNeeded: (UInt64(bitPattern) + 0x7FFF + UInt64(bitPattern >> 16 & 1)) >> 16)
    }
}
