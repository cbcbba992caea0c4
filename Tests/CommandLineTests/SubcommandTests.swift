import Checkpoint
import Foundation
import Testing
import TestSupport

/// Commands of two words, options that are alike in several commands, and the hints after a command.
@Suite(.serialized) struct SubcommandTests {
    private let folder = TemporaryFolder()

    @Test func `the commands of slm tokenize do what its options do`() throws {
        let chats = folder.writeChats()
        let tokenizer = folder("tokenizer.json")
        let trained = try slm("tokenize", "train", "-d", chats, "--vocab-size", "300", "-o", tokenizer)
        #expect(trained.status == 0 && trained.output.contains("300 tokens, trained on"), "\(trained.errors)")
        #expect(trained.errors == "Build token files with it: slm tokenize corpus --data \(chats) --tokenizer \(tokenizer) --out data\n")
        let text = "After 7 comes 8."
        let ids = try slm("tokenize", "--tokenizer", tokenizer, "--encode", input: text).output
        #expect(try slm("tokenize", "encode", tokenizer, input: text).output == ids)
        #expect(try slm("tokenize", "encode", "--tokenizer", tokenizer, input: text).output == ids)
        #expect(try slm("tokenize", "decode", tokenizer, input: ids).output == text)
        #expect(try slm("tokenize", "count", tokenizer, input: text).output == "\(ids.split(separator: " ").count)\n")
        let shown = try slm("tokenize", "show", tokenizer, text)
        #expect(shown.output.contains(" tokens, 16 bytes") && shown.errors.isEmpty)
        #expect(try slm("tokenize", "show", "--text", text, "--tokenizer", tokenizer).output == shown.output)
        #expect(try slm("tokenize", "convert", tokenizer, "-o", folder("t.tiktoken"), "--quiet").errors.isEmpty)
        #expect(try slm("tokenize", "encode", folder("t.tiktoken"), input: text).output == ids)
        #expect(try slm("tokenize", "encode").errors == "slm tokenize encode: expected a tokenizer: slm tokenize encode TOKENIZER.\n")
        #expect(try slm("tokenize", "train", "--data", chats).status == 2)
    }

    @Test func `tokenize corpus writes the files of slm tokenize --tokens`() throws {
        let chats = folder.writeChats()
        #expect(try slm("tokenize", "--data", chats, "--vocab-size", "300", "--tokens", folder("old")).status == 0)
        let built = try slm("tokenize", "corpus", "--data", chats, "--vocab-size", "300", "--out", folder("new"))
        #expect(built.status == 0 && built.errors == "Train on them: slm train --data \(folder("new"))\n", "\(built.errors)")
        for name in ["train.bin", "val.bin", "tokenizer.json"] {
            let files = try ["old", "new"].map { try Data(contentsOf: URL(filePath: folder("\($0)/\(name)"))) }
            let isEqual = files[0] == files[1]
            #expect(isEqual, "\(name)")
        }
        #expect(try slm("tokenize", "corpus", "--data", chats, "--out", folder("x")).errors.contains("expected one of --tokenizer FILE"))
    }

