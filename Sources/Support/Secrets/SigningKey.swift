import Base64

/// The key that signs and verifies session tokens. Its description is "(secret)", so it cannot be printed by accident.
///
///     let key = try SigningKey(validating: environment, source: "SLM_JWT_SECRET")
///     let key = try SigningKey(storedAt: "slm_chat.secret")      // generated at the first start, readable by its owner only
///     let text = key.text(of: token)
package struct SigningKey: Sendable, CustomStringConvertible, CustomReflectable {
    /// At least 32 bytes. HMAC hashes a key longer than its block of 64 bytes.
    let bytes: [UInt8]

    /// Checks that a key is hard to guess.
    ///
    /// - Parameter source: The origin of the text, for error messages.
    package init(validating text: String, source: String) throws(SigningKeyError) {
        if let weakness = SigningKeyWeakness(of: text) { throw .weak(source: source, weakness) }
        bytes = Array(text.utf8)
    }

    /// Returns the text of a new key of 256 random bits.
    package static func generate() -> String { Base64.text(of: RandomBytes.make(32)) }

    /// Tells keys apart without revealing them: 64 bits of a SHA-256.
    package var digest: String { String(SHA256.hex(of: Array("slm secret ".utf8) + bytes).prefix(16)) }

    package var description: String { "(secret)" }
    package var customMirror: Mirror { Mirror(self, children: []) }
}

/// A reason why a key is easy to guess.
package enum SigningKeyWeakness: Sendable, Equatable, CustomStringConvertible {
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

/// Why a key cannot be used. Descriptions contain no part of the key, except a common word.
package enum SigningKeyError: Error, Equatable, CustomStringConvertible {
    case weak(source: String, SigningKeyWeakness)
    case unreadable(path: String, reason: String)
    case notWritten(path: String, reason: String)
    /// Users other than the owner can read or write the file. `mode` is octal.
    case insecurePermissions(path: String, mode: String)
    case wrongOwner(path: String, owner: UInt32)
    /// Servers that share a database have different keys. Has the names of the others.
    case differs(from: [String])

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
        case .differs(let servers):
            "expected the key that signs session tokens on \(servers.joined(separator: ", ")), found another one: users would be signed "
                + "out at random. Set SLM_JWT_SECRET to the same value on all servers of the database, or copy the key's file "
                + "(--secret-file)."
        }
    }
}
