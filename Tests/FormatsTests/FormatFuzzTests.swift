import Checkpoint
import Kernels
import Testing
import TestSupport

/// Damaged files of other programs are read or rejected with a clear message. `SLM_FUZZ_ROUNDS=1000000` for a long run; FormatFuzzer also
/// measures memory and time of each round.
@Suite struct FormatFuzzTests {
    @Test(arguments: FuzzedFormat.allCases) func `damaged files never crash the reader`(format: FuzzedFormat) throws {
        let processor = try Processor(threads: 1), folder = TemporaryFolder()
        var fuzz = try FormatFuzz(format, in: folder), counts = [0, 0]
        for seed in try format.seeds() {
            fuzz.put(seed.files.merging([seed.damaged: seed.whole(seed.bytes)]) { $1 }, entry: seed.entry)
            let outcome = fuzz.read(on: processor)
            #expect(outcome == .read, "\(seed.damaged): \(outcome)")
        }
        for round in 0..<fuzzRounds(default: 1_500) {
            fuzz.prepare(round)
            switch fuzz.read(on: processor) {
            case .read: counts[0] += 1
            case .refused: counts[1] += 1
            case .wrong(let what): Issue.record("round \(round): \(what)")
            }
        }
        #expect(counts.allSatisfy { $0 > 0 }, "\(counts)")
    }
}
