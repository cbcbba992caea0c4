import Glibc

/// The number of rounds of a fuzz test. For a long run: `SLM_FUZZ_ROUNDS=1000000 swift test -c release --filter FuzzTests`.
package func fuzzRounds(default rounds: Int) -> Int { getenv("SLM_FUZZ_ROUNDS").flatMap { Int(String(cString: $0)) } ?? rounds }
