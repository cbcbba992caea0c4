package import HTTPServer

/// Whom limits count: an account, or the address that a guest comes from.
///
///     Person(address: "2001:db8:1:2::7") == Person(address: "2001:db8:1:2:ffff::1")        // one household
package enum Person: Sendable, Hashable {
    case account(String)
    case ipv4(UInt32)
    /// The first half of an address: a household has all that begin with it.
    case ipv6(UInt64)

    /// Whoever asks from there.
    package init(_ peer: PeerAddress) { self = peer.ipv4.map { .ipv4($0) } ?? .ipv6(peer.network) }

    /// An address as the system writes it. IPv4 that is written as IPv6 (`::ffff:192.0.2.1`) is IPv4. nil if it is none.
    package init?(address text: String) {
        guard let peer = PeerAddress(String(text.prefix { $0 != "%" })) else { return nil }          // without the name of an interface
        self.init(peer)
    }
}
