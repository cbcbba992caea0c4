import Checkpoint
import Kernels
import Testing
import TestSupport

/// Changed GGUF files are read or refused, and nothing else. `SLM_FUZZ_ROUNDS=1000000` for a long run.
@Suite struct GGUFFuzzTests {
    @Test func `whatever a GGUF file says, it is read or refused`() throws {
        let folder = TemporaryFolder(), processor = try Processor(threads: 1), whole = GGUFBytes.sample.bytes
        let path = folder("a.gguf"), end = whole.count - GGUFBytes.sample.data.count
        let numbers: [UInt64] = [0, 1, 2, 3, 4, 5, 8, 9, 12, 31, 32, 255, 1 << 31, 1 << 32, 1 << 61, 1 << 62, 1 << 63, .max, .max - 31, UInt64(whole.count), UInt64(end)]
        var random = Noise(3), accepted = 0, kinds: [String: Int] = [:]
        for round in 0..<fuzzRounds(else: 4_000) {
            var bytes = whole
            for _ in 0..<Int.random(in: 1...3, using: &random) {
                let place = Int.random(in: 0..<end, using: &random), other = Int.random(in: 0..<end, using: &random)
                switch Int.random(in: 0..<6, using: &random) {
                case 0: bytes[place] ^= 1 << UInt8.random(in: 0..<8, using: &random)
                case 1: bytes[place] = UInt8.random(in: 0...255, using: &random)
                case 2: bytes.replaceSubrange(place..<place + 8, with: GGUFBytes.little(numbers.randomElement(using: &random) ?? 0))
                case 3: bytes.replaceSubrange(place..<place + 4, with: GGUFBytes.little(UInt32(truncatingIfNeeded: numbers.randomElement(using: &random) ?? 0)))
                case 4:
                    let count = min(Int.random(in: 1...60, using: &random), bytes.count - max(place, other))
                    bytes.replaceSubrange(place..<place + count, with: Array(bytes[other..<other + count]))
                default: bytes.removeLast(Int.random(in: 0..<min(200, bytes.count), using: &random))
                }
                if bytes.count < end + 8 { break }
            }
            folder.write(bytes, to: "a.gguf")
            do throws(GGUFError) {
                let checkpoint = try Checkpoint(readingGGUF: path, on: processor)
                accepted += 1
                if checkpoint.tokenizer != nil { do throws(CheckpointError) { _ = try checkpoint.vocabulary() } catch { Issue.record("round \(round): \(error)") } }
            } catch {
                let kind = switch error { case .malformed: "malformed"; case .mismatch: "mismatch"; case .foreign: "foreign"; case .tokenizer: "tokenizer"; default: "other" }
                kinds[kind, default: 0] += 1
                if kind == "other" || !"\(error)".contains(folder.path) { Issue.record("round \(round): \(error)") }
            }
        }
        #expect(accepted > 0 && ["malformed", "mismatch", "foreign", "tokenizer"].allSatisfy { kinds[$0, default: 0] > 0 }, "\(accepted) \(kinds)")
    }
}
