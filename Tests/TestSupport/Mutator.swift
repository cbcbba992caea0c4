/// Damages bytes for fuzz tests: flips bits, writes wrong lengths, removes, repeats and moves parts, and inserts words of the format.
///
///     var mutator = Mutator(seed: 3, words: ["null", "-1"])
///     mutator.damage(&bytes, in: 0..<600)
package struct Mutator {
    package var random: TestRandom
    private let words: [[UInt8]]

    package init(seed: UInt64, words: [String] = []) { self.init(seed: seed, words: words.map { Array($0.utf8) }) }

    package init(seed: UInt64, words: [[UInt8]]) {
        random = TestRandom(seed)
        self.words = words
    }

    /// Makes one to three changes.
    ///
    /// - Parameter range: Where; nil for anywhere.
    package mutating func damage(_ bytes: inout [UInt8], in range: Range<Int>? = nil) {
        for _ in 0...random.below(3) { change(&bytes, (range ?? bytes.indices).clamped(to: bytes.indices)) }
    }

    private mutating func change(_ bytes: inout [UInt8], _ range: Range<Int>) {
        guard !range.isEmpty else { return }
        let at = range.lowerBound + random.below(range.count), end = min(bytes.count, at + 1 + random.below(40))
        switch random.below(10) {
        case 0: bytes[at] ^= 1 << UInt8(random.below(8))
        case 1: bytes[at] = UInt8(truncatingIfNeeded: random.next())
        case 2, 3: write(number(bytes.count, at), at: at, &bytes)
        case 4: bytes.removeSubrange(at..<end)
        case 5: bytes.insert(contentsOf: bytes[at..<end], at: range.lowerBound + random.below(range.count))
        case 6:
            let other = range.lowerBound + random.below(range.count), count = min(end - at, bytes.count - other)
            bytes.replaceSubrange(other..<other + count, with: Array(bytes[at..<at + count]))
        case 7 where !words.isEmpty: bytes.replaceSubrange(at..<end, with: words[random.below(words.count)])
        case 8 where !words.isEmpty: bytes.insert(contentsOf: words[random.below(words.count)], at: at)
        default: if random.below(4) == 0 { bytes.removeSubrange(at...) } else { bytes[at] = 0 }
        }
    }

    /// A likely wrong length, count or offset.
    private mutating func number(_ size: Int, _ offset: Int) -> UInt64 {
        let small: [UInt64] = [0, 1, 2, 3, 4, 5, 8, 9, 12, 31, 32, 127, 255]
        let large: [UInt64] = [1 << 31, 1 << 32, 1 << 61, 1 << 62, 1 << 63, .max, .max - 31, 0xFFFF, 0x7FFF_FFFF]
        switch random.below(3) {
        case 0: return small[random.below(small.count)]
        case 1: return large[random.below(large.count)]
        default: return UInt64([size, size - 1, size + 1, offset, offset + 8][random.below(5)])
        }
    }

    /// Writes 1, 2, 4 or 8 bytes in little-endian order.
    private mutating func write(_ number: UInt64, at offset: Int, _ bytes: inout [UInt8]) {
        for i in 0..<1 << random.below(4) where offset + i < bytes.count {
            bytes[offset + i] = UInt8(truncatingIfNeeded: number >> UInt64(8 * i))
        }
    }
}
