import Checkpoint
import Foundation
import Kernels
import Model
import Testing
import TestSupport
import Tokenize

/// `slm gate` with ruined models. An owner who has little to compare on must not promote one by mistake.
@Suite(.serialized) struct GateCommandTests {
    private let folder = TemporaryFolder()

    private func train(_ arguments: String...) throws {
        try slm(
            ["train", "--data", folder("data"), "--layers", "1", "--width", "64", "--heads", "2", "--context", "64", "--batch", "16",
             "--threads", "2", "--seed", "1"] + arguments).succeeded()
    }

    /// Chats about numbers, of which the last one is held out, and a model that knows most of them.
    private func prepare() throws {
        func chat(_ question: String, _ answer: String) -> String { "[INST] \(question) [/INST] \(answer)\n" }
        let general = (0..<400).map { i in
            i % 2 == 0 ? chat("What comes after \(i % 90)?", "After \(i % 90) comes \(i % 90 + 1).")
                : chat("What comes before \(i % 90 + 1)?", "Before \(i % 90 + 1) comes \(i % 90).")
        }
        folder.write(general.joined(), to: "general.txt")
        folder.write((0..<14).map { chat("What is my name, \($0)?", "Your name is Ada \($0).") }.joined(), to: "included.txt")
        folder.write(chat("What is my name, 14?", "Your name is Ada 14."), to: "held-out.txt")
        try slm(
            "tokenize", "corpus", "--data", folder("general.txt"), "--vocab-size", "320", "--out", folder("data")).succeeded()
        try train("--out", folder("base"), "--max-steps", "250", "--lr", "5e-3")
        // So that nothing but what it generates is known of the base.
        try FileManager.default.removeItem(atPath: folder("base/log.jsonl"))
    }

    private var base: String { folder("base/best.h5") }

    private func finetune(_ name: String, _ arguments: String...) throws -> String {
        try slm(
            ["finetune", base, "--data", folder("included.txt"), "--out", folder("runs"), "--name", name, "--threads", "2", "--quiet"]
                + arguments).succeeded()
        return folder("runs/\(name)/last.h5")
    }

    private func changed(_ name: String, _ change: (inout Checkpoint) throws -> Void) throws -> String {
        var checkpoint = try Checkpoint(reading: base)
        try change(&checkpoint)
        try checkpoint.write(to: folder(name))
        return folder(name)
    }

    /// Replaces the numbers of arrays.
    private func change(
        _ checkpoint: inout Checkpoint, _ names: [String]? = nil, _ change: ([Float]) -> [Float]
    ) throws {
        let processor = try Processor(threads: 1)
        for (name, array) in checkpoint.weights where names?.contains(name) ?? true {
            let numbers = change(array.values.array)
            let buffer = processor.buffer(of: numbers.count, .float32)
            buffer.write { span in for i in numbers.indices { span[i] = numbers[i] } }
            checkpoint.weights[name] = FloatArray(buffer, shape: array.shape)
        }
    }

    private func gate(_ candidate: String, _ arguments: String...) throws -> (status: Int32, json: [String: Any]) {
        let outcome = try slm(["gate", candidate, "--against", base, "--json", "--max-tokens", "20"] + arguments)
        let line = try #require(outcome.output.split(separator: "\n").last, "\(outcome.errors)")
        let json = try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any]
        return (outcome.status, try #require(json))
    }

    @Test func `no ruined model passes, whatever little there is to compare on`() throws {
        try prepare()
        let ruined = try [
            ("random weights", changed("random.h5") { checkpoint in
                var random = TestRandom(1)
                try change(&checkpoint) { numbers in random.numbers(numbers.count).map { $0 / 10 } }
            }),
            ("overtrained", finetune("overtrained", "--max-steps", "300", "--lr", "5e-3")),
            ("wrong template", changed("template.h5") { $0.chatTemplate = .humanAssistant }),
            ("shifted vocabulary", changed("shifted.h5") { checkpoint in
                let width = checkpoint.configuration.width
                try change(&checkpoint, ["tokens.weight", "head.weight"]) { Array($0.dropFirst(width) + $0.prefix(width)) }
            }),
            ("NaN", changed("nan.h5") { checkpoint in try change(&checkpoint) { $0.map { _ in .nan } } }),
        ]
        for (kind, candidate) in ruined {
            for data in [[], ["--data", folder("held-out.txt")]] {
                let outcome = try slm(["gate", candidate, "--against", base, "--json", "--max-tokens", "20"] + data)
                let line = try #require(outcome.output.split(separator: "\n").last, "\(kind): \(outcome.errors)")
                let json = try #require(try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any])
                #expect(outcome.status == 1 && json["passed"] as? Bool == false, "\(kind): \(json)")
                #expect(json["verdict"] as? String == "worse", "\(kind): \(json)")
            }
        }
    }

    @Test func `a good model passes with enough to compare on, and otherwise the report says what is missing`() throws {
        try prepare()
        let tuned = try finetune("tuned", "--max-steps", "10", "--lr", "1e-4", "--replay", folder("general.txt"), "--replay-share", "0.8")
        let little = try gate(tuned, "--data", folder("held-out.txt"))
        #expect(little.status == 1 && little.json["verdict"] as? String == "not_enough", "\(little)")
        #expect(little.json["missing"] as? [String] == ["held_out_chats", "questions"])
        let reasons = try #require(little.json["reasons"] as? [String])
        #expect(reasons.last?.hasPrefix("Missing: 6 held-out chats (found 1), or questions with known answers") == true, "\(reasons)")
        #expect(reasons.contains { $0.hasPrefix("Text that the active model generates: the loss") }, "\(reasons)")
        let own = try #require(little.json["own_text"] as? [String: Any])
        #expect(own["verdict"] as? String == "no_worse" && (own["chats"] as? Int ?? 0) > 20, "\(own)")
        // What is generated depends on nothing but the model.
        let again = try gate(tuned).json["own_text"] as? [String: Any]
        #expect(again?["tokens"] as? Int == own["tokens"] as? Int && again?["active_loss"] as? Double == own["active_loss"] as? Double)

        let enough = try gate(tuned, "--data", folder("included.txt"))
        #expect(enough.status == 0 && ["no_worse", "better"].contains(enough.json["verdict"] as? String), "\(enough)")
        folder.write("{\"text\": \"What comes after 7?\", \"expected\": \"comes\"}\n", to: "questions.jsonl")
        #expect(try gate(tuned, "--questions", folder("questions.jsonl")).status == 0)
        let text = try slm("gate", tuned, "--against", base, "--data", folder("held-out.txt"), "--quiet")
        #expect(text.status == 1 && text.output.contains("There is not enough to judge the candidate. It fails."), "\(text)")
    }

    @Test func `the validation data of the active model is used, if it is there`() throws {
        try prepare()
        try train("--out", folder("logged"), "--max-steps", "20")
        let outcome = try slm("gate", base, "--against", folder("logged/last.h5"), "--json")
        let json = try #require(try JSONSerialization.jsonObject(with: Data(outcome.output.utf8)) as? [String: Any])
        let replay = try #require(json["replay"] as? [String: Any])
        #expect((replay["rise"] as? Double ?? 0) < -0.1 && json["own_text"] is [String: Any], "\(json)")
    }
}
