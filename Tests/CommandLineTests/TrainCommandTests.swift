import Foundation
import Testing
import TestSupport

/// The output of `slm train`.
@Suite(.serialized) struct TrainCommandTests {
    private let folder = TemporaryFolder()

    private func train(_ name: String, _ arguments: String...) throws -> Outcome {
        try folder.train(name, ["--max-steps", "12", "--eval-every", "5", "--threads", "2"] + arguments)
    }

    @Test func `a run prints its plan and its result, and a resumed run has the same bits`() throws {
        try folder.writeTokens()
        let whole = try train("whole", "--ask", "Who?")
        #expect(whole.status == 0, "\(whole.errors)")
        for part in [
            "parameters: 1 layers", " training tokens",
            "weights  random: n-gram counts need ", "12 steps", "step     10", "best",
            "done: ",
        ] { #expect(whole.output.contains(part), "\(part)") }
        #expect(
            TemporaryFolder.names(in: folder("whole")).map { $0.hasPrefix("events.out.tfevents.") ? "events" : $0 }.sorted()
                == ["best.h5", "events", "last.h5", "log.jsonl", "report.html"])
        let log = try String(contentsOfFile: folder("whole/log.jsonl"), encoding: .utf8)
        for part in [
            #""norm":"#, #""activation":"#, #""positions":"#, #""qk_norm":"#, #""eval_every":5"#, #""save_every":"off""#, #""blas":"#,
            #""recompute":"off","threads":2,"cpu":"#, #""device":"cpu","gradient_groups":1,"shard_optimizer":"off""#,
        ] { #expect(log.contains(part), "\(part)") }
        let stopped = try train("parts", "--stop-after", "7", "--ask", "Who?")
        #expect(stopped.status == 0 && stopped.errors.contains("stopped at step 7. Continue with: slm train"), "\(stopped.errors)")
        let resumed = try slm("train", "--data", folder("data"), "--out", folder("parts"), "--resume", "--threads", "2", "--ask", "Who?")
        #expect(resumed.status == 0 && resumed.output.contains("resumed at step 7"), "\(resumed.errors)")
        let losses = try ["whole", "parts"].map { name in
            try String(contentsOfFile: folder("\(name)/log.jsonl"), encoding: .utf8).split(separator: "\n").map {
                $0.replacing(/,"seconds":[0-9.]+/, with: "")
            }
            .filter { !$0.contains(/"event":"(started|stopped)"/) }
        }
        #expect(losses[0] == losses[1] && losses[0].count == 20)
        let both = try slm("runs", "compare", folder("whole"), folder("parts/"), "--out", folder("both.html"))
        #expect(both.status == 0 && both.output == "\(folder("both.html"))\n")
        let page = try String(contentsOfFile: folder("both.html"), encoding: .utf8)
        #expect(page.contains(">whole<") && page.contains(">parts<"))
        #expect(try String(contentsOfFile: folder("parts/report.html"), encoding: .utf8).contains("resumed after step 7"))
        #expect(
            try slm("runs", "compare", folder("none"), folder("whole")).errors
                == "slm: \(folder("none/log.jsonl")): cannot be read: No such file or directory.\n")
    }

