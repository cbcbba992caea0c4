import Checkpoint
import Foundation
import Model
import Testing
import TestSupport
import Formats

/// The output of `slm import` and `slm export`.
@Suite struct ImportCommandTests {
    private let folder = TemporaryFolder()

    @Test func `an exported model imports as the same checkpoint`() throws {
        var sample = try SampleCheckpoint().checkpoint
        sample.optimizer = [:]
        sample.training = [:]
        sample.metrics = [:]
        try sample.write(to: folder("a.h5"))
        let exported = try slm("export", folder("a.h5"), "--out", folder("new/hf"))
        #expect(
            exported.status == 0
                && exported.output.hasPrefix("\(folder("new/hf")): 1 layers, 2 heads, width 8, context 6, vocabulary 262, "),
            "\(exported.errors)")
        #expect(exported.output.hasSuffix("parameters, chat template markers, f32\n"))
        let imported = try slm("import", folder("new/hf"), "--out", folder("other/b.h5"))
        #expect(imported.status == 0 && imported.output.hasPrefix(folder("other/b.h5") + ": 1 layers"), "\(imported.errors)")
        let a = try Data(contentsOf: URL(filePath: folder("a.h5"))), b = try Data(contentsOf: URL(filePath: folder("other/b.h5")))
        let isSame = a == b
        #expect(isSame)
        #expect(try slm("export", folder("a.h5"), "--out", folder("half"), "--dtype", "bf16").output.hasSuffix("bf16\n"))
        let sizes = try ["new/hf", "half"].map { try Data(contentsOf: URL(filePath: folder($0 + "/model.safetensors"))).count }
        #expect(sizes[1] < sizes[0] * 3 / 4)
    }

    /// As in files for benchmarks, with random weights and an unusable tokenizer.
    @Test func `a model whose tokenizer cannot be read is imported without one`() throws {
        var file = GGUFBytes.sample
        file.set("tokenizer.ggml.merges", GGUFBytes.texts(["t 0"]))
        let source = folder.write(file.bytes, to: "a.gguf"), out = folder("a.h5")
        let imported = try slm("import", source, "--out", out)
        #expect(imported.status == 0 && imported.output.hasPrefix("\(out): 1 layers"), "\(imported.errors)")
        #expect(
            imported.errors.contains("the checkpoint has no tokenizer")
                && imported.errors.contains("merges[0]: expected tokens of the vocabulary"))
        #expect(try Checkpoint(reading: out).tokenizer == nil)
        let tokenizer = folder.write(
            #"{"model": {"type": "BPE", "vocab": {"a": 0, "b": 1, "ab": 2, "\u010a": 3}, "merges": ["a b"]}, "#
                + #""pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false}}"#,
            to: "tokenizer.json")
        let other = try slm("import", source, "--out", out, "--tokenizer", tokenizer)
        #expect(other.status == 0 && !other.errors.contains("no tokenizer"), "\(other.errors)")
        #expect(try Checkpoint(reading: out).tokenizer != nil)
        // The tokenizer of a GGUF file, whatever its name.
        let fromGGUF = try slm("import", source, "--out", out, "--tokenizer", folder.write(GGUFBytes.sample.bytes, to: "vocabulary"))
        #expect(fromGGUF.status == 0 && !fromGGUF.errors.contains("no tokenizer"), "\(fromGGUF.errors)")
        #expect(try Checkpoint(reading: out).tokenizer != nil)
        let none = try slm("import", folder.write(GGUFBytes.sample.bytes, to: "b.gguf"), "--out", out, "--tokenizer", "none")
        #expect(none.status == 0 && none.errors.contains("--tokenizer none was set") && none.output.contains("1 layers"))
        #expect(try Checkpoint(reading: out).tokenizer == nil)
        // An error in the model itself is not about its tokenizer.
        file.set("gpt2.attention.head_count", GGUFBytes.u32(3))
        let refused = try slm("import", folder.write(file.bytes, to: "c.gguf"), "--out", folder("c.h5"))
        #expect(refused.status == 1 && refused.errors.contains("a divisor of the 2"), "\(refused.errors)")
    }

    @Test func `an adapter is exported merged into its base model`() throws {
        let sample = try SampleAdapter(in: folder)
        try #expect(slm("export", folder("adapter.h5"), "--out", folder("hf")).status == 0)
        try #expect(slm("import", folder("hf"), "--out", folder("c.h5")).status == 0)
        let read = try Checkpoint(reading: folder("c.h5"))
        #expect(read.adapter == nil && read.weights.names == sample.base.weights.names && read.weightsDigest != sample.base.weightsDigest)
    }

    @Test func `an adapter is exported for PEFT, imported again and trained further`() throws {
        _ = try SampleAdapter(in: folder)
        let exported = try slm("export", folder("adapter.h5"), "--peft", "--out", folder("peft"), "--base-name", "somewhere/base")
        #expect(exported.status == 0 && exported.output == "\(folder("peft")): a PEFT adapter, f32\n", "\(exported.errors)")
        #expect(TemporaryFolder.names(in: folder("peft")).sorted() == ["adapter_config.json", "adapter_model.safetensors"])
        let config = try String(contentsOfFile: folder("peft/adapter_config.json"), encoding: .utf8)
        #expect(config.contains("\"base_model_name_or_path\": \"somewhere/base\"") && config.contains("\"r\": 2"))
        let imported = try slm("import", folder("peft"), "--base", folder("base.h5"), "--out", folder("again.h5"))
        #expect(imported.output.hasPrefix("\(folder("again.h5")): a LoRA adapter of "), "\(imported.errors)")
        let files = try ["adapter.h5", "again.h5"].map { try Data(contentsOf: URL(filePath: folder($0))) }
        let isSame = files[0] == files[1]
        #expect(isSame)
        for (arguments, status, message) in [
            (["import", folder("peft"), "--out", folder("x.h5")], 2, "Give the base model that it was trained on: slm import"),
            (["import", folder("peft"), "--base", folder("adapter.h5"), "--out", folder("x.h5")], 1, "expected a whole model, found"),
            (["import", folder("base.h5"), "--base", folder("base.h5"), "--out", folder("x.h5")], 2, "--base: expected a PEFT adapter"),
            (["export", folder("base.h5"), "--peft", "--out", folder("x")], 1, "PEFT adapter cannot hold this model: it is a whole"),
            (["export", folder("adapter.h5"), "--peft", "--out", folder("x.gguf")], 2, "--peft writes a folder, found --out"),
            (["export", folder("adapter.h5"), "--peft", "--out", folder("x"), "--dtype", "q8_0"], 2, "expected f32, f16, bf16 for a PEFT"),
            (["export", folder("base.h5"), "--base-name", "x", "--out", folder("x")], 2, "--base-name needs --peft"),
        ] {
            let outcome = try slm(arguments)
            #expect(outcome.status == Int32(status) && outcome.errors.contains(message), "\(arguments): \(outcome.errors)")
        }
    }

    @Test func `a model is not written over itself, nor beside files of another one`() throws {
        try SampleCheckpoint().checkpoint.write(to: folder("a.h5"))
        #expect(try slm("export", folder("a.h5"), "--out", folder("hf")).status == 0)
        folder.write("{{ 'another' }}", to: "hf/chat_template.jinja")
        folder.write("{}", to: "hf/model.safetensors.index.json")
        folder.write("mine", to: "hf/README.md")
        #expect(try slm("export", folder("a.h5"), "--out", folder("hf")).status == 0)
        let names = TemporaryFolder.names(in: folder("hf"))
        #expect(!names.contains("chat_template.jinja") && !names.contains("model.safetensors.index.json") && names.contains("README.md"))
        #expect(try slm("info", folder("hf")).output.contains("markers"))
        for arguments in [["export", folder("a.h5"), "--out", folder("hf/../a.h5")], ["export", folder("hf"), "--out", folder("hf/")],
                          ["import", folder("hf"), "--out", folder("hf")]] {
            let outcome = try slm(arguments)
            #expect(outcome.status == 2 && outcome.errors.contains("than the model itself"), "\(arguments): \(outcome.errors)")
        }
    }

    @Test func `an adapter of PEFT gets a Hugging Face folder or a GGUF file as its base`() throws {
        var base = try SampleFamily.qwen2.checkpoint()
        base.configuration.context = 128
        try HuggingFace.write(base, to: folder("hf"), as: .f32)
        try base.writeGGUF(to: folder("a.gguf"), as: .f32)
        try base.write(to: folder("base.h5"))
        folder.write(String(repeating: #"{"user": "Hi", "assistant": "Hello"}"# + "\n", count: 12), to: "chats.jsonl")
        try slm(
            "finetune", folder("base.h5"), "--data", folder("chats.jsonl"), "--lora", "2", "--max-steps", "1", "--out", folder("runs"),
            "--name", "a").succeeded()
        #expect(try slm("export", folder("runs/a/last.h5"), "--peft", "--out", folder("peft")).status == 0)
        let without = try slm("generate", folder("peft"), "--prompt", "Hi")
        #expect(without.errors.contains("it is the folder of a PEFT adapter; import it: slm import"), "\(without.errors)")
        for model in ["hf", "a.gguf"] {
            try slm("import", folder("peft"), "--base", folder(model), "--out", folder("adapter.h5")).succeeded()
            let answer = try slm("generate", folder("adapter.h5"), "--prompt", "Hi", "--max-tokens", "2", "--json")
            #expect(answer.status == 0 && answer.output.contains(#""answer_tokens":2"#), "\(answer.errors)")
        }
    }

    @Test func `an importance matrix is written, and quantized weights are fitted to it`() throws {
        let model = folder("a.h5"), matrix = folder("a.imatrix")
        try SampleGGUF { ($0.width, $0.headWidth, $0.hiddenWidth, $0.context) = (64, 32, 256, 32) }.checkpoint.write(to: model)
        folder.write(String(repeating: "The quick brown fox jumps over the lazy dog. ", count: 9), to: "text.txt")
        let written = try slm("export", model, "--out", matrix, "--calibrate", folder("text.txt"))
        #expect(written.status == 0, "\(written.errors)")
        #expect(written.output.hasPrefix("\(matrix): an importance matrix of 8 tensors, from "), "\(written.output)")
        #expect(written.errors.hasSuffix("--dtype q4_k_m --calibrate \(matrix)\n"), "\(written.errors)")
        for (out, type) in [("b.gguf", "q4_k_m"), ("b.h5", "int4")] {
            let outcome = try slm("export", model, "--out", folder(out), "--dtype", type, "--calibrate", matrix, "--quiet")
            #expect(outcome.status == 0 && outcome.errors.isEmpty, "\(outcome.errors)")
        }
        for (arguments, status, message) in [
            (["--out", matrix, "--dtype", "q8_0"], 2, "an importance matrix has no weights: expected neither --dtype nor --check"),
            (["--out", folder("c.imatrix"), "--calibrate", matrix], 2, "--calibrate: expected a text or chats for "),
            (["--out", matrix, "--peft"], 2, "--peft writes a folder, found --out"),
            (["--out", folder("b.gguf"), "--calibrate", matrix], 2, "or FILE.imatrix, found \(folder("b.gguf")) with f32."),
            (
                ["--out", folder("c.gguf"), "--dtype", "q4_k_m", "--calibrate", folder("b.gguf")], 1,
                "general.type: expected imatrix, an importance matrix, found model."
            ),
        ] {
            let outcome = try slm(["export", model] + arguments)
            #expect(outcome.status == Int32(status) && outcome.errors.contains(message), "\(arguments): \(outcome.errors)")
        }
    }

    @Test(arguments: [
        ("version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 942\n", "a Git LFS pointer instead of the file"),
        ("<!DOCTYPE html>\n<title>404</title>\n", "a web page, perhaps the error of a download"),
    ])
    func `a failed download is named`(content: String, name: String) throws {
        try SampleCheckpoint().checkpoint.write(to: folder("a.h5"))
        #expect(try slm("export", folder("a.h5"), "--out", folder("hf")).status == 0)
        folder.write(content, to: "hf/model.safetensors")
        folder.write(content, to: "model.gguf")
        for model in [folder("hf"), folder("model.gguf")] {
            for command in [["info", model], ["import", model, "--out", folder("b.h5")]] {
                let outcome = try slm(command)
                #expect(outcome.status == 1 && outcome.errors.contains(name), "\(command): \(outcome.errors)")
            }
        }
    }

    @Test func `missing arguments and unreadable files are reported`() throws {
        try SampleCheckpoint().checkpoint.write(to: folder("a.h5"))
        folder.write("hello", to: "text")
        for (arguments, status, message) in [
            (["import"], 2, "expected a model: slm import SOURCE --out FILE"),
            (["import", "x"], 2, "expected a file to write: --out FILE"),
            (["export"], 2, "expected a model: slm export CHECKPOINT --out PATH"),
            (["export", "x"], 2, "expected where to write: --out DIR, FILE.gguf, FILE.h5 or FILE.imatrix"),
            (
                ["export", folder("a.h5"), "--out", folder("b"), "--dtype", "f8"], 2,
                "expected f32, f16, bf16, q8_0, q6_k, q5_k_m, q4_k_m, iq4_xs, q4_0, int8, int6, int4, found 'f8'"
            ),
            (
                ["export", folder("a.h5"), "--out", folder("b"), "--dtype", "q8_0"], 2,
                "--dtype: expected f32, f16, bf16 for a Hugging Face folder, found q8_0."
            ),
            (["export", folder("a.h5"), "--out", folder("x.bin")], 2, "For a folder whose name ends in .bin: --out \(folder("x.bin"))/"),
            (
                ["export", folder("a.h5"), "--out", folder("x.GGUF")], 2,
                "--out: expected FILE.gguf, FILE.h5, FILE.imatrix or a folder, found"
            ),
            (["import", folder("none"), "--out", "x"], 1, "none: cannot be read"),
            (["import", folder.path, "--out", "x"], 1, "found a folder without config.json."),
            (["import", folder("text"), "--out", "x"], 1, "found a file of unknown format."),
        ] {
            let outcome = try slm(arguments)
            #expect(
                outcome.status == Int32(status) && outcome.errors.contains(message) && outcome.output.isEmpty,
                "\(arguments): \(outcome.errors)")
        }
        #expect(folder.names == ["a.h5", "text"])
        for directory in ["x.bin/", "x.bin", "gpt-1.5"] {
            let outcome = try slm("export", folder("a.h5"), "--out", folder(directory))
            #expect(outcome.status == 0, "\(directory): \(outcome.errors)")
        }
        #expect(folder.names == ["a.h5", "gpt-1.5", "text", "x.bin"])
    }
}
