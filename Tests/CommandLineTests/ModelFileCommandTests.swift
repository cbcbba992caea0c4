import Checkpoint
import Formats
import Foundation
import Kernels
import Model
import Testing
import TestSupport

/// Commands that are given a Hugging Face folder or a GGUF file.
@Suite(.serialized) struct ModelFileCommandTests {
    private let folder = TemporaryFolder()
    /// A Hugging Face folder and a GGUF file of the same model.
    private var models: [String] { [folder("Qwen2.5-tiny"), folder("tiny.gguf")] }

    private func prepare() throws {
        var model = try SampleFamily.qwen2.checkpoint()
        model.configuration.context = 128                      // rotary positions have no weights
        try HuggingFace.write(model, to: folder("Qwen2.5-tiny"), as: .bf16)
        try model.writeGGUF(to: folder("tiny.gguf"), as: .q8_0)
        let line = #"{"timestamp": "2026-01-02T03:04:05", "user": "Who are you?", "assistant": "I am number N."}"#
        folder.write((0..<12).map { line.replacingOccurrences(of: "N", with: "\($0)") + "\n" }.joined(), to: "chats.jsonl")
    }

    @Test func `every command that takes a checkpoint takes them`() throws {
        try prepare()
        for model in models {
            let format = model.hasSuffix("gguf") ? "GGUF file" : "Hugging Face folder"
            func output(_ arguments: String...) throws -> String {
                let outcome = try slm(arguments)
                #expect(outcome.status == 0, "\(arguments): \(outcome.errors)")
                return outcome.output
            }
            #expect(try output("info", model).contains(format))
            #expect(try output("info", model, "--json").contains(#""parameters":"#))
            #expect(try output("generate", "--checkpoint", model, "--prompt", "Hi", "--max-tokens", "3", "--json")
                .contains(#""answer_tokens":3"#))
            #expect(try output("eval", model, "--data", folder("chats.jsonl")).contains("perplexity"))
            #expect(try output("explain", "--checkpoint", model, "Hi").count > 100)
            #expect(try output("bench", "generate", model, "--prompt", "1", "--generate", "1", "--runs", "1", "--json").contains("load_s"))
            #expect(try output("export", model, "--out", folder("out.h5"), "--dtype", "int8").contains("int8"))
            #expect(try Checkpoint(reading: folder("out.h5")).quantizedPrecision == .int8)
            #expect(try output("export", model, "--out", folder("out")).contains("parameters"))
        }
    }

    @Test func `an adapter trained on them finds them again`() throws {
        try prepare()
        for (i, model) in models.enumerated() {
            try slm(
                "finetune", model, "--data", folder("chats.jsonl"), "--out", folder("runs"), "--name", "a\(i)", "--lora", "2",
                "--max-steps", "3", "--lr", "1e-2", "--threads", "2").succeeded()
            let adapter = folder("runs/a\(i)/last.h5")
            let answer = try slm("generate", "--checkpoint", adapter, "--prompt", "Hi", "--max-tokens", "3", "--json")
            #expect(answer.status == 0 && answer.output.contains(#""answer_tokens":3"#), "\(answer.errors)")
            try slm("finetune", "--resume", folder("runs/a\(i)"), "--max-steps", "5", "--threads", "2").succeeded()
            try slm("adapter", "merge", adapter, "--out", folder("merged.h5")).succeeded()
            try slm("eval", model, "--compare", adapter, "--data", folder("chats.jsonl")).succeeded()
        }
        // All weights are trained from a copy in f32.
        try slm(
            "finetune", models[0], "--data", folder("chats.jsonl"), "--out", folder("runs"), "--name", "whole", "--max-steps", "2",
            "--threads", "2").succeeded()
        #expect(try Checkpoint(reading: folder("runs/whole/last.h5")).quantized.count == 0)
    }

    @Test func `a damaged file is one sentence`() throws {
        try prepare()
        let bytes = try Data(contentsOf: URL(filePath: folder("tiny.gguf")))
        try bytes.prefix(bytes.count - 100).write(to: URL(filePath: folder("short.gguf")))
        try FileManager.default.removeItem(atPath: folder("Qwen2.5-tiny/model.safetensors"))
        for model in [folder("short.gguf"), folder("Qwen2.5-tiny")] {
            let outcome = try slm("generate", "--checkpoint", model, "--prompt", "Hi")
            #expect(outcome.status == 1 && outcome.output == "" && outcome.errors.contains(model), "\(outcome.errors)")
            #expect(outcome.errors.split(separator: "\n").count == 1, "\(outcome.errors)")
        }
    }
}
