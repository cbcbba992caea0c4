import Foundation
import Testing
import TestSupport

/// The output of `slm eval`.
@Suite(.serialized) struct EvalCommandTests {
    private let folder = TemporaryFolder()

    private func train(_ runs: [(name: String, steps: String)], learningFrom role: String = "all") throws {
        try folder.writeTokens()
        for (name, steps) in runs {
            let outcome = try folder.train(name, ["--max-steps", steps, "--lr", "0.01", "--threads", "2", "--loss-scope", role])
            #expect(outcome.status == 0, "\(outcome.errors)")
        }
    }

    @Test func `prints one line per file, a total, and the better of two models`() throws {
        try train([("a", "5"), ("b", "40")])
        let files = [folder("chats.txt"), folder("data")], model = folder("b/last.h5")
        let one = try slm("eval", "--checkpoint", model, "--data", files[0], "--json"), line = try #require(try objects(one).first)
        #expect(try one.status == 0 && objects(one).count == 1)
        #expect(
            line.keys.sorted() == [
                "accuracy", "bits_per_byte", "bytes", "checkpoint", "conversations", "file", "loss", "loss_scope", "perplexity",
                "text_loss", "tokens", "turn_end_loss", "turn_ends",
            ])
        let (loss, tokens, bytes) = try (
            #require(line["loss"] as? Double), #require(line["tokens"] as? Double), #require(line["bytes"] as? Double)
        )
        #expect(abs(try #require(line["perplexity"] as? Double) - exp(loss)) < 1e-9)
        #expect(abs(try #require(line["bits_per_byte"] as? Double) - loss * tokens / bytes / log(2)) < 1e-9)
        #expect(line["conversations"] as? Int == 80 && line["file"] as? String == files[0] && loss < 5.7)

        let several = try slm(["eval", "--checkpoint", model, "--json", "--batch", "7", "--data"] + files), lines = try objects(several)
        #expect(lines.count == 3 && lines[0]["loss"] as? Double == loss && lines[2]["file"] as? String == "all")
        let counts = lines.compactMap { $0["tokens"] as? Int }
        #expect(lines[1]["file"] as? String == folder("data/val.bin"))
        #expect(counts.count == 3 && counts[0] + counts[1] == counts[2])
        let text = try slm("eval", "--checkpoint", model, "--data", files[0])
        #expect(text.output.contains("bits/byte") && text.output.contains(files[0]))

