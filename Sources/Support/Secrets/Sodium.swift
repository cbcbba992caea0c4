import CSodium

/// Initializes libsodium once, which it requires before generating random bytes.
enum Sodium {
    static let initialize: Void = {
        guard sodium_init() >= 0 else { fatalError("libsodium cannot find a source of random bytes") }
    }()
}

/// Cryptographically secure random bytes.
///
///     RandomBytes.make(32)
package enum RandomBytes {
    package static func make(_ count: Int) -> [UInt8] {
        Sodium.initialize
        var bytes = [UInt8](repeating: 0, count: count)
        randombytes_buf(&bytes, count)
        return bytes
    }
}

/// The SHA-256 hash (32 bytes).
///
///     SHA256.hex(of: Array("abc".utf8))            // "ba7816bf…"
package enum SHA256 {
    package static func digest(of bytes: [UInt8]) -> [UInt8] {
        var digest = [UInt8](repeating: 0, count: Int(crypto_hash_sha256_BYTES))
        crypto_hash_sha256(&digest, bytes, UInt64(bytes.count))
        return digest
    }

    package static func hex(of bytes: [UInt8]) -> String { hex(digest: digest(of: bytes)) }

    private static func hex(digest: [UInt8]) -> String {
        let digits = Array("0123456789abcdef".utf8)
        return String(decoding: digest.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }, as: UTF8.self)
    }

    /// The hash of bytes that arrive in pieces.
    ///
    ///     var hash = SHA256.Stream()
    ///     hash.add(bytes)
    ///     hash.finish()                            // as printed by sha256sum
    package struct Stream: ~Copyable {
        private var state = crypto_hash_sha256_state()

        package init() { crypto_hash_sha256_init(&state) }

        package mutating func add(_ bytes: [UInt8]) { crypto_hash_sha256_update(&state, bytes, UInt64(bytes.count)) }

        package consuming func finish() -> String {
            var digest = [UInt8](repeating: 0, count: Int(crypto_hash_sha256_BYTES))
            crypto_hash_sha256_final(&state, &digest)
            return hex(digest: digest)
        }
    }
}

/// String comparison whose duration reveals neither how much of a guess is right nor how long the secret is.
///
///     guard ConstantTime.equal(header, adminKey) else { … }
package enum ConstantTime {
    package static func equal(_ guess: String, _ secret: String) -> Bool {
        equalDigests(SHA256.digest(of: Array(guess.utf8)), SHA256.digest(of: Array(secret.utf8)))
    }

    private static func equalDigests(_ a: [UInt8], _ b: [UInt8]) -> Bool { sodium_memcmp(a, b, a.count) == 0 }
}
