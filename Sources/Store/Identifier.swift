/// The primary key of a row: 128 random bits, so it cannot be guessed. Safe to use in URLs.
///
///     let id = ConversationID()                     // "5h1vkz0w7c4m8q2r9t3e6y0bna"
///     let same = ConversationID("5h1vkz0w7c4m8q2r9t3e6y0bna")
///
/// Written as 26 lower-case base-32 digits without i, l, o and u, which are easily confused. `init(_:)` returns nil for any other text.
package struct Identifier<Kind>: Sendable, Hashable, LosslessStringConvertible {
    package let description: String

    package init() {
        var generator = SystemRandomNumberGenerator()           // cryptographically secure
        var bits = UInt128(generator.next()) << 64 | UInt128(generator.next())
        var digits = [UInt8](repeating: 0, count: Self.count)
        for i in digits.indices.reversed() {
            digits[i] = Self.alphabet[Int(truncatingIfNeeded: bits & 31)]
            bits >>= 5
        }
        description = String(decoding: digits, as: UTF8.self)
    }

    package init?(_ text: String) {
        guard text.utf8.count == Self.count, text.utf8.allSatisfy({ Self.alphabet.contains($0) }) else { return nil }
        description = text
    }

    private static var count: Int { 26 }
    private static var alphabet: [UInt8] { crockfordBase32 }
}

/// Douglas Crockford's base-32 alphabet.
private let crockfordBase32 = Array("0123456789abcdefghjkmnpqrstvwxyz".utf8)

package typealias UserID = Identifier<User>
package typealias ConversationID = Identifier<StoredConversation>
package typealias MessageID = Identifier<Message>
package typealias APIKeyID = Identifier<APIKey>
package typealias SessionID = Identifier<LoginSession>
package typealias OneTimeCodeID = Identifier<AdminQueries.Invitation>
package typealias ResponseID = Identifier<StoredResponse>
package typealias UploadID = Identifier<Upload>
package typealias LibraryID = Identifier<Library>
package typealias AuditID = Identifier<AdminQueries.AuditEntry>
package typealias ServerID = Identifier<ServerRecord>
