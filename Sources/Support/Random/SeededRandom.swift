/// A random number generator whose numbers depend only on a seed and a stream (SplitMix64, Steele et al. 2014).
///
/// With one stream per training step, a resumed run draws the same numbers as an uninterrupted one.
///
///     var random = SeededRandom(seed: 1, stream: 700)         // for step 700
///     Int.random(in: 0..<10, using: &random)
package struct SeededRandom: RandomNumberGenerator {
    private var state: UInt64

    package init(seed: UInt64, stream: UInt64) {
        state = Self.mixed(seed &+ 0x9E37_79B9_7F4A_7C15) ^ Self.mixed(stream &* 0xD1B5_4A32_D192_ED03 &+ 1)
    }

    package mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        return Self.mixed(state)
    }

    /// A number that is uniformly distributed in 0 ..< 1.
    package mutating func uniform() -> Double { Double(next() >> 11) * 0x1p-53 }

    static func mixed(_ x: UInt64) -> UInt64 {
        var z = x
        z = (z ^ z >> 30) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ z >> 27) &* 0x94D0_49BB_1331_11EB
        return z ^ z >> 31
    }
}
