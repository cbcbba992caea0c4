import CSodium

/// Bytes as letters and back, by libsodium, whose time does not depend on them.
///
///     Base64.text(bytes, .forAddresses)            // "-_8" : letters that may stand in an address, no padding
///     Base64.bytes("-_8")                          // nil for padding, other letters, and bits that are left over
enum Base64 {
    enum Letters { case forAddresses, standard }

    static func text(_ bytes: [UInt8], _ letters: Letters = .forAddresses) -> String {
        let variant = letters == .standard ? sodium_base64_VARIANT_ORIGINAL : sodium_base64_VARIANT_URLSAFE_NO_PADDING
        let capacity = sodium_base64_encoded_len(bytes.count, variant)                  // with the NUL
        var text = [CChar](repeating: 0, count: capacity)
        sodium_bin2base64(&text, capacity, bytes, bytes.count, variant)
        return String(decoding: text.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    static func bytes(_ text: some StringProtocol) -> [UInt8]? {
        let letters = text.utf8.map { CChar(bitPattern: $0) }
        var bytes = [UInt8](repeating: 0, count: letters.count / 4 * 3 + 3), count = 0
        let capacity = bytes.count
        guard sodium_base642bin(&bytes, capacity, letters, letters.count, nil, &count, nil, sodium_base64_VARIANT_URLSAFE_NO_PADDING) == 0 else { return nil }
        return Array(bytes[..<count])
    }
}
