/// Base64 (RFC 4648) in both alphabets.
///
///     Base64.text(of: [0xFB, 0xFF])                       // "-_8"
///     Base64.text(of: [0xFB, 0xFF], .standard)            // "+/8="
///     Base64.bytes(of: "-_8")                             // [0xFB, 0xFF]
///
/// Encoding and decoding use neither lookup tables nor branches on the data, so their time depends on the length alone: secrets can be
/// encoded.
package enum Base64 {
    package enum Variant: Sendable {
        /// `+` and `/`, padded with `=` (RFC 4648, section 4).
        case standard
        /// `-` and `_`, without padding (section 5): "base64url" of URLs and JSON Web Tokens.
        case urlSafe
    }

    package static func text(of bytes: some Collection<UInt8>, _ variant: Variant = .urlSafe) -> String {
        var text: [UInt8] = []
        encode(bytes, variant, into: &text)
        return String(decoding: text, as: UTF8.self)
    }

    /// Decodes a text; nil if it is malformed.
    package static func bytes(of text: some StringProtocol, _ variant: Variant = .urlSafe) -> [UInt8]? {
        var bytes: [UInt8] = []
        return decode(Array(text.utf8).span, variant, into: &bytes) ? bytes : nil
    }

    /// Appends the encoded bytes.
    package static func encode(_ bytes: some Collection<UInt8>, _ variant: Variant, into text: inout [UInt8]) {
        var bits: UInt32 = 0
        var count = 0
        for byte in bytes {
            bits = bits << 8 | UInt32(byte)
            count += 1
            if count % 3 == 0 { variant.append(4, of: bits, to: &text) }
        }
        let remainder = count % 3
        guard remainder > 0 else { return }
        variant.append(remainder + 1, of: bits << UInt32(8 * (3 - remainder)), to: &text)
        if variant == .standard { text.append(contentsOf: repeatElement(UInt8(ascii: "="), count: 3 - remainder)) }
    }

    /// Appends the decoded bytes. Returns false and appends nothing if the text is malformed: another alphabet, missing or additional
    /// padding,
    /// white space, or unused bits that are not zero.
    package static func decode(_ text: Span<UInt8>, _ variant: Variant, into bytes: inout [UInt8]) -> Bool {
        let start = bytes.count
        var count = text.count                                  // without padding
        if variant == .standard {
            guard count % 4 == 0 else { return false }
            for _ in 0..<2 where count > 0 && text[count - 1] == UInt8(ascii: "=") { count -= 1 }
        }
        guard count % 4 != 1 else { return false }
        var bits: UInt32 = 0
        var seen: UInt8 = 0                                     // all values ORed: at most 63 if every character is valid
        for i in 0..<count {
            let value = variant.value(of: text[i])
            seen |= value
            bits = bits << 6 | UInt32(value & 63)
            if i % 4 == 3 {
                bytes.append(UInt8(truncatingIfNeeded: bits >> 16))
                bytes.append(UInt8(truncatingIfNeeded: bits >> 8))
                bytes.append(UInt8(truncatingIfNeeded: bits))
            }
        }
        var unused: UInt32 = 0
        switch count % 4 {
        case 2:
            bytes.append(UInt8(truncatingIfNeeded: bits >> 4))
            unused = bits & 0xF
        case 3:
            bytes.append(UInt8(truncatingIfNeeded: bits >> 10))
            bytes.append(UInt8(truncatingIfNeeded: bits >> 2))
            unused = bits & 0x3
        default: break
        }
        let isValid = seen < 64 && unused == 0
        if !isValid { bytes.removeLast(bytes.count - start) }
        return isValid
    }
}

extension Base64.Variant {
    /// Appends the first `count` of the four characters that 24 bits encode to.
    @inline(__always)
    fileprivate func append(_ count: Int, of bits: UInt32, to text: inout [UInt8]) {
        for i in 0..<count { text.append(character(for: Int32(bits >> UInt32(18 - 6 * i) & 63))) }
    }

    /// The characters for 62 and 63.
    private var last: (Int32, Int32) {
        self == .standard ? (Int32(UInt8(ascii: "+")), Int32(UInt8(ascii: "/"))) : (Int32(UInt8(ascii: "-")), Int32(UInt8(ascii: "_")))
    }

    @inline(__always)
    private func character(for value: Int32) -> UInt8 {
        /// All ones if `value` is at least `limit`, else 0.
        func mask(_ limit: Int32) -> Int32 { (limit - 1 - value) >> 31 }
        let (c62, c63) = last
        // 0–25: A–Z, 26–51: a–z, 52–61: 0–9. Each mask replaces the offset of the range before it.
        let upper = Int32(UInt8(ascii: "A")), lower = Int32(UInt8(ascii: "a")) - 26, digit = Int32(UInt8(ascii: "0")) - 52
        let offset = upper + (mask(26) & (lower - upper)) + (mask(52) & (digit - lower))
            + (mask(62) & (c62 - 62 - digit)) + (mask(63) & (c63 - 63 - (c62 - 62)))
        return UInt8(truncatingIfNeeded: value + offset)
    }

    /// 0 to 63, or 255 if the character is not in the alphabet.
    @inline(__always)
    fileprivate func value(of character: UInt8) -> UInt8 {
        let c = Int32(character)
        /// All ones if the character is in a range, else 0.
        func mask(_ low: Int32, _ high: Int32) -> Int32 { ((low - 1 - c) & (c - high - 1)) >> 31 }
        let (c62, c63) = last
        // One more than the value, so that 0 means "not in the alphabet".
        let upper = mask(65, 90) & (c - 64)                    // A–Z
        let lower = mask(97, 122) & (c - 70)                   // a–z
        let digit = mask(48, 57) & (c + 5)                     // 0–9
        let value = upper | lower | digit | (mask(c62, c62) & 63) | (mask(c63, c63) & 64)
        return UInt8(truncatingIfNeeded: value - 1)
    }
}
