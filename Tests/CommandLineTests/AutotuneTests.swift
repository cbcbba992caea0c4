import Checkpoint
import Foundation
import Kernels
import TestSupport
import Testing

/// Kernels, data type and matmul library chosen by measurement. The tests replace what was measured, so that the choice is known.
@Suite(.serialized) struct AutotuneTests {
    private let folder = TemporaryFolder()

    private func run(_ arguments: String..., mode: String = "on") throws -> Outcome {
        try slm(arguments, ["SLM_AUTOTUNE": mode, "XDG_CACHE_HOME": folder("cache")])
    }

    private func benchTrain(_ arguments: String..., mode: String = "on") throws -> Outcome {
        try slm(
            ["bench", "train", "--synthetic", "--preset", "tiny", "--batch", "1", "--context", "8", "--steps", "1", "--warmup", "0",
             "--threads", "2", "--json"] + arguments,
            ["SLM_AUTOTUNE": mode, "XDG_CACHE_HOME": folder("cache")])
    }

    private var files: [String] { TemporaryFolder.names(in: folder("cache/slm/kernels")) }

    private func measured(_ file: String) throws -> [[String: Any]] {
        let data = try Data(contentsOf: URL(fileURLWithPath: folder("cache/slm/kernels/\(file)")))
        let object = try #require(try JSONSerialization.jsonObject(with: data) as? [String: Any])
        return try #require(object["measured"] as? [[String: Any]])
    }

    /// Makes one of the choices in a file the fastest.
    private func prefer(_ index: Int, in file: String) throws {
        let url = URL(fileURLWithPath: folder("cache/slm/kernels/\(file)"))
        var object = try #require(try JSONSerialization.jsonObject(with: Data(contentsOf: url)) as? [String: Any])
        var list = try #require(object["measured"] as? [[String: Any]])
        for i in list.indices { list[i]["seconds"] = i == index ? 0.5 : 1.5 }
        object["measured"] = list
        object["steady"] = true
        try JSONSerialization.data(withJSONObject: object).write(to: url)
    }

    private static let note = "slm: measuring the kernels of this machine for training at a width of 128, once.\n"

    @Test func `training uses what is measured, once, and options overrule it`() throws {
        let first = try benchTrain()
        #expect(first.status == 0 && first.errors == Self.note, "\(first.errors)")
        let file = try #require(files.first)
        #expect(files.count == 1 && file.hasPrefix("training-128-"))
        let choices = try measured(file)
        for (i, choice) in choices.enumerated() where choice["blas"] as? String == "slm" {
            try prefer(i, in: file)
            let outcome = try benchTrain()
            let kernels = try #require(choice["kernels"] as? String), dtype = try #require(choice["dtype"] as? String)
            #expect(outcome.errors.isEmpty && outcome.output.contains("\"kernels\":\"\(kernels)\""), "\(outcome.output)\(outcome.errors)")
            #expect(outcome.output.contains("\"case\":\"tiny \(dtype)\""), "\(outcome.output)")
            let info = try run("info", "--threads", "2")
            #expect(info.output.contains("measured   training at a width of 128: \(dtype), \(kernels) kernels"), "\(info.output)")
        }
        let plain = try benchTrain("--cpu", "plain", "--dtype", "f32")
        #expect(plain.output.contains("\"kernels\":\"plain\""), "\(plain.output)")
        let library = try benchTrain("--blas", "openblas", "--dtype", "f32")
        #expect(library.output.contains("\"blas\":\"openblas\""), "\(library.output)")
    }

    @Test func `measuring can be switched off and repeated, and a damaged file is measured again`() throws {
        #expect(try benchTrain(mode: "off").errors.isEmpty && files.isEmpty)
        let wrong = try benchTrain(mode: "perhaps")
        #expect(wrong.status == 2 && wrong.errors == "slm: SLM_AUTOTUNE: expected one of on, off, again, found 'perhaps'.\n")
        #expect(try benchTrain().errors == Self.note)
        let file = try #require(files.first)
        folder.write("{", to: "cache/slm/kernels/\(file)")
        #expect(try benchTrain().errors == Self.note)
        try prefer(0, in: file)
        #expect(try benchTrain().errors.isEmpty)
        #expect(try benchTrain(mode: "again").errors == Self.note)
    }

