/// An order of 0 ..< count in which the place of each can be told without the others: four rounds of a Feistel cipher on the next power
/// of four, walked on until the result is in range (Black & Rogaway 2002).
///
///     let order = Shuffle(count: 1_000, seed: 7)
///     order[0]                                 // which comes first
package struct Shuffle {
    private let count: Int
    private let half: UInt64
    private let seed: UInt64

    package init(count: Int, seed: UInt64) {
        (self.count, self.seed) = (count, seed)
        var bits: UInt64 = 1
        while 1 << (2 * bits) < count { bits += 1 }
        half = bits
    }

    package subscript(i: Int) -> Int {
        var x = UInt64(i)
        repeat { x = permuted(x) } while x >= UInt64(count)
        return Int(x)
    }

    private func permuted(_ x: UInt64) -> UInt64 {
        let mask: UInt64 = 1 << half - 1
        var (left, right) = (x >> half, x & mask)
        for round in 0..<4 as Range<UInt64> {
            (left, right) = (right, left ^ (CountedRandom.mixed(right ^ seed &+ round &* 0x9E37_79B9_7F4A_7C15) & mask))
        }
        return left << half | right
    }
}
