/// A random number generator with the same numbers in every run (SplitMix64).
package struct TestRandom: RandomNumberGenerator {
    private var state: UInt64

    package init(_ seed: UInt64) { state = seed &* 0xD134_2543_DE82_EF95 &+ 1 }

    package mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }

    package mutating func below(_ bound: Int) -> Int { Int(next() % UInt64(bound)) }

    /// Uniformly distributed in −1 ..< 1.
    package mutating func number() -> Float { Float(next() >> 40) / 8_388_608 - 1 }
    package mutating func numbers(_ count: Int) -> [Float] { (0..<count).map { _ in number() } }
}
