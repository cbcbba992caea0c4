import Glibc

/// The IP address of a client.
package struct PeerAddress: Sendable, Hashable, CustomStringConvertible {
    /// The two halves of an IPv6 address. IPv4 is stored in its mapped form.
    private let high: UInt64
    private let low: UInt64

    private init(high: UInt64, low: UInt64) {
        self.high = high
        self.low = low
    }

    /// 127.0.0.1
    package init() { self.init(high: 0, low: Self.mapped | 0x7F00_0001) }

    /// Returns nil if the text is not a numeric address.
    package init?(_ text: String) {
        var ipv4 = in_addr()
        var ipv6 = in6_addr()
        if inet_pton(AF_INET, text, &ipv4) == 1 {
            self.init(high: 0, low: Self.mapped | UInt64(UInt32(bigEndian: ipv4.s_addr)))
        } else if inet_pton(AF_INET6, text, &ipv6) == 1 {
            self.init(ipv6)
        } else {
            return nil
        }
    }

    /// Parses an element of `X-Forwarded-For`, with or without brackets and a port: 203.0.113.7, 203.0.113.7:4711, [2001:db8::1]:4711.
    package init?(forwarded text: String) {
        var text = Substring(String(decoding: text.utf8.filter { $0 != UInt8(ascii: " ") }, as: UTF8.self))
        if text.hasPrefix("["), let end = text.firstIndex(of: "]") {
            text = text[text.index(after: text.startIndex)..<end]
        } else if text.contains("."), let colon = text.firstIndex(of: ":") {
            text = text[..<colon]
        }
        self.init(String(text))
    }

    /// An address that no client has: `::`.
    package static let unknown = PeerAddress(high: 0, low: 0)

    init(_ address: sockaddr_storage) {
        self = withUnsafeBytes(of: address) { raw in
            switch Int32(address.ss_family) {
            case AF_INET:
                PeerAddress(high: 0, low: Self.mapped | UInt64(UInt32(bigEndian: raw.load(as: sockaddr_in.self).sin_addr.s_addr)))
            case AF_INET6: PeerAddress(raw.load(as: sockaddr_in6.self).sin6_addr)
            default: PeerAddress()
            }
        }
    }

    private init(_ address: in6_addr) {
        self = withUnsafeBytes(of: address) {
            PeerAddress(
                high: UInt64(bigEndian: $0.loadUnaligned(as: UInt64.self)),
                low: UInt64(bigEndian: $0.loadUnaligned(fromByteOffset: 8, as: UInt64.self)))
        }
    }

    /// The prefix ::ffff:0:0/96 of IPv4 addresses written as IPv6.
    private static let mapped: UInt64 = 0xFFFF << 32

    private var isIPv4: Bool { high == 0 && low >> 32 == 0xFFFF }

    package var isLoopback: Bool { isIPv4 ? low >> 24 & 0xFF == 127 : high == 0 && low == 1 }

    /// nil for an IPv6 address.
    package var ipv4: UInt32? { isIPv4 ? UInt32(truncatingIfNeeded: low) : nil }
    /// The /64 prefix of an IPv6 address.
    package var ipv6Prefix: UInt64 { high }

    /// With zeros after the first `bits` of its 128 bits.
    func masked(toBits bits: Int) -> PeerAddress {
        func mask(_ bits: Int) -> UInt64 { bits <= 0 ? 0 : bits >= 64 ? .max : ~(UInt64.max >> UInt64(bits)) }
        return PeerAddress(high: high & mask(bits), low: low & mask(bits - 64))
    }

    /// What limits count as one client: an IPv4 address, or an IPv6 /64 prefix, because one customer has 2^64 IPv6 addresses.
    package var prefix: PeerAddress { isIPv4 ? self : PeerAddress(high: high, low: 0) }

    package var description: String {
        if isIPv4 {
            let bytes: [UInt64] = [24, 16, 8, 0].map { low >> $0 & 0xFF }
            return bytes.map { String($0) }.joined(separator: ".")
        }
        let groups: [UInt64] = [high, low].flatMap { half in [48, 32, 16, 0].map { half >> $0 & 0xFFFF } }
        return groups.map { String($0, radix: 16) }.joined(separator: ":")
    }
}
