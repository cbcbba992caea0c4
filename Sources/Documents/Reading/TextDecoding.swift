/// The text of a file in UTF-8, whatever its encoding, with `\n` at the end of lines.
///
///     let text = try TextDecoding.utf8(of: bytes)
///
/// UTF-8, and UTF-16 with a byte-order mark. What is neither is Windows-1252, unless most of it is UTF-8: then the rest becomes U+FFFD.
/// Control characters are removed: a passage must not control a terminal.
enum TextDecoding {
    private static let examined = 8_192

    /// - Parameter keepsPages: Whether form feeds stay, which separate pages.
    /// - Throws: `binary` for bytes that are no text.
    static func utf8(of bytes: [UInt8], keepsPages: Bool = false) throws(SkipReason) -> [UInt8] {
        withoutControls(try decoded(bytes), keepsPages)
    }

    private static func decoded(_ bytes: [UInt8]) throws(SkipReason) -> ArraySlice<UInt8> {
        if bytes.starts(with: [0xFF, 0xFE]) { return utf16(bytes[2...], isBigEndian: false) }
        if bytes.starts(with: [0xFE, 0xFF]) { return utf16(bytes[2...], isBigEndian: true) }
        let start = bytes.prefix(examined)
        if start.contains(0) || start.count(where: isUnusual) * 20 > start.count { throw .binary }
        let text = bytes.starts(with: [0xEF, 0xBB, 0xBF]) ? bytes[3...] : bytes[...]
        if text.allSatisfy({ $0 < 0x80 }) || String(validating: text, as: UTF8.self) != nil { return text }
        return isMostlyUTF8(text) ? Array(String(decoding: text, as: UTF8.self).utf8)[...] : windows1252(text)
    }

    /// Control characters that texts do not have. Backspaces and escapes occur in printed manual pages.
    private static func isUnusual(_ byte: UInt8) -> Bool { byte < 32 && ![8, 9, 10, 12, 13, 27].contains(byte) }

    /// Whether more characters are valid than invalid, of those beyond ASCII.
    private static func isMostlyUTF8(_ text: ArraySlice<UInt8>) -> Bool {
        var valid = 0, invalid = 0
        for scalar in String(decoding: text, as: UTF8.self).unicodeScalars where scalar.value >= 0x80 {
            if scalar.value == 0xFFFD { invalid += 1 } else { valid += 1 }
        }
        return valid > invalid
    }

    private static func utf16(_ bytes: ArraySlice<UInt8>, isBigEndian: Bool) -> ArraySlice<UInt8> {
        let units = stride(from: bytes.startIndex, to: bytes.endIndex - 1, by: 2).map { i in
            let first = UInt16(bytes[i]), second = UInt16(bytes[i + 1])
            return isBigEndian ? first << 8 | second : second << 8 | first
        }
        return Array(String(decoding: units, as: UTF16.self).utf8)[...]
    }

    /// The characters of 0x80 to 0x9F. Latin-1 has control characters there, which texts do not use.
    private static let windowsCharacters = Array("€\u{81}‚ƒ„…†‡ˆ‰Š‹Œ\u{8D}Ž\u{8F}\u{90}‘’“”•–—˜™š›œ\u{9D}žŸ".unicodeScalars)

    private static func windows1252(_ bytes: ArraySlice<UInt8>) -> ArraySlice<UInt8> {
        var result: [UInt8] = []
        result.reserveCapacity(bytes.count + bytes.count / 8)
        for byte in bytes {
            if byte < 0x80 {
                result.append(byte)
                continue
            }
            let scalar = byte < 0xA0 ? windowsCharacters[Int(byte) - 0x80] : Unicode.Scalar(byte)
            result.append(contentsOf: UTF8.encode(scalar) ?? UTF8.encodedReplacementCharacter)
        }
        return result[...]
    }

    /// Removes control characters, the sequences that color a terminal, and what was printed over.
    static func withoutControls(_ bytes: ArraySlice<UInt8>, _ keepsPages: Bool = false) -> [UInt8] {
        var result: [UInt8] = []
        result.reserveCapacity(bytes.count)
        var i = bytes.startIndex
        while i < bytes.endIndex {
            let byte = bytes[i]
            switch byte {
            case 32..<0x7F, 9, 10: result.append(byte)
            case 12: if keepsPages { result.append(byte) }
            case 13: if i + 1 == bytes.endIndex || bytes[i + 1] != 10 { result.append(10) }
            case 8:                                                  // "x\u{8}x" is a bold x, "_\u{8}x" an underlined one
                while let last = result.last, last & 0xC0 == 0x80 { result.removeLast() }
                if let last = result.last, last != 10 { result.removeLast() }
            case 27 where i + 1 < bytes.endIndex && bytes[i + 1] == UInt8(ascii: "["):
                let end = bytes[(i + 2)...].prefix(32).firstIndex { 0x40...0x7E ~= $0 }
                i = end ?? i
            case 0xC2 where i + 1 < bytes.endIndex && bytes[i + 1] < 0xA0: i += 1             // U+0080 to U+009F
            case 0x80...: result.append(byte)
            default: break
            }
            i += 1
        }
        return result
    }
}
