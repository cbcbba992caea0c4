/// Personal data and secrets in a text: what an owner should see before the text is trained on.
///
///     PersonalData.found(in: "Write to ada@example.org.")          // [email, UTF-16 offsets 9..<24]
///
/// Finds email addresses, phone numbers, IBANs and credit cards with valid check digits, IP addresses, keys, tokens and passwords in
/// common shapes, and URLs with credentials. Names and postal addresses are not found.
package struct PersonalData: Sendable, Equatable {
    /// Raw values are part of the API; the order is that of the bits that are stored.
    package enum Kind: String, Sendable, CaseIterable { case email, phone, iban, card, ip, key, url }

    package let kind: Kind
    /// UTF-16 offsets.
    package let range: Range<Int>

    package static func found(in text: String) -> [PersonalData] {
        let bytes = Array(text.utf8), found = PersonalDataScanner.found(in: bytes)
        if found.isEmpty { return [] }
        // UTF-8 offsets to UTF-16 offsets, in one pass.
        var result: [PersonalData] = []
        var utf8 = 0, utf16 = 0
        func offset(of position: Int) -> Int {
            while utf8 < position {
                switch bytes[utf8] {
                case 0..<0x80: utf8 += 1; utf16 += 1
                case 0..<0xE0: utf8 += 2; utf16 += 1
                case 0..<0xF0: utf8 += 3; utf16 += 1
                default: utf8 += 4; utf16 += 2
                }
            }
            return utf16
        }
        for (kind, range) in found {
            let start = offset(of: range.lowerBound)
            result.append(PersonalData(kind: kind, range: start..<offset(of: range.upperBound)))
        }
        return result
    }
}

/// The kinds as one number, a bit for each.
extension PersonalData.Kind {
    private var bit: Int { 1 << (Self.allCases.firstIndex(of: self) ?? 0) }

    package static func bits(of kinds: some Sequence<Self>) -> Int { kinds.reduce(0) { $0 | $1.bit } }

    package static func kinds(in bits: Int) -> [Self] { allCases.filter { bits & $0.bit != 0 } }
}
