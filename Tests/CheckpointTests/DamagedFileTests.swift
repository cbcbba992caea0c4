import Checkpoint
import Files
import Glibc
import Testing
import TestSupport
import Formats

/// Files that are not, or no longer, what was written: each is refused with a sentence.
@Suite struct DamagedFileTests {
    private let folder = TemporaryFolder()
    static let rounds = fuzzRounds(default: 4_000)

    private func sample() throws -> [UInt8] {
        try SampleCheckpoint(layers: 0).checkpoint.write(to: folder("whole.h5"))
        return try InputFile.contents(of: folder("whole.h5"))
    }

    private func refusal(of bytes: [UInt8]) -> CheckpointError? {
        let path = folder.write(bytes, to: "a.h5")
        do throws(CheckpointError) { _ = try Checkpoint(reading: path) } catch { return error }
        return nil
    }

    private func sentence(_ bytes: [UInt8]) -> String {
        refusal(of: bytes).map { "\($0)".replacing(folder.path, with: "folder") } ?? "accepted"
    }

    @Test func `every cut is noticed`() throws {
        let bytes = try sample(), path = folder.write(bytes, to: "a.h5")
        for count in stride(from: bytes.count - 1, through: 0, by: -1) {
            if truncate(path, count) != 0 { Issue.record("not cut to \(count)") }
            do throws(CheckpointError) {
                _ = try Checkpoint(reading: path)
                Issue.record("\(count) of \(bytes.count) bytes were taken for the whole")
            } catch {
                let expected = count == 0 ? CheckpointError.foreign(path: path, found: "an empty file")
                    : .wrongLength(path: path, expected: count < CheckpointHeader.size ? CheckpointHeader.size : bytes.count, found: count)
                if error != expected { Issue.record("\(count) bytes: \(error)") }
            }
        }
        #expect(sentence(bytes + [0]).contains("is damaged: it has "))
    }

    @Test func `every altered byte is noticed`() throws {
        var bytes = try sample(), random = TestRandom(1)
        let path = folder.write(bytes, to: "a.h5"), descriptor = open(path, O_WRONLY)
        defer { close(descriptor) }
        for round in 0..<max(Self.rounds, 2 * CheckpointHeader.size) {
            // All of the seal first, then anywhere.
            let place = round < 2 * CheckpointHeader.size ? round / 2 : Int.random(in: 0..<bytes.count, using: &random), old = bytes[place]
            bytes[place] = old ^ (round % 2 == 0 ? 1 << UInt8.random(in: 0..<8, using: &random) : UInt8.random(in: 1...255, using: &random))
            if pwrite(descriptor, [bytes[place]], 1, place) != 1 { Issue.record("byte \(place) not written") }
            do throws(CheckpointError) {
                _ = try Checkpoint(reading: path)
                Issue.record("byte \(place) changed from \(old) to \(bytes[place]) unseen")
            } catch { if !"\(error)".contains(path) { Issue.record("byte \(place): \(error)") } }
            bytes[place] = old
            if pwrite(descriptor, [old], 1, place) != 1 { Issue.record("byte \(place) not written") }
        }
    }

    @Test func `what was cut, altered or lengthened says so`() throws {
        let bytes = try sample()
        #expect(
            sentence(Array(bytes[..<1_000])) == "folder/a.h5 is damaged: it has 1,000 bytes and should have \(bytes.count / 1_000),"
                + String("\(bytes.count % 1_000 + 1_000)".dropFirst())
                + "; the file was cut short. Take another checkpoint of the run, such as the best.h5 or last.h5 beside it.")
        #expect(sentence(bytes + [1]).contains("; something was added to it. "))
        var altered = bytes
        altered[bytes.count / 2] ^= 1
        #expect(
            sentence(altered)
                == "folder/a.h5 is damaged: its digest should be \(CheckpointHeader(for: bytes).digest) and is \(CheckpointHeader(for: altered).digest); it was altered "
                + "after it was written. Take another checkpoint of the run, such as the best.h5 or last.h5 beside it.")
    }

    @Test(
        arguments: [
            ([], "an empty file"), (Array("GGUF\u{3}\0\0\0".utf8), "a GGUF file"),
            (Array("PK\u{3}\u{4}abc".utf8), "a zip archive, as PyTorch's .pt files are"),
            ([8, 0, 0, 0, 0, 0, 0, 0] + Array("{\"a\":{}}".utf8), "a safetensors file"), (Array("{}".utf8), "JSON"),
            (Array("hello".utf8), "something else"),
            ([0x89] + Array("HDF\r\n\u{1A}\n".utf8), "an HDF5 file that slm did not write"),
        ] as [([UInt8], String)])
    func `files of others are told apart`(bytes: [UInt8], kind: String) {
        #expect(
            sentence(bytes)
                == "folder/a.h5 is not a checkpoint of slm: it is \(kind). Models of other programs come in with: slm import FILE --out CHECKPOINT"
        )
    }

    @Test func `a later version is not guessed at`() throws {
        let bytes = try sample(), later = Array("slm checkpoint, version 12\n".utf8)
        for length in [later.count, 512, bytes.count] {
            #expect(
                sentence(Array((later + bytes.dropFirst(later.count)).prefix(length)))
                    == "folder/a.h5 is a checkpoint of version 12, and this slm reads up to version 1. Use the slm that wrote it, or a later one."
            )
        }
    }

    @Test func `what is not there, or is a folder, says so`() {
        for (path, reason) in [
            (folder("none.h5"), "No such file or directory"),
            (folder.path, "it is a folder; models of other programs come in with: slm import FOLDER --out CHECKPOINT"),
            ("/dev/null", "it is not a file"),
        ] {
            #expect(throws: CheckpointError.unreadable(path: path, reason: reason)) { _ = try Checkpoint(reading: path) }
        }
        #expect(
            "\(CheckpointError.unreadable(path: "a", reason: "No such file or directory"))"
                == "a: cannot be read: No such file or directory.")
    }
}
