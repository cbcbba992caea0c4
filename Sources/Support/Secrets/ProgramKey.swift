/// A key with which a program speaks for a person: `slm_` and 256 random bits. It is shown once; what is kept is its digest, by which it is found again.
///
///     let key = ProgramKey()
///     try store.addAPIKey("laptop", hash: key.digest, for: user)
///     if let key = ProgramKey(given) { owner = try store.owner(ofAPIKeyWithHash: key.digest) }
///
/// A digest without salt and cost is enough, because nobody can try 2²⁵⁶ keys; and looking it up tells nothing of a key by its time.
package struct ProgramKey: Sendable, CustomStringConvertible, CustomReflectable {
    package static let start = "slm_"

    /// All of it, to be shown once.
    package let text: String

    package init() { text = Self.start + Base64.text(RandomBytes.make(32)) }

    /// nil for what no key of ours looks like, such as a token.
    package init?(_ text: String) {
        guard text.hasPrefix(Self.start), text.utf8.count == 47, Base64.bytes(text.dropFirst(Self.start.count))?.count == 32 else { return nil }
        self.text = text
    }

    /// The SHA-256 in 64 hexadecimal digits.
    package var digest: String { SHA256.hex(of: Array(text.utf8)) }

    /// So that no log has a key.
    package var description: String { "slm_…" }
    package var customMirror: Mirror { Mirror(self, children: []) }
}
