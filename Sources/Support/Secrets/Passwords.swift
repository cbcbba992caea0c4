import CCrypt

/// Passwords as what is stored of them: bcrypt's hash (`$2b$`), which says its cost and its salt itself.
///
///     let passwords = Passwords()
///     let hash = try passwords.hash("correct horse battery")           // "$2b$12$…", 60 characters
///     passwords.verify("correct horse battery", against: hash)        // true
///     passwords.verify("anything", against: nil)                      // false, after as long: nobody learns that there is no such account
///
/// One call computes for about a quarter of a second at a cost of 12, twice that for one more. bcrypt reads 72 bytes and stops at a NUL: a password that is longer, or has one, is
/// first brought to 44 characters (the SHA-256 in base64), so that each byte of it counts.
package struct Passwords: Sendable {
    package static let defaultCost = 12
    package static let leastCharacters = 8
    /// In bytes of UTF-8.
    package static let mostBytes = 1_024

    private let cost: Int

    /// - Parameter cost: 4 to 31: each is twice the work of the one before.
    package init(cost: Int = defaultCost) {
        precondition((4...31).contains(cost), "a cost of \(cost)")
        self.cost = cost
    }

    package func hash(_ password: String) throws(PasswordError) -> String {
        let count = password.utf8.count, characters = password.unicodeScalars.count
        if characters < Self.leastCharacters { throw .tooShort(characters: characters) }
        if count > Self.mostBytes { throw .tooLong(bytes: count) }
        guard let setting = setting(), let hash = Self.crypt(password, setting) else { throw .unavailable }
        return hash
    }

    /// - Parameter hash: What is stored; nil where there is no such account.
    package func verify(_ password: String, against hash: String?) -> Bool {
        // What is no hash costs what one would.
        guard let hash, let made = Self.crypt(password, hash) else {
            let nobody = Self.crypt(password, "$2b$\(cost < 10 ? "0" : "")\(cost)$nobodynobodynobodynobo")
            guard nobody != nil else { fatalError("libcrypt gives no bcrypt hash at a cost of \(cost)") }
            return false
        }
        return ConstantTime.equal(made, hash)
    }

    /// `$2b$12$` and a salt of 128 random bits.
    private func setting() -> String? {
        let random = RandomBytes.make(16).map { CChar(bitPattern: $0) }
        var setting = [CChar](repeating: 0, count: Int(CRYPT_GENSALT_OUTPUT_SIZE))
        guard crypt_gensalt_rn("$2b$", UInt(cost), random, Int32(random.count), &setting, Int32(setting.count)) != nil else { return nil }
        return Self.text(setting)
    }

    private static func crypt(_ password: String, _ setting: String) -> String? {
        guard setting.hasPrefix("$2b$") else { return nil }                     // no weaker method that the library also knows
        var hash = [CChar](repeating: 0, count: Int(CRYPT_OUTPUT_SIZE))
        guard slm_crypt(readable(password), setting, &hash) == 0 else { return nil }
        return text(hash)
    }

    /// What bcrypt reads whole.
    private static func readable(_ password: String) -> String {
        let bytes = Array(password.utf8)
        return bytes.count > 72 || bytes.contains(0) ? Base64.text(SHA256.digest(of: bytes), .standard) : password
    }

    private static func text(_ characters: [CChar]) -> String {
        String(decoding: characters.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}

/// What is wrong with a password that somebody wants to have.
package enum PasswordError: Error, Equatable, CustomStringConvertible {
    case tooShort(characters: Int)
    case tooLong(bytes: Int)
    /// The library gives no hash: a build of it without bcrypt, or no memory.
    case unavailable

    package var description: String {
        switch self {
        case .tooShort: "the password has fewer than \(Passwords.leastCharacters) characters. Take a longer one."
        case .tooLong(let bytes): "the password has \(bytes) bytes, and \(Passwords.mostBytes) is the limit. Take a shorter one."
        case .unavailable: "passwords cannot be hashed: the system's libcrypt gives no bcrypt hash."
        }
    }
}
