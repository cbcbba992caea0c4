/// A random permutation of 0 ..< count that computes any element on its own, without storing the others.
///
///     let order = Shuffle(count: 1_000, seed: 7)
///     order[0]                                 // the element that comes first
///
/// Four rounds of a Feistel cipher on the next power of four, repeated until the result is in range (Black & Rogaway 2002).
package struct Shuffle {
    private let count: Int
    /// Bits in each half of the cipher's block.
    private let bitsPerHalf: UInt64
    private let seed: UInt64

    package init(count: Int, seed: UInt64) {
        self.count = count
        self.seed = seed
        var bits: UInt64 = 1
        while 1 << (2 * bits) < count { bits += 1 }
        bitsPerHalf = bits
    }

    package subscript(i: Int) -> Int {
        var x = UInt64(i)
        repeat { x = permuted(x) } while x >= UInt64(count)
        return Int(x)
    }

    private func permuted(_ x: UInt64) -> UInt64 {
        let mask: UInt64 = 1 << bitsPerHalf - 1
        var left = x >> bitsPerHalf, right = x & mask
        for round in 0..<4 as Range<UInt64> {
            let scrambled = SeededRandom.mixed(right ^ seed &+ round &* 0x9E37_79B9_7F4A_7C15) & mask
            (left, right) = (right, left ^ scrambled)
        }
        return left << bitsPerHalf | right
    }
}
