import CMicroHTTPD
import Glibc

/// Where a connection comes from.
package struct PeerAddress: Sendable, Hashable, CustomStringConvertible {
    /// As IPv6; IPv4 in its mapped form.
    private let high, low: UInt64

    /// This machine.
    package init() {
        high = 0
        low = Self.mapped | 0x7F00_0001
    }

    /// nil for what is no numeric address.
    package init?(_ text: String) {
        var four = in_addr(), six = in6_addr()
        if inet_pton(AF_INET, text, &four) == 1 {
            high = 0
            low = Self.mapped | UInt64(UInt32(bigEndian: four.s_addr))
        } else if inet_pton(AF_INET6, text, &six) == 1 {
            (high, low) = Self.halves(of: six)
        } else { return nil }
    }

    /// As proxies write it, perhaps with brackets and a port: 203.0.113.7, 203.0.113.7:4711, [2001:db8::1]:4711.
    package init?(forwarded text: String) {
        var text = Substring(String(decoding: text.utf8.filter { $0 != UInt8(ascii: " ") }, as: UTF8.self))
        if text.hasPrefix("["), let end = text.firstIndex(of: "]") {
            text = text[text.index(after: text.startIndex)..<end]
        } else if text.contains("."), let colon = text.firstIndex(of: ":") {
            text = text[..<colon]
        }
        self.init(String(text))
    }

    /// Of whom nobody says where they are: no machine has this address.
    package static let unknown = PeerAddress(high: 0, low: 0)

    init(_ address: UnsafePointer<sockaddr>?) {
        guard let address else { self.init(); return }
        let raw = UnsafeRawPointer(address)
        switch Int32(address.pointee.sa_family) {
        case AF_INET: self.init(high: 0, low: Self.mapped | UInt64(UInt32(bigEndian: raw.load(as: sockaddr_in.self).sin_addr.s_addr)))
        case AF_INET6:
            let (high, low) = Self.halves(of: raw.load(as: sockaddr_in6.self).sin6_addr)
            self.init(high: high, low: low)
        default: self.init()
        }
    }

    private static let mapped: UInt64 = 0xFFFF << 32

    private static func halves(of address: in6_addr) -> (UInt64, UInt64) {
        withUnsafeBytes(of: address) {
            (UInt64(bigEndian: $0.loadUnaligned(as: UInt64.self)), UInt64(bigEndian: $0.loadUnaligned(fromByteOffset: 8, as: UInt64.self)))
        }
    }

    private var isIPv4: Bool { high == 0 && low >> 32 == 0xFFFF }

    /// Whether it is this machine.
    package var isLoopback: Bool { isIPv4 ? low >> 24 & 0xFF == 127 : high == 0 && low == 1 }

    /// The whole of an address of IPv4; nil for one of IPv6.
    package var ipv4: UInt32? { isIPv4 ? UInt32(truncatingIfNeeded: low) : nil }
    /// The first half of an address of IPv6.
    package var network: UInt64 { high }

    /// One person's: an address of IPv4, a network of IPv6, of which each customer has 2^64 addresses.
    package var household: PeerAddress { isIPv4 ? self : PeerAddress(high: high, low: 0) }

    private init(high: UInt64, low: UInt64) {
        self.high = high
        self.low = low
    }

    package var description: String {
        if isIPv4 { return (0..<4).map { String(low >> (24 - 8 * UInt64($0)) & 0xFF) }.joined(separator: ".") }
        return ([high, low].flatMap { half in (0..<4).map { String(half >> (48 - 16 * UInt64($0)) & 0xFFFF, radix: 16) } }).joined(
            separator: ":")
    }
}
