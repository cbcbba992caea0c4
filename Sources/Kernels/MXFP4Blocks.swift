/// MXFP4 in two tensors, as folders of Hugging Face have it: the codes, 16 bytes for each block of 32 numbers, and the exponents, one byte
/// for each block. A byte of codes has the numbers 2i and 2i + 1. In the 17 bytes of llama.cpp's block, which slm multiplies with, the
/// exponent comes first, and a byte has the numbers i and i + 16.
package enum MXFP4Blocks {
    /// Bytes of a block's codes.
    package static let codeBytes = 16

    /// Writes blocks of llama.cpp.
    ///
    /// - Parameters:
    ///   - codes: 16 · count bytes.
    ///   - exponents: count bytes.
    ///   - target: 17 · count bytes.
    static func join(_ codes: UnsafeRawPointer, _ exponents: UnsafeRawPointer, count: Int, into target: UnsafeMutableRawPointer) {
        for block in 0..<count {
            let from = codes + block * codeBytes, to = target + block * (1 + codeBytes)
            let first = from.loadUnaligned(as: SIMD8<UInt8>.self), second = (from + 8).loadUnaligned(as: SIMD8<UInt8>.self)
            var own = SIMD16<UInt8>()
            own.evenHalf = (first & 0x0f) | (second &<< 4)
            own.oddHalf = (first &>> 4) | (second & 0xf0)
            to.storeBytes(of: exponents.load(fromByteOffset: block, as: UInt8.self), as: UInt8.self)
            (to + 1).storeBytes(of: own, as: SIMD16<UInt8>.self)
        }
    }
}
