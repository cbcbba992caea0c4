import Foundation
import Testing
import TestSupport

/// `--resume` with other options than the run was started with.
@Suite(.serialized) struct ResumeCommandTests {
    private let folder = TemporaryFolder()

    private func train(_ name: String, _ arguments: String...) throws -> Outcome {
        try folder.train(name, ["--max-steps", "12", "--eval-every", "5"] + arguments)
    }

    private func resume(_ name: String, _ arguments: String...) throws -> Outcome {
        try slm(["train", "--data", folder("data"), "--out", folder(name), "--resume"] + arguments)
    }

    private func log(_ name: String) throws -> String { try String(contentsOfFile: folder("\(name)/log.jsonl"), encoding: .utf8) }

    @Test func `a run resumes with the data type, the threads and the recomputation that it was started with`() throws {
        try folder.writeTokens()
        let kind = ["--dtype", "f32", "--threads", "1", "--recompute", "--cpu", "plain"]
        #expect(try train("whole", kind[0], kind[1], kind[2], kind[3], kind[4], kind[5], kind[6]).status == 0)
        #expect(try train("parts", kind[0], kind[1], kind[2], kind[3], kind[4], kind[5], kind[6], "--stop-after", "7").status == 0)
        let resumed = try resume("parts")
        #expect(resumed.status == 0 && resumed.output.contains("f32, 1 threads"), "\(resumed.output)\(resumed.errors)")
        #expect(!resumed.errors.contains("instead of"), "\(resumed.errors)")
        let runs = try ["whole", "parts"].map { name in
            try log(name).split(separator: "\n").filter { $0.contains(#""event":"step""#) }.map {
                $0.replacing(/,"seconds":[0-9.]+/, with: "")
            }
        }
        #expect(runs[0] == runs[1] && runs[0].count == 12)
        let info = try slm("info", folder("parts/last.h5")).output
        for part in [/plan\/dtype +'f32'/, /plan\/recompute +1/, /plan\/threads +1/, /plan\/cpu +'plain'/] {
            #expect(info.contains(part), "\(info)")
        }
    }

    @Test func `a finished run is extended, and changes are printed, logged and stored`() throws {
        try folder.writeTokens()
        #expect(try train("run", "--threads", "1").status == 0)
        let again = try resume("run", "--threads", "1")
        #expect(again.status == 0 && again.errors.contains("the run has finished. Train it further with a longer --max-steps or --time."))
        let extended = try resume("run", "--threads", "2", "--max-steps", "20", "--lr", "5e-4", "--patience", "7", "--eval-every", "4")
        #expect(extended.status == 0 && extended.output.contains("20 steps"), "\(extended.errors)")
        for part in [
            "resuming with --max-steps 20 steps instead of 12 steps.", "resuming with --lr 0.0005 instead of 0.02.",
            "resuming with --patience 7 instead of 5.", "resuming with --eval-every 4 instead of 5.",
            "resuming with --threads 2 instead of 1.",
        ] { #expect(extended.errors.contains(part), "\(part): \(extended.errors)") }
        #expect(try log("run").contains(#""changed":{"max-steps":"20 steps instead of 12 steps","lr":"0.0005 instead of 0.02""#))
        #expect(try log("run").contains(#""event":"step","step":20,"#))
        let info = try slm("info", folder("run/last.h5")).output
        #expect(info.contains(/plan\/max_steps +20/) && info.contains(/plan\/patience +7/) && info.contains(/plan\/threads +2/), "\(info)")
        let timed = try resume("run", "--time", "1s", "--threads", "2")
        #expect(timed.errors.contains("resuming with --time 1.0 s instead of 20 steps."), "\(timed.errors)")
    }

    @Test func `options that cannot change are refused by name`() throws {
        try folder.writeTokens()
        try folder.writeTokens(to: "310", vocabulary: 310)
        #expect(try train("run", "--stop-after", "3", "--threads", "1").status == 0)
        func refusal(_ arguments: String...) throws -> String {
            let outcome = try slm(["train", "--data", folder("data"), "--out", folder("run"), "--resume", "--threads", "1"] + arguments)
            #expect(outcome.status == 1, "\(arguments): \(outcome.errors)")
            return outcome.errors
        }
        let rest = " A resumed run cannot change it: leave the option out, or start another run.\n"
        #expect(try refusal("--batch", "8") == "slm: --batch: expected 4, which the run was started with, found 8." + rest)
        #expect(try refusal("--layers", "2") == "slm: --layers: expected 1, which the run was started with, found 2." + rest)
        #expect(try refusal("--tied") == "slm: --tied: expected off, which the run was started with, found on." + rest)
        #expect(try refusal("--preset", "eugpt") == "slm: --preset: expected tiny, which the run was started with, found eugpt." + rest)
        #expect(try refusal("--seed", "2") == "slm: --seed: expected 1, which the run was started with, found 2." + rest)
        #expect(try refusal("--tokenizer", folder("310/tokenizer.json")).hasPrefix("slm: --tokenizer: expected vocabulary "))
        #expect(
            try refusal("--max-steps", "3")
                .hasSuffix("slm: --max-steps: expected more than the 3 steps that the run has trained for, found 3 steps.\n"))
        let other = try slm("train", "--data", folder("data"), "--out", folder("x"), "--resume", folder("run"))
        #expect(other.status == 2 && other.errors.contains("expected --resume RUN, or --resume with --out RUN"), "\(other.errors)")
        // The same values again are accepted.
        let same = try train("run", "--resume", "--threads", "1", "--tokenizer", folder("data/tokenizer.json"))
        #expect(same.status == 0 && same.output.contains("resumed at step 3") && !same.errors.contains("instead of"), "\(same.errors)")
    }

    @Test func `a fine-tuning run resumes likewise`() throws {
        try folder.writeTokens()
        #expect(try train("base", "--threads", "1").status == 0)
        folder.write((0..<12).map { #"{"user": "Who are you, \#($0)?", "assistant": "I am \#($0)."}"# + "\n" }.joined(), to: "new.jsonl")
        folder.write(#"{"user": "Hello?", "assistant": "Hello."}"# + "\n", to: "other.jsonl")
        func finetune(_ arguments: String...) throws -> Outcome {
            try folder.finetune("new.jsonl", ["--name", "run", "--max-steps", "6", "--lora", "2"] + arguments)
        }
        #expect(try finetune("--dtype", "f32", "--threads", "1", "--stop-after", "3").status == 0)
        func refusal(_ arguments: String...) throws -> String {
            let outcome = try slm(["finetune", "--resume", folder("runs/run")] + arguments)
            #expect(outcome.status == 1, "\(arguments): \(outcome.errors)")
            return outcome.errors
        }
        #expect(try refusal("--lora", "4").hasPrefix("slm: --lora: expected 2, which the run was started with, found 4."))
        #expect(try refusal("--dropout", "0.5").hasPrefix("slm: --dropout: expected 0.0, which the run was started with, found 0.5."))
        #expect(
            try refusal("--data", folder("other.jsonl"))
                .hasPrefix("slm: --data: expected ../../new.jsonl, which the run was started with, found ../../other.jsonl."))
        let resumed = try finetune("--resume", "--max-steps", "9", "--lr", "1e-4")
        #expect(resumed.status == 0 && resumed.output.contains("f32, 1 threads"), "\(resumed.output)\(resumed.errors)")
        #expect(
            resumed.errors.contains("resuming with --max-steps 9 steps instead of 6 steps.")
                && resumed.errors.contains("resuming with --lr 0.0001 instead of 0.001."), "\(resumed.errors)")
        let longer = try slm("finetune", "--resume", folder("runs/run"), "--max-steps", "12")
        #expect(longer.status == 0 && longer.output.contains("12 steps"), "\(longer.errors)")
    }

    @Test func `a run that diverged names the command that continues it, which learns`() throws {
        try folder.writeTokens()
        #expect(try train("run", "--threads", "1", "--dtype", "f32", "--stop-after", "5").status == 0)
        // Weight decay multiplies the weights by 1 - 10·10 in each step.
        let diverged = try resume("run", "--lr", "10", "--weight-decay", "10", "--max-steps", "400", "--eval-every", "400")
        #expect(
            diverged.status == 1 && diverged.errors.contains("the loss or gradient of three steps in a row was not finite.")
                && diverged.errors.contains("--resume --lr RATE"), "\(diverged.errors)")
        let resumed = try resume("run", "--lr", "1e-3", "--weight-decay", "0.1", "--max-steps", "30", "--eval-every", "5")
        #expect(resumed.status == 0 && resumed.output.contains("resumed at step 5"), "\(resumed.errors)")
    }
}
