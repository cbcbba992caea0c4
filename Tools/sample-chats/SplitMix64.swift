/// A random number generator with the same sequence on every machine (Steele, Lea & Flood 2014, "Fast splittable pseudorandom number
/// generators").
///
///     var random = SplitMix64(seed: 1)
///     let die = 1 + random.below(6)
///
/// `below` exists because the standard library may change how `Int.random(in:using:)` uses a generator, which would change the sample.
package struct SplitMix64: Sendable {
    private var state: UInt64

    package init(seed: UInt64) { state = seed }

    package mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        return Self.mixed(state)
    }

    /// Returns a number in 0..<count, with a bias of count / 2⁶⁴.
    package mutating func below(_ count: Int) -> Int {
        Int(next().multipliedFullWidth(by: UInt64(count)).high)
    }

    /// Mixes the bits, so that every bit of the result depends on every bit of `value`.
    static func mixed(_ value: UInt64) -> UInt64 {
        var z = value
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}
