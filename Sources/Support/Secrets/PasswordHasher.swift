import Base64
import CCrypt

/// Hashes passwords with bcrypt (`$2b$`). A hash contains its cost and salt.
///
///     let passwords = PasswordHasher()
///     let hash = try passwords.hash("correct horse battery")           // "$2b$12$…", 60 characters
///     passwords.verify("correct horse battery", against: hash)        // true
///     passwords.verify("anything", against: nil)                      // false, after the same time
///
/// The time of `verify` does not reveal whether a user exists. One call takes about a quarter of a second at a cost of 12; each increment
/// doubles it. bcrypt reads at most 72 bytes and stops at NUL, so a password that is longer or contains NUL is replaced by its SHA-256 in
/// base64 (44 characters), which depends on every byte.
package struct PasswordHasher: Sendable {
    package static let defaultCost = 12
    package static let minCharacters = 8
    /// In bytes of UTF-8.
    package static let maxBytes = 1_024

    private let cost: Int
    private let onHash: (@Sendable (_ cost: String) -> Void)?

    /// - Parameters:
    ///   - cost: 4 to 31, the base-2 logarithm of the number of rounds.
    ///   - onHash: Called after each computation of a hash with its cost, so that tests can count them.
    package init(cost: Int = defaultCost, onHash: (@Sendable (_ cost: String) -> Void)? = nil) {
        precondition((4...31).contains(cost), "expected a cost of 4…31, found \(cost)")
        self.cost = cost
        self.onHash = onHash
    }

    package func hash(_ password: String) throws(PasswordError) -> String {
        let count = password.utf8.count, characters = password.unicodeScalars.count
        if characters < Self.minCharacters { throw .tooShort(characters: characters) }
        if count > Self.maxBytes { throw .tooLong(bytes: count) }
        guard let setting = setting(), let hash = crypt(password, setting) else { throw .unavailable }
        return hash
    }

    /// - Parameter hash: The stored hash; nil if the user does not exist.
    package func verify(_ password: String, against hash: String?) -> Bool {
        guard let hash, let computed = crypt(password, hash) else {
            // Spend the same time without a valid hash.
            let dummy = crypt(password, "$2b$\(cost < 10 ? "0" : "")\(cost)$nobodynobodynobodynobo")
            guard dummy != nil else { fatalError("libcrypt does not support bcrypt with a cost of \(cost)") }
            return false
        }
        return ConstantTime.equal(computed, hash)
    }

    /// Makes `$2b$12$` and a salt of 128 random bits.
    private func setting() -> String? {
        let random = RandomBytes.make(16).map { CChar(truncatingIfNeeded: $0) }
        var setting = [CChar](repeating: 0, count: Int(CRYPT_GENSALT_OUTPUT_SIZE))
        let result = crypt_gensalt_rn("$2b$", UInt(cost), random, Int32(random.count), &setting, Int32(setting.count))
        return result == nil ? nil : Self.text(setting)
    }

    private func crypt(_ password: String, _ setting: String) -> String? {
        guard setting.hasPrefix("$2b$") else { return nil }                     // libcrypt also supports weaker methods
        var hash = [CChar](repeating: 0, count: Int(CRYPT_OUTPUT_SIZE))
        guard slm_crypt(Self.bcryptInput(password), setting, &hash) == 0 else { return nil }
        onHash?(String(setting.dropFirst(4).prefix(2)))
        return Self.text(hash)
    }

    /// Replaces a password that bcrypt would truncate by its SHA-256.
    private static func bcryptInput(_ password: String) -> String {
        let bytes = Array(password.utf8)
        return bytes.count > 72 || bytes.contains(0) ? Base64.text(of: SHA256.digest(of: bytes), .standard) : password
    }

    private static func text(_ characters: [CChar]) -> String {
        String(decoding: characters.prefix { $0 != 0 }.map { UInt8(truncatingIfNeeded: $0) }, as: UTF8.self)
    }
}

/// Why a password cannot be used.
package enum PasswordError: Error, Equatable, CustomStringConvertible {
    case tooShort(characters: Int)
    case tooLong(bytes: Int)
    /// libcrypt returned no hash: it was built without bcrypt, or memory is exhausted.
    case unavailable

    package var description: String {
        switch self {
        case .tooShort: "the password has fewer than \(PasswordHasher.minCharacters) characters. Choose a longer one."
        case .tooLong(let bytes): "the password has \(bytes) bytes; the limit is \(PasswordHasher.maxBytes). Choose a shorter one."
        case .unavailable: "passwords cannot be hashed: the system's libcrypt does not support bcrypt."
        }
    }
}
