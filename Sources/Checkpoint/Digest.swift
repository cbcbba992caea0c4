internal import CXXHash

/// XXH3 with 128 bits, of bytes that come in pieces. It runs at the speed of memory, and finds any damage but one in 2^128; it does not
/// prove who wrote a file, and no digest that stands in the file itself could.
///
///     var digest = Digest()
///     digest.add(bytes.span)
///     digest.text                                              // "99aa06d3014798d86001c324468d497f" of no bytes
package struct Digest: ~Copyable {
    private let state: OpaquePointer

    package init() {
        guard let state = XXH3_createState(), XXH3_128bits_reset(state) == XXH_OK else { fatalError("no memory for a digest") }
        self.state = state
    }

    deinit { XXH3_freeState(state) }

    package func add(_ bytes: Span<UInt8>) { bytes.withUnsafeBytes { _ = XXH3_128bits_update(state, $0.baseAddress, $0.count) } }

    /// Ids, 32 bits each.
    package func add(_ ids: [Int32]) { ids.withUnsafeBytes { _ = XXH3_128bits_update(state, $0.baseAddress, $0.count) } }

    /// 32 hexadecimal digits, as `xxhsum -H2` prints them.
    package var text: String {
        let hash = XXH3_128bits_digest(state)
        return [hash.high64, hash.low64].map { half in
            let digits = String(half, radix: 16)
            return String(repeating: "0", count: 16 - digits.count) + digits
        }.joined()
    }
}