    @Test func `without a cache, training is measured each time and inference never`() throws {
        folder.write("not a folder", to: "cache")
        let outcome = try benchTrain()
        #expect(outcome.status == 0 && outcome.errors.contains("the measurement is not kept"), "\(outcome.errors)")
        let answer = try run("bench", "generate", "--preset", "tiny", "--runs", "1", "--json")
        #expect(answer.status == 0 && !answer.errors.contains("measuring the kernels"), "\(answer.errors)")
    }

    @Test func `inference uses the measured precision, and a given one is not replaced`() throws {
        let generate = ["bench", "generate", "--preset", "tiny", "--runs", "1", "--threads", "2", "--json"]
        let environment = ["SLM_AUTOTUNE": "on", "XDG_CACHE_HOME": folder("cache")]
        #expect(try slm(generate, environment).errors.contains("for inference, once"))
        let file = try #require(files.first { $0.hasPrefix("inference-") })
        for (i, choice) in try measured(file).enumerated() {
            try prefer(i, in: file)
            let outcome = try slm(generate, environment)
            let kernels = try #require(choice["kernels"] as? String), dtype = try #require(choice["dtype"] as? String)
            #expect(outcome.output.contains("\"case\":\"\(dtype)\"") && outcome.output.contains("\"kernels\":\"\(kernels)\""))
        }
        let int8 = try slm(generate + ["--dtype", "int8"], environment)
        let best = Processor.instructionSets[0]
        #expect(int8.output.contains("\"case\":\"int8\"") && int8.output.contains("\"kernels\":\"\(best)\""), "\(int8.output)")
    }

    @Test func `a resumed run keeps its choice although another one is faster now`() throws {
        let chats = folder.writeChats()
        let environment = ["SLM_AUTOTUNE": "on", "XDG_CACHE_HOME": folder("cache")]
        let train = ["train", "--data", chats, "--vocab-size", "300", "--out", folder("run"), "--max-steps", "6", "--threads", "2"]
            + smallModel
        #expect(try slm(train + ["--estimate"], environment).status == 0)
        let file = try #require(files.first { $0.hasPrefix("training-64-") }), choices = try measured(file)
        let last = try #require(choices.lastIndex { $0["blas"] as? String == "slm" })
        try prefer(last, in: file)
        #expect(try slm(train + ["--stop-after", "3"], environment).status == 0)
        try prefer(0, in: file)
        let resumed = try slm(["train", "--data", chats, "--out", folder("run"), "--resume"], environment)
        #expect(resumed.status == 0 && !resumed.errors.contains("instead of"), "\(resumed.errors)")
        let info = try slm("info", folder("run/last.h5")).output
        for (key, field) in [("kernels", "cpu"), ("dtype", "dtype")] {
            let value = try #require(choices[last][key] as? String)
            #expect(info.contains(try Regex("plan/\(field) +'\(value)'")), "\(info)")
        }
    }

    @Test func `a quantized model is not measured`() throws {
        let path = folder("int8.h5"), processor = try Processor(threads: 1)
        try SampleCheckpoint().checkpoint.quantized(to: .int8, on: processor).write(to: path)
        let outcome = try run("generate", path, "--prompt", "a", "--max-tokens", "2")
        #expect(outcome.status == 0 && !outcome.errors.contains("measuring"), "\(outcome.errors)")
        #expect(files.isEmpty)
    }

    @Test func `benchmarks in bf16 run on kernels without bf16 instructions`() throws {
        let train = try benchTrain("--cpu", "plain", "--dtype", "bf16", "--profile", mode: "off")
        #expect(train.status == 0, "\(train.errors)")
        try slm(
            "bench", "gemm", "--dtype", "bf16", "--only", "output, weight", "--runs", "1", "--cpu", "plain").succeeded()
    }
}
