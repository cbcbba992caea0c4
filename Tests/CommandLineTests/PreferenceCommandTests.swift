import Foundation
import Testing
import TestSupport

/// `slm finetune --preferences`, and `slm eval` on preferences.
@Suite(.serialized) struct PreferenceCommandTests {
    private let folder = TemporaryFolder()

    private func prepare() throws {
        try folder.trainBase()
        let pairs = (0..<30).map {
            #"{"prompt": "What comes after \#($0)?", "chosen": "After \#($0) comes \#($0 + 1).", "rejected": "No \#($0)."}"#
        }
        let ratings = (0..<30).map { #"{"prompt": "What is \#($0)?", "completion": "After \#($0)", "label": \#($0 % 2 == 0)}"# }
        folder.write(pairs.joined(separator: "\n") + "\n", to: "pairs.jsonl")
        folder.write(ratings.joined(separator: "\n") + "\n", to: "ratings.jsonl")
    }

    private func finetune(_ data: String, _ arguments: String...) throws -> Outcome {
        try folder.finetune(data, ["--threads", "2", "--dtype", "f32"] + arguments)
    }

    @Test func `progress, log and report show loss, accuracy, margin and KL, and eval agrees with the log`() throws {
        try prepare()
        let outcome = try finetune(
            "pairs.jsonl", "--preferences", "--name", "dpo", "--max-steps", "12", "--lr", "3e-3", "--sft-weight", "0", "--eval-every", "4")
        #expect(outcome.status == 0, "\(outcome.errors)")
        for part in ["30 pairs: ", " for training, ", "DPO with beta 0.1", "val 0.6931", "  KL ", "best step 12: preference accuracy"] {
            #expect(outcome.output.contains(part), "\(part) in \(outcome.output)")
        }
        let log = try objects(in: String(contentsOfFile: folder("runs/dpo/log.jsonl"), encoding: .utf8))
        let steps = log.filter { $0["event"] as? String == "step" }, evaluations = log.filter { $0["event"] as? String == "evaluated" }
        #expect(steps.count == 12 && steps.allSatisfy { $0["accuracy"] != nil && $0["margin"] != nil })
        #expect(evaluations.first?["val_loss"] as? Double == 0.6931 && evaluations.first?["bits_per_byte"] == nil)
        let last = try #require(evaluations.last)
        #expect(last["val_accuracy"] as? Double == 1 && last["train_margin"] as? Double ?? 0 > 0.1 && last["val_kl"] != nil)
        let page = try String(contentsOfFile: folder("runs/dpo/report.html"), encoding: .utf8)
        for part in ["Preference accuracy", "Reward margin", "KL divergence", "held-out preferences", "per preference"] {
            #expect(page.contains(part), "\(part)")
        }
        let evaluation = try slm(
            "eval", folder("runs/dpo/best.h5"), "--compare", folder("base/best.h5"), "--data", folder("pairs.jsonl"), "--dtype", "f32",
            "--json")
        let rows = try objects(in: evaluation.output)
        #expect(rows.count == 3 && rows[2]["reward_accuracy"] as? Double == 1 && rows[0]["preference_pairs"] as? Int == 30)
        let margin = try #require(rows[2]["reward_margin"] as? Double), logged = try #require(last["train_margin"] as? Double)
        #expect(abs(0.1 * margin - logged) < 0.5 * logged, "\(margin) \(logged)")
        #expect(try slm("eval", folder("base/best.h5"), "--data", folder("pairs.jsonl")).output.contains("of 30 pairs: the"))
    }

    @Test func `ratings train with KTO, and a stopped run resumes with its options`() throws {
        try prepare()
        let stopped = try finetune(
            "ratings.jsonl", "--preferences", "kto", "--name", "kto", "--max-steps", "8", "--stop-after", "3", "--beta", "0.2",
            "--lora", "2")
        #expect(stopped.status == 0 && stopped.output.contains("KTO with beta 0.2"), "\(stopped.errors)\(stopped.output)")
        let changed = try slm("finetune", "--resume", folder("runs/kto"), "--beta", "0.3")
        #expect(changed.status == 1 && changed.errors.contains("--beta: expected 0.2, which the run was started with, found 0.3"))
        let resumed = try slm("finetune", "--resume", folder("runs/kto"), "--preferences")
        #expect(resumed.status == 0 && resumed.output.contains("resumed at step 3"), "\(resumed.errors)")
        let other = try slm("finetune", "--resume", folder("runs/kto"), "--preferences", "dpo")
        #expect(other.status == 1 && other.errors.contains("--preferences: expected kto"), "\(other.errors)")
        let rows = try objects(
            in: slm(
                "eval", folder("runs/kto/best.h5"), "--compare", folder("base/best.h5"), "--data", folder("ratings.jsonl"), "--json"
            ).output)
        #expect(rows.last?["rated_answers"] as? Int == 30 && rows.first?["good_answers"] as? Int == 15)
    }

    @Test func `what does not fit together is refused with a sentence`() throws {
        try prepare()
        for (data, arguments, status, message) in [
            ("ratings.jsonl", ["--preferences", "dpo"], 1, "train on good and bad answers with --preferences kto."),
            ("chats.txt", ["--preferences"], 1, "chats.txt:1: expected preferences"),
            ("pairs.jsonl", ["--beta", "0.2"], 2, "--beta needs --preferences."),
            ("pairs.jsonl", ["--preferences", "best"], 2, "expected one of auto, dpo, kto, found 'best'"),
            ("pairs.jsonl", ["--preferences", "--replay", "chats.txt"], 2, "older chats have no preferences; remove --replay"),
            ("pairs.jsonl", ["--preferences", "--loss-scope", "all"], 2, "remove --loss-scope all"),
            ("pairs.jsonl", ["--preferences", "kto", "--label-smoothing", "0.1"], 2, "--label-smoothing is for pairs: --preferences dpo."),
            ("pairs.jsonl", ["--preferences", "dpo", "--desirable-weight", "2"], 2, "is for good and bad answers: --preferences kto."),
        ] {
            let outcome = try folder.finetune(data, ["--max-steps", "2"] + arguments)
            #expect(outcome.status == Int32(status) && outcome.errors.contains(message), "\(arguments): \(outcome.errors)")
        }
    }
}
