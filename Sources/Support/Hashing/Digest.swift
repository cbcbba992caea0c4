internal import CXXHash

/// The 128-bit XXH3 hash of bytes that arrive in pieces. It runs at the speed of memory.
///
///     let digest = Digest()
///     digest.add(bytes.span)
///     digest.text                                              // "99aa06d3014798d86001c324468d497f" for no bytes
///
/// It detects accidental damage. It is not cryptographic: it does not detect deliberate changes.
package struct Digest: ~Copyable {
    private let state: OpaquePointer

    package init() {
        guard let state = XXH3_createState(), XXH3_128bits_reset(state) == XXH_OK else { fatalError("out of memory for a digest") }
        self.state = state
    }

    deinit { XXH3_freeState(state) }

    package func add(_ bytes: Span<UInt8>) { bytes.withUnsafeBytes { _ = slm_xxh3_update(state, $0.baseAddress, $0.count) } }

    package func add(_ text: String) { add(Array(text.utf8).span) }

    /// Adds numbers as 32 bits each, little-endian.
    package func add(_ numbers: [Int32]) { numbers.withUnsafeBytes { _ = slm_xxh3_update(state, $0.baseAddress, $0.count) } }

    /// A number from 0 up to 1 that depends on a text alone, evenly distributed: for shares that stay the same.
    package static func fraction(of text: String) -> Double {
        let digest = Digest()
        digest.add(text)
        return Double(XXH3_128bits_digest(digest.state).high64 >> 16) / 0x1p48
    }

    /// The text of the digest of some bytes.
    package static func text(of bytes: [UInt8]) -> String {
        let digest = Digest()
        digest.add(bytes.span)
        return digest.text
    }

    /// 32 hexadecimal digits, as printed by `xxhsum -H2`.
    package var text: String {
        let hash = XXH3_128bits_digest(state)
        return [hash.high64, hash.low64].map { half in
            let digits = String(half, radix: 16)
            return String(repeating: "0", count: 16 - digits.count) + digits
        }.joined()
    }
}