        let compared = try slm("eval", folder("a/last.h5"), "--compare", model, "--data", files[0])
        #expect(
            compared.output.contains("\n\(model) is better: ") && compared.output.contains(", 80 conversations)."), "\(compared.output)")
        let json = try #require(try objects(slm("eval", folder("a/last.h5"), "--compare", model, "--data", files[0], "--json")).last)
        #expect(json["better"] as? String == "b" && json["paired"] as? Int == 80)
        let (low, difference, high) = try (
            #require(json["low"] as? Double), #require(json["difference"] as? Double), #require(json["high"] as? Double)
        )
        #expect(0 < low && low < difference && difference < high)
        let same = try slm("eval", "--compare", model, model, "--data", files[0])
        #expect(same.output.contains("The difference is within noise: both models have the same bits per byte (80 conversations)."))
    }

    @Test func `by default the tokens count that the model was trained on, and train's last figure is eval's`() throws {
        try train([("a", "12")], learningFrom: "assistant")
        let model = folder("a/best.h5"), files = ["--data", folder("data")]
        let found = try objects(slm(["eval", model, "--json"] + files))
        let all = try objects(slm(["eval", model, "--json", "--loss-scope", "all"] + files))
        let explicit = try objects(slm(["eval", model, "--json", "--loss-scope", "assistant"] + files))
        #expect(found.first?["loss_scope"] as? String == "assistant" && all.first?["loss_scope"] as? String == "all")
        #expect(found.first?["loss"] as? Double == explicit.first?["loss"] as? Double)
        #expect(try #require(found.first?["tokens"] as? Int) < #require(all.first?["tokens"] as? Int))
        let text = try slm(["eval", model] + files).output
        #expect(text.contains("Counts the assistant's tokens, as in training (--loss-scope all counts all)."), "\(text)")
        #expect(try slm(["eval", model, "--loss-scope", "all"] + files).output.contains("Counts all tokens."))
        let log = try String(contentsOfFile: folder("a/log.jsonl"), encoding: .utf8)
        let validated = try #require(log.split(separator: "\n").first { $0.contains(#""event":"validated""#) })
        let entry = try #require(JSONSerialization.jsonObject(with: Data(validated.utf8)) as? [String: Any])
        #expect(abs(try #require(entry["val_loss"] as? Double) - #require(found.first?["loss"] as? Double)) < 1e-6)
        #expect(entry["val_tokens"] as? Int == found.first?["tokens"] as? Int && entry["whole_set"] as? Int == 1)
    }

    @Test func `questions with choices and with answers are counted, and two models compared on them`() throws {
        try train([("a", "1"), ("b", "150")])
        let lines = (0..<40).map { i in
            #"{"question":"What comes after \#(i)?","choices":["After \#(i) comes \#(i + 1).","After 7 went b.","No"],"answer":0}"#
        } + (0..<10).map { #"{"question":"What comes after \#($0)?","pattern":"^After ([0-9]+) comes","answer":"\#($0)"}"# }
        let task = folder.write(lines.joined(separator: "\n"), to: "task.jsonl"), (a, b) = (folder("a/last.h5"), folder("b/last.h5"))
        let both = try objects(slm("eval", a, "--compare", b, "--task", task, "--json", "--samples", folder("samples.jsonl"),
                                    "--report", folder("answers.html")))
        let metrics = ["acc", "acc_norm", "acc_bytes", "exact_match"]
        #expect(both.map { $0["metric"] as? String } == metrics + metrics + metrics)
        #expect(both[4..<8].allSatisfy { $0["as"] as? String == "chat" && $0["checkpoint"] as? String == b })
        #expect(both[4]["questions"] as? Int == 40 && both[7]["questions"] as? Int == 10)
        let (low, value, high) = try (
            #require(both[4]["low"] as? Double), #require(both[4]["value"] as? Double), #require(both[4]["high"] as? Double)
        )
        #expect(low < value && value > 0.9 && high <= 1 && both[7]["value"] as? Double ?? 0 > 0.5, "\(both)")
        #expect(both[8]["better"] as? String == "b" && both[8]["paired"] as? Int == 40 && both[8]["only_a"] as? Int == 0)
        let samples = try String(contentsOfFile: folder("samples.jsonl"), encoding: .utf8).split(separator: "\n")
        #expect(samples.count == 100 && samples[50].contains(#""log_probabilities":["#))
        #expect(samples.last?.contains(#""generated":"After 9 comes"#) == true)
        let page = try String(contentsOfFile: folder("answers.html"), encoding: .utf8)
        #expect(page.contains("\(b) is better</td>"), "\(page)")
        #expect(page.contains("<h2>Only \(b) is right: ") && page.contains("Expected: After 3 comes 4.") && page.contains(">After 9 comes"))
        let alone = try slm("eval", b, "--task", task, "--as", "text", "--threads", "1")
        #expect(alone.output.hasPrefix("\(b) on \(task), asked as text\n  acc          ") && alone.output.contains(", 10 questions)\n"))
        let text = try slm("eval", b, "--compare", b, "--task", task, "--quiet")
        #expect(text.output.contains("acc          the difference is within noise: only the first is right 0 times"), "\(text.output)")
    }

    @Test func `an evaluation goes on behind the answers of one that was stopped`() throws {
        try train([("a", "20"), ("b", "40")])
        let lines = (0..<20).map { #"{"question":"What comes after \#($0)?","choices":["After \#($0) comes 1.","No"],"answer":0}"# }
            + (0..<20).map { #"{"question":"What comes after \#($0)?","answer":"After \#($0) comes \#($0 + 1)."}"# }
        let task = folder.write(lines.joined(separator: "\n"), to: "task.jsonl"), samples = folder("samples.jsonl")
        let arguments = ["eval", folder("a/last.h5"), "--compare", folder("b/last.h5"), "--task", task, "--samples", samples]
        let whole = try slm(arguments + ["--resume"]), all = try String(contentsOfFile: samples, encoding: .utf8)
        let answered = all.split(separator: "\n")
        #expect(whole.status == 0 && answered.count == 80)
        // As if it had been killed while it wrote a line, in the first model's answers, the second's, and at the end.
        for kept in [0, 23, 57, 79, 80] {
            let torn = answered.prefix(kept).map { $0 + "\n" }.joined() + (kept < 80 ? answered[kept].prefix(40) : "")
            _ = folder.write(torn, to: "samples.jsonl")
            #expect(try slm(arguments + ["--resume"]).output == whole.output)
            #expect(try String(contentsOfFile: samples, encoding: .utf8) == all)
        }
        // The stored answers are used, not only skipped.
        let changed = try ["[9", "[-9"].map { number in
            _ = folder.write(all.replacing("[-", with: number), to: "samples.jsonl")
            return try slm(arguments + ["--resume"]).output
        }
        #expect(changed[0] != changed[1] && changed[0].contains("acc          1.0000"))
        let other = try slm(arguments + ["--resume", "--as", "text"])
        #expect(other.status == 1 && other.errors.contains(#"line 1: expected "as" to be 'text', found 'chat'."#), "\(other)")
        #expect(try slm(arguments + ["--resume", "--max-tokens", "9"]).errors.contains("it was asked with other options."))
        #expect(try slm(arguments).errors.contains("has 80 answers already. Ask the questions that are missing with --resume"))
        #expect(try slm(arguments.dropLast(2) + ["--resume"]).errors.contains("--resume: expected --task FILE and --samples FILE"))
    }

    @Test func `missing arguments and files are reported`() throws {
        try train([("a", "1")])
        let model = folder("a/last.h5"), question = folder.write(#"{"question":"Why?","answer":"So."}"#, to: "question.jsonl")
        for (arguments, status, message) in [
            (["--data", "x"], 2, "expected a model: slm eval CHECKPOINT, or two: slm eval A --compare B."),
            (["--checkpoint", model], 2, "expected chats or text to evaluate on: --data FILE, or questions: --task FILE."),
            (["--backend", "openai:http://127.0.0.1:1", "--data", "x"], 2, "--data: expected with a checkpoint, found with --backend"),
            (["--backend", "openai:x", "--checkpoint", model], 2, "expected --checkpoint or --backend, found both."),
            (["--checkpoint", model, "--task", "nothing.jsonl"], 1, "nothing.jsonl: cannot be read"),
            (["--checkpoint", model, "--task", folder.write("\n", to: "empty")], 1, "empty: expected questions, found none."),
            (["--checkpoint", model, "--task", folder.write("{}", to: "bad")], 1, "bad: question 1: expected {\"question\": \"…\""),
            (["--checkpoint", model, "--data", "x", "--report", "y"], 2, "--report: expected questions to report on: --task FILE."),
            (["--checkpoint", model, "--task", question, "--report", "no/where.html"], 1, "no/where.html: cannot be written"),
            (["--checkpoint", model, "--task", question, "--report", question], 2, "--report: expected a file of its own"),
            (["--checkpoint", model, "--task", question, "--report", "a", "--samples", "a"], 2, "--report: expected a file of its own"),
            (["--compare", model, "--data", "x"], 2, "--compare: expected two checkpoints, as in slm eval A --compare B, found 1."),
            (["--checkpoint", model, "--compare", model, model, "--data", "x"], 2, "slm eval A --compare B, found 3."),
            (["--compare", model, model, "--data", "-"], 2, "expected a file, found - (standard input)."),
            (["--checkpoint", "nothing.h5", "--data", model], 1, "nothing.h5: cannot be read"),
            (["--checkpoint", model, "--data", "nothing.txt"], 1, "nothing.txt: cannot be read"),
            (
                ["--checkpoint", model, "--data", folder("chats.txt"), "--stride", "65"], 1,
                "expected a stride of at most 64 (the model's context), found 65 (--stride)"
            ),
        ] {
            let outcome = try slm(["eval"] + arguments)
            #expect(
                outcome.status == Int32(status) && outcome.errors.contains(message) && outcome.output.isEmpty,
                "\(arguments): \(outcome.errors)")
        }
    }

    @Test func `the gate lets a better model pass, and exits with 1 for a worse one`() throws {
        try train([("a", "5"), ("b", "60")], learningFrom: "assistant")
        let chats = folder("chats.txt"), (worse, better) = (folder("a/last.h5"), folder("b/last.h5"))
        folder.write("{\"text\": \"What comes after 7?\", \"expected\": \"8\", \"id\": \"seven\"}\nWhat comes after 9?\n", to: "questions")
        let passed = try slm(
            "gate", better, "--against", worse, "--data", chats, "--replay", chats, "--questions", folder("questions"), "--json",
            "--max-tokens", "20")
        let object = try #require(try objects(passed).first), heldOut = try #require(object["held_out"] as? [String: Any])
        #expect(passed.status == 0 && object["verdict"] as? String == "better" && object["passed"] as? Bool == true)
        #expect((object["reasons"] as? [String])?.count == 3)
        #expect(heldOut["chats"] as? Int == 80 && (heldOut["difference"] as? Double ?? 0) < 0 && heldOut["verdict"] as? String == "better")
        let lines = try objects(slm("eval", better, "--compare", worse, "--data", chats, "--json"))
        #expect(heldOut["difference"] as? Double == lines[2]["difference"] as? Double)
        let questions = try #require(object["questions"] as? [[String: Any]])
        #expect(questions.map { $0["id"] as? String } == ["seven", "2"] && questions[0]["candidate_right"] is Bool)
        #expect(questions[1]["candidate_right"] is NSNull && questions.allSatisfy { $0["active"] is String })

        let failed = try slm("gate", worse, "--against", better, "--data", chats)
        #expect(failed.status == 1 && failed.output.contains("The candidate is worse than the active model. It fails."))
        #expect(failed.output.contains("General chats: the loss rises by") && failed.errors.isEmpty)
        let same = try slm("gate", better, "--against", better, "--data", chats, "--require-better")
        #expect(same.status == 1 && same.output.contains("It fails: a better one is required."))
        let outcome = try slm("gate", better, "--data", chats)
        #expect(outcome.status == 2 && outcome.errors.contains("expected two models"))
    }
}
