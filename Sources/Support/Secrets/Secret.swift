import Base64

/// The key that signs session tokens. Its description is "(secret)", so it cannot be printed by accident.
///
///     let secret = try Secret(validating: environment, source: "SLM_JWT_SECRET")
///     let secret = try Secret(storedAt: "slm_chat.secret")       // generated at the first start, readable by its owner only
package struct Secret: Sendable, CustomStringConvertible, CustomReflectable {
    let bytes: [UInt8]

    init(_ bytes: [UInt8]) { self.bytes = bytes }

    /// Checks that a secret is hard to guess.
    ///
    /// - Parameter source: The origin of the text, for error messages.
    package init(validating text: String, source: String) throws(SecretError) {
        if let weakness = SecretWeakness(of: text) { throw .weak(source: source, weakness) }
        bytes = Array(text.utf8)
    }

    /// Returns the text of a new secret of 256 random bits.
    package static func generate() -> String { Base64.text(of: RandomBytes.make(32)) }

    /// Tells secrets apart without revealing them: 64 bits of a SHA-256.
    package var digest: String { String(SHA256.hex(of: Array("slm secret ".utf8) + bytes).prefix(16)) }

    package var description: String { "(secret)" }
    package var customMirror: Mirror { Mirror(self, children: []) }
}

/// A reason why a secret is easy to guess.
package enum SecretWeakness: Sendable, Equatable, CustomStringConvertible {
    case short(bytes: Int)
    case fewDistinct(bytes: Int)
    case repeated
    case sequence
    /// Contains a word common in examples.
    case wellKnown(word: String)

    package static let minBytes = 32, minDistinct = 8
    private static let words = [
        "changeme", "change-me", "change_me", "change this", "change-this", "change_this", "changethis",
        "secret", "password", "passwort", "replace", "example", "insert", "default", "your-", "your_", "placeholder",
        "qwerty", "letmein", "development", "supersecure", "12345678",
    ]

    init?(of text: String) {
        let bytes = Array(text.utf8)
        let distinct = Set(bytes).count
        if bytes.count < Self.minBytes {
            self = .short(bytes: bytes.count)
            return
        }
        if distinct < Self.minDistinct {
            self = .fewDistinct(bytes: distinct)
            return
        }
        if Self.isRepeated(bytes) {
            self = .repeated
            return
        }
        // More than half of the bytes equal or follow their predecessor, as in "abcdefgh". For 32 random letters: probability < 10⁻⁹.
        if zip(bytes, bytes.dropFirst()).count(where: { $1 == $0 &+ 1 || $1 == $0 }) * 2 > bytes.count {
            self = .sequence
            return
        }
        let lowercased = text.lowercased()
        guard let word = Self.words.first(where: { lowercased.contains($0) }) else { return nil }
        self = .wellKnown(word: word)
    }

    /// Whether the bytes have a period of at most half their count.
    private static func isRepeated(_ bytes: [UInt8]) -> Bool {
        (1...bytes.count / 2).contains { period in (period..<bytes.count).allSatisfy { bytes[$0] == bytes[$0 - period] } }
    }

    package var description: String {
        switch self {
        case .short(let bytes): "expected at least \(Self.minBytes) bytes, found \(bytes)"
        case .fewDistinct(let bytes): "expected at least \(Self.minDistinct) distinct bytes, found \(bytes)"
        case .repeated: "it repeats itself"
        case .sequence: "most of its characters form a sequence, as in abcdefgh"
        case .wellKnown(let word): "it contains \"\(word)\", a word common in examples"
        }
    }
}

/// Why a secret cannot be used. Descriptions contain no part of the secret, except a common word.
package enum SecretError: Error, Equatable, CustomStringConvertible {
    case weak(source: String, SecretWeakness)
    case unreadable(path: String, reason: String)
    case notWritten(path: String, reason: String)
    /// Users other than the owner can read or write the file. `mode` is octal.
    case insecurePermissions(path: String, mode: String)
    case wrongOwner(path: String, owner: UInt32)

    package var description: String {
        switch self {
        case .weak(let source, let weakness): "\(source) is too easy to guess: \(weakness). Make one: openssl rand -base64 48"
        case .unreadable(let path, let reason): "\(path): the secret cannot be read: \(reason)."
        case .notWritten(let path, let reason):
            "\(path): the secret cannot be written: \(reason). Use another folder, or set SLM_JWT_SECRET."
        case .insecurePermissions(let path, let mode):
            """
            \(path): other users can read or change the secret (mode \(mode)). Remove the file to generate a new secret. \
            If no one has read it: chmod 600 \(path)
            """
        case .wrongOwner(let path, let owner):
            "\(path): the file belongs to user \(owner), who could change the secret. Remove it, or run as that user."
        }
    }
}
