import Checkpoint
import Foundation
import Testing
import TestSupport

/// `slm import` and `slm export` as a person meets them.
@Suite struct ImportCommandTests {
    private let folder = TemporaryFolder()

    @Test func `out and in again is the same model`() throws {
        var sample = try SampleCheckpoint().checkpoint
        (sample.optimizer, sample.training, sample.metrics) = ([:], [:], [:])
        try sample.write(to: folder("a.h5"))
        let exported = try slm("export", folder("a.h5"), "--to", folder("new/hf"))
        #expect(exported.status == 0 && exported.output.hasPrefix("\(folder("new/hf")): 1 layers, 2 heads, width 8, context 6, 262 tokens, "), "\(exported.errors)")
        #expect(exported.output.hasSuffix("parameters, chats as markers, f32\n"))
        let imported = try slm("import", folder("new/hf"), "--out", folder("other/b.h5"))
        #expect(imported.status == 0 && imported.output.hasPrefix(folder("other/b.h5") + ": 1 layers"), "\(imported.errors)")
        let a = try Data(contentsOf: URL(filePath: folder("a.h5"))), b = try Data(contentsOf: URL(filePath: folder("other/b.h5")))
        let isSame = a == b
        #expect(isSame)
        #expect(try slm("export", folder("a.h5"), "--to", folder("half"), "--dtype", "bf16").output.hasSuffix("bf16\n"))
        let sizes = try ["new/hf", "half"].map { try Data(contentsOf: URL(filePath: folder($0 + "/model.safetensors"))).count }
        #expect(sizes[1] < sizes[0] * 3 / 4)
    }

    @Test func `an adapter goes out in its model`() throws {
        let sample = try SampleAdapter(in: folder)
        try #expect(slm("export", folder("adapter.h5"), "--to", folder("hf")).status == 0)
        try #expect(slm("import", folder("hf"), "--out", folder("c.h5")).status == 0)
        let read = try Checkpoint(reading: folder("c.h5"))
        #expect(read.adapter == nil && read.weights.names == sample.base.weights.names && read.weightsDigest != sample.base.weightsDigest)
    }

    @Test func `what is missing or cannot be read is said`() throws {
        try SampleCheckpoint().checkpoint.write(to: folder("a.h5"))
        folder.write("hello", to: "text")
        for (arguments, status, message) in [
            (["import"], 2, "give the model: slm import SOURCE --out CHECKPOINT"), (["import", "x"], 2, "give the checkpoint to write: --out FILE"),
            (["export"], 2, "give the model: slm export CHECKPOINT --to FOLDER"), (["export", "x"], 2, "say where to: --to FOLDER or --to FILE.gguf"),
            (["export", folder("a.h5"), "--to", folder("b"), "--dtype", "f8"], 2, "expected f32, f16, bf16, q8_0, q4_0, found 'f8'"),
            (["export", folder("a.h5"), "--to", folder("b"), "--dtype", "q8_0"], 2, "q8_0 is GGUF's: --to FILE.gguf"), (["import", folder("none"), "--out", "x"], 1, "none: cannot be read"),
            (["import", folder.path, "--out", "x"], 1, "found a folder without a config.json."), (["import", folder("text"), "--out", "x"], 1, "found something else."),
        ] {
            let outcome = try slm(arguments)
            #expect(outcome.status == Int32(status) && outcome.errors.contains(message) && outcome.output.isEmpty, "\(arguments): \(outcome.errors)")
        }
    }
}
