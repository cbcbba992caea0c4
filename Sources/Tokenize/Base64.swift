/// Bytes as letters (RFC 4648, with padding), as tiktoken writes tokens.
///
///     Base64.decode("IHRoZQ==".utf8)       // the bytes of " the"
enum Base64 {
    private static let letters = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)

    private static let values: [UInt8] = {
        var values = [UInt8](repeating: 255, count: 256)
        for (value, letter) in letters.enumerated() { values[Int(letter)] = UInt8(value) }
        return values
    }()

    /// Appends the bytes; false, and nothing is appended, if these are not their letters.
    static func decode(_ text: Span<UInt8>, into bytes: inout [UInt8]) -> Bool {
        let values = values, start = bytes.count
        guard text.count % 4 == 0, !text.isEmpty else { return false }
        let padding = text[text.count - 1] != UInt8(ascii: "=") ? 0 : text[text.count - 2] != UInt8(ascii: "=") ? 1 : 2
        var bits: UInt32 = 0, wrong: UInt8 = 0
        for i in 0..<text.count - padding {
            let value = values[Int(text[i])]
            wrong |= value & 0x80
            bits = bits << 6 | UInt32(value & 63)
            if i % 4 == 3 {
                bytes.append(UInt8(truncatingIfNeeded: bits >> 16))
                bytes.append(UInt8(truncatingIfNeeded: bits >> 8))
                bytes.append(UInt8(truncatingIfNeeded: bits))
            }
        }
        if padding == 1 {
            bytes.append(UInt8(truncatingIfNeeded: bits >> 10))
            bytes.append(UInt8(truncatingIfNeeded: bits >> 2))
        } else if padding == 2 {
            bytes.append(UInt8(truncatingIfNeeded: bits >> 4))
        }
        if padding > 0, bits & (padding == 1 ? 3 : 15) != 0 { wrong = 0x80 }      // the bits that are left over are zeros
        if wrong != 0 { bytes.removeLast(bytes.count - start) }
        return wrong == 0
    }

    static func encode(_ bytes: some Collection<UInt8>, into text: inout [UInt8]) {
        let letters = letters
        var bits: UInt32 = 0, count = 0
        for byte in bytes {
            bits = bits << 8 | UInt32(byte)
            count += 1
            if count % 3 == 0 { for shift in [18, 12, 6, 0] as [UInt32] { text.append(letters[Int(bits >> shift & 63)]) } }
        }
        switch count % 3 {
        case 1: text += [letters[Int(bits >> 2 & 63)], letters[Int(bits << 4 & 63)], UInt8(ascii: "="), UInt8(ascii: "=")]
        case 2: text += [letters[Int(bits >> 10 & 63)], letters[Int(bits >> 4 & 63)], letters[Int(bits << 2 & 63)], UInt8(ascii: "=")]
        default: break
        }
    }
}
