import Glibc

/// Random numbers that are the same everywhere (Steele et al. 2014).
package struct SplitMix: RandomNumberGenerator {
    private var state: UInt64

    package init(seed: UInt64) { state = seed }

    package mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}

/// How often a fuzz test tries: `SLM_FUZZ_ROUNDS=1000000 swift test -c release --filter FuzzTests` for a long run.
package func fuzzRounds(else rounds: Int) -> Int { getenv("SLM_FUZZ_ROUNDS").flatMap { Int(String(cString: $0)) } ?? rounds }
