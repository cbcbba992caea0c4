import Checkpoint
import Foundation
import Testing
import TestSupport

/// Two processes of Open MPI's mpirun. `make test-peers` runs four, and kills them.
@Suite(.serialized) struct RankCommandTests {
    private static let mpirun = ["/usr/bin/mpirun", "/usr/local/bin/mpirun"].first { FileManager.default.isExecutableFile(atPath: $0) }
    private let folder = TemporaryFolder()

    private func ranks(_ count: Int, _ arguments: [String], _ program: String...) throws -> Outcome {
        let launcher = [Self.mpirun ?? "mpirun", "--oversubscribe", "-np", "\(count)"] + program
        return try slm(
            arguments, ["OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1", "XDG_CACHE_HOME": folder("cache")],
            launcher: launcher)
    }

    /// Two processes, of which the second has more arguments.
    private func differing(_ arguments: [String], _ more: String) throws -> Outcome {
        folder.write("#!/bin/sh\n[ \"$OMPI_COMM_WORLD_RANK\" = 1 ] && set -- \"$@\" \(more)\nexec \"$@\"\n", to: "differ.sh")
        chmod(folder("differ.sh"), 0o755)
        return try ranks(2, arguments, folder("differ.sh"))
    }

    private func train(_ name: String, _ more: String...) -> [String] {
        [
            "train", "--data", folder("chats.txt"), "--out", folder(name), "--vocab-size", "300", "--preset", "eugpt", "--layers", "1",
            "--width", "320", "--heads", "5", "--context", "64", "--batch", "4", "--max-steps", "8", "--eval-every", "4", "--threads", "1",
            "--ngram-contexts", "20480", "--dropout", "0.1",
        ] + more
    }

    private func weights(_ name: String) throws -> String { try Checkpoint(reading: folder("\(name)/last.h5")).weightsDigest }

    @Test(.enabled(if: mpirun != nil, "mpirun is not installed: sudo apt-get install openmpi-bin"))
    func `two processes train the same weights as one, resume each other's run, and evaluate alike`() throws {
        folder.writeChats()
        let one = try ranks(1, train("one"))
        #expect(one.status == 0, "\(one.errors)")
        let two = try ranks(2, train("two", "--shard-optimizer", "--stop-after", "5"))
        #expect(two.status == 0, "\(two.errors)")
        #expect(two.output.contains("ranks    2 on 1 machine, gradients in 4 groups, the optimizer's moments divided"), "\(two.output)")
        #expect(two.output.ranges(of: "ranks    2").count == 1, "only the first process prints")
        // In one process again, with the groups that the checkpoint stores.
        try slm(
            ["train", "--data", folder("chats.txt"), "--out", folder("two"), "--vocab-size", "300", "--resume"],
            ["XDG_CACHE_HOME": folder("cache")]).succeeded()
        #expect(try weights("one") == weights("two"))
        let log = try String(contentsOfFile: folder("two/log.jsonl"), encoding: .utf8)
        #expect(log.contains(/"event":"step","step":3,.*"waited_seconds":[0-9.]+/))
        #expect(log.ranges(of: #""event":"step","step":3,"#).count == 1, "only the first process writes")

        let arguments = ["eval", folder("one/best.h5"), "--data", folder("chats.txt"), "--threads", "1", "--json"]
        let alone = try slm(arguments), shared = try ranks(2, arguments)
        #expect(shared.status == 0 && shared.output == alone.output, "\(shared.errors)")
        // Both ranks find the difference; the one that is later may print that the other has ended.
        let windows = try differing(arguments, "--context 16")
        #expect(windows.errors.contains("all ranks need the same window: rank 0 has 64 tokens, "), "\(windows.errors)")
        let files = try differing(arguments, "--data \(folder("chats.txt"))")
        #expect(files.errors.contains("all ranks need the same number of files: rank 0 has 1, "), "\(files.errors)")
    }

    @Test(.enabled(if: mpirun != nil, "mpirun is not installed: sudo apt-get install openmpi-bin"))
    func `two processes train the same mixture of experts as one`() throws {
        folder.writeChats()
        // In a batch of so few tokens, some experts have no gradient.
        let arguments = { (name: String) in
            [
                "train", "--data", folder("chats.txt"), "--out", folder(name), "--vocab-size", "300", "--preset", "tiny-moe",
                "--experts", "16", "--layers", "1", "--context", "16", "--batch", "4", "--max-steps", "6", "--eval-every", "6",
                "--threads", "1",
            ]
        }
        for (name, count) in [("one", 1), ("two", 2)] {
            let outcome = try ranks(count, arguments(name))
            #expect(outcome.status == 0, "\(outcome.errors)")
        }
        #expect(try weights("one") == weights("two"))
    }

    @Test(.enabled(if: mpirun != nil, "mpirun is not installed: sudo apt-get install openmpi-bin"))
    func `two processes share token files, which are those of one`() throws {
        // Several blocks of 128 KB.
        folder.writeChats(9_000)
        let arguments = { (name: String) in
            [
                "train", "--data", folder("chats.txt"), "--out", folder(name), "--vocab-size", "300", "--layers", "1", "--width", "32",
                "--heads", "2", "--context", "32", "--batch", "4", "--max-steps", "1", "--threads", "1",
            ]
        }
        let shared = try ranks(2, arguments("two"))
        #expect(shared.status == 0, "\(shared.errors)")
        try slm(arguments("one"), ["XDG_CACHE_HOME": folder("other cache")]).succeeded()
        var compared = 0
        for path in FileManager.default.enumerator(atPath: folder("cache"))?.compactMap({ $0 as? String }) ?? [] {
            guard path.hasSuffix(".bin") else { continue }
            let a = FileManager.default.contents(atPath: folder("cache/\(path)"))
            let b = FileManager.default.contents(atPath: folder("other cache/\(path)"))
            #expect(a == b && b != nil, "\(path)")
            compared += 1
        }
        #expect(compared == 4)
    }

    @Test(.enabled(if: mpirun != nil, "mpirun is not installed: sudo apt-get install openmpi-bin"))
    func `an error of one process ends all, and each says why`() throws {
        folder.writeChats()
        folder.write("[INST] What is new? [/INST] One more chat.\n", to: "more.txt")
        for (more, message) in [
            ("--lr 0.1", "all ranks need the same --lr: rank 0 has 0.001, rank 1 on "),
            ("--data \(folder("more.txt"))", "all ranks need the same data: rank 0 has "),
        ] {
            let outcome = try differing(train("other"), more)
            #expect(outcome.status == 1)
            // A rank may learn the reason from the end of the other one.
            for rank in 0..<2 {
                let lines = outcome.errors.split(separator: "\n").filter { $0.hasPrefix("slm: rank \(rank): ") }
                #expect(lines.contains { $0.contains(message) }, "\(outcome.errors)")
            }
        }
        #expect(TemporaryFolder.names(in: folder("other")).isEmpty)
    }
}
