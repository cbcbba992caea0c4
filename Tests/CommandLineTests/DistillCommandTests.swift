import Checkpoint
import Files
import Foundation
import Testing
import TestSupport

/// `slm distill`, with a teacher that always answers the same sentence.
@Suite struct DistillCommandTests {
    private let folder = TemporaryFolder()
    private let teacher: String

    init() throws {
        teacher = folder("teacher.h5")
        try OneSentenceModel.checkpoint(context: 96).write(to: teacher)
    }

    private func distill(_ arguments: String...) throws -> Outcome {
        try slm(["distill", teacher, "--temperature", "0", "--out", folder("out.jsonl")] + arguments)
    }

    /// The roles and texts of each chat of out.jsonl, in one line.
    private func chats() throws -> [String] {
        try LineBlocks.nonEmptyLines(of: folder("out.jsonl")).map { line in
            let chat = try #require(try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any])
            let messages = try #require(chat["messages"] as? [[String: String]])
            #expect(chat["model"] as? String == "teacher.h5")
            return "\(chat["number"] ?? "?")" + messages.map { " \($0["role"]?.prefix(1) ?? "?"):\($0["content"] ?? "?")" }.joined()
        }
    }

    private func writeNumbers(_ count: Int) -> String {
        folder.write((0..<count).map { "[INST] \($0)? [/INST] \($0 + 1).\n" }.joined(), to: "numbers.txt")
    }

    @Test func `a teacher answers every turn of a chat, and thinks that it has answered the turns before`() throws {
        folder.write(#"""
            {"messages": [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "A?"}, \#
            {"role": "assistant", "content": "a"}, {"role": "user", "content": "B?"}, {"role": "assistant", "content": "b"}]}
            {"messages": [{"role": "assistant", "content": "Hello."}, {"role": "user", "content": "C?"}]}
            {"messages": [{"role": "user", "content": "D?"}, {"role": "user", "content": "E?"}, {"role": "assistant", "content": "e"}]}
            """#, to: "chats.jsonl")
        let outcome = try distill("--data", folder("chats.jsonl"), "--json")
        let answer = OneSentenceModel.sentence
        #expect(try chats() == ["1 s:Be kind. u:A? a:\(answer) u:B? a:\(answer)", "2 u:C? a:\(answer)", "3 u:D? u:E? a:\(answer)"])
        let line = try #require(try objects(outcome).first)
        #expect(line.keys.sorted() == ["answers", "chats", "seconds", "tokens", "unusable"])
        #expect(line["chats"] as? Int == 3 && line["answers"] as? Int == 4 && line["unusable"] as? Int == 0 && line["tokens"] as? Int == 52)
        let first = try slm(
            "distill", teacher, "--data", folder("chats.jsonl"), "--out", folder("first.jsonl"), "--temperature", "0", "--max-turns", "1")
        #expect(first.output.hasPrefix("\(folder("first.jsonl")): 3 chats with 3 answers"), "\(first.errors)")
        // slm train reads the file.
        try slm("tokenize", "corpus", "--data", folder("out.jsonl"), "--vocab-size", "270", "--out", folder("data")).succeeded()
    }

    @Test func `a chat ends before an answer that is cut, and before a question that does not fit the context`() throws {
        let long = String(repeating: "x", count: 100)
        folder.write("""
            {"messages": [{"role": "user", "content": "A?"}, {"role": "assistant", "content": "a"}, {"role": "user", "content": "\(long)"}]}
            {"messages": [{"role": "user", "content": "\(long)"}, {"role": "assistant", "content": "a"}]}

            """, to: "chats.jsonl")
        #expect(try distill("--data", folder("chats.jsonl")).status == 0)
        #expect(try chats() == ["1 u:A? a:\(OneSentenceModel.sentence)"])
        let cut = try slm(
            "distill", teacher, "--data", folder("chats.jsonl"), "--out", folder("cut.jsonl"), "--temperature", "0", "--max-tokens", "5")
        #expect(cut.output.hasPrefix("\(folder("cut.jsonl")): 0 chats with 0 answers") && cut.output.contains("cut or empty: 1 answer."))
        // The teacher's system message fills its context.
        let system = try slm(
            "distill", teacher, "--data", writeNumbers(2), "--out", folder("system.jsonl"), "--temperature", "0", "--system", long)
        #expect(system.output.contains(": 0 chats"), "\(system.errors)")
    }

    @Test func `work that was stopped goes on behind its last chat, with the same bytes`() throws {
        let data = writeNumbers(40)
        try distill("--data", data).succeeded()
        let whole = try String(contentsOfFile: folder("out.jsonl"), encoding: .utf8)
        #expect(try chats().count == 40)
        let refused = try distill("--data", data)
        #expect(refused.status == 1 && refused.errors.contains("has 40 chats already. Go on behind the last one with --resume"))
        // Killed in the middle of a line.
        let lines = whole.split(separator: "\n", omittingEmptySubsequences: true)
        folder.write(lines.prefix(17).joined(separator: "\n") + "\n" + lines[17].prefix(20), to: "out.jsonl")
        try distill("--data", data, "--resume", "--max-chats", "30").succeeded()
        #expect(try chats().count == 30)
        try distill("--data", data, "--resume").succeeded()
        #expect(try String(contentsOfFile: folder("out.jsonl"), encoding: .utf8) == whole)
        try distill("--data", data, "--resume").succeeded()
        #expect(try String(contentsOfFile: folder("out.jsonl"), encoding: .utf8) == whole)
    }

    @Test func `at most so many chats are written, and none after the time`() throws {
        let data = writeNumbers(40)
        try distill("--data", data, "--max-chats", "7", "--at-once", "3").succeeded()
        #expect(try chats() == (0..<7).map { "\($0 + 1) u:\($0)? a:\(OneSentenceModel.sentence)" })
        let late = try slm("distill", teacher, "--data", data, "--out", folder("late.jsonl"), "--time", "0.001s")
        let lines = try LineBlocks.nonEmptyLines(of: folder("late.jsonl"))
        #expect(late.status == 0 && lines.count < 40, "\(late.errors)")
    }

    @Test func `what cannot be done is an error that says what to do`() throws {
        let missing = try slm("distill", teacher, "--out", folder("out.jsonl"))
        #expect(missing.status == 2 && missing.errors.contains("expected chats and a file to write"))
        folder.write("{\"messages\": []}\nno chat\n", to: "bad.jsonl")
        let bad = try distill("--data", folder("bad.jsonl"))
        #expect(bad.status == 1 && bad.errors.contains("bad.jsonl") && bad.errors.contains("--skip-bad"), "\(bad.errors)")
        folder.write("{\"messages\": [{\"role\": \"user\", \"content\": \"Hi\"}]}\n", to: "out.jsonl")
        let foreign = try distill("--data", writeNumbers(2), "--resume")
        #expect(foreign.status == 1 && foreign.errors.contains("expected the number of a chat"), "\(foreign.errors)")
        let lost = try slm(
            "distill", "--backend", "openai:http://127.0.0.1:1", "--backend-model", "m", "--data", writeNumbers(2), "--out",
            folder("lost.jsonl"))
        #expect(lost.status == 1 && lost.errors.contains("cannot be reached"), "\(lost.errors)")
    }
}
