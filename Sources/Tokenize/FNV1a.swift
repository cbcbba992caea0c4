/// Fowler, Noll and Vo's hash of 64 bits, the same wherever it is computed. It guards against mistakes, not against malice.
///
///     var hash = FNV1a()
///     hash.add("chats.txt")
///     hash.digits                                              // 16 hexadecimal digits
package struct FNV1a {
    private(set) var value: UInt64 = 0xCBF2_9CE4_8422_2325

    package init() {}

    mutating func add(_ byte: UInt8) { value = (value ^ UInt64(byte)) &* 0x100_0000_01B3 }

    mutating func add(_ number: Int) { for shift in stride(from: 0, to: 64, by: 8) { add(UInt8(truncatingIfNeeded: number >> shift)) } }

    package mutating func add(_ text: String) {
        add(text.utf8.count)
        for byte in text.utf8 { add(byte) }
    }

    package var digits: String {
        let digits = String(value, radix: 16)
        return String(repeating: "0", count: 16 - digits.count) + digits
    }
}
