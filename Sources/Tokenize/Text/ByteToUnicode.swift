/// GPT-2's `bytes_to_unicode`: a printable character for each byte. Vocabulary files of byte-level tokenizers are written in it.
///
///     ByteToUnicode.text(of: " the".utf8)            // "Ġthe"
///     ByteToUnicode.bytes(of: "Ġthe".utf8)           // the bytes of " the"
///     ByteToUnicode.bytes(of: "日本".utf8)            // nil: these characters encode no byte
///
/// A byte that is a visible Latin-1 character maps to that character; the other 68 bytes map to U+0100 and up, in order.
package enum ByteToUnicode {
    /// The character of each byte: below U+0144, so at most two bytes of UTF-8.
    static let characters: [UInt16] = {
        var next: UInt16 = 0x100
        return (0...255).map { byte in
            switch byte {
            case 0x21...0x7E, 0xA1...0xAC, 0xAE...0xFF:
                return UInt16(byte)
            default:
                next += 1
                return next - 1
            }
        }
    }()

    /// The byte of each character; -1 where there is none.
    private static let bytes: [Int16] = {
        var bytes = [Int16](repeating: -1, count: 0x144)
        for (byte, character) in characters.enumerated() { bytes[Int(character)] = Int16(byte) }
        return bytes
    }()

    /// Appends the characters of some bytes, as UTF-8.
    static func append(_ string: some Sequence<UInt8>, to text: inout [UInt8]) {
        let characters = characters
        for byte in string {
            let character = characters[Int(byte)]
            if character < 0x80 {
                text.append(UInt8(character))
            } else {
                text.append(UInt8(0xC0 | character >> 6))
                text.append(UInt8(0x80 | character & 0x3F))
            }
        }
    }

    /// Appends the bytes of a text. Returns false and appends nothing if a character encodes no byte.
    static func append(_ text: Span<UInt8>, to bytes: inout [UInt8]) -> Bool {
        let table = Self.bytes
        let start = bytes.count
        var i = 0
        while i < text.count {
            var character = Int(text[i])
            if character >= 0x80 {
                guard (0xC2...0xC5).contains(character), i + 1 < text.count, text[i + 1] & 0xC0 == 0x80 else { break }
                character = (character & 0x1F) << 6 | Int(text[i + 1] & 0x3F)
                i += 1
            }
            guard character < table.count, table[character] >= 0 else { break }
            bytes.append(UInt8(table[character]))
            i += 1
        }
        if i < text.count { bytes.removeLast(bytes.count - start) }
        return i == text.count
    }

    package static func text(of string: some Sequence<UInt8>) -> String {
        var text: [UInt8] = []
        append(string, to: &text)
        return String(decoding: text, as: UTF8.self)
    }

    package static func bytes(of text: some Sequence<UInt8>) -> [UInt8]? {
        var bytes: [UInt8] = []
        return append(Array(text).span, to: &bytes) ? bytes : nil
    }
}
