import Base64

/// An API key: `slm_` followed by 256 random bits in base64url. The user sees it once; the database stores only its digest.
///
///     let key = APIKeyToken()
///     try store.addAPIKey("laptop", hash: key.digest, for: user)
///     if let key = APIKeyToken(given) { owner = try store.apiKey(withHash: key.digest)?.owner }
///
/// A plain SHA-256 is safe, because 256 random bits cannot be guessed, and the lookup by digest leaks no timing information about the key.
package struct APIKeyToken: Sendable, CustomStringConvertible, CustomReflectable {
    package static let prefix = "slm_"

    /// The whole key.
    package let text: String

    package init() { text = Self.prefix + Base64.text(of: RandomBytes.make(32)) }

    /// Returns nil if the text does not have the format of an API key.
    package init?(_ text: String) {
        guard text.hasPrefix(Self.prefix), text.utf8.count == 47 else { return nil }
        guard Base64.bytes(of: text.dropFirst(Self.prefix.count))?.count == 32 else { return nil }
        self.text = text
    }

    /// The SHA-256 of the key in 64 hexadecimal digits.
    package var digest: String { SHA256.hex(of: Array(text.utf8)) }

    /// Omits the key, so that it does not appear in logs.
    package var description: String { "slm_…" }
    package var customMirror: Mirror { Mirror(self, children: []) }
}
