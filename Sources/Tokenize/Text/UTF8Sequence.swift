/// The UTF-8 sequence at one offset of a byte string: a character, or bytes that decoding replaces with one U+FFFD.
///
///     let bytes: [UInt8] = [0xE2, 0x82, 0x41]
///     bytes.span.utf8Sequence(at: 0)          // invalid, 2 bytes: the first bytes of "€", followed by an A
///
/// Invalid sequences are as long as possible (Unicode's "maximal subparts"), as in Swift's `String(decoding:as:)`, Python's
/// `errors="replace"` and browsers.
package struct UTF8Sequence: Equatable {
    package enum Kind: Sendable {
        case valid, invalid
        /// The bytes end before the sequence does.
        case incomplete
    }

    package let kind: Kind
    package let length: Int
}

extension Span where Element == UInt8 {
    package func utf8Sequence(at start: Int) -> UTF8Sequence {
        let lead = self[start]
        let (length, second): (Int, ClosedRange<UInt8>) = switch lead {       // Unicode standard, table 3-7
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
        guard length > 0 else { return UTF8Sequence(kind: .invalid, length: 1) }
        var i = 1
        while i < length {
            guard start + i < count else { return UTF8Sequence(kind: .incomplete, length: i) }
            guard (i == 1 ? second : 0x80...0xBF).contains(self[start + i]) else { return UTF8Sequence(kind: .invalid, length: i) }
            i += 1
        }
        return UTF8Sequence(kind: .valid, length: length)
    }

    /// The number of bytes at the end that are the start of a character whose other bytes may follow.
    package var incompleteUTF8Suffix: Int {
        for length in 1...3 where length <= count {
            if self[count - length] & 0xC0 == 0x80 { continue }              // a continuation byte
            return utf8Sequence(at: count - length).kind == .incomplete ? length : 0
        }
        return 0
    }
}
