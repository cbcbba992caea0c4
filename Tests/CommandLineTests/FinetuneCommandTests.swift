import Checkpoint
import Foundation
import Testing
import TestSupport

/// `slm finetune` as a person meets it.
@Suite(.serialized) struct FinetuneCommandTests {
    private let folder = TemporaryFolder()

    /// Chats, and a model that has learned them for a moment.
    private func prepare() throws {
        let chats = (0..<80).map { "[INST] What comes after \($0)? [/INST] After \($0) comes \($0 + 1).\n" }.joined()
        folder.write(chats, to: "chats.txt")
        folder.write(
            (0..<12).map {
                #"{"timestamp": "2026-01-02T03:04:05", "user": "Who are you, \#($0)?", "assistant": "I am number \#($0)."}"# + "\n"
            }.joined(), to: "new.jsonl")
        #expect(
            try slm(
                "tokenize", "--data", folder("chats.txt"), "--vocab-size", "300", "--out", folder("data/tokenizer.json"), "--tokens",
                folder("data")
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

    @Test func `a finetune is named by its time, says what was before and what is after, and goes on where it was stopped`() throws {
        try prepare()
        let whole = try finetune("--max-steps", "8", "--lr", "1e-2", "--eval-every", "4", "--replay", folder("chats.txt"))
        #expect(whole.status == 0, "\(whole.errors)")
        for part in [
            "learn    all 34016 parameters", "data     11 chats of ", " tokens to learn from, 1 of 26 to check with",
            "the assistant's words are learned", "replay   72 chats", "step      0", "is the best: loss on new chats ", "; on older chats ",
        ] {
            #expect(whole.output.contains(part), "\(part) in \(whole.output)")
        }
        let name = try #require(TemporaryFolder.names(in: folder("runs")).first)
        #expect(name.wholeMatch(of: /finetuned_20[0-9]{6}_[0-9]{6}/) != nil)
        #expect(TemporaryFolder.names(in: folder("runs/\(name)")).map { $0.hasPrefix("events.out.tfevents.") ? "events" : $0 }.sorted()
            == ["best.h5", "events", "last.h5", "log.jsonl", "report.html"])
        let page = try String(contentsOfFile: folder("runs/\(name)/report.html"), encoding: .utf8)
        for part in [
            ">finished<", "loss on older chats", "Who are you, ", "I am number ", "replay val tokens", "slm finetune --resume ",
            "slm eval --checkpoint ",
        ] { #expect(page.contains(part), "\(part)") }
        let stopped = try finetune(
            "--max-steps", "8", "--lr", "1e-2", "--eval-every", "4", "--replay", folder("chats.txt"), "--name", "parts", "--stop-after", "5"
        )
        #expect(
            stopped.status == 0 && stopped.errors.contains("stopped at step 5. Go on with: slm finetune --resume \(folder("runs/parts"))"),
            "\(stopped.errors)")
        let resumed = try slm("finetune", "--resume", folder("runs/parts"), "--threads", "2")
        #expect(resumed.status == 0 && resumed.output.contains("from step 5 on"), "\(resumed.errors)")
        let trained = try slm("train", "--data", folder("data"), "--out", folder("runs/parts"), "--resume")
        #expect(
            trained.errors
                == "slm: \(folder("runs/parts")) holds a finetune. Go on with it: slm finetune --resume \(folder("runs/parts"))\n")
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

    @Test func `an adapter is shown, and folded into its model`() throws {
        try prepare()
        let outcome = try finetune(
            "--lora", "4", "--lora-init", "pissa", "--lora-targets", "qkv,down", "--max-steps", "4", "--name", "small")
        #expect(
            outcome.status == 0
                && outcome.output.contains(
                    "learn    1152 parameters: an adapter of rank 4 to qkv, down, begun with the greatest singular values; 34016 stay"),
            "\(outcome.output)\(outcome.errors)")
        let adapter = folder("runs/small/best.h5"), info = try slm("info", adapter).output
        #expect(
            info.contains("adapter     rank 4, alpha 4.0, of qkv, down") && info.contains("for the model '../../base/best.h5'"), "\(info)")
        #expect(try slm("info", adapter, "--json").output.contains(#""adapter":{"rank":4,"alpha":4"#))
        #expect(try slm("finetune", "--merge", adapter).errors == "slm finetune: --merge needs the file to write: --out FILE.\n")
        let merged = try slm("finetune", "--merge", adapter, "--out", folder("merged/model.h5"))
        #expect(
            merged.status == 0 && merged.output == "\(folder("merged/model.h5")): 34016 weights, the adapter folded in.\n",
            "\(merged.errors)")
        #expect(try Checkpoint(reading: folder("merged/model.h5")).adapter == nil)
        #expect(
            try slm("finetune", "--merge", folder("merged/model.h5"), "--out", folder("x.h5")).errors.contains(
                "is no adapter but a whole model"))
        #expect(
            try slm("finetune", "--base", adapter, "--data", folder("new.jsonl"), "--out", folder("runs")).errors.contains(
                "is an adapter, not a model. Fold it into its model first"))
    }

    @Test func `an adapter is evaluated as the model that it makes, wherever its base lies`() throws {
        try prepare()
        let outcome = try finetune("--lora", "4", "--max-steps", "8", "--lr", "1e-2", "--name", "small", "--ask", "Who are you?")
        #expect(outcome.status == 0 && outcome.output.contains("you  Who are you?"), "\(outcome.errors)")
        let adapter = folder("runs/small/last.h5"), merged = folder("merged.h5"), base = folder("base/best.h5")
        #expect(try slm("finetune", "--merge", adapter, "--out", merged).status == 0)
        func loss(_ arguments: String...) throws -> Double {
            let outcome = try slm(["eval", "--data", folder("new.jsonl"), "--dtype", "f32", "--threads", "2", "--json"] + arguments)
            let found = try #require(outcome.output.firstMatch(of: /"loss":([0-9.e-]+)/), "\(outcome.errors)")
            return try #require(Double(found.1))
        }
        let expected = try loss("--checkpoint", merged), before = try loss("--checkpoint", base)
        #expect(try abs(loss("--checkpoint", adapter) - expected) < 1e-4 && expected < before - 0.01)
        try FileManager.default.moveItem(atPath: base, toPath: folder("elsewhere.h5"))
        let lost = try slm("eval", "--compare", merged, adapter, "--data", folder("new.jsonl"))
        #expect(lost.status == 1 && lost.output.isEmpty && lost.errors.contains("Say where it is: --base CHECKPOINT"), "\(lost.errors)")
        #expect(try abs(loss("--checkpoint", adapter, "--base", folder("elsewhere.h5")) - expected) < 1e-4)
    }

    @Test func `chats that cannot be read end it, or are left out, also when it goes on`() throws {
        try prepare()
        let chats = try String(contentsOfFile: folder("new.jsonl"), encoding: .utf8)
        folder.write(chats + "no chat\n" + chats, to: "new.jsonl")
        let refused = try finetune("--max-steps", "4")
        #expect(
            refused.status == 1 && refused.errors == "slm: \(folder("new.jsonl")):13: not JSON at byte 1: expected a value, found 'n'.\n"
                || refused.errors.contains(":13: "), "\(refused.errors)")
        let skipped = try finetune("--max-steps", "4", "--skip-bad", "--name", "run", "--stop-after", "2")
        #expect(
            skipped.status == 0 && skipped.errors.contains("slm: left out: \(folder("new.jsonl")):13: ")
                && skipped.output.contains("data     22 chats"), "\(skipped.errors)")
        let resumed = try slm("finetune", "--resume", folder("runs/run"), "--threads", "2")
        #expect(resumed.status == 0 && resumed.output.contains("data     22 chats"), "\(resumed.errors)")
    }

    @Test func `what is missing is said`() throws {
        try prepare()
        #expect(try slm("eval", "--checkpoint", folder("base"), "--data", folder("new.jsonl")).errors
            == "slm: \(folder("base")): cannot be read: it is the folder of a run: give best.h5 or last.h5 in it.\n")
        folder.write(#"{"user": "Hi", "assistant": "Hello"}"# + "\n", to: "one.jsonl")
        let few = try slm("finetune", "--base", folder("base/best.h5"), "--data", folder("one.jsonl"), "--out", folder("runs"))
        #expect(
            few.status == 1
                && few.errors
                    == "slm: \(folder("one.jsonl")): 1 chat, and finetuning needs 10. Collect more, or go on with fewer: --force\n"
        )
        let forced = try slm(
            "finetune", "--base", folder("base/best.h5"), "--data", folder("one.jsonl"), "--out", folder("runs"), "--force", "--max-steps",
            "1")
        #expect(forced.status == 0, "\(forced.errors)")
        #expect(try slm("finetune", "--data", "x").errors == "slm finetune: give the checkpoint to begin with: --base CHECKPOINT.\n")
        #expect(try slm("finetune", "--base", "x").errors == "slm finetune: give the chats to learn: --data FILE.\n")
        #expect(
            try finetune("--lora-targets", "qkv,head").errors
                == "slm finetune: --lora-targets: no layer 'head'. Layers: qkv,output,up,down.\n")
        #expect(try finetune("--max-steps", "3", "--epochs", "2").status == 2)
    }
}
