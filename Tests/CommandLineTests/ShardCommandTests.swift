import Checkpoint
import Foundation
import Testing
import TestSupport

/// Token files in shards, from `slm tokenize corpus` to `slm eval`.
struct ShardCommandTests {
    private let folder = TemporaryFolder()

    private func build(_ name: String, _ more: String...) throws -> Outcome {
        try slm(["tokenize", "corpus", "--data", folder.writeChats(300), "--vocab-size", "300", "--out", folder(name)] + more)
    }

    private func train(_ data: String, _ more: String...) throws -> Outcome {
        try slm(["train", "--data", folder(data), "--threads", "1"] + more)
    }

    private let shape = [
        "--preset", "eugpt", "--layers", "1", "--width", "320",
        "--heads", "5", "--context", "32", "--batch", "2", "--max-steps", "8", "--eval-every", "4",
        "--ngram-contexts", "4096", "--dropout", "0.1", "--loss-scope", "assistant",
    ]

    private func weights(_ name: String) throws -> String { try Checkpoint(reading: folder("\(name)/last.h5")).weightsDigest }

    @Test func `a run on shards has the bits of one on a single file, also when it is resumed on them in the middle`() throws {
        #expect(try build("one").status == 0)
        let shards = try build("shards", "--shard-size", "1000", "--json")
        #expect(shards.status == 0, "\(shards.errors)")
        let line = shards.output.split(separator: "\n").last ?? ""
        let report = try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any]
        let files = try #require(report?["train_files"] as? Int)
        #expect(files > 3 && report?["val_files"] as? Int == 1)
        let names = TemporaryFolder.names(in: folder("shards")).filter { $0.hasPrefix("train-0000") && $0.hasSuffix(".bin") }
        #expect(names.count == 2 * files)

        try slm(["train", "--data", folder("one"), "--out", folder("whole"), "--threads", "1"] + shape).succeeded()
        try slm(
            ["train", "--data", folder("shards"), "--out", folder("parts"), "--threads", "1", "--stop-after", "3"] + shape).succeeded()
        let resumed = try train("shards", "--out", folder("parts"), "--resume")
        #expect(resumed.status == 0, "\(resumed.errors)")
        #expect(try weights("parts") == weights("whole"))

        let model = folder("whole/best.h5")
        let loss = { (data: String) -> Double? in
            let outcome = try slm(["eval", model, "--data", data, "--json", "--threads", "1"])
            let object = try JSONSerialization.jsonObject(with: Data(outcome.output.utf8)) as? [String: Any]
            return object?["loss"] as? Double
        }
        #expect(try loss(folder("shards/train.bin")) == loss(folder("one/train.bin")))
        #expect(try loss(folder("shards")) == loss(folder("one")) && loss(folder("one")) != nil)
        let second = try #require(names.first { $0.hasPrefix("train-00002-of-") && !$0.hasSuffix("turns.bin") })
        #expect(try loss(folder("shards/\(second)")) != loss(folder("one/train.bin")))
    }

    @Test func `slm train names a shard that is missing`() throws {
        #expect(try build("shards", "--shard-size", "1000").status == 0)
        let name = try #require(TemporaryFolder.names(in: folder("shards")).sorted().first { $0.hasPrefix("train-00002-of") })
        unlink(folder("shards/\(name)"))
        let outcome = try train("shards", "--out", folder("run"))
        #expect(outcome.status == 1 && outcome.errors.contains("shards, and \(name) is missing."), "\(outcome.errors)")
    }
}