    @Test func `a checkpoint is accepted by position, by name and by short name`() throws {
        let model = folder("model.h5")
        try OneSentenceModel.checkpoint().write(to: model)
        let forms = [[model], ["--checkpoint", model], ["-c", model], ["--checkpoint=\(model)"]]
        let commands = [
            ["generate", "--user", "Hello", "--temperature", "0"],
            ["eval", "--quiet", "--data", folder.write("Hi there.\n", to: "text.txt")],
            ["info"],
            ["bench", "generate", "--prompt", "4", "--generate", "1", "--runs", "1"],
        ]
        for command in commands {
            for form in forms {
                let words = command[0] == "bench" ? 2 : 1
                let outcome = try slm(Array(command.prefix(words)) + form + command.dropFirst(words))
                #expect(outcome.status == 0, "\(command) \(form): \(outcome.errors)")
            }
        }
        let chats = try forms.map { try slm(["chat"] + $0 + ["--temperature", "0"], input: Data("Hello\n".utf8)).output }
        #expect(Set(chats) == [OneSentenceModel.sentence + "\n"])
        let exports = try forms.map { try slm(["export"] + $0 + ["--out", folder("exported.h5"), "--quiet"]) }
        #expect(exports.allSatisfy { $0.status == 0 && $0.errors.isEmpty })
        #expect(
            try slm("export", model, "--out", folder("again.h5")).errors == "Measure its speed: slm bench generate \(folder("again.h5"))\n")
        #expect(
            try slm("adapter", "merge", model, "--out", "x.h5").errors == "slm: \(model): expected a LoRA adapter, found a whole model.\n")
        #expect(try slm("adapter", "merge", "-c", model).errors.contains("expected a file to write: --out FILE"))
    }

    /// The defaults, 128 and 200 tokens, do not fit into this model's context.
    @Test func `bench generate measures a model with a short context`() throws {
        try OneSentenceModel.checkpoint().write(to: folder("short.h5"))
        func bench(_ arguments: String...) throws -> Outcome {
            try slm(["bench", "generate", folder("short.h5"), "--runs", "1", "--json"] + arguments)
        }
        func lengths(_ outcome: Outcome) throws -> [Int?] {
            let record = try JSONSerialization.jsonObject(with: Data(outcome.output.utf8)) as? [String: Any]
            return [record?["prompt_tokens"] as? Int, record?["answer_tokens"] as? Int]
        }
        let usual = try bench()
        #expect(try usual.status == 0 && lengths(usual) == [24, 40], "\(usual.output) \(usual.errors)")
        #expect(usual.errors == "slm: the context is 64 tokens: measuring prompts of 24 and 40 generated tokens, not 128 and 200.\n")
        #expect(try lengths(bench("--prompt", "60")) == [60, 4] && lengths(bench("--generate", "10")) == [54, 10])
        let fitting = try bench("--prompt", "10", "--generate", "5")
        #expect(try lengths(fitting) == [10, 5] && fitting.errors.isEmpty)
        #expect(
            try bench("--prompt", "60", "--generate", "5").errors
                == "slm bench generate: expected at most 64 tokens (the context), found 60 (--prompt) + 5 (--generate).\n")
        #expect(try bench("--prompt", "64").status == 2)
    }

    @Test func `an adapter is merged`() throws {
        let sample = try SampleAdapter(in: folder)
        let merged = try slm("adapter", "merge", folder("adapter.h5"), "--out", folder("new/merged.h5"))
        #expect(merged.status == 0 && merged.output.hasSuffix(" parameters, adapter merged\n"), "\(merged.errors)")
        #expect(merged.errors == "Chat with it: slm chat \(folder("new/merged.h5"))\n")
        let read = try Checkpoint(reading: folder("new/merged.h5"))
        #expect(read.adapter == nil && read.weights.names == sample.base.weights.names)
    }

    @Test func `runs are listed and compared`() throws {
        let chats = folder.writeChats()
        #expect(try slm("tokenize", "corpus", "--data", chats, "--vocab-size", "300", "--out", folder("data"), "--quiet").errors.isEmpty)
        for (name, steps) in [("short", "2"), ("long", "8")] {
            let trained = try folder.train("runs/\(name)", ["--max-steps", steps, "--lr", "0.01", "--threads", "2"])
            #expect(
                trained.status == 0 && trained.errors.hasSuffix("Chat with it: slm chat \(folder("runs/\(name)"))/best.h5\n"),
                "\(trained.errors)")
        }
        let table = try slm("runs", "list", folder("runs")).output.split(separator: "\n")
        #expect(
            table.count == 3 && table[0].hasPrefix("RUN ") && table[1...].contains { $0.hasPrefix("long ") && $0.hasSuffix("best") },
            "\(table)")
        let lines = try slm("runs", "list", "--dir", folder("runs"), "--json").output.split(separator: "\n")
        let runs = try lines.map { try #require(try JSONSerialization.jsonObject(with: Data($0.utf8)) as? [String: Any]) }
        #expect(Set(runs.compactMap { $0["name"] as? String }) == ["short", "long"])
        #expect(runs.allSatisfy { ($0["val_loss"] as? Double ?? 0) > 0 && ($0["bytes"] as? Int ?? 0) > 1_000 })
        #expect(runs.first { $0["name"] as? String == "long" }?["step"] as? Int == 8)
        let compared = try slm("runs", "compare", folder("runs/short"), folder("runs/long"), "--out", folder("both.html"))
        #expect(compared.status == 0 && compared.output == "\(folder("both.html"))\n")
        #expect(try slm("runs", "list", folder("none")).status == 1 && slm("runs", "compare").status == 2)
        let resumed = try slm("train", "--resume", folder("runs/short"), "--data", folder("data"), "--threads", "2", "--quiet")
        #expect(resumed.status == 0 && resumed.output.contains("resumed at step 2"), "\(resumed.errors)")
        #expect(resumed.errors == "slm: the run has finished. Train it further with a longer --max-steps or --time.\n")
    }

    @Test(arguments: [("1s", "tiny", "4 layers"), ("9000h", "small", "6 layers")])
    func `the time of a run chooses its size`(time: String, size: String, layers: String) throws {
        let chats = folder.writeChats()
        let train = [
            "train", "--data", chats, "--out", folder("run"), "--vocab-size", "300", "--estimate", "--threads", "2", "--time", time,
        ]
        let text = try slm(train, ["XDG_CACHE_HOME": folder("cache")])
        #expect(text.status == 0 && text.output.contains("size     \(size): in "), "\(text)")
        #expect(text.output.contains(layers), "\(text.output)")
        let chosen = try slm(train + ["--preset", "characters"], ["XDG_CACHE_HOME": folder("cache")])
        #expect(chosen.status == 0 && !chosen.output.contains("size     "), "\(chosen)")
    }

    @Test func `an estimate writes nothing`() throws {
        let chats = folder.writeChats()
        let before = TemporaryFolder.names(in: folder.path).sorted()
        let arguments = [
            "train", "--estimate", "--data", chats, "--out", folder("run"), "--vocab-size", "300", "--max-steps", "50", "--threads", "2",
        ] + smallModel
        let environment = ["XDG_CACHE_HOME": folder("cache"), "TMPDIR": folder.path]
        let text = try slm(arguments, environment)
        #expect(text.status == 0 && text.errors == "slm: nothing was written.\n", "\(text.errors)")
        for part in ["parameters: 1 layers", " training tokens", "50 steps", "memory   about ", "(measured over 2 steps)"] {
            #expect(text.output.contains(part), "\(part) in \(text.output)")
        }
        let json = try slm(arguments + ["--json"], environment).output
        let object = try #require(try JSONSerialization.jsonObject(with: Data(json.utf8)) as? [String: Any])
        #expect(object["steps"] as? Int == 50 && (object["parameters"] as? Int ?? 0) > 10_000 && (object["seconds"] as? Double ?? 0) > 0)
        #expect(TemporaryFolder.names(in: folder.path).sorted() == before)
    }
}
