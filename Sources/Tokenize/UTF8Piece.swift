/// What stands at one place of bytes that should be UTF-8: a character, or what decoding replaces by one U+FFFD.
///
///     let bytes: [UInt8] = [0xE2, 0x82, 0x41]
///     bytes.span.piece(at: 0)          // broken, 2 bytes: the beginning of "€", and then an A
///
/// Broken pieces are the longest beginnings of a character (Unicode's "maximal subparts"), as in Swift's `String(decoding:as:)`, in
/// Python's
/// `errors="replace"` and in browsers.
package struct UTF8Sequence: Equatable {
    package enum Kind: Sendable {
        case character, broken
        /// The bytes end before it is known which of the two this is.
        case unfinished
    }

    package let kind: Kind
    package let length: Int
}

extension Span where Element == UInt8 {
    package func piece(at start: Int) -> UTF8Sequence {
        let lead = self[start]
        let (length, second): (Int, ClosedRange<UInt8>) = switch lead {       // Unicode's table 3-7
        case 0..<0x80: (1, 0x80...0xBF)
        case 0xC2...0xDF: (2, 0x80...0xBF)
        case 0xE0: (3, 0xA0...0xBF)
        case 0xED: (3, 0x80...0x9F)
        case 0xE1...0xEF: (3, 0x80...0xBF)
        case 0xF0: (4, 0x90...0xBF)
        case 0xF1...0xF3: (4, 0x80...0xBF)
        case 0xF4: (4, 0x80...0x8F)
        default: (0, 0x80...0xBF)
        }
        guard length > 0 else { return UTF8Sequence(kind: .broken, length: 1) }
        var i = 1
        while i < length {
            guard start + i < count else { return UTF8Sequence(kind: .unfinished, length: i) }
            guard (i == 1 ? second : 0x80...0xBF).contains(self[start + i]) else { return UTF8Sequence(kind: .broken, length: i) }
            i += 1
        }
        return UTF8Sequence(kind: .character, length: length)
    }

    /// How many bytes at the end are the beginning of a character whose other bytes may come.
    package var incompleteUTF8Suffix: Int {
        for length in 1...3 where length <= count {
            if self[count - length] & 0xC0 == 0x80 { continue }              // not where a character begins
            return piece(at: count - length).kind == .unfinished ? length : 0
        }
        return 0
    }
}
