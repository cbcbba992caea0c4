package import HTTPServer

/// The identity that limits count: an account, or the address prefix of a guest.
///
///     ClientKey(address: "2001:db8:1:2::7") == ClientKey(address: "2001:db8:1:2:ffff::1")        // the same /64
package enum ClientKey: Sendable, Hashable {
    case account(String)
    case ipv4(UInt32)
    /// The /64 prefix.
    case ipv6(UInt64)

    package init(_ peer: PeerAddress) { self = peer.ipv4.map { .ipv4($0) } ?? .ipv6(peer.ipv6Prefix) }

    /// Parses a numeric address. An IPv4-mapped IPv6 address (`::ffff:192.0.2.1`) is IPv4. Returns nil if the text is not an address.
    package init?(address text: String) {
        // The zone of fe80::1%eth0 is dropped.
        guard let peer = PeerAddress(String(text.prefix { $0 != "%" })) else { return nil }
        self.init(peer)
    }
}
