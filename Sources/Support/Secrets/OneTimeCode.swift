/// A code that works once: of an invitation or for a new password. 80 random bits, written so that people can type it.
///
///     let code = OneTimeCode()                                 // "K7QM-2XPA-9F4D-T6R0"
///     OneTimeCode("k7qm 2xpa 9f4d t6ro")?.digest == code.digest
///
/// The database stores only the digest. A plain SHA-256 is safe, because 80 random bits cannot be guessed.
package struct OneTimeCode: Sendable, CustomStringConvertible, CustomReflectable {
    /// Douglas Crockford's base-32 digits.
    private static let digits = Array("0123456789ABCDEFGHJKMNPQRSTVWXYZ")
    private static let count = 16

    /// Sixteen digits.
    private let code: String

    package init() { code = String(RandomBytes.make(Self.count).map { Self.digits[Int($0 & 31)] }) }

    /// Parses a code that a user has typed, in upper or lower case, with or without separators. O is 0; I and L are 1. Returns nil for any
    /// other text.
    package init?(_ text: String) {
        guard text.utf8.count <= 64 else { return nil }
        var code = ""
        for character in text.uppercased() where character != "-" && !character.isWhitespace {
            let digit: Character = switch character {
            case "O": "0"
            case "I", "L": "1"
            default: character
            }
            guard Self.digits.contains(digit) else { return nil }
            code.append(digit)
        }
        guard code.count == Self.count else { return nil }
        self.code = code
    }

    /// The code in four groups.
    package var text: String {
        stride(from: 0, to: Self.count, by: 4).map { String(code.dropFirst($0).prefix(4)) }.joined(separator: "-")
    }

    /// The SHA-256 of the code in 64 hexadecimal digits.
    package var digest: String { SHA256.hex(of: Array(code.utf8)) }

    /// Omits the code, so that it does not appear in logs.
    package var description: String { "(code)" }
    package var customMirror: Mirror { Mirror(self, children: []) }
}
