import Glibc

/// A network in CIDR notation, such as 172.16.0.0/12, 2001:db8::/32, or a single address.
///
///     AddressRange("10.0.0.0/8")?.contains(peer)
package struct AddressRange: Sendable, Hashable, CustomStringConvertible {
    private let first: PeerAddress
    /// Leading bits of the 128-bit address that all addresses of the network share. IPv4 is stored in its mapped form.
    private let sharedBits: Int
    package let description: String

    /// Returns nil if the text is not a network.
    package init?(_ text: String) {
        let parts = text.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
        guard let address = PeerAddress(String(parts[0])) else { return nil }
        let isIPv4 = !parts[0].contains(":")
        let width = isIPv4 ? 32 : 128
        var bits = width
        if parts.count == 2 {
            let isNumber = parts[1].utf8.allSatisfy { (0x30...0x39).contains($0) }
            guard isNumber, parts[1].count <= 3, let given = Int(parts[1]), given <= width else { return nil }
            bits = given
        }
        sharedBits = isIPv4 ? 96 + bits : bits
        first = address.masked(toBits: sharedBits)
        description = text
    }

    package func contains(_ address: PeerAddress) -> Bool { address.masked(toBits: sharedBits) == first }

    package static func == (a: AddressRange, b: AddressRange) -> Bool { a.first == b.first && a.sharedBits == b.sharedBits }

    package func hash(into hasher: inout Hasher) {
        hasher.combine(first)
        hasher.combine(sharedBits)
    }
}