    @Test func `a large enough model is initialized from n-gram counts, and resumes`() throws {
        try folder.writeTokens()
        let shape = [
            "train", "--data", folder("data"), "--preset", "eugpt", "--layers", "1", "--width", "320", "--heads", "5", "--context", "64",
            "--max-steps", "8", "--eval-every", "4", "--threads", "2", "--json",
        ]
        let losses = { (output: String) in
            output.matches(of: /"event":"step","step":\d+,"loss":([0-9.]+)/).compactMap { Double($0.output.1) }
        }
        let whole = try slm(shape + ["--out", folder("whole"), "--ngram-contexts", "20480"]),
            random = try slm(shape + ["--out", folder("random"), "--recipe", "nanogpt"])
        #expect(whole.status == 0 && random.status == 0, "\(whole.errors) \(random.errors)")
        let counted = losses(whole.output)
        let uninitialized = losses(random.output)
        #expect(counted.count == 8 && uninitialized.count == 8)
        #expect((counted.first ?? 9) < 3 && (uninitialized.first ?? 0) > 5)  // ln 300 = 5.7
        #expect(
            whole.output.contains(/"event":"initialized","step":0,"pairs":[1-9][0-9]*,"contexts":20480,"seconds":[0-9.]+}/)
                && !random.output.contains(#""event":"initialized""#))
        #expect(
            try String(contentsOfFile: folder("whole/report.html"), encoding: .utf8).contains(
                "Its weights were initialized from n-gram counts with "))
        let stopped = try slm(shape + ["--out", folder("parts"), "--ngram-contexts", "20480", "--stop-after", "3"])
        let resumed = try slm("train", "--data", folder("data"), "--out", folder("parts"), "--resume", "--threads", "2", "--json")
        #expect(losses(stopped.output) + losses(resumed.output) == counted, "\(resumed.errors)")
        let impossible = try train("x", "--recipe", "counts")
        #expect(
            impossible.status == 2
                && impossible.errors == "slm train: --recipe counts needs at least 320 channels (found 32). Use --recipe nanogpt.\n",
            "\(impossible.errors)")
    }

    @Test func `every kind of model trains, saves and resumes`() throws {
        try folder.writeTokens()
        let kind = ["--positions", "rotary", "--qk-norm", "--norm", "rms", "--activation", "reluSquared", "--no-bias", "--tied"]
        let whole = try folder.train(
            "modern", ["--max-steps", "6", "--stop-after", "3", "--beta1", "0.8", "--beta2", "0.99", "--threads", "1"] + kind)
        #expect(whole.status == 0, "\(whole.errors)")
        let info = try slm("info", folder("modern/last.h5"))
        #expect(
            info.output.contains("rms norm, reluSquared, rotary positions, no biases, tied output head, QK-norm, dropout 0.0"),
            "\(info.output)")
        #expect(info.output.contains(/plan\/beta1 +0\.8/) && info.output.contains(/plan\/beta2 +0\.99/), "\(info.output)")
        let resumed = try slm("train", "--data", folder("data"), "--out", folder("modern"), "--resume", "--threads", "1")
        #expect(resumed.status == 0 && resumed.output.contains("resumed at step 3"), "\(resumed.errors)")
        #expect(
            try train("x", "--heads", "32", "--positions", "rotary").errors
                == "slm train: rotary positions need an even number of channels per head, found 1 (--width 32, --heads 32).\n")
        #expect(
            try train("x", "--activation", "tanh").errors
                == "slm: --activation: expected gelu, exactGELU, relu, reluSquared, silu, found 'tanh'.\n")
    }

    @Test func `narrow models have a higher learning rate, and a lower decay beside Muon, unless a recipe or an option sets it`() throws {
        try folder.writeTokens()
        for (name, options, rate, decay) in [
            ("narrow", ["--width", "128"], 2e-2, 0.025), ("medium", [], 1e-2, 0.025), ("wide", ["--width", "260"], 1e-3, 0.1),
            ("AdamW", ["--width", "128", "--optimizer", "adamw"], 5e-3, 0.1), ("medium AdamW", ["--optimizer", "adamw"], 2.5e-3, 0.1),
            ("recipe", ["--recipe", "nanogpt"], 1e-3, 0.1), ("option", ["--lr", "0.02", "--weight-decay", "0.05"], 0.02, 0.05),
        ] {
            let arguments = ["--layers", "1", "--heads", "2", "--width", "256", "--context", "32", "--batch", "1", "--threads", "1"]
            let outcome = try slm(
                ["train", "--data", folder("data"), "--out", folder(name), "--max-steps", "9", "--stop-after", "1"] + arguments + options)
            #expect(outcome.status == 0, "\(outcome.errors)")
            let info = try slm("info", folder("\(name)/last.h5")).output
            let storedRate = try #require(info.firstMatch(of: /plan\/lr +([-0-9.e]+)/).flatMap { Double($0.output.1) }, "\(info)")
            #expect(abs(storedRate - rate) < 1e-6 * rate, "\(name)")
            let storedDecay = info.firstMatch(of: /plan\/weight_decay +([-0-9.e]+)/).flatMap { Double($0.output.1) }
            #expect(try abs(#require(storedDecay) - decay) < 1e-6 * decay, "\(name)")
        }
    }

    @Test func `a bigram model learns the probabilities of the next token`() throws {
        // An a is followed by b or c, whatever came before: ln 2 at half of the positions, and 0 at the other half.
        folder.write((0..<4_000).map { $0 % 7 % 2 == 0 ? "ab" : "ac" }.joined() + "\n", to: "text.txt")
        try slm(
            "tokenize", "corpus", "--data", folder("text.txt"), "--tokenizer", "characters", "--specials", "", "--val-share", "0",
            "--out", folder("letters")).succeeded()
        let trained = try slm(
            "train", "--preset", "bigram", "--data", folder("letters"), "--out", folder("bigram"), "--width", "8", "--context", "32",
            "--max-steps", "150", "--lr", "0.03", "--threads", "1", "--json", "--eval-every", "150").succeeded()
        let loss = try #require(
            trained.output.firstMatch(of: /"event":"evaluated".*"train_loss":([0-9.]+)/).flatMap { Double($0.output.1) })
        // Four of seven pairs are ab: -(4/7·ln(4/7) + 3/7·ln(3/7)) nats for the second letter, none for the first.
        #expect(abs(loss - 0.6829 / 2) < 0.01, "\(loss)")
        #expect(try slm("info", folder("bigram/best.h5")).output.contains("0 layers, 1 heads, width 8"))
    }

    @Test func `a run is not overwritten, and other tokens are rejected`() throws {
        try folder.writeTokens()
        #expect(try train("run", "--stop-after", "1").status == 0)
        let again = try train("run")
        #expect(
            again.status == 1
                && again.errors.contains("holds a training run already. Continue it with --resume, or choose another folder with --out.")
        )
        #expect(try train("a b's", "--stop-after", "1").errors.hasSuffix(#" --out '"# + folder(#"a b'\''s' --resume"#) + "\n"))
        let other = try train("other", "--tokenizer", "nothing.json")
        #expect(other.status == 1 && other.errors.contains("nothing.json: cannot be read"))
        #expect(
            try slm("train", "--out", folder("x")).errors
                == "slm train: expected chats, text or a folder of token files: --data FILE.\n")
        #expect(
            try train("x", "--train-tokens", "5").errors
                == "slm train: expected one of --time, --max-steps, --epochs, --train-tokens, found 2.\n")
        #expect(try train("x", "--heads", "3").errors == "slm train: expected a --width that is a multiple of --heads, found 32 and 3.\n")
    }

    private func trainOnChats(_ name: String, _ arguments: String...) throws -> Outcome {
        let run = ["--data", folder("chats.txt"), "--out", folder(name), "--max-steps", "6", "--eval-every", "3", "--threads", "2"]
        return try slm(["train"] + run + smallModel + arguments, ["XDG_CACHE_HOME": folder("cache")])
    }

    @Test func `chats are encoded once and cached`() throws {
        folder.writeChats()
        let first = try trainOnChats("first", "--vocab-size", "300", "--stop-after", "4")
        #expect(
            first.status == 0 && first.output.contains("conversations: 80 kept") && first.output.contains("vocabulary 300"),
            "\(first.errors)")
        #expect(first.output.contains("  you  What comes after") && first.output.contains("model  "))
        let made = TemporaryFolder.names(in: folder("cache/slm")).sorted()
        #expect(made.count == 2)
        let second = try trainOnChats("second", "--vocab-size", "300", "--ask", "Who are you?", "And I?")
        #expect(second.status == 0 && !second.output.contains("kept") && second.output.contains("you  And I?"), "\(second.errors)")
        #expect(TemporaryFolder.names(in: folder("cache/slm")).sorted() == made)
        // Another validation share: other tokens of the same vocabulary.
        let share = try trainOnChats("first", "--resume", "--val-share", "0.5")
        #expect(
            share.status == 1 && share.errors.contains("these are not the tokens that the run started with. Expected: vocabulary "),
            "\(share.errors)")
        let resumed = try trainOnChats("first", "--resume")
        #expect(resumed.status == 0 && resumed.output.contains("resumed at step 4"), "\(resumed.errors)")
        let losses = try ["first", "second"].map { name in
            try String(contentsOfFile: folder("\(name)/log.jsonl"), encoding: .utf8).split(separator: "\n").filter {
                $0.contains("\"event\":\"step\"") || $0.contains("\"event\":\"eval")
            }
            .map { $0.replacing(/,"seconds":[0-9.]+/, with: "") }
        }
        #expect(losses[0] == losses[1] && losses[0].count == 8)
        folder.writeChats(81)
        #expect(try trainOnChats("first", "--resume").status == 1)
        #expect(try trainOnChats("third", "--vocab-size", "300").output.contains("conversations: 81 kept"))
    }

    @Test func `options that exclude each other are rejected`() throws {
        try folder.writeTokens()
        #expect(
            try train("x", "--vocab-size", "300").errors
                == "slm train: --vocab-size applies to chats, and \(folder("data")) holds token files.\n")
        #expect(
            try trainOnChats("x", "--vocab-size", "300", "--tokenizer", "a.json").errors.contains(
                "expected --vocab-size (train a tokenizer) or --tokenizer (use one), found both."))
        #expect(try slm("train", "--data", "-").errors.contains("expected a file, found - (standard input)"))
        #expect(try train("x", "--ngram-contexts", "2048").errors == "slm train: --ngram-contexts needs --recipe counts.\n")
        #expect(try train("x", "--optimizer", "adamw", "--muon-lr", "0.01").errors == "slm train: --muon-lr needs --optimizer muon.\n")
        let large = try slm(
            "train", "--data", folder("data"), "--out", folder("x"), "--layers", "500", "--width", "8192", "--heads", "8", "--context", "64"
        )
        #expect(large.status == 1 && large.errors.contains("It fits with --preset") && large.errors.contains(" GB"), "\(large.errors)")
    }
}
