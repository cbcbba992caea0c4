/// What tokens are signed with. It shows itself to nobody: printed it is "(secret)".
///
///     let secret = try Secret(checking: environment, from: "SLM_JWT_SECRET")
///     let secret = try Secret(keptIn: "slm_chat.secret")       // made at the first start, for its owner's eyes only
package struct Secret: Sendable, CustomStringConvertible, CustomReflectable {
    let bytes: [UInt8]

    init(_ bytes: [UInt8]) { self.bytes = bytes }

    /// - Parameter source: Where the text comes from, for messages.
    package init(checking text: String, from source: String) throws(SecretError) {
        if let weakness = Weakness(of: text) { throw .weak(source: source, weakness) }
        bytes = Array(text.utf8)
    }

    /// The text of a new one.
    package static func fresh() -> String { Base64.text(RandomBytes.make(32)) }

    package var description: String { "(secret)" }
    package var customMirror: Mirror { Mirror(self, children: []) }
}

/// What makes a secret easy to guess.
package enum Weakness: Sendable, Equatable, CustomStringConvertible {
    case short(bytes: Int)
    case fewDifferent(bytes: Int)
    case repeated
    case sequence
    /// It has a word that stands in everybody's examples.
    case wellKnown(word: String)

    package static let leastBytes = 32, leastDifferent = 8
    private static let words = ["changeme", "change-me", "change_me", "change this", "change-this", "change_this", "changethis", "secret", "password", "passwort", "replace", "example",
                                "insert", "default", "your-", "your_", "placeholder", "qwerty", "letmein", "development", "supersecure", "12345678"]

    init?(of text: String) {
        let bytes = Array(text.utf8), different = Set(bytes).count
        if bytes.count < Self.leastBytes { self = .short(bytes: bytes.count); return }
        if different < Self.leastDifferent { self = .fewDifferent(bytes: different); return }
        if Self.isRepeated(bytes) { self = .repeated; return }
        // Half of the letters follow the one before, as in "abcdefgh": 32 that are drawn do so once in 10⁹ times at most.
        if zip(bytes, bytes.dropFirst()).count(where: { $1 == $0 &+ 1 || $1 == $0 }) * 2 > bytes.count { self = .sequence; return }
        let small = text.lowercased()
        guard let word = Self.words.first(where: { small.contains($0) }) else { return nil }
        self = .wellKnown(word: word)
    }

    /// Whether it is a piece of at most half its length, over and over.
    private static func isRepeated(_ bytes: [UInt8]) -> Bool {
        (1...bytes.count / 2).contains { period in (period..<bytes.count).allSatisfy { bytes[$0] == bytes[$0 - period] } }
    }

    package var description: String {
        switch self {
        case .short(let bytes): "it has \(bytes) bytes, and should have \(Self.leastBytes) at least"
        case .fewDifferent(let bytes): "it is made of \(bytes) different bytes only"
        case .repeated: "it repeats itself"
        case .sequence: "its letters follow each other as in the alphabet"
        case .wellKnown(let word): "it has \"\(word)\" in it, as examples do"
        }
    }
}

/// Why there is no secret. None of the descriptions holds a part of it, but for a word that everybody knows.
package enum SecretError: Error, Equatable, CustomStringConvertible {
    case weak(source: String, Weakness)
    case unreadable(path: String, reason: String)
    case notWritten(path: String, reason: String)
    /// Others than its owner may read or write the file. The mode is in octal digits.
    case notPrivate(path: String, mode: String)
    case notOurs(path: String, owner: UInt32)

    package var description: String {
        switch self {
        case .weak(let source, let weakness): "\(source) is too easy to guess: \(weakness). Make one: openssl rand -base64 48"
        case .unreadable(let path, let reason): "\(path): the secret cannot be read: \(reason)."
        case .notWritten(let path, let reason): "\(path): the secret cannot be kept: \(reason). Write to another folder, or set SLM_JWT_SECRET."
        case .notPrivate(let path, let mode):
            "\(path): others can read or change the secret (mode \(mode)). They may know it: remove the file, so that another is made, or if nobody has seen it: chmod 600 \(path)"
        case .notOurs(let path, let owner): "\(path): the secret belongs to user \(owner), who could change it. Remove the file, or run as that user."
        }
    }
}
