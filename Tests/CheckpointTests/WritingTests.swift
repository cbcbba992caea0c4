import Checkpoint
import Foundation
import Testing
import TestSupport

/// A failed or interrupted write leaves the previous checkpoint intact.
@Suite struct WritingTests {
    private let folder = TemporaryFolder()

    /// Runs CheckpointWriter, a program that can be limited or killed.
    private func outcome(_ arguments: String...) throws -> (status: Int32, text: String) {
        let (status, output, _) = try runProgram(builtProgram("CheckpointWriter"), arguments)
        return (status, output.replacingOccurrences(of: folder.path, with: "folder"))
    }

    /// The limits lie in the header, in HDF5's metadata and in the arrays.
    @Test(arguments: [0, 1, 511, 512, 10_000, 40_000]) func `a full disk leaves the previous file`(capacity: Int) throws {
        let path = folder("a.h5")
        try SampleCheckpoint().checkpoint.write(to: path)
        let (status, text) = try outcome("limited", path, "\(capacity)")
        #expect(
            status == 1 && text.hasPrefix("not enough disk space for folder/a.h5: ")
                && text.hasSuffix(" (File too large). The previous file is unchanged.\n")
                && text.contains(#/[0-9] [kM]B needed, [0-9,]+ [kM]B free \(/#), "\(text)")
        #expect(try Checkpoint(reading: path).integer("step") == 1 && folder.names == ["a.h5"])
    }

    @Test func `a read-only folder is an error`() throws {
        let path = folder("a.h5")
        try SampleCheckpoint().checkpoint.write(to: path)
        #expect(chmod(folder.path, 0o555) == 0)
        let (status, text) = try outcome("unprivileged", path)
        #expect(chmod(folder.path, 0o755) == 0)
        #expect(status == 1 && text == "folder/a.h5: cannot be written: Permission denied. The previous file is unchanged.\n")
        #expect(try Checkpoint(reading: path).integer("step") == 1)
    }

    @Test func `a missing folder and a special file are errors`() throws {
        let sample = try SampleCheckpoint().checkpoint
        #expect(throws: CheckpointError.notWritten(path: folder("no/a.h5"), reason: "No such file or directory")) {
            try sample.write(to: folder("no/a.h5"))
        }
        #expect(throws: CheckpointError.notWritten(path: "/dev/full", reason: "it is not a regular file")) {
            try sample.write(to: "/dev/full")
        }
    }

    /// `SLM_KILLS=500 swift test -c release --filter WritingTests` for a long run.
    @Test func `killing the writer leaves a complete checkpoint`() throws {
        let kills = ProcessInfo.processInfo.environment["SLM_KILLS"].flatMap { Int($0) } ?? 30
        let path = folder("a.h5")
        try SampleCheckpoint(generation: 0, layers: 8).checkpoint.write(to: path)
        var random = TestRandom(5), generations: Set<Int> = [0], parts = 0, longest: UInt32 = 60_000
        // On a busy machine, more kills than usual may find the writer between two files.
        for number in 0..<10 * kills where number < kills || parts == 0 {
            let (process, _, _) = try startProgram(builtProgram("CheckpointWriter"), ["forever", path])
            usleep(UInt32.random(in: 5_000...longest, using: &random))
            kill(process.processIdentifier, SIGKILL)
            process.waitUntilExit()
            let read = try Checkpoint(reading: path), generation = try read.integer("step")
            // Waits longer if the program starts slowly.
            if !generations.insert(generation).inserted { longest = min(300_000, longest + longest / 4) }
            if folder.names.contains("a.h5.part") { parts += 1 }
            #expect(
                try read.everything.map(\.bits) == SampleCheckpoint(generation: generation, layers: 8).checkpoint.everything.map(\.bits))
        }
        #expect(generations.count > 1 && parts > 0, "\(generations.count) generations seen, \(parts) killed while writing")
    }
}
