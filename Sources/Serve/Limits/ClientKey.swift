package import HTTPServer

/// The identity that limits count: an account, or the address prefix of a guest.
///
///     ClientKey(address)                                       // equal for 2001:db8:1:2::7 and 2001:db8:1:2:ffff::1: the same /64
package enum ClientKey: Sendable, Hashable {
    case account(String)
    case ipv4(UInt32)
    /// The /64 prefix.
    case ipv6(UInt64)
    /// The /56 prefix, which many providers give to one customer.
    case ipv6Site(UInt64)

    package init(_ peer: PeerAddress) { self = peer.ipv4.map { .ipv4($0) } ?? .ipv6(peer.ipv6Prefix) }

    /// The /56 network of an IPv6 address, which has 256 prefixes of /64.
    var site: ClientKey? { if case .ipv6(let prefix) = self { .ipv6Site(prefix & ~0xFF) } else { nil } }

    /// A text that no other client has, for the owner of a prompt.
    var text: String {
        switch self {
        case .account(let id): "account \(id)"
        case .ipv4(let address): "ipv4 \(address)"
        case .ipv6(let prefix), .ipv6Site(let prefix): "ipv6 \(prefix)"
        }
    }

    /// Parses `text`. Returns nil for a network.
    init?(text: String) {
        guard let space = text.firstIndex(of: " ") else { return nil }
        let value = text[text.index(after: space)...]
        switch text[..<space] {
        case "account": self = .account(String(value))
        case "ipv4": guard let address = UInt32(value) else { return nil }; self = .ipv4(address)
        case "ipv6": guard let prefix = UInt64(value) else { return nil }; self = .ipv6(prefix)
        default: return nil
        }
    }
}
