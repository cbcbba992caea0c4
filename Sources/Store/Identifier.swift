/// The name of a row: 128 random bits, so that nobody guesses another's. It may stand in an address.
///
///     let id = ConversationID()                     // "5h1vkz0w7c4m8q2r9t3e6y0bna"
///     let same = ConversationID("5h1vkz0w7c4m8q2r9t3e6y0bna")
///
/// 26 digits of base 32 in small letters, without i, l, o and u, which look like others. What is not an identifier is nil, and was never stored.
package struct Identifier<Kind>: Sendable, Hashable, LosslessStringConvertible {
    package let description: String

    package init() {
        var generator = SystemRandomNumberGenerator()           // the kernel's, good enough for keys
        var bits = UInt128(generator.next()) << 64 | UInt128(generator.next())
        var digits = [UInt8](repeating: 0, count: Self.count)
        for place in digits.indices.reversed() {
            digits[place] = Self.alphabet[Int(truncatingIfNeeded: bits & 31)]
            bits >>= 5
        }
        description = String(decoding: digits, as: UTF8.self)
    }

    package init?(_ text: String) {
        guard text.utf8.count == Self.count, text.utf8.allSatisfy({ Self.alphabet.contains($0) }) else { return nil }
        description = text
    }

    private static var count: Int { 26 }
    private static var alphabet: [UInt8] { crockford }
}

/// Douglas Crockford's base 32.
private let crockford = Array("0123456789abcdefghjkmnpqrstvwxyz".utf8)

package typealias UserID = Identifier<User>
package typealias ConversationID = Identifier<Conversation>
package typealias MessageID = Identifier<Message>
package typealias APIKeyID = Identifier<APIKey>
