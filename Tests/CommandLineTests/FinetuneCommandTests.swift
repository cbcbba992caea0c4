import Checkpoint
import Foundation
import Model
import Testing
import TestSupport

/// The output of `slm finetune`.
@Suite(.serialized) struct FinetuneCommandTests {
    private let folder = TemporaryFolder()

    /// Chats, and a model trained on them for three steps.
    private func prepare() throws {
        let chats = (0..<80).map { "[INST] What comes after \($0)? [/INST] After \($0) comes \($0 + 1).\n" }.joined()
        folder.write(chats, to: "chats.txt")
        folder.write(
            (0..<12).map {
                #"{"timestamp": "2026-01-02T03:04:05", "user": "Who are you, \#($0)?", "assistant": "I am number \#($0)."}"# + "\n"
            }.joined(), to: "new.jsonl")
        #expect(
            try slm(
                "tokenize", "corpus", "--data", folder("chats.txt"), "--vocab-size", "300", "--out", folder("data")
            ).status == 0)
        let outcome = try slm(
            "train", "--data", folder("data"), "--out", folder("base"), "--layers", "1", "--width", "32", "--heads", "2", "--context", "64",
            "--batch", "4", "--max-steps", "3", "--threads", "2")
        #expect(outcome.status == 0, "\(outcome.errors)")
    }

    private func finetune(_ arguments: String...) throws -> Outcome {
        try slm(
            ["finetune", "--base", folder("base/best.h5"), "--data", folder("new.jsonl"), "--out", folder("runs"), "--threads", "2"]
                + arguments)
    }

    /// A server may be started anywhere; the log of a training run has the path that it was given.
    @Test func `the data of a base is found from other directories`() throws {
        try prepare()
        let trained = try slm(
            ["train", "--data", "data", "--out", "runs/relative", "--layers", "1", "--width", "32", "--heads", "2", "--context", "64",
             "--batch", "4", "--max-steps", "3", "--threads", "2"], in: folder(""))
        #expect(trained.status == 0, "\(trained.errors)")
        for (directory, base) in [(folder(""), "runs/relative/best.h5"), (folder("runs"), "relative/best.h5"),
                                  ("/", folder("runs/relative/best.h5"))] {
            let outcome = try slm(
                ["finetune", base, "--estimate", "memory", "--json", "--quiet", "--out", folder("new")], in: directory)
            let known = outcome.output.firstMatch(of: /"known_data":\["([^"]*)"\]/)?.output.1
            let path = try #require(known.map { $0.hasPrefix("/") ? String($0) : directory + "/" + $0 }, "\(outcome)")
            #expect(FileManager.default.fileExists(atPath: path + "/train.bin"), "\(path)")
        }
    }

    @Test func `a run is named by its time, reports the losses before and after, and resumes`() throws {
        try prepare()
        let whole = try finetune("--max-steps", "8", "--lr", "1e-2", "--eval-every", "4", "--replay", folder("chats.txt"))
        #expect(whole.status == 0, "\(whole.errors)")
        for part in [
            "train    all 31872 parameters", "data     10 chats (", " tokens) for training, 2 (54) for validation",
            "loss on the assistant's tokens", "replay   68 chats", "step      0", ": loss on new chats ", "; on older chats ",
        ] {
            #expect(whole.output.contains(part), "\(part) in \(whole.output)")
        }
        let name = try #require(TemporaryFolder.names(in: folder("runs")).first)
        #expect(name.wholeMatch(of: /finetuned_20[0-9]{6}_[0-9]{6}/) != nil)
        #expect(
            TemporaryFolder.names(in: folder("runs/\(name)")).map { $0.hasPrefix("events.out.tfevents.") ? "events" : $0 }.sorted()
                == ["best.h5", "events", "last.h5", "log.jsonl", "report.html"])
        let page = try String(contentsOfFile: folder("runs/\(name)/report.html"), encoding: .utf8)
        for part in [
            ">finished<", "replay loss", "Who are you, ", "I am number ", "replay val tokens", "replay share", "slm finetune --resume ",
            "slm eval --checkpoint ",
        ] { #expect(page.contains(part), "\(part)") }
        let stopped = try finetune(
            "--max-steps", "8", "--lr", "1e-2", "--eval-every", "4", "--replay", folder("chats.txt"), "--name", "parts", "--stop-after", "5"
        )
        #expect(
            stopped.status == 0
                && stopped.errors.contains("stopped at step 5. Continue with: slm finetune --resume \(folder("runs/parts"))"),
            "\(stopped.errors)")
        let resumed = try slm("finetune", "--resume", folder("runs/parts"), "--threads", "2")
        #expect(resumed.status == 0 && resumed.output.contains("resumed at step 5"), "\(resumed.errors)")
        let trained = try slm("train", "--data", folder("data"), "--out", folder("runs/parts"), "--resume")
        #expect(
            trained.errors
                == "slm: \(folder("runs/parts")) holds a fine-tuning run. Continue it with: slm finetune --resume \(folder("runs/parts"))\n"
        )
        let logs = try [name, "parts"].map { name in
            try String(contentsOfFile: folder("runs/\(name)/log.jsonl"), encoding: .utf8).split(separator: "\n").map {
                $0.replacing(/,"seconds":[0-9.]+/, with: "")
            }
            .filter { $0.hasPrefix(#"{"event":"step""#) || $0.hasPrefix(#"{"event":"evaluated""#) }
        }
        #expect(
            logs[0] == logs[1] && logs[0].count == 11 && logs[0][0].contains(#""event":"evaluated","step":0"#)
                && logs[0][0].contains("replay_loss"))
    }

    @Test func `older chats are generated by the base, and a resumed run reads them again`() throws {
        try prepare()
        let arguments = ["--max-steps", "8", "--lr", "1e-2", "--eval-every", "4", "--replay", "generated"]
        func finetune(_ more: String...) throws -> Outcome {
            try slm(
                ["finetune", folder("base/best.h5"), "--data", folder("new.jsonl"), "--out", folder("runs"), "--threads", "2"]
                    + arguments + more)
        }
        func file(_ name: String) throws -> String { try String(contentsOfFile: folder("runs/\(name)"), encoding: .utf8) }
        let whole = try finetune("--name", "whole")
        #expect(whole.status == 0 && whole.output.contains("replay   ") && whole.output.contains("; on older chats "), "\(whole)")
        let chats = try file("whole/replay.jsonl").split(separator: "\n")
        // As bytes: a hardly trained model of bytes generates combining characters, which belong to the quotation mark before them.
        #expect(chats.count > 40 && chats.allSatisfy { $0.utf8.starts(with: #"{"user":""#.utf8) }, "\(chats.count)")
        #expect(Set(chats).count > chats.count / 2)
        let stopped = try finetune("--name", "parts", "--stop-after", "5")
        #expect(try stopped.status == 0 && file("parts/replay.jsonl") == file("whole/replay.jsonl"), "\(stopped)")
        let resumed = try slm("finetune", "--resume", folder("runs/parts"), "--replay", "generated", "--threads", "2")
        #expect(resumed.status == 0 && resumed.output.contains("resumed at step 5"), "\(resumed)")
        let losses = try ["whole", "parts"].map { name in
            try file("\(name)/log.jsonl").matches(of: /"step":8,"val_loss":[^,]*|"replay_loss":[^,]*/).map { String($0.output) }
        }
        #expect(losses[0] == losses[1] && losses[0].count == 4, "\(losses)")
        // The data that the next model is compared on is that of the base, not what it has generated.
        let estimate = try slm("finetune", folder("runs/whole/best.h5"), "--estimate", "memory", "--json", "--quiet")
        #expect(estimate.output.contains("/data\"]") && !estimate.output.contains("replay.jsonl"), "\(estimate)")
    }

    @Test func `an adapter of PEFT is trained further`() throws {
        try prepare()
        let first = try finetune("--max-steps", "3", "--lora", "2", "--lora-alpha", "4", "--name", "first", "--lr", "1e-2")
        #expect(first.status == 0, "\(first.errors)")
        #expect(try slm("export", folder("runs/first/last.h5"), "--peft", "--out", folder("peft")).status == 0)
        let second = try finetune("--max-steps", "2", "--init-adapter", folder("peft"), "--name", "second", "--lr", "1e-2")
        #expect(second.status == 0 && second.output.contains("a LoRA adapter of rank 2 for qkv, output, up, down"), "\(second.errors)")
        #expect(try slm("info", folder("runs/second/last.h5")).output.contains("LoRA, rank 2, alpha 4.0, targets qkv, output, up, down"))
        let refused = try finetune("--init-adapter", folder("peft"), "--lora", "4")
        #expect(refused.status == 2 && refused.errors.contains("the adapter has its own rank, alpha and layers; remove --lora"))
        let unusable = try finetune("--base-dtype", "bf16")
        #expect(unusable.status == 2 && unusable.errors.contains("--base-dtype needs an adapter: --lora RANK or --init-adapter ADAPTER"))
        let small = try finetune("--max-steps", "2", "--init-adapter", folder("peft"), "--name", "small", "--base-dtype", "bf16")
        #expect(small.status == 0, "\(small.errors)")
    }

    @Test func `an adapter is described, and merged into its base model`() throws {
        try prepare()
        let outcome = try finetune(
            "--lora", "4", "--lora-init", "pissa", "--lora-targets", "qkv,down", "--max-steps", "4", "--name", "small")
        #expect(
            outcome.status == 0
                && outcome.output.contains(
                    "train    992 parameters: a LoRA adapter of rank 4 for qkv, down, initialized with PiSSA; 31872 are frozen"),
            "\(outcome.output)\(outcome.errors)")
        let adapter = folder("runs/small/best.h5"), info = try slm("info", adapter).output
        #expect(
            info.contains("adapter     LoRA, rank 4, alpha 4.0, targets qkv, down") && info.contains("base model '../../base/best.h5'"),
            "\(info)")
        #expect(try slm("info", adapter, "--json").output.contains(#""adapter":{"rank":4,"alpha":4"#))
        #expect(
            try slm("adapter", "merge", adapter).errors == "slm adapter merge: expected a file to write: --out FILE\n")
        let merged = try slm("adapter", "merge", adapter, "--out", folder("merged/model.h5"))
        #expect(
            merged.status == 0 && merged.output == "\(folder("merged/model.h5")): 31872 parameters, adapter merged\n",
            "\(merged.errors)")
        #expect(try Checkpoint(reading: folder("merged/model.h5")).adapter == nil)
        #expect(
            try slm("adapter", "merge", folder("merged/model.h5"), "--out", folder("x.h5")).errors.contains(
                "expected a LoRA adapter, found a whole model"))
        #expect(
            try slm("finetune", "--base", adapter, "--data", folder("new.jsonl"), "--out", folder("runs")).errors.contains(
                "is a LoRA adapter, not a model. Train it further: slm finetune BASE --init-adapter"))
    }

    @Test func `an adapter evaluates like its merged model, wherever its base model is`() throws {
        try prepare()
        let outcome = try finetune("--lora", "4", "--max-steps", "8", "--lr", "1e-2", "--name", "small", "--ask", "Who are you?")
        #expect(outcome.status == 0 && outcome.output.contains("you  Who are you?"), "\(outcome.errors)")
        let adapter = folder("runs/small/last.h5"), merged = folder("merged.h5"), base = folder("base/best.h5")
        #expect(try slm("adapter", "merge", adapter, "--out", merged).status == 0)
        func loss(_ arguments: String...) throws -> Double {
            let outcome = try slm(["eval", "--data", folder("new.jsonl"), "--dtype", "f32", "--threads", "2", "--json"] + arguments)
            let found = try #require(outcome.output.firstMatch(of: /"loss":([0-9.e-]+)/), "\(outcome.errors)")
            return try #require(Double(found.1))
        }
        let expected = try loss("--checkpoint", merged), before = try loss("--checkpoint", base)
        #expect(try abs(loss("--checkpoint", adapter) - expected) < 1e-4 && expected < before - 0.01)
        try FileManager.default.moveItem(atPath: base, toPath: folder("elsewhere.h5"))
        let lost = try slm("eval", "--compare", merged, adapter, "--data", folder("new.jsonl"))
        #expect(
            lost.status == 1 && lost.output.isEmpty && lost.errors.contains("Give the path of the base model: --base CHECKPOINT"),
            "\(lost.errors)")
        #expect(try abs(loss("--checkpoint", adapter, "--base", folder("elsewhere.h5")) - expected) < 1e-4)
    }

    @Test func `unreadable chats stop the run, or are skipped, also after resuming`() throws {
        try prepare()
        let chats = try String(contentsOfFile: folder("new.jsonl"), encoding: .utf8)
        folder.write(chats + "no chat\n" + chats, to: "new.jsonl")
        let refused = try finetune("--max-steps", "4")
        #expect(
            refused.status == 1 && refused.errors == "slm: \(folder("new.jsonl")):13: not JSON at byte 1: expected a value, found 'n'.\n"
                || refused.errors.contains(":13: "), "\(refused.errors)")
        let skipped = try finetune("--max-steps", "4", "--skip-bad", "--name", "run", "--stop-after", "2")
        #expect(
            skipped.status == 0 && skipped.errors.contains("slm: skipped: \(folder("new.jsonl")):13: ")
                && skipped.output.contains("data     21 chats"), "\(skipped.errors)")
        let resumed = try slm("finetune", "--resume", folder("runs/run"), "--threads", "2")
        #expect(resumed.status == 0 && resumed.output.contains("data     21 chats"), "\(resumed.errors)")
    }

    @Test func `the memory of a run is that of its rows, not of the model's context`() throws {
        try prepare()
        var base = try SampleFamily.qwen2.checkpoint()
        base.configuration.context = 1_000_000                 // rotary positions have no weights
        try base.write(to: folder("long.h5"))
        let run = try slm(
            "finetune", folder("long.h5"), "--data", folder("new.jsonl"), "--lora", "2", "--context", "64", "--max-steps", "1", "--out",
            folder("runs"), "--threads", "2")
        let megabytes = run.output.firstMatch(of: /memory +about (\d+) MB/).flatMap { Int($0.output.1) }
        #expect(try #require(megabytes, "\(run)") < 100)
    }

    @Test func `missing arguments and files are reported`() throws {
        try prepare()
        #expect(
            try slm("eval", "--checkpoint", folder("base"), "--data", folder("new.jsonl")).errors
                == "slm: \(folder("base")): cannot be read: it is the folder of a run; give best.h5 or last.h5 in it.\n")
        folder.write(#"{"user": "Hi", "assistant": "Hello"}"# + "\n", to: "one.jsonl")
        let few = try slm("finetune", "--base", folder("base/best.h5"), "--data", folder("one.jsonl"), "--out", folder("runs"))
        #expect(
            few.status == 1
                && few.errors
                    == "slm: \(folder("one.jsonl")): 1 chat, and fine-tuning needs 10. Collect more, or continue with fewer: --force\n"
        )
        let forced = try slm(
            "finetune", "--base", folder("base/best.h5"), "--data", folder("one.jsonl"), "--out", folder("runs"), "--force", "--max-steps",
            "1")
        #expect(forced.status == 0, "\(forced.errors)")
        #expect(
            try slm("finetune", "--data", "x").errors
                == "slm finetune: expected a model to fine-tune: slm finetune CHECKPOINT --data FILE.\n")
        #expect(try slm("finetune", "--base", "x").errors == "slm finetune: expected chats to train on: --data FILE.\n")
        #expect(
            try finetune("--rslora", "--lora-dropout", "0.1").errors == "slm finetune: --rslora needs an adapter: --lora RANK.\n")
        #expect(
            try finetune("--lora", "2", "--lora-targets", "qkv,heads").errors
                == "slm finetune: --lora-targets: expected some of q,k,v,qkv,output,up,down,head,embedding, found 'heads'.\n")
        #expect(
            try finetune("--lora", "2", "--lora-targets", "v,qkv").errors
                == "slm finetune: --lora-targets: expected qkv or some of q,k,v, found both qkv and v.\n")
        #expect(
            try finetune("--lora", "2", "--lora-init", "pissa", "--lora-targets", "q,embedding").errors
                == "slm finetune: --lora-init pissa: it changes the base's weights, and cannot adapt the head or the embedding.\n")
        for other in ["--lora-init pissa", "--lora-targets head,embedding"] {
            let options = other.split(separator: " ").map(String.init)
            #expect(
                try finetune("--lora", "2", "--chat-template", "chatml", "--add-tokens", options[0], options[1]).errors
                    == "slm finetune: --add-tokens cannot be combined with \(other).\n")
        }
        #expect(try finetune("--add-tokens").errors.contains("--add-tokens: expected the tokens to add, or --chat-template with the name"))
        #expect(try finetune("--max-steps", "3", "--epochs", "2").status == 2)
        let described = try slm("finetune", "--resume", folder("runs/x"), "--estimate")
        #expect(described.status == 2 && described.errors.contains("--estimate describes a new run"), "\(described.errors)")
        let questions = #"{"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b", "weight": 0}]}"# + "\n"
        folder.write(String(repeating: questions, count: 12), to: "questions.jsonl")
        func train(_ arguments: String...) throws -> Outcome {
            try slm(["finetune", folder("base/best.h5"), "--data", folder("questions.jsonl"), "--out", folder("runs"), "--max-steps", "1",
                 "--name", "questions"] + arguments)
        }
        let unanswered = try train()
        #expect(unanswered.status == 1 && unanswered.errors.contains("have no answers of the assistant to learn"), "\(unanswered.errors)")
        #expect(try train("--loss-scope", "all").status == 0)
    }
}
