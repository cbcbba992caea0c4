import Glibc

/// How often a fuzz test tries: `SLM_FUZZ_ROUNDS=1000000 swift test -c release --filter FuzzTests` for a long run.
package func fuzzRounds(else rounds: Int) -> Int { getenv("SLM_FUZZ_ROUNDS").flatMap { Int(String(cString: $0)) } ?? rounds }
