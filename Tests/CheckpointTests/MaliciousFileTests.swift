import Checkpoint
import Files
import Glibc
import Kernels
import Testing
import TestSupport

/// Manipulated files with a correct checksum are read or rejected, without crashes. `SLM_FUZZ_ROUNDS=1000000` for a long run.
@Suite struct MaliciousFileTests {
    @Test func `damaged files never crash the reader`() throws {
        // Few arrays, so that many rounds take little time.
        var sample = try SampleCheckpoint(layers: 0).checkpoint
        for name in sample.weights.names where !name.hasPrefix("norm") && !name.hasPrefix("positions") { sample.weights[name] = nil }
        for name in sample.optimizer.names where !name.hasPrefix("odd") { sample.optimizer[name] = nil }
        try mutateAndRead(sample, in: TemporaryFolder()) { _ in }
    }

    @Test func `a manipulated adapter is applied or rejected`() throws {
        let folder = TemporaryFolder(), processor = try Processor(threads: 1)
        var sample = try SampleAdapter(in: folder, withPrincipals: true).adapter
        sample.tokenizer = nil
        let base = try Checkpoint(reading: folder("base.h5"))
        try mutateAndRead(sample, in: folder) { checkpoint throws(CheckpointError) in
            guard checkpoint.adapter != nil else { return }
            do throws(CheckpointError) {
                try checkpoint.check(base: base, at: "base.h5")
                _ = try checkpoint.model(over: base, on: processor)
            } catch {
                // The stored digest of the base model was changed.
                guard case .wrongBaseModel = error else { throw error }
            }
        }
    }

    private func mutateAndRead(
        _ sample: Checkpoint, in folder: TemporaryFolder, _ use: (Checkpoint) throws(CheckpointError) -> Void
    ) throws {
        let path = folder("a.h5")
        try sample.write(to: path)
        let whole = try InputFile.contents(of: path), descriptor = open(path, O_WRONLY)
        defer { close(descriptor) }
        // Changes matter in HDF5's metadata: at every nonzero byte and near it.
        let offsets = whole.indices.filter { i in
            i >= CheckpointHeader.size && (i - 8...i + 8).contains { whole.indices.contains($0) && whole[$0] != 0 }
        }
        let addresses = stride(from: CheckpointHeader.size, to: whole.count - 8, by: 1).filter {
            number(at: $0, in: whole) > 0 && number(at: $0, in: whole) < whole.count
        }
        var random = TestRandom(2), accepted = 0, kinds: [String: Int] = [:]
        for round in 0..<DamagedFileTests.rounds {
            var bytes = whole
            for _ in 0..<Int.random(in: 1...3, using: &random) { mutate(&bytes, offsets, addresses, &random) }
            bytes.replaceSubrange(0..<CheckpointHeader.size, with: CheckpointHeader(for: bytes).bytes)
            try rewrite(descriptor, with: bytes)
            do throws(CheckpointError) {
                let checkpoint = try Checkpoint(reading: path)
                _ = checkpoint.everything                      // would trap on an array that leaves the file
                if checkpoint.tokenizer != sample.tokenizer { try readVocabulary(of: checkpoint) }
                try use(checkpoint)
                accepted += 1
            } catch {
                let kind = switch error { case .malformed: "malformed"; case .mismatch: "mismatch"; default: "other" }
                kinds[kind, default: 0] += 1
                if kind == "other" || !"\(error)".contains(folder.path) { Issue.record("round \(round): \(error)") }
            }
        }
        #expect(accepted > 0 && kinds["malformed", default: 0] > 0 && kinds["mismatch", default: 0] > 0, "\(accepted) \(kinds)")
    }

    private func readVocabulary(of checkpoint: Checkpoint) throws(CheckpointError) {
        do throws(CheckpointError) { _ = try checkpoint.vocabulary() } catch { guard case .mismatch = error else { throw error } }
    }

    private func mutate(_ bytes: inout [UInt8], _ offsets: [Int], _ addresses: [Int], _ random: inout TestRandom) {
        guard let offset = offsets.randomElement(using: &random), let address = addresses.randomElement(using: &random) else { return }
        let numbers = [
            0, 1, -1, .max, .min, bytes.count, bytes.count - CheckpointHeader.size, bytes.count - 1, offset, offset - CheckpointHeader.size,
            number(at: address, in: bytes), 1 << 32, 255,
        ]
        switch Int.random(in: 0..<6, using: &random) {
        case 0: bytes[offset] ^= 1 << UInt8.random(in: 0..<8, using: &random)
        case 1: bytes[offset] = UInt8.random(in: 0...255, using: &random)
        case 2: write(numbers.randomElement(using: &random) ?? 0, at: offset, in: &bytes)
        case 3: write(numbers.randomElement(using: &random) ?? 0, at: address, in: &bytes)
        case 4: write(number(at: address, in: bytes), at: addresses.randomElement(using: &random) ?? address, in: &bytes)
        default:
            let other = offsets.randomElement(using: &random) ?? offset,
                count = min(Int.random(in: 1...300, using: &random), bytes.count - max(offset, other))
            bytes.replaceSubrange(offset..<offset + count, with: Array(bytes[other..<other + count]))
        }
    }

    private func number(at offset: Int, in bytes: [UInt8]) -> Int {
        Int(littleEndian: bytes.span.extracting(min(offset, bytes.count)..<min(offset + 8, bytes.count)))
    }

    private func write(_ number: Int, at offset: Int, in bytes: inout [UInt8]) {
        for i in 0..<8 where offset + i < bytes.count { bytes[offset + i] = UInt8(truncatingIfNeeded: number >> (8 * i)) }
    }

    private func rewrite(_ descriptor: Int32, with bytes: [UInt8]) throws {
        try #require(pwrite(descriptor, bytes, bytes.count, 0) == bytes.count)
    }
}
