import Checkpoint
import Files
import Glibc
import Testing
import TestSupport
import Formats

/// Damaged files and files of other programs are errors.
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

    @Test func `every truncation is detected`() throws {
        let bytes = try sample(), path = folder.write(bytes, to: "a.h5")
        for count in stride(from: bytes.count - 1, through: 0, by: -1) {
            if truncate(path, count) != 0 { Issue.record("not truncated to \(count)") }
            do throws(CheckpointError) {
                _ = try Checkpoint(reading: path)
                Issue.record("\(count) of \(bytes.count) bytes were accepted")
            } catch {
                let expected = count == 0 ? CheckpointError.notACheckpoint(path: path, found: "an empty file")
                    : .wrongLength(path: path, expected: count < CheckpointHeader.size ? CheckpointHeader.size : bytes.count, found: count)
                if error != expected { Issue.record("\(count) bytes: \(error)") }
            }
        }
        #expect(sentence(bytes + [0]).contains("is damaged: expected "))
    }

    @Test func `every modified byte is detected`() throws {
        var bytes = try sample(), random = TestRandom(1)
        let path = folder.write(bytes, to: "a.h5"), descriptor = open(path, O_WRONLY)
        defer { close(descriptor) }
        for round in 0..<max(Self.rounds, 2 * CheckpointHeader.size) {
            // All bytes of the header first, then random ones.
            let isInHeader = round < 2 * CheckpointHeader.size
            let offset = isInHeader ? round / 2 : Int.random(in: 0..<bytes.count, using: &random), old = bytes[offset]
            let change = round % 2 == 0 ? 1 << UInt8.random(in: 0..<8, using: &random) : UInt8.random(in: 1...255, using: &random)
            bytes[offset] = old ^ change
            if pwrite(descriptor, [bytes[offset]], 1, offset) != 1 { Issue.record("byte \(offset) not written") }
            do throws(CheckpointError) {
                _ = try Checkpoint(reading: path)
                Issue.record("byte \(offset) changed from \(old) to \(bytes[offset]) undetected")
            } catch { if !"\(error)".contains(path) { Issue.record("byte \(offset): \(error)") } }
            bytes[offset] = old
            if pwrite(descriptor, [old], 1, offset) != 1 { Issue.record("byte \(offset) not written") }
        }
    }

    @Test func `a file whose checksum another thread verifies is refused as well`() throws {
        let bytes = try sample(), whole = folder("whole.h5")
        let (checkpoint, check) = try Checkpoint.open(whole)
        try check.wait()
        try check.wait()
        #expect(try checkpoint.everything.map(\.bits) == Checkpoint(reading: whole).everything.map(\.bits))
        var random = TestRandom(7)
        for _ in 0..<300 {
            var altered = bytes
            let offset = Int.random(in: CheckpointHeader.size..<bytes.count, using: &random)
            altered[offset] ^= UInt8.random(in: 1...255, using: &random)
            let path = folder.write(altered, to: "b.h5")
            let error = CheckpointError.wrongDigest(
                path: path, expected: CheckpointHeader(for: bytes).digest, found: CheckpointHeader(for: altered).digest)
            #expect(throws: error, "byte \(offset)") { try Checkpoint.open(path).check.wait() }
        }
        let short = folder.write(Array(bytes.dropLast()), to: "c.h5")
        #expect(throws: CheckpointError.wrongLength(path: short, expected: bytes.count, found: bytes.count - 1)) {
            try Checkpoint.open(short)
        }
    }

    @Test func `truncated, modified and extended files have their own messages`() throws {
        let bytes = try sample()
        #expect(
            sentence(Array(bytes[..<1_000])) == "folder/a.h5 is damaged: expected \(bytes.count / 1_000),"
                + String("\(bytes.count % 1_000 + 1_000)".dropFirst()) + " bytes, found 1,000; the file is truncated. "
                + "Use another checkpoint of the run, such as best.h5 or last.h5 in the same folder.")
        #expect(sentence(bytes + [1]).contains("; something was appended to it. "))
        var altered = bytes
        altered[bytes.count / 2] ^= 1
        #expect(
            sentence(altered)
                == "folder/a.h5 is damaged: expected the checksum \(CheckpointHeader(for: bytes).digest), "
                + "found \(CheckpointHeader(for: altered).digest); the file was modified after it was written. "
                + "Use another checkpoint of the run, such as best.h5 or last.h5 in the same folder.")
    }

    @Test(
        arguments: [
            ([], "an empty file"), (Array("GGUF\u{3}\0\0\0".utf8), "a GGUF file"),
            (Array("PK\u{3}\u{4}abc".utf8), "a zip archive, such as PyTorch's .pt files"),
            ([8, 0, 0, 0, 0, 0, 0, 0] + Array("{\"a\":{}}".utf8), "a safetensors file"), (Array("{}".utf8), "JSON"),
            (Array("hello".utf8), "a file of unknown format"),
            ([0x89] + Array("HDF\r\n\u{1A}\n".utf8), "an HDF5 file that slm did not write"),
        ] as [([UInt8], String)])
    func `files of other programs are identified`(bytes: [UInt8], kind: String) {
        #expect(
            sentence(bytes)
                == "folder/a.h5 is not an slm checkpoint: it is \(kind). "
                + "To import a model of another program: slm import FILE --out CHECKPOINT")
    }

    @Test func `a newer version is an error`() throws {
        let bytes = try sample(), later = Array("slm checkpoint, version 12\n".utf8)
        for length in [later.count, 512, bytes.count] {
            #expect(
                sentence(Array((later + bytes.dropFirst(later.count)).prefix(length)))
                    == "folder/a.h5 is a checkpoint of version 12, and this slm reads up to version 1. Use a newer slm."
            )
        }
    }

    @Test func `versions and lengths that no file has are errors`() throws {
        let bytes = try sample(), version = 24, length = 33
        func changed(_ text: String, at offset: Int, count: Int? = nil) -> [UInt8] {
            var file = Array(bytes.prefix(count ?? bytes.count))
            file.replaceSubrange(offset..<offset + text.utf8.count, with: text.utf8)
            return file
        }
        #expect(sentence(changed("9", at: version)).contains("is a checkpoint of version 9, and this slm reads up to version 1"))
        for text in ["0", "\n", ":", "/"] {
            #expect(sentence(changed(text, at: version)).contains("at byte 24 expected a version, found no number."), "\(text)")
        }
        // The header is needed to tell a damaged version from a truncated file.
        #expect(sentence(changed("x", at: version, count: 512)).contains("at byte 24 expected a version, found no number."))
        #expect(sentence(changed("x", at: version, count: 511)).contains("expected 512 bytes, found 511; the file is truncated"))
        #expect(sentence(changed("00000000000000000511", at: length)).contains("at byte 33 expected a length, found no number."))
        let header = changed("00000000000000000512", at: length, count: 512)
        #expect(sentence(header).contains("is damaged: expected the checksum "))
    }

    /// 2^64 + 1 is 1 in 64 bits.
    @Test func `a version that is too large for an integer is an error`() throws {
        let bytes = try sample(), line = Array("slm checkpoint, version 18446744073709551617\n".utf8)
        #expect(sentence(line + bytes.dropFirst(line.count)).contains("at byte 24 expected a version, found no number."))
    }

    @Test func `sizes in messages have separators between groups of three digits`() {
        for (needed, text) in [(999, "1 kB"), (123_456, "124 kB"), (1_234_567, "1,235 kB"), (12_345_678_901, "12,345 MB")] {
            #expect(
                "\(CheckpointError.diskFull(path: "a", reason: "No space left on device", needed: needed, free: 100_000_000))"
                    == "not enough disk space for a: \(text) needed, 100 MB free (No space left on device). The previous file is unchanged."
            )
        }
    }

    @Test func `sizes that are the same in megabytes are printed in bytes, and the free space may be unknown`() {
        func text(needed: Int, free: Int?) -> String {
            "\(CheckpointError.diskFull(path: "a", reason: "r", needed: needed, free: free))"
        }
        #expect(text(needed: 12_300_000, free: 12_200_000).contains(": 12,300,000 bytes needed, 12,200,000 bytes free (r)."))
        #expect(text(needed: 9_999_999, free: 0).contains(": 10,000 kB needed, 0 kB free (r)."))
        #expect(text(needed: 10_000_000, free: 1).contains(": 10 MB needed, 1 kB free (r)."))
        #expect(text(needed: 2_000, free: nil).contains(": 2 kB needed (r)."))
    }

    @Test func `values in messages are on one line, without control characters`() {
        #expect(CheckpointValue.text("a\n\nb\u{7}").displayText == "'a', '', 'b\u{FFFD}'")
        #expect(CheckpointValue.integer(-7).displayText == "-7")
        #expect(CheckpointValue.number(0.5).displayText == "0.5" && CheckpointValue.bytes([1, 2]).displayText == "2 bytes")
        #expect(CheckpointValue.integers([1]).displayText == "1 whole numbers")
    }

    @Test func `a missing file and a folder have their own messages`() throws {
        for name in ["run/best.h5", "peft/adapter_config.json"] {
            try Folder.create(forFileAt: folder(name))
            folder.write("{}", to: name)
        }
        for (path, reason) in [
            (folder("none.h5"), "No such file or directory"),
            (folder.path, "it is a folder without config.json, which a Hugging Face model has"),
            (folder("run"), "it is the folder of a run; give best.h5 or last.h5 in it"),
            (folder("peft"), "it is the folder of a PEFT adapter; import it: slm import \(folder("peft")) --base MODEL --out FILE"),
            ("/dev/null", "it is not a regular file"),
        ] {
            #expect(throws: CheckpointError.unreadable(path: path, reason: reason)) { _ = try Checkpoint(reading: path) }
        }
        #expect(
            "\(CheckpointError.unreadable(path: "a", reason: "No such file or directory"))"
                == "a: cannot be read: No such file or directory.")
    }
}
