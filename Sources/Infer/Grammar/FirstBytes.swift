/// A set of characters by their first bytes in UTF-8: all of ASCII, and the first bytes of longer ones, from 0xC0 on. Other bytes begin
/// no character.
struct FirstBytes: Sendable {
    private var low: UInt64 = 0, high: UInt64 = 0, long: UInt64 = 0

    /// The first member of ASCII.
    var firstASCII: UInt8? {
        low != 0 ? UInt8(low.trailingZeroBitCount) : high != 0 ? 0x40 + UInt8(high.trailingZeroBitCount) : nil
    }

    mutating func insert(_ byte: UInt8) {
        let bit: UInt64 = 1 << UInt64(byte % 64)
        switch byte {
        case ..<0x40: low |= bit
        case ..<0x80: high |= bit
        case 0xC0...: long |= bit
        default: break
        }
    }

    mutating func formUnion(_ other: FirstBytes) {
        low |= other.low
        high |= other.high
        long |= other.long
    }

    func isSubset(of other: FirstBytes) -> Bool { low & ~other.low == 0 && high & ~other.high == 0 && long & ~other.long == 0 }

    func isDisjoint(with other: FirstBytes) -> Bool { low & other.low == 0 && high & other.high == 0 && long & other.long == 0 }
}
